/* SPDX-License-Identifier: BSD-2-Clause */
/* See merging.h. Takes address spaces' locks one at a time. */
#include "kernel/merging.h"

#include "base/bits.h"
#include "kernel/activity.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/background.h"
#include "kernel/vm/vm.h"
#include "mm/reclaim.h"

/* Boot CPU only. */
static struct {
	/* Where merge_one() looks next. */
	unsigned vm;
	uint64_t gfn;
	uint64_t activity; /* what guests had done when it began with the first VM */
	bool merged_some;  /* since then */
	bool rests;	   /* it found nothing, and has nothing to do until there are others */
} merging;

void merging_init(void)
{
	merging.vm = 0;
	merging.gfn = 0;
	merging.merged_some = true;
	merging.rests = false;
}

/* Looks at one 2 MiB region of one VM each time it is called and joins what is whole. */
static void merge_one(void)
{
	if (merging.vm >= vm_count) {
		merging.vm = 0;
		merging.rests = !merging.merged_some && merging.activity == activity_seen();
		merging.activity = activity_seen();
		merging.merged_some = false;
	}
	struct vm *vm = &vms[merging.vm];
	uint64_t gfn = merging.gfn;
	if (!vm->s2_exists || vm_is_over(vm) || gfn >= vm->s2.limit_pages ||
	    vm->balloon.target_pages != 0) {
		merging.vm++;
		merging.gfn = 0;
		return;
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	bool large = s2_lookup(locked, (gfn_t){gfn}).order > ORDER_4K;
	/* A gigabyte is looked at once, from its first region. */
	if ((!large || is_aligned_u64(gfn, order_pages(ORDER_1G))) &&
	    s2_merge(locked, (gfn_t){gfn}) == STATUS_OK) {
		reclaim_flush(locked);
		merging.merged_some = true;
	}
	s2_unlock(locked);
	merging.gfn += order_pages(ORDER_2M);
}

void background_idle(void)
{
	merging.rests = merging.rests && merging.activity == activity_seen();
	if (merging.rests) {
		return;
	}
	if (governor_is_plentiful()) {
		merge_one();
	}
}
