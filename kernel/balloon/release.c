/* SPDX-License-Identifier: BSD-2-Clause */
/* See release.h. */
#include "kernel/balloon/release.h"

#include "abi/aerostat.h"
#include "base/bits.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/ranges.h"
#include "mm/reclaim.h"
#include "mm/stage2/map.h"

/* The entry that decides over `gfn` leaves the balloon if it is in it. Answers where the next is.
 */
static uint64_t release_entry(struct s2_locked locked, struct vm *vm, uint64_t gfn, uint64_t *work)
{
	struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
	uint64_t pages = order_pages(slot.order);
	uint64_t first = align_down_u64(gfn, pages);

	*work += 1;
	if (slot.kind == S2_BALLOONED) {
		uint64_t return_work;
		enum status status = s2_return(locked, (gfn_t){first}, slot.order, &return_work);
		CHECK(status == STATUS_OK); /* it is one entry: nothing is split */
		balloon_count_pages(vm, BALLOON_RETURN, pages);
		*work += return_work;
	}
	return first + pages;
}

bool balloon_release_step(struct s2_locked locked, struct vm *vm, uint64_t *next)
{
	uint64_t work = 0;
	uint64_t gfn = *next;

	while (vm->s2.ballooned_pages > 0 && gfn < vm->s2.limit_pages &&
	       work < AEROSTAT_CALL_WORK_MAX) {
		gfn = release_entry(locked, vm, gfn, &work);
	}
	reclaim_flush(locked); /* tables that hold nothing any more are gone */
	balloon_publish_size(vm);
	bool done = vm->s2.ballooned_pages == 0 || gfn >= vm->s2.limit_pages;
	*next = done ? 0 : gfn;
	return done;
}
