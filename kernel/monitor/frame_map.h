/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The frame map: physical memory on the screen, one cell for so many frames that all fit, coloured
 * by owner; above it the legend, below it a line for each VM and the console. Boot CPU only.
 */
#ifndef KERNEL_MONITOR_FRAME_MAP_H
#define KERNEL_MONITOR_FRAME_MAP_H

#include "base/types.h"

/* Shows it, or gives its rows back to the console. NULL, or why it cannot be shown. */
const char *frame_map_set(bool on);

bool frame_map_is_on(void);

/* Looks at some frames, and draws the cells that have changed. A few hundred instructions. */
void frame_map_step(void);

/*
 * Makes room for VMs that have begun since the map was laid out, which draws all of it again. NULL,
 * or why it cannot be shown any more.
 */
const char *frame_map_follow(void);

/* Writes the lines of the VMs again; of more than there is room for, how many more there are. */
void frame_map_table(void);

#endif
