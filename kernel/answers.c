/* SPDX-License-Identifier: BSD-2-Clause */
/* See answers.h. What it keeps is in the VM's struct balloon. */
#include "kernel/answers.h"

#include "base/bits.h"
#include "kernel/arch.h"
#include "kernel/balloon.h"
#include "kernel/vm.h"

#define ANSWER_MS 1000	/* a driver with idle pages that has not moved by then does not answer, */
#define ANSWER_PARTS 16 /* nor does one that has given less than one part of so many; */
#define FORGIVE_MS 2000 /* it is asked again after that */

/* From now on its driver has time to answer, if it is asked for anything. */
static void judge_from(struct vm *vm, uint64_t target_pages, uint64_t idle_pages, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	uint64_t missing = sub_floor_u64(target_pages, vm->s2.ballooned_pages);
	balloon->asked_pages = min_u64(missing, idle_pages);
	balloon->asked_tsc = now_tsc;
	balloon->asked_size_pages = vm->s2.ballooned_pages;
	__atomic_store_n(&balloon->given_pages, 0, __ATOMIC_RELAXED);
}

/*
 * Frames came for a good part of what it was asked for: what it said that it has counts as on its
 * way, and nobody else is asked for it. A balloon that grows by pages without frames is no answer;
 * what is not there any more need not be given.
 */
static bool has_answered(const struct balloon *balloon, uint64_t idle_pages)
{
	uint64_t given = __atomic_load_n(&balloon->given_pages, __ATOMIC_RELAXED);
	uint64_t due = min_u64(balloon->asked_pages, idle_pages + given);
	return given > 0 && given >= due / ANSWER_PARTS;
}

/* Nothing is asked for, or nothing can be given by one that waits for a frame himself. */
static bool owes_nothing(const struct vm *vm, uint64_t idle_pages, bool answered)
{
	const struct balloon *balloon = &vm->balloon;
	return balloon->asked_pages == 0 || idle_pages == 0 ||
	       (answered && balloon->target_pages <= vm->s2.ballooned_pages) ||
	       (vm_waits_for_memory(vm) && !vm_acts_while_waiting(vm));
}

/* An unresponsive one: it moves after all, or it is asked again. */
static void forgive(struct vm *vm, uint64_t idle_pages, bool answered, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	if (answered || sub_floor_u64(now_tsc, balloon->asked_tsc) > FORGIVE_MS * arch_tsc_khz()) {
		balloon->unresponsive = false;
		judge_from(vm, balloon->target_pages, idle_pages, now_tsc);
	}
}

void answers_judge(struct vm *vm, uint64_t idle_pages, uint64_t now_tsc)
{
	struct balloon *balloon = &vm->balloon;
	bool answered = has_answered(balloon, idle_pages);
	bool late = sub_floor_u64(now_tsc, balloon->asked_tsc) > ANSWER_MS * arch_tsc_khz();
	if (!balloon->attached) {
		balloon->asked_pages = balloon->unresponsive ? balloon->asked_pages : 0;
	} else if (balloon->unresponsive) {
		forgive(vm, idle_pages, answered, now_tsc);
	} else if (owes_nothing(vm, idle_pages, answered) || (late && answered)) {
		judge_from(vm, balloon->target_pages, idle_pages, now_tsc);
	} else if (late) {
		balloon->unresponsive = true;
		balloon->asked_tsc = now_tsc;
		vm_log(vm, "driver does not answer target=%llu size=%llu",
		       (unsigned long long)balloon->target_pages,
		       (unsigned long long)vm->s2.ballooned_pages);
	}
}

/* It is asked for the first time; or not any more, and not for a balloon of pages without frames.
 */
void answers_note_target(struct vm *vm, uint64_t target_pages, uint64_t idle_pages,
			 uint64_t now_tsc)
{
	const struct balloon *balloon = &vm->balloon;
	uint64_t size = vm->s2.ballooned_pages;
	bool withdrawn = target_pages <= size && size <= balloon->asked_size_pages;
	if (!balloon->unresponsive && (balloon->asked_pages == 0 || withdrawn)) {
		judge_from(vm, target_pages, idle_pages, now_tsc);
	}
}

void answers_note_given(struct vm *vm, uint64_t pages)
{
	__atomic_fetch_add(&vm->balloon.given_pages, pages, __ATOMIC_RELAXED);
}
