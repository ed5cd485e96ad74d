/* SPDX-License-Identifier: BSD-2-Clause */
/* See working_set.h. */
#include "kernel/overcommit/working_set.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/lib/tunables.h"
#include "kernel/vm/vm.h"

uint64_t working_set_smooth(uint64_t active_pages, uint64_t sampled_pages)
{
	if (sampled_pages >= active_pages) {
		return sampled_pages;
	}
	uint64_t parts = tunables.sample_decay_parts;
	return active_pages - (active_pages - sampled_pages + parts - 1) / parts;
}

static void take_sample(struct vm *vm)
{
	struct working_set *set = &vm->working_set;
	struct s2_locked locked = s2_lock(&vm->s2);
	if (!set->begun) {
		s2_sample_init(&set->sample, vm->id);
		set->begun = true;
	} else {
		uint64_t sampled = s2_sample_end(locked, &set->sample);
		uint64_t smooth = working_set_smooth(set->active_pages, sampled);
		set->active_pages = set->known ? smooth : sampled;
		set->known = true;
	}
	s2_sample_begin(locked, &set->sample);
	s2_unlock(locked);
}

static void say_once(void)
{
	static bool said;
	if (!said) {
		said = true;
		log_event(NULL, "working-set: not estimated, as this processor does not note which "
				"pages a guest uses");
	}
}

void working_set_poll(uint64_t now_tsc)
{
	for (unsigned i = 0; i < vm_count; i++) {
		struct vm *vm = &vms[i];
		uint64_t due = vm->working_set.due_tsc;
		if (vm->state != VM_RUNNING || vm_is_paused(vm) || now_tsc < due) {
			continue;
		}
		if (due == 0) { /* it has just started: its pages have yet to come */
			vm->working_set.due_tsc = now_tsc + deadline_ticks(tunables.sample_ms);
			continue;
		}
		if (lock_is_taken(&vm->s2.lock) &&
		    now_tsc - due < ticks_from_ms(tunables.sample_patience_ms)) {
			continue; /* the boot CPU's guests need not queue up for this */
		}
		vm->working_set.due_tsc = now_tsc + deadline_ticks(tunables.sample_ms);
		if (s2_can_sample(&vm->s2)) {
			take_sample(vm);
			return;
		}
		say_once();
	}
}
