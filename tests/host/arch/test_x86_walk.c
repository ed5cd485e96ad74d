/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/guest/guest_walk.c: a guest's own page tables, in the paging modes that guests have, in
 * memory that is there, not there yet, given away or none at all.
 */
#include "fake/world.h"

#include <string.h>

#include "arch/backend.h"
#include "arch/walk.h"
#include "arch/x86/guest/guest_walk.h"
#include "base/bits.h"
#include "mm/guest_copy.h"

#define LIMIT 3000ull
#define PRESENT 0x3ull
#define LARGE 0x80ull

static struct s2 *vm;
static uint64_t cr0, cr3, cr4, efer;

static uint64_t fake_read(const struct vcpu *vcpu, enum guest_register name)
{
	(void)vcpu;
	switch (name) {
	case GUEST_CR0:
		return cr0;
	case GUEST_CR3:
		return cr3;
	case GUEST_CR4:
		return cr4;
	case GUEST_EFER:
		return efer;
	default:
		fail_msg("register %u", (unsigned)name);
		return 0;
	}
}

static bool opened, opens;
static unsigned opens_count;

static bool vcpu_open(struct vcpu *of)
{
	(void)of;
	assert_false(opened);
	opened = opens;
	opens_count++;
	return opens;
}

static void vcpu_close(struct vcpu *of)
{
	(void)of;
	assert_true(opened);
	opened = false;
}

static const struct backend fake_backend = {.vcpu_open = vcpu_open, .vcpu_close = vcpu_close};
static const struct backend memory_backend = {.name = "always in memory"};
const struct backend *backend = &fake_backend;

static const struct guest_access access = {.read = fake_read};
static struct arch_vcpu arch = {.access = &access};
static const struct vcpu vcpu = {.arch = &arch};

static void start(void)
{
	world_start(512, 4000, 1);
	vm = world_create(1, LIMIT, 0);
	assert_non_null(vm);
	arch.s2 = vm;
	cr0 = CR0_PE;
	cr3 = cr4 = efer = 0;
}

static void put(uint64_t gpa, const void *bytes, size_t count)
{
	struct s2_locked locked = s2_lock(vm);

	assert_int_equal(guest_copy_out(locked, (gpa_t){gpa}, bytes, count), STATUS_OK);
	s2_unlock(locked);
}

static void put_64(uint64_t gpa, uint64_t value)
{
	put(gpa, &value, 8);
}

static void put_32(uint64_t gpa, uint32_t value)
{
	put(gpa, &value, 4);
}

#define NOWHERE UINT64_MAX

static uint64_t translate(uint64_t linear)
{
	struct s2_locked locked = s2_lock(vm);
	gpa_t gpa;
	bool found = guest_translate(&vcpu, locked, linear, &gpa);

	s2_unlock(locked);
	return found ? gpa.v : NOWHERE;
}

static void test_without_paging(void **state)
{
	(void)state;
	start();
	assert_int_equal(translate(0x12345678), 0x12345678);
	world_destroy_all();
}

static void long_mode(void)
{
	cr0 |= CR0_PG;
	cr4 = CR4_PAE;
	efer = EFER_LME | EFER_LMA;
	cr3 = 0x1018; /* its low bits are about caching */
	put_64(0x1000 + 8 * 511, 0x2000 | PRESENT);
	put_64(0x2000 + 8 * 510, 0x3000 | PRESENT);
	put_64(0x3000 + 8 * 5, 0x4000 | PRESENT | BIT(63));
	put_64(0x4000 + 8 * 7, 0x123000 | PRESENT);
}

static void test_four_levels(void **state)
{
	const uint64_t base = 0xffffffff80000000;
	(void)state;

	start();
	long_mode();
	assert_int_equal(translate(base + 5 * MIB(2) + 0x7abc), 0x123abc);
	assert_int_equal(translate(base + 5 * MIB(2) + 0x8abc), NOWHERE);
	assert_int_equal(translate(base + 4 * MIB(2)), NOWHERE);
	assert_int_equal(translate(0), NOWHERE);
	put_64(0x3000 + 8 * 4, 0xa00000 | PRESENT | LARGE);
	assert_int_equal(translate(base + 4 * MIB(2) + 0x123456), 0xb23456);
	put_64(0x2000 + 8 * 1, 0x40000000 | PRESENT | LARGE);
	assert_int_equal(translate(0xffffff8040000000 + 0x3456789), 0x43456789);
	/* The bit has no meaning in the last level, and none in the first. */
	put_64(0x4000 + 8 * 7, 0x123000 | PRESENT | LARGE);
	assert_int_equal(translate(base + 5 * MIB(2) + 0x7abc), 0x123abc);
	put_64(0x1000 + 8 * 511, 0x2000 | PRESENT | LARGE);
	assert_int_equal(translate(base + 5 * MIB(2) + 0x7abc), 0x123abc);
	world_destroy_all();
}

static void test_two_levels(void **state)
{
	(void)state;
	start();
	cr0 |= CR0_PG;
	cr3 = 0x5000;
	put_32(0x5000 + 4 * 1, 0x6000 | PRESENT);
	put_32(0x6000 + 4 * 9, 0x77000 | PRESENT);
	put_32(0x5000 + 4 * 2, 0x00c06000 | PRESENT | LARGE);
	assert_int_equal(translate(0x400000 + 0x9fff), 0x77fff);
	/* Without PSE the bit is ignored: a table beyond RAM. */
	assert_int_equal(translate(0x800000 + 0x1234), NOWHERE);
	cr4 = CR4_PSE;
	assert_int_equal(translate(0x800000 + 0x1234), 0x300c01234);
	world_destroy_all();
}

static void test_tables_that_are_not_there(void **state)
{
	(void)state;
	start();
	long_mode();
	cr3 = LIMIT << PAGE_SHIFT; /* beyond RAM */
	assert_int_equal(translate(0), NOWHERE);
	cr3 = 0x000ffffffffff000;
	assert_int_equal(translate(0), NOWHERE);
	cr3 = 0x9000; /* never touched: reads as zero */
	assert_int_equal(translate(0), NOWHERE);
	cr3 = 0x1000;
	assert_int_equal(world_surrender(vm, 1, 0), STATUS_OK);
	assert_int_equal(translate(0xffffffff80000000), NOWHERE);
	world_destroy_all();
}

static void test_fetch(void **state)
{
	const uint64_t base = 0xffffffff80000000 + 5 * MIB(2);
	uint8_t bytes[15];
	(void)state;

	start();
	long_mode();
	put(0x123ffb, "instr", 5);
	assert_int_equal(guest_fetch(&vcpu, base + 0x7ffb, bytes, 15),
			 5); /* the next is not there */
	assert_memory_equal(bytes, "instr", 5);
	put_64(0x4000 + 8 * 8, 0x200000 | PRESENT);
	put(0x200000, "uction", 6);
	assert_int_equal(guest_fetch(&vcpu, base + 0x7ffb, bytes, 11), 11);
	assert_memory_equal(bytes, "instruction", 11);
	assert_int_equal(guest_fetch(&vcpu, 0, bytes, 15), 0);
	/* It leads beyond RAM. */
	put_64(0x4000 + 8 * 8, (LIMIT << PAGE_SHIFT) | PRESENT);
	assert_int_equal(guest_fetch(&vcpu, base + 0x7ffb, bytes, 11), 5);
	fake_locks_check();
	world_destroy_all();
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

/* What is shown of a walk is what translates. */
static struct arch_walk walk_of(uint64_t linear)
{
	struct arch_walk walk;
	struct vcpu of = {.arch = &arch};

	assert_true(arch_guest_walk(&of, linear, &walk));
	assert_false(opened);
	assert_int_equal(walk.translated ? walk.address.v : NOWHERE, translate(linear));
	return walk;
}

static void test_walk_as_a_report(void **state)
{
	struct arch_walk walk;
	struct vcpu of = {.arch = &arch};
	(void)state;
	start();
	opens = false;
	assert_false(arch_guest_walk(&of, 0, &walk)); /* has never run */
	opens = true;
	walk = walk_of(0x12345678);
	assert_int_equal(walk.levels, 0);
	assert_int_equal(walk.count, 0);
	assert_int_equal(opens_count, 2);

	cr0 = CR0_PE | CR0_PG;
	efer = EFER_LMA;
	cr3 = 0x1000;
	put_64(0x1000, 0x2000 | 0x27);
	put_64(0x2008, 0x3000 | PRESENT);
	put_64(0x3010, 0x200000 | PRESENT | LARGE);
	put_64(0x3018, 0x4000 | PRESENT);
	put_64(0x4020, 0x5000 | 1);
	walk = walk_of(0x40000000 + 0x412345);
	assert_int_equal(walk.levels, 4);
	assert_int_equal(walk.count, 3);
	assert_int_equal(walk.steps[0].at.v, 0x1000);
	assert_int_equal(walk.steps[0].entry, 0x2027);
	assert_true(walk.steps[0].user && walk.steps[0].accessed && walk.steps[0].writable);
	assert_true(walk.steps[2].large && !walk.steps[2].user);
	assert_int_equal(walk.address.v, 0x212345);
	walk = walk_of(0x40000000 + 0x604567);
	assert_int_equal(walk.count, 4);
	assert_int_equal(walk.address.v, 0x5567);
	assert_false(walk.steps[3].writable);
	walk = walk_of(0x40000000 + 0x605000);
	assert_int_equal(walk.count, 4);
	assert_true(walk.steps[3].readable && !walk.steps[3].present);
	put_64(0x2010, (LIMIT << PAGE_SHIFT) | PRESENT);
	walk = walk_of(0x80000000);
	assert_int_equal(walk.count, 3);
	assert_false(walk.steps[2].readable);

	efer = 0;
	put_32(0x1000 + 4 * 2, 0x400000 | PRESENT | LARGE);
	put_32(0x1000 + 4 * 3, 0x6000 | PRESENT);
	put_32(0x6004, 0x7000 | PRESENT);
	cr4 = CR4_PSE;
	walk = walk_of(0x812345);
	assert_int_equal(walk.levels, 2);
	assert_int_equal(walk.count, 1);
	cr4 = 0;
	assert_int_equal(walk_of(0x812345).count, 2);
	assert_int_equal(walk_of(0xc01234).address.v, 0x7234);
	backend = &memory_backend;
	assert_int_equal(walk_of(0xc01234).address.v, 0x7234);
	backend = &fake_backend;
	world_destroy_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_without_paging), TEST(test_four_levels),
		TEST(test_two_levels),	   TEST(test_tables_that_are_not_there),
		TEST(test_fetch),	   cmocka_unit_test(test_walk_as_a_report),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
