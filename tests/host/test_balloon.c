/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/balloon*.c: attaching, judging of ranges (H1, H2, H5, F3, F4, F8), partial progress, the
 * reserve, and the three answers to a touched page.
 */
#include "fake/kernel.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/balloon.h"
#include "kernel/governor.h"
#include "mm/alloc.h"
#include "mm/cache.h"

#define LIMIT 3000ull
#define NO_ARRAY 2999ull /* where the array is when a test does not care */

static struct vm *vm;
static struct vcpu *vcpu;

static void start(void)
{
	kernel_start(5000, 1);
	vm = kernel_vm("vm", LIMIT, 2000, 100);
	vcpu = &vm->vcpus[0];
}

static struct aerostat_range range(uint64_t gfn, unsigned order, uint32_t count)
{
	return (struct aerostat_range){.gfn = gfn, .order = (uint8_t)order, .count = count};
}

/* Calls until all ranges are judged, as a driver does; the world is checked after each call. */
static void work_off(enum balloon_operation operation, struct aerostat_range *ranges,
		     unsigned count, uint64_t array)
{
	for (unsigned first = 0, calls = 0; first < count; calls++) {
		first += kernel_ranges(vm, operation, ranges + first, count - first, array);
		world_check();
		assert_int_equal(vm->s2.revoking_pages, 0);
		for (unsigned i = 0; i < count; i++) {
			bool pending = ranges[i].status == AEROSTAT_RANGE_PENDING;
			assert_int_equal(pending, i >= first);
		}
		assert_true(calls < 100);
	}
}

static struct aerostat_range surrender(struct aerostat_range r)
{
	work_off(BALLOON_SURRENDER, &r, 1, NO_ARRAY);
	return r;
}

static struct aerostat_range give_back(struct aerostat_range r)
{
	work_off(BALLOON_RETURN, &r, 1, NO_ARRAY);
	return r;
}

static struct aerostat_range report(struct aerostat_range r)
{
	work_off(BALLOON_REPORT, &r, 1, NO_ARRAY);
	return r;
}

static struct aerostat_range emergency(struct aerostat_range r)
{
	work_off(BALLOON_EMERGENCY, &r, 1, NO_ARRAY);
	return r;
}

static void write_page(uint64_t gfn, uint64_t word)
{
	uint64_t *page = kernel_guest_page(vm, gfn);
	page[0] = word;
	page[511] = word;
}

static uint64_t read_page(uint64_t gfn)
{
	const uint64_t *page = kernel_guest_page(vm, gfn);
	assert_int_equal(page[0], page[511]);
	return page[0];
}

/* ---- Attach and detach
 * -------------------------------------------------------------------------*/

static void test_attach_and_detach(void **state)
{
	(void)state;
	start();
	assert_int_equal(surrender(range(100, 0, 3)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){LIMIT}, 0), STATUS_OUTSIDE);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){BIT(52) - 1}, 0), STATUS_OUTSIDE);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){101}, 0), STATUS_SURRENDERED);
	frame_alloc_fail_at = 1;
	assert_int_equal(balloon_attach(vcpu, (gfn_t){5}, 0x40), STATUS_NO_MEMORY);
	assert_false(vm->balloon.attached);
	assert_int_equal(balloon_detach(vcpu), STATUS_NOT_FOUND);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){5}, 0x40), STATUS_OK);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){6}, 0x40), STATUS_EXISTS);
	const struct aerostat_balloon_page *page = kernel_guest_page(vm, 5);
	assert_int_equal(page->magic, AEROSTAT_BALLOON_MAGIC);
	assert_int_equal(page->version, AEROSTAT_ABI_VERSION);
	assert_int_equal(page->size_pages, 3);
	assert_int_equal(page->target_pages, 0);
	assert_int_equal(surrender(range(200, 0, 4)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(page->size_pages, 7);
	balloon_set_target(vm, 50, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(balloon_detach(vcpu), STATUS_OK);
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_false(vcpu->doorbell_pending);
	assert_int_equal(vm->s2.ballooned_pages, 7);
	assert_int_equal(surrender(range(5, 0, 1)).status, AEROSTAT_RANGE_OK); /* let go */
	kernel_vm_end(vm);
}

/* H7: attaches a thousand times. */
static void test_attach_storm(void **state)
{
	(void)state;
	start();
	uint64_t free_before = frame_count_free();
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(balloon_attach(vcpu, (gfn_t){i % 7}, 0), STATUS_OK);
		assert_int_equal(balloon_attach(vcpu, (gfn_t){i % 5}, 0), STATUS_EXISTS);
		assert_int_equal(balloon_detach(vcpu), STATUS_OK);
	}
	world_check();
	assert_int_equal(frame_count_free(), free_before - 7 - 3);
	kernel_vm_end(vm);
	world_destroy_all();
}

/* ---- Ranges that are refused
 * -------------------------------------------------------------------*/

static void test_malformed_ranges_change_nothing(void **state)
{
	static const struct {
		struct aerostat_range range;
		uint8_t status;
	} cases[] = {
		{{.gfn = 0, .count = 1, .order = 1}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 8}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 27}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 64}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 1, .order = 255}, AEROSTAT_RANGE_BAD_ORDER},
		{{.gfn = 0, .count = 0, .order = 0}, AEROSTAT_RANGE_BAD_COUNT},
		{{.gfn = 0, .count = 1, .done = 2}, AEROSTAT_RANGE_BAD_COUNT},
		{{.gfn = 0, .count = 1, .done = UINT32_MAX}, AEROSTAT_RANGE_BAD_COUNT},
		{{.gfn = 1, .count = 1, .order = 9}, AEROSTAT_RANGE_MISALIGNED},
		{{.gfn = 511, .count = 1, .order = 9}, AEROSTAT_RANGE_MISALIGNED},
		{{.gfn = 512, .count = 1, .order = 18}, AEROSTAT_RANGE_MISALIGNED},
		{{.gfn = LIMIT, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = LIMIT - 1, .count = 2}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = LIMIT + 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = UINT32_MAX}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = UINT32_MAX, .order = 18}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 2560, .count = 1, .order = 9}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = 1, .order = 18}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = BIT(52) - 1, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = UINT64_MAX, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = UINT64_MAX, .count = UINT32_MAX}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = -512ull, .count = 2, .order = 9}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0xfee00, .count = 1}, AEROSTAT_RANGE_OUTSIDE},
		{{.gfn = 0, .count = 1, .reserved = 1}, AEROSTAT_RANGE_RESERVED},
		{{.gfn = 0, .count = 1, .flags = 1}, AEROSTAT_RANGE_RESERVED},
	};
	(void)state;
	start();
	write_page(0, 7);
	assert_int_equal(surrender(range(1, 0, 1)).status, AEROSTAT_RANGE_OK);
	struct world_image before = world_image();
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		struct aerostat_range rs[4];
		rs[0] = surrender(cases[i].range);
		rs[1] = give_back(cases[i].range);
		rs[2] = report(cases[i].range);
		rs[3] = emergency(cases[i].range);
		for (unsigned j = 0; j < 4; j++) {
			if (rs[j].status != cases[i].status || rs[j].done != cases[i].range.done) {
				fail_msg("case %u call %u: status %u, expected %u", i, j,
					 rs[j].status, cases[i].status);
			}
		}
	}
	struct world_image after = world_image();
	assert_true(world_image_equal(&before, &after));
	world_image_free(&before);
	world_image_free(&after);
	assert_int_equal(vm->balloon.surrendered_pages, 1);
	assert_int_equal(vm->balloon.returned_pages, 0);
	kernel_vm_end(vm);
}

/* H1: the same page twice in one call, and a return of what was never given. */
static void test_same_page_twice(void **state)
{
	(void)state;
	start();
	struct aerostat_range rs[4] = {range(10, 0, 1), range(10, 0, 1), range(9, 0, 3),
				       range(11, 0, 1)};
	write_page(10, 1);
	work_off(BALLOON_SURRENDER, rs, 4, NO_ARRAY);
	assert_int_equal(rs[0].status, AEROSTAT_RANGE_OK);
	assert_int_equal(rs[1].status, AEROSTAT_RANGE_SURRENDERED);
	assert_int_equal(rs[2].status, AEROSTAT_RANGE_SURRENDERED);
	assert_int_equal(rs[2].done, 1); /* page 9, then it met page 10 */
	assert_int_equal(rs[3].status, AEROSTAT_RANGE_OK);
	assert_int_equal(vm->s2.ballooned_pages, 3);
	assert_int_equal(vm->balloon.surrendered_pages, 3);
	assert_int_equal(give_back(range(50, 0, 1)).status, AEROSTAT_RANGE_NOT_SURRENDERED);
	struct aerostat_range twice[2] = {range(10, 0, 1), range(10, 0, 1)};
	work_off(BALLOON_RETURN, twice, 2, NO_ARRAY);
	assert_int_equal(twice[0].status, AEROSTAT_RANGE_OK);
	assert_int_equal(twice[1].status, AEROSTAT_RANGE_NOT_SURRENDERED);
	assert_int_equal(vm->s2.ballooned_pages, 2);
	kernel_vm_end(vm);
}

/* F7, F8: pages that the hypervisor uses, in single pages and within larger extents. */
static void test_pages_in_use(void **state)
{
	(void)state;
	start();
	assert_int_equal(balloon_attach(vcpu, (gfn_t){600}, 0), STATUS_OK);
	assert_int_equal(surrender(range(600, 0, 1)).status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(surrender(range(512, 9, 1)).status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(report(range(600, 0, 1)).status, AEROSTAT_RANGE_IN_USE);
	struct aerostat_range r = surrender(range(598, 0, 4));
	assert_int_equal(r.status, AEROSTAT_RANGE_IN_USE);
	assert_int_equal(r.done, 2);
	for (unsigned call = 0; call < 2; call++) {
		enum balloon_operation work = call == 0 ? BALLOON_SURRENDER : BALLOON_REPORT;
		struct aerostat_range rs[3] = {range(1030, 0, 1), range(1024, 9, 1),
					       range(1026, 0, 10)};
		write_page(1030, 3);
		work_off(work, rs, 3, 1030);
		assert_int_equal(rs[0].status, AEROSTAT_RANGE_IN_USE);
		assert_int_equal(rs[1].status, AEROSTAT_RANGE_IN_USE);
		assert_int_equal(rs[2].status, AEROSTAT_RANGE_IN_USE);
		assert_int_equal(rs[2].done, 4);
		assert_int_equal(read_page(1030), 3);
		(void)give_back(range(1026, 0, 4));
	}
	kernel_vm_end(vm);
}

/* H5: 4 KiB and 2 MiB of one region, interleaved. */
static void test_interleaved_sizes(void **state)
{
	(void)state;
	start();
	struct aerostat_range rs[6] = {range(600, 0, 1),   range(512, 9, 1), range(512, 0, 88),
				       range(601, 0, 423), range(512, 9, 1), range(700, 0, 1)};
	write_page(600, 5);
	work_off(BALLOON_SURRENDER, rs, 6, NO_ARRAY);
	static const uint8_t statuses[6] = {
		AEROSTAT_RANGE_OK, AEROSTAT_RANGE_MIXED,       AEROSTAT_RANGE_OK,
		AEROSTAT_RANGE_OK, AEROSTAT_RANGE_SURRENDERED, AEROSTAT_RANGE_SURRENDERED,
	};
	for (unsigned i = 0; i < 6; i++) {
		assert_int_equal(rs[i].status, statuses[i]);
	}
	assert_int_equal(vm->s2.ballooned_pages, 512);
	world_expect_slot(&vm->s2, 600, S2_BALLOONED, ORDER_2M);
	assert_int_equal(give_back(range(700, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(give_back(range(512, 9, 1)).status, AEROSTAT_RANGE_MIXED);
	assert_int_equal(give_back(range(512, 0, 188)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(give_back(range(701, 0, 323)).status, AEROSTAT_RANGE_OK);
	world_expect_slot(&vm->s2, 600, S2_EMPTY, ORDER_1G); /* nothing is left below */
	kernel_vm_end(vm);
}

/* ---- Progress
 * ----------------------------------------------------------------------------------*/

/* F4: a call ends after a bounded amount of work and is continued where it stopped. */
static void test_partial_progress(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 0; gfn < 2900; gfn++) {
		write_page(gfn, gfn);
	}
	struct aerostat_range rs[3] = {range(0, 0, 10), range(10, 0, 2500), range(2600, 0, 1)};
	unsigned calls = 0;
	unsigned first = 0;
	while (first < 3) {
		uint64_t before = vm->s2.ballooned_pages;
		uint64_t flushes = fake_tlb_flush_count;
		first += kernel_ranges(vm, BALLOON_SURRENDER, rs + first, 3 - first, NO_ARRAY);
		world_check();
		assert_in_range(vm->s2.ballooned_pages - before, 1, AEROSTAT_CALL_WORK_MAX);
		assert_int_equal(fake_tlb_flush_count, flushes + 1);
		assert_int_equal(vm->s2.revoking_pages, 0);
		if (first < 3) {
			assert_int_equal(rs[first].status, AEROSTAT_RANGE_PENDING);
			assert_int_equal(rs[1].done + rs[0].done, vm->s2.ballooned_pages);
		}
		assert_true(++calls < 10);
	}
	assert_in_range(calls, 3, 4);
	assert_int_equal(rs[1].status, AEROSTAT_RANGE_OK);
	assert_int_equal(rs[1].done, 2500);
	assert_int_equal(vm->s2.ballooned_pages, 2511);
	assert_int_equal(vm->balloon.surrendered_pages, 2511);
	assert_int_equal(read_page(2599), 2599);
	kernel_vm_end(vm);
}

/* Tables of single pages cost their 512 entries: still bounded, still complete. */
static void test_bounded_work_on_whole_tables(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 0; gfn < 2560; gfn++) {
		assert_int_equal(world_populate(&vm->s2, gfn, 0), STATUS_OK);
	}
	struct aerostat_range r = range(0, 9, 5);
	unsigned calls = 0;
	while (kernel_ranges(vm, BALLOON_SURRENDER, &r, 1, NO_ARRAY) == 0) {
		assert_int_equal(r.status, AEROSTAT_RANGE_PENDING);
		assert_in_range(r.done, calls + 1, 2 * (calls + 1));
		calls++;
		world_check();
	}
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_in_range(calls, 1, 4);
	assert_int_equal(vm->s2.ballooned_pages, 2560);
	assert_int_equal(vm->s2.mapped_pages, 0);
	kernel_vm_end(vm);
}

/* F3: no memory for a table in the middle of a range: what was done is counted, the rest is not. */
static void test_no_memory_in_the_middle(void **state)
{
	(void)state;
	start();
	frame_caches_floor_set(FRAME_CACHES_OFF); /* every allocation is one that can fail */
	/* Nothing is mapped at 510, so nothing waits in quarantine that could help out. */
	assert_int_equal(world_populate(&vm->s2, 0, ORDER_4K), STATUS_OK);
	assert_int_equal(world_populate(&vm->s2, 512, ORDER_2M), STATUS_OK);
	frame_alloc_fail_at = 1;
	struct aerostat_range r = surrender(range(510, 0, 4));
	frame_alloc_fail_at = 0;
	assert_int_equal(r.status, AEROSTAT_RANGE_NO_MEMORY);
	assert_int_equal(r.done, 2);
	assert_int_equal(vm->s2.ballooned_pages, 2);
	assert_int_equal(vm->balloon.surrendered_pages, 2);
	r.status = AEROSTAT_RANGE_PENDING;
	r = surrender(r);
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(vm->s2.ballooned_pages, 4);
	kernel_vm_end(vm);
}

static void test_donated_frames_are_free_at_once(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 0; gfn < 600; gfn++) {
		write_page(gfn, 0x5ec + gfn);
	}
	uint64_t free_before = frame_count_free();
	assert_int_equal(surrender(range(0, 0, 600)).status, AEROSTAT_RANGE_OK);
	assert_in_range(frame_count_free(), free_before + 600, free_before + 602);
	struct aerostat_range r = give_back(range(0, 0, 600));
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	for (uint64_t gfn = 0; gfn < 600; gfn++) {
		assert_int_equal(read_page(gfn), 0);
	}
	kernel_vm_end(vm);
}

/* ---- Reports and emergencies
 * -------------------------------------------------------------------*/

static void test_report_drops_contents(void **state)
{
	(void)state;
	start();
	write_page(20, 0xabc);
	write_page(23, 0xdef);
	struct aerostat_range r = report(range(20, 0, 3));
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	assert_int_equal(vm->s2.ballooned_pages, 0);
	assert_int_equal(vm->balloon.reported_pages, 3);
	assert_int_equal(vm->balloon.surrendered_pages, 0);
	assert_int_equal(read_page(20), 0); /* without asking */
	assert_int_equal(read_page(23), 0xdef);
	assert_int_equal(vm->balloon.touched_pages, 0);
	assert_int_equal(surrender(range(30, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(report(range(30, 0, 1)).status, AEROSTAT_RANGE_SURRENDERED);
	/* A whole region in one step, and once more: there is nothing to drop, and that is fine. */
	assert_int_equal(world_populate(&vm->s2, 512, ORDER_2M), STATUS_OK);
	assert_int_equal(report(range(512, 9, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(report(range(512, 9, 1)).status, AEROSTAT_RANGE_OK);
	kernel_vm_end(vm);
}

/* Another VM takes all that can be had; answers how much. */
static uint64_t drain(struct vm *greedy)
{
	uint64_t taken = 0;
	while (greedy->vcpus[0].state == VCPU_RUNNING) {
		taken += kernel_touch(greedy, taken) == EXIT_RESUME;
		world_check();
	}
	return taken;
}

/* P6: a guest that is out of memory gets 2 MiB in one call, although the host has none to spare. */
static void test_emergency(void **state)
{
	(void)state;
	start();
	struct vm *greedy = kernel_vm("greedy", 6000, 6000, 0);
	assert_int_equal(surrender(range(0, 0, 512)).status, AEROSTAT_RANGE_OK);
	(void)drain(greedy);
	assert_true(vm_waits_for_memory(greedy));
	assert_int_equal(greedy->vcpus[0].state, VCPU_ASLEEP);
	assert_int_equal(promise_spare(), 0);
	struct aerostat_range r = range(0, ORDER_2M, 1);
	assert_int_equal(kernel_ranges(vm, BALLOON_EMERGENCY, &r, 1, NO_ARRAY), 1); /* one call */
	world_check();
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO | AEROSTAT_RANGE_FLAG_BACKED);
	assert_int_equal(vm->s2.mapped_pages, 512);
	for (uint64_t gfn = 0; gfn < 512; gfn++) {
		assert_non_null(fake_tlb_access(&vm->s2, 0, (gfn_t){gfn}));
		assert_int_equal(read_page(gfn), 0);
	}
	kernel_vm_end(vm);
	kernel_vm_end(greedy);
}

/*
 * Regression: a range that was begun without frames and ended with them claimed that all of its
 * pages had one.
 */
static void test_emergency_in_two_calls(void **state)
{
	(void)state;
	start();
	assert_int_equal(surrender(range(0, 0, 1100)).status, AEROSTAT_RANGE_OK);
	uint64_t left = vm->s2.ballooned_pages;
	struct aerostat_range r = range(0, 0, (uint32_t)left);
	frame_alloc_fail_at = 5;
	assert_int_equal(kernel_ranges(vm, BALLOON_EMERGENCY, &r, 1, NO_ARRAY), 0);
	assert_int_equal(r.status, AEROSTAT_RANGE_PENDING);
	assert_true(vm->s2.mapped_pages < r.done);
	while (kernel_ranges(vm, BALLOON_EMERGENCY, &r, 1, NO_ARRAY) == 0) {
		world_check();
	}
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_true(vm->s2.mapped_pages < left);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	kernel_vm_end(vm);
}

/* A VM that has its allotment gets nothing from the reserve; its pages are out all the same. */
static void test_emergency_is_for_those_below_their_allotment(void **state)
{
	(void)state;
	start();
	vm->config.mem_pages = 10;
	struct vm *greedy = kernel_vm("greedy", 6000, 6000, 0);
	for (uint64_t gfn = 1000; gfn < 1100; gfn++) {
		write_page(gfn, 1);
	}
	assert_int_equal(surrender(range(0, 0, 64)).status, AEROSTAT_RANGE_OK);
	(void)drain(greedy);
	struct aerostat_range r = emergency(range(0, 0, 64));
	assert_int_equal(r.status, AEROSTAT_RANGE_OK);
	assert_int_equal(r.flags, AEROSTAT_RANGE_FLAG_ZERO);
	assert_int_equal(vm->s2.ballooned_pages, 0);
	kernel_vm_end(vm);
	kernel_vm_end(greedy);
}

/* ---- Touches
 * -----------------------------------------------------------------------------------*/

static void test_touch_zero(void **state)
{
	(void)state;
	start();
	assert_int_equal(balloon_attach(vcpu, (gfn_t){5}, 0x40), STATUS_OK);
	write_page(7, 77);
	assert_int_equal(surrender(range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	frame_caches_empty();
	frame_caches_floor_set(FRAME_CACHES_OFF);
	uint64_t held = vm->s2.promise.held_pages;
	assert_int_equal(kernel_touch(vm, 7), EXIT_RESUME);
	world_check();
	assert_int_equal(vm->s2.promise.held_pages, held + 1); /* charged */
	assert_int_equal(vm->balloon.touched_pages, 1);
	assert_int_equal(vm->balloon.page->size_pages, 0);
	assert_int_equal(read_page(7), 0);
	assert_int_equal(kernel_touch(vm, 7), EXIT_RESUME); /* was faster */
	assert_int_equal(vm->balloon.touched_pages, 1);
	kernel_vm_end(vm);
}

static void test_touch_fault(void **state)
{
	(void)state;
	start();
	vm->config.on_touch = ON_TOUCH_FAULT;
	assert_int_equal(surrender(range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(kernel_touch(vm, 7), EXIT_INJECT);
	assert_int_equal(vcpu->inject.vector, 13);
	assert_true(vcpu->inject.has_error);
	world_expect_slot(&vm->s2, 7, S2_BALLOONED, 0);
	assert_int_equal(kernel_touch(vm, 8), EXIT_RESUME); /* merely empty */
	assert_int_equal(vm->state, VM_RUNNING);
	kernel_vm_end(vm);
}

static void test_touch_stop(void **state)
{
	(void)state;
	start();
	vm->config.on_touch = ON_TOUCH_STOP;
	assert_int_equal(surrender(range(7, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(kernel_touch(vm, 8), EXIT_RESUME);
	assert_int_equal(kernel_touch(vm, 7), EXIT_KILL);
	assert_int_equal(vm->state, VM_KILLED);
	assert_int_equal(vcpu->state, VCPU_ENDED);
	assert_non_null(strstr(fake_log_text, "surrendered"));
	kernel_vm_end(vm);
	assert_int_equal(frame_count_free(), 5000);
}

/* H8: touches everything it gave away; the others still get what they were promised. */
static void test_touching_everything_breaks_no_promise(void **state)
{
	(void)state;
	kernel_start(5000, 0);
	struct vm *promised = kernel_vm("promised", 2000, 2000, 1500);
	vm = kernel_vm("rogue", 5000, 2000, 100);
	vcpu = &vm->vcpus[0];
	assert_int_equal(surrender(range(0, 0, 2900)).status, AEROSTAT_RANGE_OK);
	(void)drain(vm);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	assert_int_equal(vm_blocked_since(vm), fake_tsc);
	for (uint64_t gfn = 0; gfn < 1500; gfn++) {
		assert_int_equal(kernel_touch(promised, gfn), EXIT_RESUME);
	}
	world_check();
	kernel_vm_end(vm);
	kernel_vm_end(promised);
}

/* ---- Target and statistics
 * ---------------------------------------------------------------------*/

static void test_target_and_doorbell(void **state)
{
	(void)state;
	start();
	balloon_set_target(vm, 40, AEROSTAT_PRESSURE_LOW); /* nobody listens */
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){5}, 0x40), STATUS_OK);
	vcpu->wait = WAIT_DOORBELL;
	kernel_settle(vcpu);
	assert_int_equal(vcpu->state, VCPU_ASLEEP);
	balloon_set_target(vm, 40, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(vm->balloon.page->target_pages, 40);
	assert_int_equal(vm->balloon.page->pressure, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(vm->balloon.page->doorbells, 1);
	assert_true(vcpu->doorbell_pending);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	vcpu->doorbell_pending = false;
	balloon_set_target(vm, 40, AEROSTAT_PRESSURE_HIGH); /* only the pressure */
	assert_int_equal(vm->balloon.page->doorbells, 1);
	assert_false(vcpu->doorbell_pending);
	kernel_pick(vcpu);
	vcpu->wait = WAIT_MEMORY;
	kernel_settle(vcpu);
	balloon_set_target(vm, 30, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(vcpu->state, VCPU_ASLEEP); /* a doorbell brings no frame */
	vcpu_grant(vcpu);
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	assert_int_equal(vm->balloon.target_peak_pages, 40);
	kernel_vm_end(vm);
}

/* H7: lies. */
static void test_statistics_are_clamped(void **state)
{
	(void)state;
	start();
	struct balloon_statistics none = balloon_read_statistics(vm);
	assert_int_equal(none.idle_pages, 0);
	assert_int_equal(balloon_attach(vcpu, (gfn_t){5}, 0), STATUS_OK);
	struct aerostat_balloon_page *page = kernel_guest_page(vm, 5);
	page->total_pages = UINT64_MAX;
	page->free_pages = UINT64_MAX;
	page->idle_pages = UINT64_MAX;
	page->wanted_pages = UINT64_MAX;
	page->refault_count = UINT64_MAX;
	struct balloon_statistics statistics = balloon_read_statistics(vm);
	assert_int_equal(statistics.total_pages, LIMIT);
	assert_int_equal(statistics.free_pages, LIMIT);
	assert_int_equal(statistics.idle_pages, LIMIT);
	assert_int_equal(statistics.wanted_pages, LIMIT);
	page->free_pages = 10;
	assert_int_equal(balloon_read_statistics(vm).idle_pages, 10);
	/* What the hypervisor wrote there, the guest may overwrite; only its own page suffers. */
	page->magic = 0;
	page->size_pages = UINT64_MAX;
	page->doorbells = UINT32_MAX;
	balloon_set_target(vm, 3, AEROSTAT_PRESSURE_NONE);
	assert_int_equal(surrender(range(100, 0, 1)).status, AEROSTAT_RANGE_OK);
	assert_int_equal(page->size_pages, 1);
	kernel_vm_end(vm);
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_attach_and_detach),
		TEST(test_attach_storm),
		TEST(test_malformed_ranges_change_nothing),
		TEST(test_same_page_twice),
		TEST(test_pages_in_use),
		TEST(test_interleaved_sizes),
		TEST(test_partial_progress),
		TEST(test_bounded_work_on_whole_tables),
		TEST(test_no_memory_in_the_middle),
		TEST(test_donated_frames_are_free_at_once),
		TEST(test_report_drops_contents),
		TEST(test_emergency),
		TEST(test_emergency_in_two_calls),
		TEST(test_emergency_is_for_those_below_their_allotment),
		TEST(test_touch_zero),
		TEST(test_touch_fault),
		TEST(test_touch_stop),
		TEST(test_touching_everything_breaks_no_promise),
		TEST(test_target_and_doorbell),
		TEST(test_statistics_are_clamped),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
