/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See walk.h. The second stage is read under its lock, and shown after. The guest's own tables can
 * be read only while the vCPU is in no CPU, so a VM that is not paused is, for as long as that
 * takes.
 */
#include "kernel/monitor/walk.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "arch/walk.h"
#include "kernel/monitor/commands_steer.h"
#include "kernel/monitor/commands_vm.h"
#include "kernel/monitor/output.h"
#include "kernel/sched/pause.h"
#include "kernel/vm/vm.h"
#include "mm/stage2/steps.h"

static const char *const level_words[S2_LEVELS] = {"4 KiB", "2 MiB", "1 GiB", "512 GiB"};

static void show_step(const struct s2_step *step)
{
	char where[80];
	snprintf(where, sizeof(where), "  level %u (%s): entry %u of table 0x%lx is 0x%lx",
		 step->level + 1, level_words[step->level], step->index, pfn_to_hpa(step->table).v,
		 step->entry);
	switch (step->kind) {
	case S2_STEP_EMPTY:
		output_print("%s: nothing is there yet", where);
		break;
	case S2_STEP_BALLOONED:
		output_print("%s: all %s are in the balloon", where, level_words[step->level]);
		break;
	case S2_STEP_TABLE:
		output_print("%s: table 0x%lx%s", where, pfn_to_hpa(step->pfn).v,
			     step->accessed ? ", accessed" : "");
		break;
	case S2_STEP_LEAF:
		output_print("%s: frames at 0x%lx%s%s", where, pfn_to_hpa(step->pfn).v,
			     step->accessed ? ", accessed" : "",
			     step->pinned ? ", pinned (the balloon page)" : "");
		break;
	}
}

static void show_walk(struct vm *vm, gpa_t address)
{
	struct s2_step steps[S2_LEVELS];
	struct s2_locked locked = s2_lock(&vm->s2);
	unsigned count = s2_steps(locked, gpa_to_gfn(address), steps);
	s2_unlock(locked);
	for (unsigned i = 0; i < count; i++) {
		show_step(&steps[i]);
	}
	const struct s2_step *last = &steps[count - 1];
	if (last->kind == S2_STEP_LEAF) {
		uint64_t inside = address.v & ((PAGE_BYTES << (9 * last->level)) - 1);
		output_print("  host-physical 0x%lx", pfn_to_hpa(last->pfn).v + inside);
	} else {
		output_print("  no frame: a touch %s", last->kind == S2_STEP_EMPTY
							       ? "is given a zeroed one"
							       : "is answered as on-touch= says");
	}
}

/* A walk through both sets of tables, which waits for the vCPU to leave its CPU. */
static struct {
	struct vm *vm;
	struct vcpu *vcpu;
	uint64_t address;
	uint64_t give_up_tsc;
	bool paused_here;
} both;

static const char *const guest_level_words[ARCH_WALK_LEVELS] = {"page", "page directory",
								"directory pointers", "PML4"};

/* Where the second stage has the page of an entry of the guest's tables. */
static void show_place(struct s2_locked locked, gpa_t at, char *text, size_t bytes)
{
	struct s2_step steps[S2_LEVELS];
	if (gpa_to_gfn(at).n >= locked.s2->limit_pages) {
		snprintf(text, bytes, "beyond its RAM");
		return;
	}
	unsigned count = s2_steps(locked, gpa_to_gfn(at), steps);
	const struct s2_step *last = &steps[count - 1];
	uint64_t inside = at.v & ((PAGE_BYTES << (9 * last->level)) - 1);
	if (last->kind == S2_STEP_LEAF) {
		snprintf(text, bytes, "host-physical 0x%lx, a leaf of %s",
			 pfn_to_hpa(last->pfn).v + inside, level_words[last->level]);
	} else {
		snprintf(text, bytes, "%s",
			 last->kind == S2_STEP_EMPTY ? "not mapped, reads as zeros"
						     : "in the balloon");
	}
}

static void show_guest_step(struct vm *vm, const struct arch_walk_step *step, unsigned level)
{
	char place[64];
	struct s2_locked locked = s2_lock(&vm->s2);
	show_place(locked, step->at, place, sizeof(place));
	s2_unlock(locked);
	output_print("  guest level %u (%s): entry at guest-physical 0x%lx (%s)", level + 1,
		     guest_level_words[level], step->at.v, place);
	if (!step->readable) {
		output_print("      it cannot be read");
		return;
	}
	output_print("      is 0x%lx: %s%s%s%s%s", step->entry,
		     step->present ? "present" : "not present", step->writable ? ", writable" : "",
		     step->user ? ", user" : "", step->accessed ? ", accessed" : "",
		     step->large ? ", maps memory" : "");
}

static void show_both(struct vm *vm, const struct arch_walk *walk)
{
	if (walk->levels == 0) {
		output_print("  paging is off: linear is guest-physical");
	}
	for (unsigned i = 0; i < walk->count && i < walk->levels; i++) {
		show_guest_step(vm, &walk->steps[i], walk->levels - 1 - i);
	}
	if (!walk->translated) {
		output_print("  no translation: the guest gets a page fault");
		return;
	}
	output_print("  guest-physical 0x%lx", walk->address.v);
	if (walk->address.v >> PAGE_SHIFT >= vm->s2.limit_pages) {
		output_print("  beyond its RAM: a device, or nothing");
		return;
	}
	show_walk(vm, walk->address);
}

/* It sleeps or waits, and no CPU has any of its state. */
static bool is_at_rest(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->state, __ATOMIC_ACQUIRE) != VCPU_RUNNING &&
	       __atomic_load_n(&vcpu->resident, __ATOMIC_ACQUIRE) == CPU_NONE;
}

static bool walk_both(uint64_t now_tsc, int key)
{
	struct arch_walk walk = {.levels = 0};
	(void)key;
	bool alive = vm_state_now(both.vm) == VM_RUNNING;
	if (alive && !is_at_rest(both.vcpu) && now_tsc < both.give_up_tsc) {
		return true;
	}
	if (!alive || !is_at_rest(both.vcpu)) {
		output_print("%s %s", vm_name(both.vm),
			     alive ? "does not leave its CPU" : "has ended meanwhile");
	} else if (both.vcpu->state == VCPU_OFF ||
		   !arch_guest_walk(both.vcpu, both.address, &walk)) {
		output_print("this vCPU of %s has never run, so it has no page tables",
			     vm_name(both.vm));
	} else {
		output_print("%s: linear 0x%lx of vCPU %u", vm_name(both.vm), both.address,
			     both.vcpu->index);
		show_both(both.vm, &walk);
	}
	if (alive && both.paused_here) {
		commands_steer_resume(both.vm);
	}
	return false;
}

/* NAME virtual ADDRESS [VCPU] */
static enum status walk_virtual(const struct command_call *call, struct error *error)
{
	struct vm *vm = call->vm;
	uint64_t address;
	uint64_t index = 0;
	if (!word_is(call->words[1], "virtual")) {
		return error_set(error, STATUS_INVALID, "%.*s is not the word virtual",
				 word_shown(call->words[1]), call->words[1].text);
	}
	if (!word_parse_number(call->words[2], &address)) {
		return error_set(error, STATUS_INVALID, "%.*s is not an address such as 0x200000",
				 word_shown(call->words[2]), call->words[2].text);
	}
	if (call->count > 3 &&
	    (!word_parse_number(call->words[3], &index) || index >= vm->config.vcpus)) {
		return error_set(error, STATUS_INVALID, "%.*s is not a vCPU of %s, 0 to %u",
				 word_shown(call->words[3]), call->words[3].text, vm_name(vm),
				 vm->config.vcpus - 1);
	}
	if (vm_state_now(vm) != VM_RUNNING) {
		return error_set(error, STATUS_INVALID, "%s does not run%s", vm_name(vm),
				 commands_vm_why_absent(vm));
	}
	both.vm = vm;
	both.vcpu = &vm->vcpus[index];
	both.address = address;
	both.give_up_tsc = arch_tsc() + ticks_from_seconds(1);
	both.paused_here = !vm_is_paused(vm);
	if (both.paused_here) {
		pause_begin(vm);
	}
	command_go_on(walk_both);
	return STATUS_OK;
}

enum status walk_run(const struct command_call *call, struct error *error)
{
	if (call->count > 2) {
		return walk_virtual(call, error);
	}
	struct vm *vm = call->vm;
	uint64_t address;
	if (!vm->s2_exists) {
		return error_set(error, STATUS_INVALID, "%s has no memory%s", vm_name(vm),
				 commands_vm_why_absent(vm));
	}
	if (!word_parse_number(call->words[1], &address)) {
		return error_set(error, STATUS_INVALID, "%.*s is not an address such as 0x200000",
				 word_shown(call->words[1]), call->words[1].text);
	}
	if (address >> PAGE_SHIFT >= vm->s2.limit_pages) {
		return error_set(error, STATUS_OUTSIDE, "0x%lx is beyond the RAM of %s, 0x%lx",
				 address, vm_name(vm), vm->s2.limit_pages << PAGE_SHIFT);
	}
	output_print("%s: guest-physical 0x%lx", vm_name(vm), address);
	show_walk(vm, (gpa_t){address});
	return STATUS_OK;
}
