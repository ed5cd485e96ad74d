/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs that wait for memory (a vCPU touched a page, and there was no frame): which of them come
 * before others, and which may try again. A VM that has less than its allotment, and a driver that
 * answers, is entitled: until it has a frame, those that have their allotment get none.
 */
#ifndef KERNEL_WAITERS_H
#define KERNEL_WAITERS_H

#include "base/types.h"

struct vm;

/* Nobody waits. Boot. */
void waiters_init(void);

/* Does a VM wait? Keeps whether an entitled one does, for waiters_allow_fill. Boot CPU. */
bool waiters_look(void);

/*
 * Lets those try again who may; below `low_pages` of `spare_pages` that is nobody whose driver does
 * not answer. True: somebody is left who may not. Boot CPU, after waiters_look.
 */
bool waiters_wake(uint64_t spare_pages, uint64_t low_pages);

/*
 * May this VM take a frame now? Not what entitled VMs wait for, if it has its allotment already: or
 * it could take back at once, for ever, what it gives. Any CPU.
 */
bool waiters_allow_fill(const struct vm *vm);

#endif
