/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/promise.c under a million orders of arrival: VMs with a guaranteed part and an oversubscribed
 * one come, grow into memory that is not theirs, shrink and leave, in any order. A VM is admitted
 * when what it is guaranteed is not owed to others, and then only: whatever the others have taken,
 * each VM that was admitted can claim all of its guaranteed part, and its tables, at any moment.
 */
#include "fake/world.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"

#define ORDERS 1000000
#define STEPS 16
#define VMS 6
#define RAM 64

struct tenant {
	struct promise promise;
	bool here;
	uint64_t max_pages;
};

static struct tenant tenants[VMS];
static uint64_t state_of_random;
static uint64_t admitted;
static uint64_t refused;
static uint64_t beyond_guarantee;

static uint64_t draw(uint64_t limit)
{
	state_of_random ^= state_of_random << 13;
	state_of_random ^= state_of_random >> 7;
	state_of_random ^= state_of_random << 17;
	return (state_of_random >> 11) % limit;
}

/* Frames leave the pool, or come back: what the allocator does once a promise allows it. */
static void move_frames(uint64_t pages)
{
	frame_counts[FRAME_DIRTY] -= pages;
	frame_counts[FRAME_GUEST] += pages;
}

static uint64_t owed_to(const struct tenant *vm)
{
	return sub_floor_u64(vm->promise.min_pages, vm->promise.held_pages) +
	       vm->promise.table_pages_worst - vm->promise.table_pages;
}

static uint64_t owed_to_all(void)
{
	uint64_t pages = 0;
	for (unsigned i = 0; i < VMS; i++) {
		pages += tenants[i].here ? owed_to(&tenants[i]) : 0;
	}
	return pages;
}

static void arrive(struct tenant *vm)
{
	uint64_t guaranteed = draw(RAM / 2);
	uint64_t tables = draw(4);
	uint64_t spare = frame_counts[FRAME_DIRTY] - owed_to_all();
	bool fits = guaranteed + tables <= spare;
	assert_int_equal(promise_make(&vm->promise, guaranteed, tables) == STATUS_OK, fits);
	vm->here = fits;
	vm->max_pages = guaranteed + draw(RAM / 2);
	admitted += fits ? 1 : 0;
	refused += fits ? 0 : 1;
}

static bool take(struct tenant *vm, uint64_t pages)
{
	if (!promise_take(&vm->promise, pages)) {
		return false;
	}
	move_frames(pages);
	return true;
}

static void grow(struct tenant *vm)
{
	uint64_t room = sub_floor_u64(vm->max_pages, vm->promise.held_pages);
	if (room > 0 && take(vm, 1 + draw(room)) &&
	    vm->promise.held_pages > vm->promise.min_pages) {
		beyond_guarantee++;
	}
}

static void give(struct tenant *vm, uint64_t pages)
{
	promise_held_remove(&vm->promise, pages);
	move_frames(0 - pages);
}

static void leave(struct tenant *vm)
{
	give(vm, vm->promise.held_pages);
	while (vm->promise.table_pages > 0) {
		promise_table_remove(&vm->promise);
		move_frames(0 - (uint64_t)1);
	}
	promise_withdraw(&vm->promise);
	vm->here = false;
}

static void step(struct tenant *vm)
{
	uint64_t what = draw(8);
	if (!vm->here) {
		arrive(vm);
	} else if (what < 4) {
		grow(vm);
	} else if (what < 5) {
		give(vm, draw(vm->promise.held_pages + 1));
	} else if (what < 6 && vm->promise.table_pages < vm->promise.table_pages_worst) {
		promise_table_add(&vm->promise);
		move_frames(1);
	} else if (what == 7) {
		leave(vm);
	}
	assert_int_equal(promise_owed(), owed_to_all());
	assert_true(promise_owed() <= frame_counts[FRAME_DIRTY]);
}

/* All take what they can, and then each claims what it was promised, from any VM on. */
static void claim_all(void)
{
	unsigned first = (unsigned)draw(VMS);
	for (unsigned i = 0; i < VMS; i++) {
		struct tenant *vm = &tenants[(first + i) % VMS];
		uint64_t room = vm->here ? sub_floor_u64(vm->max_pages, vm->promise.held_pages) : 0;
		for (uint64_t pages = room; pages > 0; pages /= 2) {
			(void)take(vm, min_u64(pages, vm->max_pages - vm->promise.held_pages));
		}
	}
	first = (unsigned)draw(VMS);
	for (unsigned i = 0; i < VMS; i++) {
		struct tenant *vm = &tenants[(first + i) % VMS];
		if (!vm->here) {
			continue;
		}
		assert_true(take(vm, sub_floor_u64(vm->promise.min_pages, vm->promise.held_pages)));
		while (vm->promise.table_pages < vm->promise.table_pages_worst) {
			assert_true(frame_counts[FRAME_DIRTY] > 0);
			promise_table_add(&vm->promise);
			move_frames(1);
		}
	}
}

static void test_no_admission_that_cannot_be_honoured(void **state)
{
	(void)state;
	world_start(RAM, RAM, 2);
	state_of_random = 0x9e3779b97f4a7c15ull;
	for (unsigned order = 0; order < ORDERS; order++) {
		assert_int_equal(frame_counts[FRAME_DIRTY], RAM);
		for (unsigned i = 0; i < STEPS; i++) {
			step(&tenants[draw(VMS)]);
		}
		claim_all();
		for (unsigned i = 0; i < VMS; i++) {
			if (tenants[i].here) {
				leave(&tenants[i]);
			}
		}
		assert_int_equal(promise_owed(), 0);
	}
	/* It was tried: both answers are common, and VMs had what others were promised later. */
	world_stop();
	assert_true(admitted > ORDERS && refused > ORDERS / 10 && beyond_guarantee > ORDERS / 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_no_admission_that_cannot_be_honoured),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
