/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * When the screen is drawn: by the boot CPU between two guests, a small part of its time. Letters
 * of the console and cells of the frame map take turns.
 */
#ifndef KERNEL_MONITOR_DISPLAY_H
#define KERNEL_MONITOR_DISPLAY_H

#include "kernel/lib/options.h"

/* Draws for DISPLAY_SHARE of the time since the last look; nothing where no screen is in use. */
void display_poll(const struct options *options, uint64_t now_tsc);

/* One line of the log: ticks that drawing has taken, and those in which this CPU ran VMs. */
void display_tell(void);

#endif
