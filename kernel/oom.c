/* SPDX-License-Identifier: BSD-2-Clause */
/* See oom.h. No locks: the one word that all CPUs write is atomic, and sums may be a moment old. */
#include "kernel/oom.h"

#include "base/bits.h"
#include "kernel/arch.h"
#include "kernel/vm.h"

#define STARVATION_MS 4000 /* nothing came back for so long, and somebody waits: give up on one */

static uint64_t progress_tsc; /* when frames last came back from anybody */

void oom_init(uint64_t now_tsc)
{
	progress_tsc = now_tsc;
}

void oom_note_progress(uint64_t now_tsc)
{
	__atomic_store_n(&progress_tsc, now_tsc, __ATOMIC_RELAXED);
}

/*
 * Whom to give up on: the one most above what it is due per share, which is its allotment or, for
 * one that does not answer, its minimum, and that one counts twice; if nobody is above, one that
 * waits. *victim_excess tells whether it holds more than it was due.
 */
static struct vm *choose_victim(uint64_t *victim_excess)
{
	struct vm *victim = NULL;
	*victim_excess = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		struct vm *vm = &vms[i];
		if (vm->state != VM_RUNNING) {
			continue;
		}
		bool deaf = vm->balloon.unresponsive || !vm->balloon.attached;
		uint64_t due = deaf ? vm->config.min_pages : vm->config.mem_pages;
		uint64_t excess = sub_floor_u64(vm->s2.mapped_pages, due) * 10000;
		excess = excess / max_u64(vm->config.shares, 1) * (deaf ? 2 : 1);
		if (excess > *victim_excess || (victim == NULL && vm_waits_for_memory(vm))) {
			victim = vm;
			*victim_excess = excess;
		}
	}
	return victim;
}

/* Somebody has waited for long, and nothing has come back from anybody in that time. */
static bool is_starving(uint64_t now_tsc)
{
	uint64_t patience = STARVATION_MS * arch_tsc_khz();
	bool starving = false;
	for (unsigned i = 0; i < vm_count; i++) {
		uint64_t since = vm_blocked_since(&vms[i]);
		starving = starving || sub_floor_u64(now_tsc, since) > patience;
	}
	uint64_t progress = __atomic_load_n(&progress_tsc, __ATOMIC_RELAXED);
	return starving && sub_floor_u64(now_tsc, progress) >= patience;
}

void oom_check(uint64_t now_tsc)
{
	if (!is_starving(now_tsc)) {
		return;
	}
	uint64_t excess;
	struct vm *victim = choose_victim(&excess);
	if (victim != NULL) {
		oom_note_progress(now_tsc);
		vm_kill(victim,
			excess > 0 ? "the host is out of memory, nobody gives any back, and it "
				     "holds the most beyond what it was allotted"
				   : "the host is out of memory, nobody gives any back, and it "
				     "waits for more");
	}
}
