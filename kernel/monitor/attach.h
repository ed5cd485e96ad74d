/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The operator's terminal as the console of a VM: the key c attaches it, Ctrl-] leaves. While it is
 * attached all other keys go to the VM, and the VM's output comes out as it is, with its control
 * characters. Log lines of others still appear between. Boot CPU, between two guests.
 */
#ifndef KERNEL_MONITOR_ATTACH_H
#define KERNEL_MONITOR_ATTACH_H

#include "base/types.h"

#define ATTACH_LEAVE 0x1d /* Ctrl-] */

struct vm;

/* The key c: attaches to the only VM with a console, or lists them and waits for a number. */
void attach_ask(void);

/* After attach_ask(): digits and Enter choose a VM by its place in the table. False: not waiting
 * for a number, so the key means something else. */
bool attach_choose(int key, uint64_t now_tsc);

/* Attaches to this VM, which has a console. */
void attach_begin(struct vm *vm);

/* The terminal is a VM's console. */
bool attach_is_on(void);

/* Moves keys and output of the attached VM; logs the lines of all others. */
void attach_poll(uint64_t now_tsc);

#endif
