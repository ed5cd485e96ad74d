/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What commands print: whole lines into a ring, from which the boot CPU takes a few between two
 * guests. So a command is done at once, however slow the serial port is, and one that has much to
 * say goes on when there is room again. Boot CPU only.
 */
#ifndef KERNEL_MONITOR_OUTPUT_H
#define KERNEL_MONITOR_OUTPUT_H

#include "base/types.h"

#define OUTPUT_LINE_BYTES 200 /* the longest line with its end; what is behind is cut */

/* One line; its end is added. Without room for it the line is counted as lost, and that is said. */
void output_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* There is room for so many more of the longest lines. */
bool output_has_room(unsigned lines);

bool output_is_empty(void);

/* Shows the next lines, for at most as long as a serial port takes for some 256 bytes. */
void output_poll(void);

/* Shows all that is there: before the machine is switched off. */
void output_flush(void);

#endif
