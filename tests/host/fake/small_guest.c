/* SPDX-License-Identifier: BSD-2-Clause */
/* See small_guest.h. */
#include "fake/small_guest.h"

#include <string.h>

#include "base/bits.h"
#include "kernel/exit/hypercall.h"
#include "kernel/overcommit/wait_queue.h"
#include "kernel/balloon/admission.h"
#include "mm/phys.h"

const struct small_shape small_shapes[SMALL_SHAPES] = {
	{1, {{.gfn = 0, .count = 1}}},
	{1, {{.gfn = 1, .count = 1}}},
	{1, {{.gfn = 0, .count = 2}}},
	{1, {{.gfn = 1, .count = 2}}},
	{1, {{.gfn = 0, .count = 3}}}, /* and the array, in a world of three pages */
	{1, {{.gfn = 2, .count = 2}}}, /* in one of four */
	{1, {{.gfn = 0, .count = 3, .done = 1}}},
	{2, {{.gfn = 0, .count = 3}, {.gfn = 1, .count = 2}}}, /* they overlap */
	{2, {{.gfn = 1, .count = 1}, {.gfn = 1, .count = 1}}},
	{9,
	 {{.gfn = 0, .count = 1, .order = 1},
	  {.gfn = 0, .count = 1, .order = 9},
	  {.gfn = 1, .count = 1, .order = 9},
	  {.gfn = 0, .count = 0},
	  {.gfn = 0, .count = 1, .done = 2},
	  {.gfn = 0, .count = 1, .reserved = 1},
	  {.gfn = 0, .count = 1, .flags = 1},
	  {.gfn = SMALL_PAGES_MAX, .count = 1},
	  {.gfn = BIT(63), .count = UINT32_MAX}}},
};

static uint64_t *access_page(struct vcpu *vcpu, uint64_t gfn)
{
	return (uint64_t *)fake_tlb_access(&vcpu->vm->s2, vcpu->index, (gfn_t){gfn});
}

static struct small_guest *guest_of(const struct vcpu *vcpu)
{
	return &small_guests[vcpu->vm - vms];
}

struct small_prospect small_look_ahead(const struct vm *vm)
{
	const struct small_guest *guest = &small_guests[vm - vms];
	uint64_t mapped = vm->s2.mapped_pages;
	bool asked = guest->target_pages > vm->s2.ballooned_pages;
	struct small_prospect prospect = {.slack = small_slack()};
	prospect.promised = mapped < vm->config.min_pages;
	prospect.plenty = prospect.slack > small_world->reserve_pages && admission_allows_fill(vm);
	prospect.reserve =
		guest->attached && (asked || mapped < vm->config.mem_pages) && prospect.slack > 0;
	return prospect;
}

/* The page is there: what the guest finds, and writes. Not over its balloon page. */
static void use_page(struct vcpu *vcpu, uint64_t gfn, uint64_t *page, bool fresh)
{
	const struct small_guest *guest = guest_of(vcpu);
	if (guest->attached && guest->page_gfn == gfn) {
		return;
	}
	if (page[0] != 0 && (fresh || page[0] != small_pattern(vcpu->vm))) {
		fail_msg("VM %u finds %llx", vcpu->vm->id, (unsigned long long)page[0]);
	}
	small_write(vcpu->vm, page);
}

static void judge_touch(struct vcpu *vcpu, uint64_t gfn, struct small_prospect prospect,
			enum exit_action action)
{
	struct small_guest *guest = guest_of(vcpu);
	enum on_touch on_touch = vcpu->vm->config.on_touch;
	bool may_fill = guest->pages[gfn] == S2_EMPTY || on_touch == ON_TOUCH_ZERO;
	bool ordinary = prospect.promised || prospect.plenty;
	if (action == EXIT_RESUME) {
		assert_true(may_fill && (ordinary || prospect.reserve));
		guest->driver_debt_pages += ordinary ? 0 : 4;
		guest->pages[gfn] = S2_MAPPED;
	} else if (action == EXIT_BLOCK) {
		assert_true(may_fill && !ordinary && !prospect.reserve);
		assert_int_equal(vcpu->wait, WAIT_MEMORY);
	} else {
		assert_int_equal(action, on_touch == ON_TOUCH_FAULT ? EXIT_INJECT : EXIT_KILL);
		assert_false(may_fill);
	}
	uint64_t floor = action == EXIT_RESUME && !ordinary ? 0 : small_world->reserve_pages;
	assert_true(small_slack() >= min_u64(prospect.slack, floor));
}

bool small_touch(struct vcpu *vcpu, uint64_t gfn)
{
	uint64_t *page = access_page(vcpu, gfn);
	if (page != NULL) {
		use_page(vcpu, gfn, page, false);
		return true;
	}
	struct small_prospect prospect = small_look_ahead(vcpu->vm);
	enum exit_action action = demand_fault(vcpu, (gfn_t){gfn});
	judge_touch(vcpu, gfn, prospect, action);
	if (action == EXIT_RESUME) {
		page = access_page(vcpu, gfn);
		assert_non_null(page);
		use_page(vcpu, gfn, page, true);
	}
	return action == EXIT_RESUME;
}

int64_t small_call(struct vcpu *vcpu, uint64_t number, uint64_t rdi, uint64_t rsi)
{
	vcpu->regs[GPR_RAX] = number;
	vcpu->regs[GPR_RDI] = rdi;
	vcpu->regs[GPR_RSI] = rsi;
	(void)hypercall_handle(vcpu, true);
	int64_t result = (int64_t)vcpu->regs[GPR_RAX];
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	return result;
}

void small_attach(struct vcpu *vcpu, uint64_t gfn)
{
	struct small_guest *guest = guest_of(vcpu);
	struct small_prospect prospect = small_look_ahead(vcpu->vm);
	bool outside = gfn >= small_world->pages;
	bool fits = outside || guest->pages[gfn] != S2_EMPTY || prospect.promised ||
		    prospect.slack > small_world->reserve_pages;
	bool good = !outside && guest->pages[gfn] != S2_BALLOONED && fits;
	int64_t result =
		small_call(vcpu, AEROSTAT_CALL_BALLOON_ATTACH, gfn, gfn == 0 ? SMALL_VECTOR : 0);
	if (guest->attached) {
		assert_int_equal(result, AEROSTAT_ERROR_STATE);
		return;
	}
	assert_int_equal(result, good ? 0 : AEROSTAT_ERROR_ADDRESS);
	if (good) {
		guest->pages[gfn] = S2_MAPPED;
		guest->attached = true;
		guest->page_gfn = gfn;
		assert_int_equal(vcpu->doorbell_vector, gfn == 0 ? SMALL_VECTOR : 0);
	}
}

void small_detach(struct vcpu *vcpu)
{
	struct small_guest *guest = guest_of(vcpu);
	int64_t result = small_call(vcpu, AEROSTAT_CALL_BALLOON_DETACH, 0, 0);
	assert_int_equal(result, guest->attached ? 0 : AEROSTAT_ERROR_STATE);
	if (guest->attached) {
		guest->attached = false;
		guest->target_pages = 0;
		small_write(vcpu->vm, access_page(vcpu, guest->page_gfn));
	}
}

static const uint8_t call_numbers[] = {
	[BALLOON_SURRENDER] = AEROSTAT_CALL_BALLOON_SURRENDER,
	[BALLOON_REPORT] = AEROSTAT_CALL_BALLOON_REPORT,
	[BALLOON_RETURN] = AEROSTAT_CALL_BALLOON_RETURN,
	[BALLOON_EMERGENCY] = AEROSTAT_CALL_BALLOON_EMERGENCY,
};

/* Pages that came back with a frame: those that the answer says, and perhaps more. */
static void take_in_backed(const struct vm *vm, const struct aerostat_range *range,
			   const struct aerostat_range *before)
{
	struct small_guest *guest = &small_guests[vm - vms];
	struct s2_locked locked = s2_lock((struct s2 *)(uintptr_t)&vm->s2);
	for (uint32_t i = before->done; i < range->done; i++) {
		uint64_t gfn = range->gfn + i;
		bool mapped = s2_lookup(locked, (gfn_t){gfn}).kind == S2_MAPPED;
		assert_true(mapped || (range->flags & AEROSTAT_RANGE_FLAG_BACKED) == 0);
		guest->pages[gfn] = mapped ? S2_MAPPED : guest->pages[gfn];
	}
	s2_unlock(locked);
}

static void judge_answers(const struct vm *vm, enum balloon_operation operation,
			  const struct small_shape *shape, const struct aerostat_range *expected,
			  const struct aerostat_range *answers)
{
	for (unsigned i = 0; i < shape->count; i++) {
		const struct aerostat_range *answer = &answers[i];
		uint32_t backed = answer->flags & AEROSTAT_RANGE_FLAG_BACKED;
		assert_int_equal(answer->status, expected[i].status);
		assert_int_equal(answer->done, expected[i].done);
		assert_int_equal(answer->flags & ~backed, expected[i].flags);
		assert_true(backed == 0 || (operation == BALLOON_EMERGENCY &&
					    expected[i].status == AEROSTAT_RANGE_OK));
		bool judged = answer->done > shape->ranges[i].done;
		if (operation == BALLOON_EMERGENCY && judged) {
			take_in_backed(vm, answer, &shape->ranges[i]);
		}
	}
}

void small_call_ranges(struct vcpu *vcpu, enum balloon_operation operation,
		       const struct small_shape *shape)
{
	struct vm *vm = vcpu->vm;
	struct small_guest *guest = guest_of(vcpu);
	struct aerostat_range expected[SMALL_RANGES_MAX];
	uint64_t array = small_world->pages - 1;
	size_t bytes = shape->count * sizeof(struct aerostat_range);
	if (!small_touch(vcpu, array)) {
		return;
	}
	uint64_t mapped = vm->s2.mapped_pages;
	uint64_t slack = small_slack();
	uint64_t *page = access_page(vcpu, array);
	memcpy(page, shape->ranges, bytes);
	memcpy(expected, shape->ranges, bytes);
	int64_t result =
		small_call(vcpu, call_numbers[operation], array << PAGE_SHIFT, shape->count);
	if (!guest->attached) {
		assert_int_equal(result, AEROSTAT_ERROR_STATE);
		assert_memory_equal(page, shape->ranges, bytes);
	} else {
		assert_int_equal(result, shape->count);
		small_predict(vm, operation, expected, shape->count, array);
		judge_answers(vm, operation, shape, expected, (struct aerostat_range *)page);
		uint64_t freed = sub_floor_u64(mapped, vm->s2.mapped_pages);
		guest->driver_debt_pages = sub_floor_u64(guest->driver_debt_pages, freed);
		/* Out of the reserve only up to its allotment. */
		uint64_t lacking = sub_floor_u64(vm->config.mem_pages, mapped);
		uint64_t least = min_u64(slack, small_world->reserve_pages);
		assert_true(small_slack() + lacking >= least);
	}
	small_write(vm, page);
}

void small_call_unwritten(struct vcpu *vcpu)
{
	struct vm *vm = vcpu->vm;
	struct small_guest *guest = guest_of(vcpu);
	uint64_t array = small_world->pages - 1;
	struct small_prospect prospect = small_look_ahead(vm);
	int64_t result = small_call(vcpu, AEROSTAT_CALL_BALLOON_RETURN, array << PAGE_SHIFT, 1);
	if (!guest->attached) {
		assert_int_equal(result, AEROSTAT_ERROR_STATE);
		return;
	}
	bool fits = guest->pages[array] == S2_MAPPED || prospect.promised ||
		    prospect.slack > small_world->reserve_pages;
	if (guest->pages[array] == S2_BALLOONED || !fits) {
		assert_int_equal(result, AEROSTAT_ERROR_ADDRESS);
		return;
	}
	assert_int_equal(result, 1);
	guest->pages[array] = S2_MAPPED;
	struct aerostat_range *range = (struct aerostat_range *)access_page(vcpu, array);
	assert_int_equal(range->status, AEROSTAT_RANGE_BAD_COUNT);
	small_write(vm, (uint64_t *)range);
}

void small_say_idle(struct vcpu *vcpu)
{
	const struct small_guest *guest = guest_of(vcpu);
	struct aerostat_balloon_page *page =
		(struct aerostat_balloon_page *)access_page(vcpu, guest->page_gfn);
	uint64_t idle = page->idle_pages == 0 ? 2 : 0;
	page->free_pages = idle;
	page->idle_pages = idle;
	page->total_pages = small_world->pages;
}
