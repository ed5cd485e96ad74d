/* SPDX-License-Identifier: BSD-2-Clause */
/* See find.h. */
#include "kernel/balloon/find.h"

#include "base/bits.h"
#include "mm/stage2/map.h"

struct balloon_run balloon_find_run(struct s2_locked locked, const struct vm *vm, uint64_t most,
				    uint64_t *next, uint64_t *work)
{
	struct balloon_run run = {0, 0};
	uint64_t limit = vm->s2.limit_pages;
	uint64_t gfn = *next;

	while (gfn < limit && *work != 0 && run.pages < most) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		uint64_t pages = order_pages(slot.order);
		uint64_t end = min_u64(align_down_u64(gfn, pages) + pages, limit);

		*work -= 1;
		if (slot.kind == S2_BALLOONED) {
			run.gfn = run.pages == 0 ? gfn : run.gfn;
			end = min_u64(end, run.gfn + most);
			run.pages = end - run.gfn;
		} else if (run.pages > 0) {
			break;
		}
		gfn = end;
	}
	*next = gfn < limit ? gfn : 0;
	return run;
}
