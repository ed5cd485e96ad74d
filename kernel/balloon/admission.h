/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Contract: what faults and balloon calls ask before they take a frame, and tell when frames come
 * and go. The mechanism below decides nothing itself; kernel/overcommit/governor.c and wait_queue.c
 * implement this.
 */
#ifndef KERNEL_BALLOON_ADMISSION_H
#define KERNEL_BALLOON_ADMISSION_H

#include "base/types.h"

struct vm;

/*
 * May this VM take a frame now? Not what entitled VMs wait for, if it has its allotment already: or
 * it could take back at once, for ever, what it gives. Nor what one of those waits for whose turn
 * it is. Any CPU.
 */
bool admission_allows_fill(const struct vm *vm);

/* The largest extent that a demand fill of this VM should use now. */
unsigned admission_fill_order(const struct vm *vm);

/* A demand fill has just taken a large extent: is there enough for the next? Any CPU. */
void admission_filled_large(uint64_t pages);

/* A vCPU has just found no frame: the governor is to look soon. Any CPU. */
void admission_note_waiter(void);

/* A vCPU that has run for so long since it was granted a try has had its chance (balloon.c). */
uint64_t admission_hold_ticks(void);

/*
 * A VM has just surrendered or reported something. Frames that came back are progress for
 * all VMs, and show that its driver responds, as far as they are not promised to the VM itself.
 * Any CPU; the lock of the VM's address space is held.
 */
void admission_frames_freed(struct vm *vm, uint64_t freed_pages);

#endif
