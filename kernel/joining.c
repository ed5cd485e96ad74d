/* SPDX-License-Identifier: BSD-2-Clause */
/* See joining.h. Takes address spaces' locks one at a time. */
#include "kernel/joining.h"

#include "base/bits.h"
#include "kernel/deeds.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/background.h"
#include "kernel/vm/vm.h"
#include "mm/reclaim.h"

/* Boot CPU only. */
static struct {
	/* Where join_one() looks next. */
	unsigned vm;
	uint64_t gfn;
	uint64_t deeds;	  /* what guests had done when it began with the first VM */
	bool joined_some; /* since then */
	bool rests;	  /* it found nothing, and has nothing to do until there are others */
} joining;

void joining_init(void)
{
	joining.vm = 0;
	joining.gfn = 0;
	joining.joined_some = true;
	joining.rests = false;
}

/* Looks at one 2 MiB region of one VM each time it is called and joins what is whole. */
static void join_one(void)
{
	if (joining.vm >= vm_count) {
		joining.vm = 0;
		joining.rests = !joining.joined_some && joining.deeds == deeds_seen();
		joining.deeds = deeds_seen();
		joining.joined_some = false;
	}
	struct vm *vm = &vms[joining.vm];
	uint64_t gfn = joining.gfn;
	if (!vm->s2_exists || vm_is_over(vm) || gfn >= vm->s2.limit_pages ||
	    vm->balloon.target_pages != 0) {
		joining.vm++;
		joining.gfn = 0;
		return;
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	bool large = s2_lookup(locked, (gfn_t){gfn}).order > ORDER_4K;
	/* A gigabyte is looked at once, from its first region. */
	if ((!large || is_aligned_u64(gfn, order_pages(ORDER_1G))) &&
	    s2_merge(locked, (gfn_t){gfn}) == STATUS_OK) {
		reclaim_flush(locked);
		joining.joined_some = true;
	}
	s2_unlock(locked);
	joining.gfn += order_pages(ORDER_2M);
}

void background_idle(void)
{
	joining.rests = joining.rests && joining.deeds == deeds_seen();
	if (joining.rests) {
		return;
	}
	if (governor_is_plentiful()) {
		join_one();
	}
}
