/* SPDX-License-Identifier: BSD-2-Clause */
/* Stops all other CPUs between two guests, where they hold no lock, so that nothing moves. */
#ifndef KERNEL_SCHED_STOP_MACHINE_H
#define KERNEL_SCHED_STOP_MACHINE_H

/* On the boot CPU, no lock held: returns when all others stand still; then lets them go on. */
void stop_machine(void);
void stop_machine_release(void);

/* In every CPU's loop when it has been kicked, behind that look: stands still while that is wanted.
 */
void stop_machine_here(void);

#endif
