/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The specification of the balloon interface (tests/spec) around the real one: VMs with every
 * on-touch=, with one vCPU and two, call and touch at random while frames run short, tables cannot
 * be split and VMs end. The oracle panics where an answer or a state is not one that is specified;
 * that it does so is seen with deviations, here and in mutants.txt (`by test_oracle`).
 *
 *	ORACLE_SEED=n ORACLE_STEPS=n build/host/test_oracle		repeat a walk
 */
#include "fake/environment.h"
#include "fake/kernel.h"

#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "kernel/balloon/release.h"
#include "kernel/exit/hypercall.h"
#include "kernel/lifecycle/end.h"
#include "kernel/overcommit/governor.h"
#include "kernel/sched/wake.h"
#include "mm/alloc.h"
#include "mm/phys.h"
#include "tests/spec/oracle.h"
#include "tests/spec/spec.h"
#include "tests/spec/watch.h"

#define MACHINES 3
#define FRAMES 3000u
#define CORPSES_MAX (VMS_MAX - MACHINES - 1)

struct machine {
	struct vm *vm;
	uint64_t pages;
	enum on_touch on_touch;
	unsigned vcpus;
	unsigned patience; /* how often no vCPU of it could do anything */
};

static struct machine machines[MACHINES];
static uint64_t random_state;
static uint64_t near;
static uint32_t statuses_seen;
static uint32_t errors_seen;
static uint64_t waits_seen;

/* xorshift64*: the same numbers on every machine. */
static uint64_t draw(uint64_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1d >> 33) % below;
}

static bool chance(unsigned percent)
{
	return draw(100) < percent;
}

static void create(struct machine *machine)
{
	uint64_t mem = min_u64(machine->pages, 1500);
	machine->vm = kernel_vm_with(machine->vcpus, "vm", machine->pages, mem, draw(2) * 300);
	machine->vm->config.on_touch = machine->on_touch;
	machine->patience = 0;
}

static void end(struct machine *machine)
{
	kernel_vm_end(machine->vm);
	machine->vm = NULL;
}

/* A vCPU that can do something now, on its CPU. NULL: all wait. */
static struct vcpu *pick(struct machine *machine)
{
	unsigned first = (unsigned)draw(machine->vcpus);
	for (unsigned i = 0; i < machine->vcpus; i++) {
		struct vcpu *vcpu = &machine->vm->vcpus[(first + i) % machine->vcpus];
		if (vcpu->state == VCPU_QUEUED || vcpu->state == VCPU_RUNNING) {
			kernel_pick(vcpu);
			return vcpu;
		}
	}
	return NULL;
}

static void settle(struct vcpu *vcpu, enum exit_action action)
{
	if (action != EXIT_RESUME && action != EXIT_ADVANCE && action != EXIT_INJECT) {
		kernel_settle(vcpu);
	}
}

/* Near the last one, near the end of RAM, beyond it, or anywhere. */
static uint64_t draw_gfn(const struct machine *machine, unsigned order)
{
	if (chance(60)) {
		near += draw(4);
	} else if (chance(20)) {
		near = machine->pages - 1 - draw(3);
	} else if (chance(80)) {
		near = draw(min_u64(machine->pages, 2000));
	} else {
		near = draw(machine->pages);
	}
	near = near < machine->pages || chance(10) ? near : 0;
	return chance(95) ? align_down_u64(near, order_pages(order)) : near;
}

static uint64_t draw_inside(const struct machine *machine)
{
	return min_u64(draw_gfn(machine, 0), machine->pages - 1);
}

static void use_page(struct machine *machine, struct vcpu *vcpu, uint64_t gfn)
{
	uint64_t *page = (uint64_t *)fake_tlb_access(&machine->vm->s2, 0, (gfn_t){gfn});
	bool own = machine->vm->balloon.attached && machine->vm->balloon.page_gfn.n == gfn;
	if (page == NULL) {
		vcpu->fault_count++;
		enum exit_action action = demand_fault(vcpu, (gfn_t){gfn});
		waits_seen += action == EXIT_BLOCK;
		settle(vcpu, action);
	} else if (!own) {
		page[draw(512)] = draw(3) * 0x100000001; /* fields of 4 bytes as well */
	}
}

static struct aerostat_range draw_range(const struct machine *machine)
{
	static const unsigned orders[] = {ORDER_4K, ORDER_4K, ORDER_4K, ORDER_2M, ORDER_1G};
	unsigned order = orders[draw(chance(10) ? 5 : 4)];
	struct aerostat_range range = {
		.gfn = draw_gfn(machine, order),
		.count = chance(70) ? 1 : (uint32_t)draw(chance(80) ? 30 : 2200),
		.order = (uint8_t)order,
		.status = (uint8_t)draw(12),
	};
	range.order = chance(98) ? range.order : (uint8_t)draw(256);
	range.reserved = chance(98) ? 0 : (uint16_t)draw(3);
	range.done = chance(90) ? 0 : (uint32_t)draw(4);
	range.flags = chance(98) ? 0 : (uint32_t)draw(3);
	range.gfn = chance(99) ? range.gfn : ~0ull << draw(64);
	return range;
}

/* A call over ranges, in a page that it may have or not, as often as it needs to get to its end. */
static enum exit_action call_ranges(struct machine *machine, struct vcpu *vcpu)
{
	unsigned number = AEROSTAT_CALL_BALLOON_SURRENDER + (unsigned)draw(chance(20) ? 4 : 3);
	unsigned count = chance(50)  ? 1
			 : chance(3) ? 170
				     : 1 + (unsigned)draw(chance(90) ? 6 : 170);
	uint64_t array = chance(80) ? 40 : draw_inside(machine);
	struct aerostat_range *ranges =
		(struct aerostat_range *)fake_tlb_access(&machine->vm->s2, 0, (gfn_t){array});
	for (unsigned i = 0; ranges != NULL && i < count; i++) {
		ranges[i] = draw_range(machine);
	}
	enum exit_action action = EXIT_ADVANCE;
	for (unsigned tries = 0, first = 0; tries < 4 && first < count; tries++) {
		uint64_t bytes = first * sizeof(*ranges);
		vcpu->regs[GPR_RAX] = number;
		vcpu->regs[GPR_RDI] = (array << PAGE_SHIFT) + bytes + (chance(99) ? 0 : draw(9));
		vcpu->regs[GPR_RSI] = count - first + (chance(98) ? 0 : draw(400));
		bool fails =
			number != AEROSTAT_CALL_BALLOON_EMERGENCY && ranges != NULL && chance(4);
		frame_alloc_fail_at = fails ? 1 + draw(3) : 0;
		action = hypercall_handle(vcpu, true);
		frame_alloc_fail_at = 0;
		int64_t finished = (int64_t)vcpu->regs[GPR_RAX];
		errors_seen |= finished < 0 ? 1u << -finished : 0;
		for (unsigned i = first; i < count && ranges != NULL && finished >= 0; i++) {
			statuses_seen |= 1u << (ranges[i].status & 31);
		}
		if (finished < 0 || action != EXIT_ADVANCE) {
			break;
		}
		first += (unsigned)finished;
	}
	return action;
}

/* What is allowed and what is not, often at the very edge; 0 as well. */
static uint64_t draw_edge(uint64_t first, uint64_t last)
{
	const uint64_t edges[] = {0, first - 1, first, last, last + 1};
	return chance(60) ? edges[draw(5)] : draw(last + 20);
}

static enum exit_action call_other(struct machine *machine, struct vcpu *vcpu)
{
	static const uint8_t numbers[] = {AEROSTAT_CALL_NULL,
					  AEROSTAT_CALL_CONSOLE_WRITE,
					  AEROSTAT_CALL_BALLOON_ATTACH,
					  AEROSTAT_CALL_BALLOON_ATTACH,
					  AEROSTAT_CALL_BALLOON_DETACH,
					  AEROSTAT_CALL_VCPU_START,
					  AEROSTAT_CALL_VCPU_DOORBELL,
					  AEROSTAT_CALL_VCPU_RING,
					  AEROSTAT_CALL_WAIT,
					  AEROSTAT_CALL_EXIT,
					  13,
					  AEROSTAT_CALL_BALLOON_SURRENDER};
	uint64_t number = numbers[draw(sizeof(numbers))];
	number = number == AEROSTAT_CALL_EXIT && chance(90) ? AEROSTAT_CALL_VCPU_RING : number;
	uint64_t gfn = draw_gfn(machine, 0);
	uint64_t *regs = vcpu->regs;
	regs[GPR_RAX] = number;
	regs[GPR_RDI] = number == AEROSTAT_CALL_CONSOLE_WRITE	 ? gfn * PAGE_BYTES + 4000
			: number == AEROSTAT_CALL_WAIT		 ? 1
			: number == AEROSTAT_CALL_VCPU_DOORBELL	 ? draw_edge(32, 255)
			: number == AEROSTAT_CALL_BALLOON_ATTACH ? gfn
			: number == AEROSTAT_CALL_VCPU_START || number == AEROSTAT_CALL_VCPU_RING
				? draw(3)
				: 0;
	regs[GPR_RSI] = number == AEROSTAT_CALL_CONSOLE_WRITE	 ? draw_edge(1, 200)
			: number == AEROSTAT_CALL_VCPU_START	 ? gfn * PAGE_BYTES
			: number == AEROSTAT_CALL_BALLOON_ATTACH ? draw_edge(32, 255)
								 : 0;
	regs[GPR_R10] = chance(98) ? 0 : 1;
	regs[GPR_RDX] = chance(98) ? 0 : 1ull << draw(64);
	enum exit_action action = hypercall_handle(vcpu, chance(98));
	int64_t result = (int64_t)regs[GPR_RAX];
	errors_seen |= result < 0 ? 1u << -result : 0;
	return action;
}

static void act(struct machine *machine)
{
	struct vcpu *vcpu = pick(machine);
	if (vcpu == NULL) {
		kernel_periods(1);
		for (unsigned i = 0; i < machine->vcpus && machine->patience > 3; i++) {
			vcpu_signal(&machine->vm->vcpus[i]);
		}
		if (++machine->patience > 20) {
			end(machine);
		}
		return;
	}
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[GPR_R8] = draw(100);
	unsigned what = (unsigned)draw(100);
	if (what < 45) {
		/* One, or many, so that memory runs short. */
		uint64_t gfn = draw_inside(machine);
		uint64_t end = min_u64(gfn + (chance(3) ? 1 + draw(400) : 1), machine->pages);
		for (; gfn < end && vcpu->state == VCPU_RUNNING; gfn++) {
			use_page(machine, vcpu, gfn);
		}
	} else {
		settle(vcpu, what < 90 ? call_ranges(machine, vcpu) : call_other(machine, vcpu));
	}
}

/* As a device does when its driver was reset. */
static void release(struct machine *machine)
{
	uint64_t next = 0;
	struct s2_locked locked = s2_lock(&machine->vm->s2);
	while (!balloon_release_step(locked, machine->vm, &next)) {
	}
	s2_unlock(locked);
}

static void step(void)
{
	struct machine *machine = &machines[draw(MACHINES)];
	if (machine->vm == NULL) {
		if (promise_spare() > machine->pages / 256 + 400) {
			create(machine);
		}
		return;
	}
	if (draw(500) == 0) {
		release(machine);
	}
	act(machine);
	if (machine->vm != NULL && (machine->vm->state != VM_RUNNING || draw(4000) == 0)) {
		end(machine);
	}
	fake_log_clear();
	if (chance(2)) {
		kernel_periods(1);
	}
	if (chance(5)) {
		(void)scrub_step((unsigned)draw(11));
	}
}

static uint64_t seed_of_this_run;

static void end_all(void)
{
	for (unsigned i = 0; i < MACHINES; i++) {
		if (machines[i].vm != NULL) {
			end(&machines[i]);
		}
	}
}

static void walk(unsigned max_leaf_level, uint64_t pages, uint64_t frames)
{
	uint64_t steps = environment_number("ORACLE_STEPS", 20000);
	struct oracle_counts before = oracle_counts;
	print_message("ORACLE_SEED=%llu ORACLE_STEPS=%llu, leaves up to level %u\n",
		      (unsigned long long)seed_of_this_run, (unsigned long long)steps,
		      max_leaf_level);
	random_state = seed_of_this_run * 0x9e3779b97f4a7c15 + max_leaf_level + 1;
	kernel_start(frames, max_leaf_level);
	machines[0] = (struct machine){NULL, pages, ON_TOUCH_ZERO, 1, 0};
	machines[1] = (struct machine){NULL, 1700, ON_TOUCH_FAULT, 2, 0};
	machines[2] = (struct machine){NULL, 1536, ON_TOUCH_STOP, 1, 0};
	statuses_seen = 0;
	errors_seen = 0;
	waits_seen = 0;
	for (uint64_t i = 0; i < steps; i++) {
		step();
		if (i % 256 == 0) {
			world_check();
		}
		if (vm_count >= CORPSES_MAX) {
			end_all();
			assert_int_equal(kernel_teardown(NULL), 0);
			kernel_start(frames, max_leaf_level);
		}
	}
	end_all();
	print_message("statuses %#x, errors %#x, %llu waits\n", statuses_seen, errors_seen,
		      (unsigned long long)waits_seen);
	print_message("%llu calls, %llu arrays, %llu touches, %llu pages compared\n",
		      (unsigned long long)(oracle_counts.calls - before.calls),
		      (unsigned long long)(oracle_counts.arrays - before.arrays),
		      (unsigned long long)(oracle_counts.touches - before.touches),
		      (unsigned long long)(oracle_counts.pages - before.pages));
	assert_true(oracle_counts.arrays - before.arrays > steps / 16);
	assert_int_equal(oracle_counts.left_out, before.left_out);
}

static void test_walk_4k(void **state)
{
	(void)state;
	walk(0, 2100, 2200);
}

static void test_walk_2m(void **state)
{
	(void)state;
	walk(1, 2100, 2600);
}

/* More than two gigabytes of RAM, of which most is never touched. */
static void test_walk_1g(void **state)
{
	(void)state;
	walk(2, 2 * order_pages(ORDER_1G) + 700, 4200);
}

static struct vm *one_vm(void)
{
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 1700, 1700, 100);
	(void)kernel_attach(vm);
	return vm;
}

/* What is changed behind its back is seen at the next call, and both states are shown. */
static void test_both_states_are_shown(void **state)
{
	struct vm *vm = one_vm();
	(void)state;
	vm->balloon.surrendered_pages++;
	expect_panic("what was moved so far is not the same",
		     (void)kernel_call(vm, AEROSTAT_CALL_NULL, 0, 0));
	assert_non_null(strstr(fake_log_text, "oracle: specified: held=1 balloon=0 surrendered=0"));
	assert_non_null(strstr(fake_log_text, "oracle: real: held=1 balloon=0 surrendered=1"));
}

static void test_the_sums_are_compared(void **state)
{
	(void)state;
	one_vm()->s2.mapped_pages++;
	expect_panic("the sums of pages are not the same",
		     (void)kernel_call(&vms[0], AEROSTAT_CALL_NULL, 0, 0));
}

/* Until all pages were in the window that is compared after a call. */
static void call_often(struct vm *vm)
{
	for (unsigned i = 0; i < vm->s2.limit_pages; i++) {
		memset(vm->vcpus[0].regs, 0, sizeof(vm->vcpus[0].regs));
		(void)hypercall_handle(&vm->vcpus[0], true);
	}
}

/* One page has left the balloon, and another one is gone: the sums are right. */
static void test_each_page_is_compared(void **state)
{
	struct vm *vm = one_vm();
	(void)state;
	kernel_give(vm, 2, 1);
	assert_int_equal(world_return(&vm->s2, 2, ORDER_4K), STATUS_OK);
	assert_int_equal(world_surrender(&vm->s2, 3, ORDER_4K), STATUS_OK);
	world_flush(&vm->s2);
	expect_panic("gfn 0x2: the page is something else (it is in the balloon as specified, and "
		     "really EMPTY)",
		     call_often(vm));
}

static void test_each_page_has_a_frame_of_its_own(void **state)
{
	struct vm *vm = one_vm();
	(void)state;
	assert_int_equal(kernel_touch_pages(vm, 1, 2), 2);
	pfn_t pfn = world_lookup(&vm->s2, 1).pfn;
	frame_of(pfn)->gfn = 2;
	expect_panic("gfn 0x1: its frame is another page's", call_often(vm));
}

/*
 * `give` pages from `out` on are in the balloon; behind the oracle's back an extent there leaves it
 * and another one goes in: the sums are right.
 */
static struct vm *exchange(uint64_t out, uint32_t give, uint64_t in, unsigned order)
{
	struct vm *vm = one_vm();
	kernel_give(vm, out, give);
	assert_int_equal(world_return(&vm->s2, out, order), STATUS_OK);
	assert_int_equal(world_surrender(&vm->s2, in, order), STATUS_OK);
	world_flush(&vm->s2);
	return vm;
}

static void test_eight_pages_in_the_balloon(void **state)
{
	(void)state;
	struct vm *vm = exchange(64, 8, 130, ORDER_4K);
	expect_panic("gfn 0x40: the page is something else (it is in the balloon as specified, and "
		     "really EMPTY)",
		     call_often(vm));
}

static void test_eight_untouched_pages(void **state)
{
	(void)state;
	struct vm *vm = exchange(130, 1, 66, ORDER_4K);
	expect_panic("gfn 0x42: the page is something else (it is untouched as specified, and "
		     "really BALLOONED)",
		     call_often(vm));
}

/* One entry of a table decides over all of its pages. */
static void test_region_in_the_balloon(void **state)
{
	(void)state;
	struct vm *vm = exchange(512, 512, 1024, ORDER_2M);
	expect_panic("gfn 0x200: the page is something else (it is in the balloon as specified, "
		     "and really EMPTY)",
		     call_often(vm));
}

static void test_untouched_region(void **state)
{
	(void)state;
	struct vm *vm = exchange(1024, 512, 512, ORDER_2M);
	expect_panic("gfn 0x200: the page is something else (it is untouched as specified, and "
		     "really BALLOONED)",
		     call_often(vm));
}

static void test_region_has_a_frame_of_its_own(void **state)
{
	(void)state;
	struct vm *vm = one_vm();
	assert_int_equal(world_populate(&vm->s2, 512, ORDER_2M), STATUS_OK);
	frame_of(world_lookup(&vm->s2, 512).pfn)->gfn = 1024;
	expect_panic("gfn 0x200: its frame is another page's", call_often(vm));
}

/* A region that a call was about is compared behind it, long before its turn comes. */
static void test_regions_of_a_call_are_compared(void **state)
{
	(void)state;
	struct vm *vm = one_vm();
	kernel_give(vm, 512, 512);
	struct watch *watch = watch_find(&vm->s2);
	spec_set_pages(&watch->spec, 515, 1, SPEC_UNTOUCHED);
	struct aerostat_range before = {.gfn = 512, .count = 1, .order = ORDER_2M};
	struct aerostat_range after = before;
	after.done = 1;
	struct s2_locked locked = s2_lock(&vm->s2);
	expect_panic("gfn 0x203: the page is something else",
		     watch_ranges(watch, locked, &before, &after, 1));
}

static void test_the_balloon_page_is_kept(void **state)
{
	struct vm *vm = one_vm();
	(void)state;
	world_unpin(&vm->s2, KERNEL_BALLOON_GFN);
	expect_panic("the balloon page is not kept", call_often(vm));
}

/* Whatever the guest had in that page: the oracle looks at each field. */
static void test_attach_writes_the_page(void **state)
{
	(void)state;
	kernel_start(FRAMES, 1);
	struct vm *vm = kernel_vm("vm", 1700, 1700, 100);
	memset(kernel_guest_page(vm, KERNEL_BALLOON_GFN), 0xff, PAGE_BYTES);
	(void)kernel_attach(vm);
	vm->balloon.page->magic = 0;
	expect_panic("the balloon page is not as ATTACH leaves it",
		     watch_attached(watch_find(&vm->s2)));
}

static void test_exit_ends_the_vm(void **state)
{
	(void)state;
	(void)kernel_call(one_vm(), AEROSTAT_CALL_EXIT, 7, 8);
	assert_int_equal(vms[0].state, VM_FINISHED);
}

static void test_attached_is_compared(void **state)
{
	struct vm *vm = one_vm();
	(void)state;
	vm->balloon.attached = false;
	expect_panic("attached is not the same", (void)kernel_call(vm, AEROSTAT_CALL_NULL, 0, 0));
	vm->balloon.attached = true;
}

/* Frames that no vCPU waits for, and no VM was promised: then no touch may wait, whatever the VM
 * holds. */
static void test_what_is_plenty(void **state)
{
	static struct spec_vm spec;
	(void)state;
	(void)one_vm();
	kernel_periods(1);
	uint64_t before = watch_plenty();
	assert_true(before != 0 && watch_plenty_still(before));
	promise_reserve_set(FRAMES);
	assert_false(watch_plenty_still(before));
	promise_reserve_set(0);
	frame_alloc_fail_at = 1;
	assert_int_equal(watch_plenty(), 0);
	frame_alloc_fail_at = 0;
	kernel_periods(1); /* it may have kept back frames in between */
	assert_true(watch_plenty() != 0);
	assert_false(watch_plenty_still(before));
	spec_begin(&spec, 1024);
	assert_null(spec_touch(&spec, 1, SPEC_UNTOUCHED, false, SPEC_WAITS));
	spec.plenty = true;
	assert_non_null(spec_touch(&spec, 1, SPEC_UNTOUCHED, false, SPEC_WAITS));
}

/* While VMs wait, the governor keeps back what is free. */
static void test_no_plenty_while_a_vm_waits(void **state)
{
	(void)state;
	(void)one_vm();
	watch_governor_looks();
	watch_governor_saw(true);
	watch_governor_reserved(false);
	assert_int_equal(watch_plenty(), 0);
	watch_governor_saw(false);
	watch_governor_reserved(true);
	assert_int_equal(watch_plenty(), 0);
	watch_governor_reserved(false);
	assert_true(watch_plenty() != 0);
}

/* A frame that still holds what its last owner wrote, at its very end. */
static void test_a_fresh_page_with_old_bytes(void **state)
{
	struct vm *vm = one_vm();
	(void)state;
	world_scrub_all();
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		if (frame_table[pfn].tag.state == FRAME_ZEROED) {
			for (uint64_t i = 0; i < order_pages(frame_table[pfn].tag.order); i++) {
				uint64_t *words = pfn_to_virt((pfn_t){pfn + i});
				words[PAGE_BYTES / sizeof(*words) - 1] = 1;
			}
		}
	}
	expect_panic("a fresh page is not zero", (void)kernel_touch(vm, 900));
}

static int teardown(void **state)
{
	frame_alloc_fail_at = 0;
	memset(machines, 0, sizeof(machines));
	return kernel_teardown(state);
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_walk_4k),
		TEST(test_walk_2m),
		TEST(test_walk_1g),
		TEST(test_both_states_are_shown),
		TEST(test_the_sums_are_compared),
		TEST(test_each_page_is_compared),
		TEST(test_each_page_has_a_frame_of_its_own),
		TEST(test_eight_pages_in_the_balloon),
		TEST(test_eight_untouched_pages),
		TEST(test_region_in_the_balloon),
		TEST(test_untouched_region),
		TEST(test_region_has_a_frame_of_its_own),
		TEST(test_regions_of_a_call_are_compared),
		TEST(test_the_balloon_page_is_kept),
		TEST(test_attach_writes_the_page),
		TEST(test_exit_ends_the_vm),
		TEST(test_attached_is_compared),
		TEST(test_what_is_plenty),
		TEST(test_no_plenty_while_a_vm_waits),
		TEST(test_a_fresh_page_with_old_bytes),
	};
	seed_of_this_run = environment_number("ORACLE_SEED", (uint64_t)time(NULL));
	return cmocka_run_group_tests(tests, NULL, NULL);
}
