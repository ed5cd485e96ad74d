/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon calls that work on ranges: surrender, free-page report, return, emergency return.
 *
 * Lock: the VM's address space, held by the caller.
 */
#ifndef KERNEL_BALLOON_RANGES_H
#define KERNEL_BALLOON_RANGES_H

#include "abi/aerostat.h"
#include "base/types.h"
#include "kernel/vm/vm.h"

/* What a call over ranges does to each extent. */
enum balloon_operation { BALLOON_SURRENDER, BALLOON_REPORT, BALLOON_RETURN, BALLOON_EMERGENCY };

/*
 * Works on ranges[0..count) in order, from each range's `done` on, and writes status, done and
 * flags back. Stops when AEROSTAT_CALL_WORK_MAX is used up: the range it stopped in is PENDING.
 * Answers how many ranges are not PENDING. All frames that come back are free when it returns. The
 * lock stays held throughout, so that no other vCPU's call comes in between.
 *
 *	SURRENDER  extents that contain `array_gfn` are refused as IN_USE
 *	REPORT     as SURRENDER, but the pages do not enter the balloon: their contents are dropped,
 *	           and the guest may touch them again without asking (a free-page report)
 *	RETURN     they leave the balloon
 *	EMERGENCY  as RETURN, but frames are given at once, from the emergency reserve if need be
 *	           (at least 2 MiB while it is full). A range whose pages all have a frame says so
 *	           in its flags; without frames the pages are out of the balloon all the same.
 */
unsigned balloon_run_ranges(struct s2_locked locked, struct vm *vm,
			    enum balloon_operation operation, struct aerostat_range *ranges,
			    unsigned count, gfn_t array_gfn);

/* For calls that go past the array (kernel/balloon/single.h): so many pages moved, so many freed.
 */
void balloon_count_pages(struct vm *vm, enum balloon_operation operation, uint64_t pages);
void balloon_note_freed(struct vm *vm, uint64_t freed);

#endif
