/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMs that wait for memory (a vCPU touched a page, and there was no frame): which of them come
 * before others, and which may try again. A VM that has less than its allotment, and a driver that
 * answers, is entitled: until it has a frame, those that have their allotment get none. One that
 * has waited for a tenth of a second all the same has its turn: the next frames are for it alone.
 */
#ifndef KERNEL_OVERCOMMIT_WAIT_QUEUE_H
#define KERNEL_OVERCOMMIT_WAIT_QUEUE_H

#include "base/types.h"

struct vm;

/* No vCPU waits. Boot. */
void wait_queue_init(void);

/* Does a VM wait? Boot CPU. */
bool wait_queue_look(void);

/*
 * Whether a VM below its allotment waits, and which has the reservation: none unless `scarce`;
 * for admission_allows_fill from now on. `unfed`: as if one waited. Boot CPU, after
 * wait_queue_look.
 */
void wait_queue_reserve(bool scarce, bool unfed, uint64_t now_tsc);

/*
 * Wakes the vCPUs that may try again; below `low_pages` of `spare_pages` none whose driver is
 * unresponsive. True: a vCPU is left that may not. Boot CPU, after wait_queue_reserve.
 */
bool wait_queue_wake(uint64_t spare_pages, uint64_t low_pages);

/* If it waits, it is below its allotment, and its driver is not unresponsive. */
bool wait_queue_goes_first(const struct vm *vm);

#endif
