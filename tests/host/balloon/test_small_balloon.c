/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Small worlds of whole VMs: two or three of them with a few pages each, a dozen frames, the real
 * balloon, hypercalls, governor, scheduler and mm/. Breadth first, everything that a guest can ask
 * and the hypervisor can do: touches, attaching, calls over good, bad and overlapping ranges,
 * targets, waiting for a frame and being let go on, scrubbing, frames lent and taken back, death at
 * any moment and teardown. After each step every page, counter and answer is what a table of pages
 * predicts. (mm/ alone, which gets further: test_small_world.c.)
 *
 * SMALL_BALLOON_STATES and SMALL_BALLOON_SECONDS say when each world is to be left.
 */
#include "fake/environment.h"
#include "fake/explorer.h"
#include "fake/small_balloon.h"
#include "fake/small_guest.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/scheduler.h"
#include "kernel/lifecycle/end.h"
#include "mm/alloc.h"
#include "mm/cache.h"
#include "mm/reclaim.h"

#define OPERATIONS_MAX 240

enum kind {
	TOUCH,
	ATTACH,
	DETACH,
	RANGES,
	RANGES_UNWRITTEN, /* the guest has not written its array */
	WAIT,
	EXIT,
	STATISTICS, /* the driver says how much is idle: something, or nothing again */
	VM_KINDS,
	KILL = VM_KINDS,
	TEARDOWN,
	TARGET,
	CREATE,
	SCRUB,
	DRAIN,
	LOOK,
	DECIDE,
	HOST_FRAME, /* the hypervisor takes one for itself, or gives it back */
};

static const char *const names[] = {
	"touches page",
	"attaches page",
	"detaches",
	"calls with ranges",
	"calls with an array that it never wrote",
	"waits",
	"exits",
	"says how much is idle",
	"is killed",
	"is torn down by a step",
	"is given the target",
	"is created",
	"a frame is scrubbed",
	"lent frames are taken back",
	"the governor looks who waits",
	"the governor decides",
	"the hypervisor takes a frame or gives it back",
};

struct operation {
	uint8_t kind;
	uint8_t vm;
	uint8_t vcpu;
	uint8_t call;  /* enum balloon_operation */
	uint8_t value; /* page, shape or target */
};

static struct operation operations[OPERATIONS_MAX];
static unsigned operation_count;

static void act(struct vcpu *vcpu, const struct operation *o)
{
	switch (o->kind) {
	case TOUCH:
		(void)small_touch(vcpu, o->value);
		break;
	case ATTACH:
		small_attach(vcpu, o->value);
		break;
	case DETACH:
		small_detach(vcpu);
		break;
	case RANGES:
		small_call_ranges(vcpu, (enum balloon_operation)o->call, &small_shapes[o->value]);
		break;
	case RANGES_UNWRITTEN:
		small_call_unwritten(vcpu);
		break;
	case WAIT:
		(void)small_call(vcpu, AEROSTAT_CALL_WAIT, 0, 0);
		break;
	case EXIT:
		(void)small_call(vcpu, AEROSTAT_CALL_EXIT, 0, 0);
		break;
	default:
		small_say_idle(vcpu);
	}
}

/* ---- The hypervisor -------------------------------------------------------------------------- */

static void note_targets(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		const struct balloon *balloon = &vms[i].balloon;
		if (vms[i].state == VM_RUNNING) {
			assert_true(balloon->attached || balloon->target_pages == 0);
			small_guests[i].target_pages = balloon->target_pages;
		}
	}
}

static bool somebody_waits_in_vain(void)
{
	bool found = false;
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		struct small_prospect prospect = small_look_ahead(vm);
		bool could = prospect.promised || prospect.plenty || prospect.reserve;
		found = found || (vm_waits_for_memory(vm) && could);
	}
	return found;
}

/*
 * Whoever could have a frame is not left waiting: not longer than to the second look, for the
 * targets that the first one ends with decide over the reserve.
 */
static void govern(bool decide)
{
	small_governor(decide);
	note_targets();
	if (somebody_waits_in_vain()) {
		small_governor(false);
		note_targets();
	}
	assert_false(somebody_waits_in_vain());
}

static void set_target(struct vm *vm, uint64_t pages)
{
	struct small_guest *guest = &small_guests[vm - vms];
	bool changed = guest->attached && guest->target_pages != pages;
	balloon_set_target(vm, pages, pages == 0 ? AEROSTAT_PRESSURE_NONE : AEROSTAT_PRESSURE_LOW);
	guest->target_pages = guest->attached ? pages : 0;
	for (unsigned i = 0; changed && i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		assert_true(vcpu->event || vcpu->state == VCPU_QUEUED);
		assert_true(vcpu->doorbell_pending || vcpu->doorbell_vector == 0);
		assert_true(vcpu->state == VCPU_QUEUED || vcpu->wait == WAIT_MEMORY);
	}
}

static void tear_down(struct vm *vm)
{
	assert_true(scheduler_retire(vm));
	if (!vm_teardown_step(vm)) {
		return;
	}
	world_forget(&vm->s2);
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		assert_true(frame_table[pfn].tag.owner != vm->id);
	}
}

static void move_host_frame(void)
{
	const struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};
	pfn_t pfn = {small_host_frame};
	if (small_host_frame != 0) {
		frame_free(pfn, tag);
		small_host_frame = 0;
		return;
	}
	bool fits = small_slack() > small_world->reserve_pages;
	enum status status = frame_alloc(ORDER_4K, tag, &pfn);
	assert_int_equal(status, fits ? STATUS_OK : STATUS_NO_MEMORY);
	small_host_frame = status == STATUS_OK ? pfn.n : 0;
}

static enum explorer_outcome act_for_host(const struct operation *o)
{
	struct vm *vm = &vms[o->vm];
	switch (o->kind) {
	case KILL:
		vm_kill(vm, "so it was chosen");
		break;
	case TEARDOWN:
		tear_down(vm);
		break;
	case TARGET:
		set_target(vm, o->value);
		break;
	case CREATE:
		return small_create() ? EXPLORER_DONE : EXPLORER_UNWANTED;
	case SCRUB:
		return scrub_step(ORDER_4K) != 0 ? EXPLORER_DONE : EXPLORER_IMPOSSIBLE;
	case DRAIN:
		frame_caches_empty();
		break;
	case HOST_FRAME:
		move_host_frame();
		break;
	default:
		govern(o->kind == DECIDE);
	}
	return EXPLORER_DONE;
}

/* ---- Operations ------------------------------------------------------------------------------ */

/* Without a balloon, or an array, all calls over ranges end alike: one of them is enough. */
static bool is_worth_a_call(const struct operation *o)
{
	const struct small_guest *guest = &small_guests[o->vm];
	bool first = o->value == 0 && o->call == BALLOON_SURRENDER;
	return first || (guest->attached && guest->pages[small_world->pages - 1] == S2_MAPPED);
}

static bool is_possible(const struct operation *o)
{
	const struct vm *vm = &vms[o->vm];
	const struct vcpu *vcpu = &vm->vcpus[o->vcpu];
	bool attached = small_guests[o->vm].attached;
	if (o->kind == CREATE) {
		return vm_count < small_world->vms;
	}
	if (o->kind == TEARDOWN) {
		return vm_is_over(vm) && vm->s2_exists;
	}
	if (o->kind > TARGET) {
		return true;
	}
	if (vm->state != VM_RUNNING || (o->kind < VM_KINDS && vcpu->state != VCPU_QUEUED)) {
		return false;
	}
	if (o->kind == RANGES) {
		return is_worth_a_call(o);
	}
	return attached || (o->kind != STATISTICS && o->kind != TARGET);
}

static enum explorer_outcome carry_out(const struct operation *o)
{
	enum explorer_outcome outcome = EXPLORER_DONE;
	if (!is_possible(o)) {
		return EXPLORER_IMPOSSIBLE;
	}
	if (o->kind < VM_KINDS) {
		struct vcpu *vcpu = &vms[o->vm].vcpus[o->vcpu];
		kernel_pick(vcpu);
		act(vcpu, o);
		kernel_settle(vcpu);
	} else {
		outcome = act_for_host(o);
	}
	if (fake_log_text[0] != '\0') {
		memset(fake_log_text, 0, sizeof(fake_log_text));
		fake_log_clear();
	}
	if (outcome != EXPLORER_IMPOSSIBLE) {
		small_check();
	}
	return outcome;
}

static enum explorer_outcome operate(unsigned number)
{
	return carry_out(&operations[number]);
}

static void describe(unsigned number)
{
	const struct operation *o = &operations[number];
	static const char *const calls[] = {"surrender", "report", "return", "emergency"};
	const char *call_name = o->kind == RANGES ? calls[o->call] : "";
	print_error("  VM %u vCPU %u %s %u %s\n", o->vm + 1u, o->vcpu, names[o->kind], o->value,
		    call_name);
}

static void add(enum kind kind, unsigned vm, unsigned vcpu, unsigned which, unsigned value)
{
	assert_true(operation_count < OPERATIONS_MAX);
	operations[operation_count++] = (struct operation){
		(uint8_t)kind, (uint8_t)vm, (uint8_t)vcpu, (uint8_t)which, (uint8_t)value};
}

static void add_vcpu(unsigned vm, unsigned vcpu)
{
	for (unsigned gfn = 0; gfn < small_world->pages; gfn++) {
		add(TOUCH, vm, vcpu, 0, gfn);
	}
	add(DETACH, vm, vcpu, 0, 0);
	add(WAIT, vm, vcpu, 0, 0);
}

static void list_operations(void)
{
	operation_count = 0;
	for (unsigned vm = 0; vm < small_world->vms; vm++) {
		for (unsigned vcpu = 0; vcpu < small_world->vm[vm].vcpus; vcpu++) {
			add_vcpu(vm, vcpu);
		}
		add(ATTACH, vm, 0, 0, 0);
		add(ATTACH, vm, 0, 0, 1);
		add(ATTACH, vm, 0, 0, small_world->pages);
		for (unsigned i = 0; i < SMALL_CALLS * SMALL_SHAPES; i++) {
			add(RANGES, vm, 0, i % SMALL_CALLS, i / SMALL_CALLS);
		}
		add(RANGES_UNWRITTEN, vm, 0, 0, 0);
		add(EXIT, vm, 0, 0, 0);
		add(STATISTICS, vm, 0, 0, 0);
		add(KILL, vm, 0, 0, 0);
		add(TEARDOWN, vm, 0, 0, 0);
		add(TARGET, vm, 0, 0, 0);
		add(TARGET, vm, 0, 0, 2);
	}
	for (enum kind kind = CREATE; kind <= HOST_FRAME; kind++) {
		add(kind, 0, 0, 0, 0);
	}
}

/* ---- Worlds ---------------------------------------------------------------------------------- */

/*
 * Both have a balloon, and all but the reserve is in use: the first has surrendered a page and has
 * its allotment, the second lacks a page.
 */
static void make_short(void)
{
	static const struct operation steps[] = {
		{.kind = ATTACH, .vm = 1, .value = 1},
		{.kind = ATTACH, .vm = 0, .value = 1},
		{.kind = RANGES, .vm = 0, .call = BALLOON_SURRENDER},
		{.kind = TOUCH, .vm = 1, .value = 2},
	};
	for (unsigned i = 0; i < ARRAY_COUNT(steps); i++) {
		assert_int_equal(carry_out(&steps[i]), EXPLORER_DONE);
	}
	assert_int_equal(small_slack(), small_world->reserve_pages);
}

static void explore(const struct small_world *world, bool is_short)
{
	uint64_t states = environment_number("SMALL_BALLOON_STATES", 100000);
	unsigned seconds = (unsigned)environment_number("SMALL_BALLOON_SECONDS", 3);
	small_start(world);
	list_operations();
	explorer_page_words = SMALL_PAGE_WORDS;
	explorer_describe = describe;
	small_check();
	if (is_short) {
		make_short();
	}
	struct explorer_result result =
		explorer_run(operate, operation_count, small_hash, states, seconds);
	print_message("%s: %llu distinct states, %llu steps, depth %u%s\n", world->name,
		      (unsigned long long)result.states, (unsigned long long)result.transitions,
		      result.depth, result.complete ? ", and there are no more" : "");
	assert_true(result.states >= 100);
}

static void test_two_vms(void **state)
{
	static const struct small_world world = {
		.name = "two VMs of 4 pages over the balloon, 14 frames",
		.frames = 14,
		.pages = 4,
		.vms = 2,
		.vms_at_start = 2,
		.reserve_pages = 2,
		.vm = {{2, 1, ON_TOUCH_ZERO, 2}, {2, 0, ON_TOUCH_FAULT, 1}},
	};
	(void)state;
	explore(&world, false);
}

static void test_two_vms_short_of_memory(void **state)
{
	static const struct small_world world = {
		.name = "two VMs of 4 pages and nothing but the reserve, 14 frames",
		.frames = 14,
		.pages = 4,
		.vms = 2,
		.vms_at_start = 2,
		.reserve_pages = 2,
		.vm = {{2, 1, ON_TOUCH_ZERO, 2}, {3, 0, ON_TOUCH_ZERO, 1}},
	};
	(void)state;
	explore(&world, true);
}

/* The third begins when there is room for it, and a touch of the balloon is its end. */
static void test_three_vms(void **state)
{
	static const struct small_world world = {
		.name = "three VMs of 3 pages over the balloon, 16 frames",
		.frames = 16,
		.pages = 3,
		.vms = 3,
		.vms_at_start = 2,
		.reserve_pages = 1,
		.vm = {{2, 1, ON_TOUCH_ZERO, 1},
		       {2, 0, ON_TOUCH_FAULT, 1},
		       {1, 1, ON_TOUCH_STOP, 1}},
	};
	(void)state;
	explore(&world, false);
}

static int stop(void **state)
{
	(void)state;
	explorer_stop();
	explorer_page_words = 1;
	explorer_describe = NULL;
	small_stop();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_two_vms, stop),
		cmocka_unit_test_teardown(test_two_vms_short_of_memory, stop),
		cmocka_unit_test_teardown(test_three_vms, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
