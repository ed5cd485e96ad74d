/* SPDX-License-Identifier: BSD-2-Clause */
/* Stops all other CPUs between two guests, where they hold no lock, so that nothing moves. */
#ifndef KERNEL_PARK_H
#define KERNEL_PARK_H

/* On the boot CPU, no lock held: returns when all others stand still; then lets them go on. */
void park_others(void);
void park_release(void);

/* In every CPU's loop: stands still while that is wanted. */
void park_here(void);

#endif
