/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vvmballoon.c, vbackdoor.c and pc_vmware.c: what each command of VMware's balloon
 * becomes, and what a driver that speaks wrongly can do.
 */
#include "vmware_fixture.h"

#include "base/bits.h"
#include "base/time.h"
#include "kernel/balloon/balloon.h"
#include "mm/guest_copy.h"

#define ALL 0x3e /* what Linux asks for */

static void expect_entry(unsigned i, uint64_t gfn, unsigned status)
{
	assert_int_equal(batch_page()[i], gfn << 12 | status);
}

static void populate(uint64_t gfn, unsigned order)
{
	for (uint64_t end = gfn + order_pages(order); gfn < end; gfn += world_pages) {
		assert_int_equal(world_populate(&pc->s2, gfn, order), STATUS_OK);
	}
}

static void expect_slot(uint64_t gfn, enum s2_kind kind, unsigned order)
{
	world_expect_slot(&pc->s2, gfn, kind, order);
}

/* ---- START ---- */

/* Regression: Linux sets its doorbell before START, and once more when that was not granted. */
static void test_before_start(void **state)
{
	(void)state;
	assert_int_equal(command(VVMBALLOON_DOORBELL_SET, UINT64_MAX, UINT64_MAX),
			 VVMBALLOON_CMD_INVALID);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], UINT64_MAX);
	static const uint32_t known[] = {
		VVMBALLOON_GET_TARGET,	    VVMBALLOON_LOCK,
		VVMBALLOON_UNLOCK,	    VVMBALLOON_GUEST_ID,
		VVMBALLOON_BATCHED_LOCK,    VVMBALLOON_BATCHED_UNLOCK,
		VVMBALLOON_BATCHED_2M_LOCK, VVMBALLOON_BATCHED_2M_UNLOCK,
	};
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		assert_int_equal(command(known[i], 1, 1), VVMBALLOON_RESET);
	}
	assert_int_equal(pc->s2.ballooned_pages, 0);
	assert_false(pc->balloon.attached);
}

static void test_capabilities(void **state)
{
	(void)state;
	assert_int_equal(start_driver(ALL), 0x2e);
	assert_true(pc->balloon.attached);
	assert_true(pc->balloon.by_device);
	assert_true(pc->balloon.silent);
	assert_int_equal(command(VVMBALLOON_DOORBELL_SET, 2, 0x400), VVMBALLOON_CMD_INVALID);
	assert_int_equal(command(VVMBALLOON_GUEST_ID, 1, 0), VVMBALLOON_OK);
	assert_int_equal(command(5, 0, 0), VVMBALLOON_CMD_INVALID);
	assert_int_equal(command(11, 0, 0), VVMBALLOON_CMD_INVALID);
	assert_int_equal(command(UINT32_MAX, 0, 0), VVMBALLOON_CMD_INVALID);
	/* Only what was granted works. */
	assert_int_equal(start_driver(2), 2);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 1), VVMBALLOON_CMD_INVALID);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 1), VVMBALLOON_CMD_INVALID);
	assert_int_equal(start_driver(6), 6);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_UNLOCK, 1), VVMBALLOON_CMD_INVALID);
	assert_int_equal(start_driver(10), 2); /* 2 MiB without batches */
	assert_true(pc->balloon.attached);
	/* Goodbye; what has no basic commands has none. */
	static const uint32_t none[] = {0, 0x2c, 0x10, 0xffffffc1};
	for (unsigned i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_int_equal(start_driver(ALL), 0x2e);
		assert_int_equal(command(VVMBALLOON_START, none[i], 0), VVMBALLOON_CMD_INVALID);
		assert_false(pc->balloon.attached);
		assert_int_equal(command(VVMBALLOON_GET_TARGET, 1, 0), VVMBALLOON_RESET);
	}
	/* A balloon that is another's. */
	kernel_attach(pc);
	assert_int_equal(command(VVMBALLOON_START, ALL, 0), VVMBALLOON_BUSY);
	assert_int_equal(command(VVMBALLOON_GET_TARGET, 1, 0), VVMBALLOON_RESET);
}

static void test_target(void **state)
{
	(void)state;
	start_driver(ALL);
	pc->platform->balloon_page.idle_pages = 5; /* of an earlier driver */
	start_driver(ALL);
	assert_int_equal(pc->platform->balloon_page.idle_pages, 0);
	pc->balloon.told_pages = 9;
	assert_int_equal(command(VVMBALLOON_GET_TARGET, 4000, 0), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 0);
	assert_int_equal(pc->balloon.told_pages, 0);
	assert_int_equal(balloon_read_statistics(pc).total_pages, 4000);
	balloon_set_target(pc, 700, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(command(VVMBALLOON_GET_TARGET, 3999, 0), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 700);
	assert_int_equal(command(VVMBALLOON_GET_TARGET, UINT64_MAX, 0), VVMBALLOON_OK);
	assert_int_equal(balloon_read_statistics(pc).total_pages, VMWARE_RAM); /* clamped */
	/* Each command for pages says it, too. */
	assert_int_equal(command(VVMBALLOON_LOCK, 100, 1), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 700);
}

/* ---- Pages ---- */

static void test_batch_of_pages(void **state)
{
	(void)state;
	start_driver(ALL);
	for (uint64_t gfn = 100; gfn < 200; gfn++) {
		populate(gfn, 0);
	}
	uint64_t held = pc->s2.mapped_pages;
	uint64_t *entries = batch_page();
	held += pc->s2.mapped_pages - held; /* the batch page is one more */
	for (unsigned i = 0; i < 100; i++) {
		entries[i] = (199ull - i) << 12 | 0x1f; /* old statuses are no part of it */
	}
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 100), VVMBALLOON_OK);
	assert_int_equal(steps, 1);
	assert_int_equal(pc->s2.ballooned_pages, 100);
	assert_int_equal(pc->s2.mapped_pages, held - 100);
	for (unsigned i = 0; i < 100; i++) {
		expect_entry(i, 199 - i, VVMBALLOON_OK);
	}
	assert_int_equal(pc->balloon.surrendered_pages, 100);
	/* Once more, with some that it still has, that are not RAM, and the batch page itself. */
	fill_batch(190, 5, 5); /* 190 195 200 205 210 */
	entries[5] = VMWARE_RAM << 12;
	entries[6] = UINT64_MAX << 12;
	entries[7] = VMWARE_BATCH_GFN << 12;
	entries[8] = 200ull << 12; /* twice */
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 9), VVMBALLOON_OK);
	expect_entry(0, 190, VVMBALLOON_PPN_LOCKED);
	expect_entry(1, 195, VVMBALLOON_PPN_LOCKED);
	expect_entry(2, 200, VVMBALLOON_OK);
	expect_entry(4, 210, VVMBALLOON_OK);
	expect_entry(5, VMWARE_RAM, VVMBALLOON_PPN_INVALID);
	expect_entry(6, UINT64_MAX, VVMBALLOON_PPN_INVALID);
	expect_entry(7, VMWARE_BATCH_GFN, VVMBALLOON_PPN_PINNED);
	expect_entry(8, 200, VVMBALLOON_PPN_LOCKED);
	assert_int_equal(pc->s2.ballooned_pages, 103);
	/* Back. */
	fill_batch(100, 110, 1);
	assert_int_equal(batch(VVMBALLOON_BATCHED_UNLOCK, 110), VVMBALLOON_OK);
	expect_entry(0, 100, VVMBALLOON_OK);
	expect_entry(100, 200, VVMBALLOON_OK);
	expect_entry(101, 201, VVMBALLOON_PPN_UNLOCKED);
	expect_entry(105, 205, VVMBALLOON_OK);
	assert_int_equal(pc->s2.ballooned_pages, 1);
	expect_slot(100, S2_EMPTY, 0);
}

/* 2 MiB that are one entry of the tables become one of the balloon, and one again. */
static void test_batch_of_large_pages(void **state)
{
	(void)state;
	start_driver(ALL);
	populate(512, ORDER_2M);
	populate(1024, ORDER_2M);
	fill_batch(512, 2, 512);
	batch_page()[2] = 513ull << 12;
	batch_page()[3] = VMWARE_RAM << 12;
	batch_page()[4] = 0; /* the batch page lies in it */
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 5), VVMBALLOON_OK);
	assert_int_equal(steps, 1);
	expect_entry(0, 512, VVMBALLOON_OK);
	expect_entry(1, 1024, VVMBALLOON_OK);
	expect_entry(2, 513, VVMBALLOON_PPN_INVALID);
	expect_entry(3, VMWARE_RAM, VVMBALLOON_PPN_INVALID);
	expect_entry(4, 0, VVMBALLOON_PPN_PINNED);
	expect_slot(700, S2_BALLOONED, ORDER_2M);
	expect_slot(1100, S2_BALLOONED, ORDER_2M);
	assert_int_equal(pc->s2.ballooned_pages, 1024);
	/* A part of it is in the balloon already. */
	assert_int_equal(command(VVMBALLOON_LOCK, 1600, 1), VVMBALLOON_OK);
	fill_batch(1024, 2, 512);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 2), VVMBALLOON_OK);
	expect_entry(0, 1024, VVMBALLOON_PPN_LOCKED);
	expect_entry(1, 1536, VVMBALLOON_PPN_LOCKED);
	fill_batch(512, 2, 512);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_UNLOCK, 2), VVMBALLOON_OK);
	expect_entry(0, 512, VVMBALLOON_OK);
	expect_slot(512, S2_EMPTY, ORDER_2M);
	assert_int_equal(pc->s2.ballooned_pages, 1);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_UNLOCK, 2), VVMBALLOON_OK);
	expect_entry(0, 512, VVMBALLOON_PPN_UNLOCKED);
}

static void test_single_pages(void **state)
{
	(void)state;
	start_driver(2); /* as a driver of 32 bits: the upper halves are anything */
	uint64_t junk = 0xabcdull << 32;
	assert_int_equal(command(VVMBALLOON_LOCK | junk, 300 | junk, 1 | junk), VVMBALLOON_OK);
	expect_slot(300, S2_BALLOONED, 0);
	assert_int_equal(command(VVMBALLOON_LOCK, 300, 1), VVMBALLOON_PPN_LOCKED);
	assert_int_equal(command(VVMBALLOON_LOCK, VMWARE_RAM, 1), VVMBALLOON_PPN_INVALID);
	assert_int_equal(command(VVMBALLOON_UNLOCK, 301, 1), VVMBALLOON_PPN_UNLOCKED);
	assert_int_equal(command(VVMBALLOON_UNLOCK, 300, 1), VVMBALLOON_OK);
	start_driver(ALL); /* of 64 bits */
	assert_int_equal(command(VVMBALLOON_LOCK, 300 | junk, 1), VVMBALLOON_PPN_INVALID);
	assert_int_equal(pc->s2.ballooned_pages, 0);
}

/*
 * Regression: it took all that its guest had free, page by page, and the guest ended its processes.
 * Single pages of a driver that could give 2 MiB mean that there are none any more.
 */
static void test_stops_at_single_pages(void **state)
{
	(void)state;
	start_driver(ALL);
	for (uint64_t gfn = 0; gfn < VMWARE_RAM; gfn += 512) {
		populate(gfn, ORDER_2M); /* no frames to be lent: the target is told at once */
	}
	balloon_set_target(pc, 3000, AEROSTAT_PRESSURE_HIGH);
	fill_batch(1024, 2, 512);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 2), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 3000);
	fill_batch(600, 1, 1); /* a page that was moved: one leaves, one enters */
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 1), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 3000);
	fill_batch(601, 20, 1);
	assert_int_equal(batch(VVMBALLOON_BATCHED_UNLOCK, 20), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 3000);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 20), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 1024 + 21);
	/* One that can give nothing else goes on. */
	start_driver(6);
	balloon_set_target(pc, 3000, AEROSTAT_PRESSURE_HIGH);
	fill_batch(601, 20, 1);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 20), VVMBALLOON_OK);
	assert_true(boot_vcpu->regs[GPR_RBX] > 20);
}

static void test_wrong_batches(void **state)
{
	(void)state;
	start_driver(ALL);
	fill_batch(100, 512, 1);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 0), VVMBALLOON_CMD_INVALID);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 513), VVMBALLOON_CMD_INVALID);
	assert_int_equal(command(VVMBALLOON_BATCHED_LOCK, VMWARE_BATCH_GFN, 1ull << 32 | 1),
			 VVMBALLOON_CMD_INVALID);
	assert_int_equal(command(VVMBALLOON_BATCHED_LOCK, VMWARE_RAM, 1), VVMBALLOON_PPN_INVALID);
	assert_int_equal(command(VVMBALLOON_BATCHED_LOCK, UINT64_MAX, 1), VVMBALLOON_PPN_INVALID);
	assert_int_equal(command(VVMBALLOON_BATCHED_LOCK, 1ull << 52, 1), VVMBALLOON_PPN_INVALID);
	assert_int_equal(pc->s2.ballooned_pages, 0);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 512), VVMBALLOON_OK);
	assert_int_equal(pc->s2.ballooned_pages, 512);
	/* A batch page that is in the balloon itself. */
	assert_int_equal(command(VVMBALLOON_BATCHED_UNLOCK, 100, 1), VVMBALLOON_PPN_INVALID);
	/* One that was never touched: all entries are page 0. */
	assert_int_equal(command(VVMBALLOON_BATCHED_LOCK, 50, 3), VVMBALLOON_OK);
	uint64_t *entries = kernel_guest_page(pc, 50);
	assert_int_equal(entries[0], VVMBALLOON_OK);
	assert_int_equal(entries[1], VVMBALLOON_PPN_LOCKED);
	/* And one for which there is no frame. */
	for (uint64_t gfn = 700; gfn < 730; gfn++) {
		populate(gfn, 0); /* more than it was promised */
	}
	kernel_exhaust(kernel_vm("other", 8000, 8000, 20));
	assert_int_equal(command(VVMBALLOON_BATCHED_LOCK, 3060, 1), VVMBALLOON_BUSY);
}

/* ---- Steps ---- */

/* Sixteen MiB that consist of single pages: more than one step takes. */
static void populate_small(void)
{
	for (uint64_t gfn = 512; gfn < VMWARE_RAM; gfn++) {
		populate(gfn, 0);
	}
}

/* The guest rewrites its batch page between two steps: what was judged counts. */
static void test_rewritten_batch(void **state)
{
	(void)state;
	start_driver(ALL);
	populate_small();
	fill_batch(512, 7, 512);
	set_call(boot_vcpu, VVMBALLOON_BATCHED_2M_LOCK, VMWARE_BATCH_GFN, 7);
	steps = 0;
	while (in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT)) {
		steps++;
		assert_true(steps < VMWARE_STEPS_MAX);
		world_check();
		fill_batch(3, 7, 0);
		/* Commands without pages do not stand in its way. */
		set_call(&pc->vcpus[1], VVMBALLOON_GET_TARGET, 1, 0);
		assert_false(in_once(&pc->vcpus[1], VBACKDOOR_BALLOON_PORT));
	}
	assert_true(steps >= 2);
	assert_int_equal(boot_vcpu->regs[GPR_RAX], VVMBALLOON_OK);
	assert_int_equal(pc->s2.ballooned_pages, 7 * 512);
	for (unsigned i = 0; i < 7; i++) {
		expect_entry(i, 512 + i * 512ull, VVMBALLOON_OK);
	}
	expect_slot(3, S2_EMPTY, 0);
}

/* The guest has moved the task to another vCPU in the middle of its IN. */
static void test_continued_elsewhere(void **state)
{
	(void)state;
	start_driver(ALL);
	populate_small();
	fill_batch(512, 7, 512);
	set_call(boot_vcpu, VVMBALLOON_BATCHED_2M_LOCK, VMWARE_BATCH_GFN, 7);
	assert_true(in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT));
	set_call(&pc->vcpus[1], VVMBALLOON_BATCHED_2M_LOCK, VMWARE_BATCH_GFN, 7);
	while (in_once(&pc->vcpus[1], VBACKDOOR_BALLOON_PORT)) {
		world_check();
	}
	for (unsigned i = 0; i < 7; i++) {
		expect_entry(i, 512 + i * 512ull, VVMBALLOON_OK);
	}
}

/* Another batch takes the place of one whose caller has gone; START does as well. */
static void test_dropped_batch(void **state)
{
	(void)state;
	start_driver(ALL);
	populate_small();
	fill_batch(512, 7, 512);
	set_call(boot_vcpu, VVMBALLOON_BATCHED_2M_LOCK, VMWARE_BATCH_GFN, 7);
	assert_true(in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT));
	uint64_t done = pc->s2.ballooned_pages;
	assert_in_range(done, 512, 6 * 512);
	set_call(&pc->vcpus[1], VVMBALLOON_LOCK, 20, 1);
	assert_false(in_once(&pc->vcpus[1], VBACKDOOR_BALLOON_PORT));
	assert_int_equal(pc->vcpus[1].regs[GPR_RAX], VVMBALLOON_OK);
	assert_int_equal(pc->s2.ballooned_pages, done + 1);
	/* The first one begins anew, with what the batch page holds now. */
	fill_batch(512, 7, 0);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 7), VVMBALLOON_OK);
	expect_entry(0, 512, VVMBALLOON_PPN_LOCKED);
	assert_int_equal(pc->s2.ballooned_pages, done + 1);
	fill_batch(512, 7, 512);
	set_call(boot_vcpu, VVMBALLOON_BATCHED_2M_LOCK, VMWARE_BATCH_GFN, 7);
	assert_true(in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT));
	start_driver(ALL);
	assert_int_equal(pc->s2.ballooned_pages, 0);
	fill_batch(30, 1, 1);
	assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 1), VVMBALLOON_OK);
	expect_entry(0, 30, VVMBALLOON_OK);
}

/* The page with the batch is given away by other means before the last step. */
static void test_batch_page_lost(void **state)
{
	(void)state;
	start_driver(ALL);
	populate_small();
	fill_batch(512, 7, 512);
	set_call(boot_vcpu, VVMBALLOON_BATCHED_2M_LOCK, VMWARE_BATCH_GFN, 7);
	assert_true(in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT));
	kernel_give(pc, VMWARE_BATCH_GFN, 1);
	while (in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT)) {
		world_check();
	}
	assert_int_equal(boot_vcpu->regs[GPR_RAX], VVMBALLOON_PPN_INVALID);
	assert_int_equal(pc->s2.ballooned_pages, 7 * 512 + 1);
}

/* ---- Pages that were touched ---- */

/* 2 MiB of which the guest has touched pages come back all the same. */
static void test_unlock_in_pieces(void **state)
{
	(void)state;
	start_driver(ALL);
	fill_batch(512, 3, 512);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 3), VVMBALLOON_OK);
	for (uint64_t gfn = 1024; gfn < 1024 + 512; gfn += 2) {
		assert_int_equal(kernel_touch(pc, gfn), EXIT_RESUME);
	}
	assert_int_equal(kernel_touch(pc, 1536 + 511), EXIT_RESUME);
	assert_int_equal(kernel_touch(pc, 1536), EXIT_RESUME);
	fill_batch(512, 3, 512);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_UNLOCK, 3), VVMBALLOON_OK);
	assert_in_range(steps, 256 / 8, 512 / 8);
	for (unsigned i = 0; i < 3; i++) {
		expect_entry(i, 512 + i * 512ull, VVMBALLOON_OK);
	}
	assert_int_equal(pc->s2.ballooned_pages, 0);
	expect_slot(1025, S2_EMPTY, 0);
	expect_slot(1024, S2_MAPPED, 0);
}

/* ---- START with a full balloon, and resets ---- */

/* Single pages and large ones, some touched; the driver has forgotten them. */
static void fill_balloon(void)
{
	start_driver(ALL);
	populate_small();
	fill_batch(2048, 4, 512);
	assert_int_equal(batch(VVMBALLOON_BATCHED_2M_LOCK, 4), VVMBALLOON_OK);
	for (uint64_t gfn = 512; gfn < 2048; gfn += 512) {
		fill_batch(gfn, 256, 2);
		assert_int_equal(batch(VVMBALLOON_BATCHED_LOCK, 256), VVMBALLOON_OK);
	}
	assert_int_equal(kernel_touch(pc, 2050), EXIT_RESUME);
	assert_int_equal(kernel_touch(pc, 514), EXIT_RESUME);
	assert_int_equal(pc->s2.ballooned_pages, 4 * 512 + 3 * 256 - 2);
}

static void test_start_with_full_balloon(void **state)
{
	(void)state;
	fill_balloon();
	balloon_set_target(pc, 3000, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(start_driver(ALL), 0x2e);
	assert_true(steps >= 2);
	assert_int_equal(pc->s2.ballooned_pages, 0);
	assert_int_equal(command(VVMBALLOON_GET_TARGET, 4096, 0), VVMBALLOON_OK);
	assert_int_equal(boot_vcpu->regs[GPR_RBX], 0); /* asked again by the policy, or not */
	/* The guest uses what it had given. */
	assert_int_equal(kernel_touch(pc, 3000), EXIT_RESUME);
}

/* Module removal. */
/*
 * Regression: it was a success with no capabilities, and the module of a stock Linux never ended
 * its removal: it looked for pages of 4 KiB until its balloon of 2 MiB pages was empty.
 */
static void test_goodbye_with_full_balloon(void **state)
{
	(void)state;
	fill_balloon();
	assert_int_equal(command(VVMBALLOON_START, 0, 0), VVMBALLOON_CMD_INVALID);
	assert_int_equal(pc->s2.ballooned_pages, 0);
	assert_false(pc->balloon.attached);
	assert_int_equal(pc->balloon.target_pages, 0);
}

/* While it empties the balloon, no page enters it. */
static void test_lock_during_start(void **state)
{
	(void)state;
	fill_balloon();
	set_call(boot_vcpu, VVMBALLOON_START, ALL, 0);
	assert_true(in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT));
	set_call(&pc->vcpus[1], VVMBALLOON_LOCK, 20, 1);
	assert_false(in_once(&pc->vcpus[1], VBACKDOOR_BALLOON_PORT));
	assert_int_equal(pc->vcpus[1].regs[GPR_RAX], VVMBALLOON_RESET);
	while (in_once(boot_vcpu, VBACKDOOR_BALLOON_PORT)) {
		world_check();
	}
	assert_int_equal(pc->s2.ballooned_pages, 0);
}

static void test_reset(void **state)
{
	(void)state;
	start_driver(ALL);
	platform_reset(pc);
	assert_false(pc->balloon.attached);
	assert_int_equal(command(VVMBALLOON_GET_TARGET, 1, 0), VVMBALLOON_RESET);
	assert_int_equal(start_driver(ALL), 0x2e);
}

/* ---- Registers and ports ---- */

static void test_questions(void **state)
{
	(void)state;
	uint64_t *regs = boot_vcpu->regs;
	regs[GPR_RAX] = VBACKDOOR_MAGIC;
	regs[GPR_RBX] = UINT32_MAX;
	regs[GPR_RCX] = 10;
	assert_false(in_once(boot_vcpu, VBACKDOOR_PORT));
	assert_int_equal(regs[GPR_RAX], 6);
	assert_int_equal(regs[GPR_RBX], VBACKDOOR_MAGIC);
	regs[GPR_RAX] = VBACKDOOR_MAGIC;
	regs[GPR_RBX] = UINT32_MAX;
	regs[GPR_RCX] = 45 | 7ull << 32;
	assert_false(in_once(boot_vcpu, VBACKDOOR_PORT));
	assert_int_equal(regs[GPR_RAX] | regs[GPR_RBX] << 32, arch_tsc_khz() * 1000);
	assert_int_equal(regs[GPR_RCX], arch_tsc_khz() * 1000 / PLATFORM_TSC_TICKS_PER_CLOCK);
	assert_int_equal(vbackdoor_question(regs, 5), UINT32_MAX); /* no command any more */
	regs[GPR_RCX] = 45;
	assert_int_equal(vbackdoor_question(regs, 10000000), 10000000000 & UINT32_MAX);
	assert_int_equal(regs[GPR_RBX], 10000000000 >> 32);
	regs[GPR_RCX] = 68;
	assert_int_equal(vbackdoor_question(regs, 5), 8); /* x2APIC; bit 31 is clear */
	/* Others: all ones, and nothing else changes. */
	for (unsigned i = 0; i < 256; i++) {
		uint64_t before[GPR_COUNT];
		if (i == 10 || i == 45 || i == 68) {
			continue;
		}
		regs[GPR_RAX] = VBACKDOOR_MAGIC;
		regs[GPR_RCX] = i;
		memcpy(before, regs, sizeof(before));
		before[GPR_RAX] = UINT32_MAX;
		assert_false(in_once(boot_vcpu, VBACKDOOR_PORT));
		assert_memory_equal(regs, before, sizeof(before));
	}
}

/* Without the magic number, with other widths and as OUT nothing is there. */
static void test_no_call(void **state)
{
	(void)state;
	static const uint16_t ports[] = {VBACKDOOR_PORT, VBACKDOOR_BALLOON_PORT};
	start_driver(ALL);
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned bytes = 1; bytes <= 4; bytes *= 2) {
			struct device_access access = {.bytes = (uint8_t)bytes};
			set_call(boot_vcpu, VVMBALLOON_LOCK, 100, 1);
			boot_vcpu->regs[GPR_RAX] += bytes == 4 ? 1 : 0;
			platform_port(boot_vcpu, ports[i], &access);
			assert_int_equal(access.value, UINT32_MAX >> (32 - 8 * bytes));
			assert_false(access.again);
		}
		struct device_access access = {.write = true, .bytes = 4, .value = 1};
		set_call(boot_vcpu, VVMBALLOON_LOCK, 100, 1);
		platform_port(boot_vcpu, ports[i], &access);
		/* Each port has its own magic number. */
		boot_vcpu->regs[GPR_RAX] = i == 0 ? VBACKDOOR_BALLOON_MAGIC : VBACKDOOR_MAGIC;
		assert_false(in_once(boot_vcpu, ports[i]));
		assert_int_equal(boot_vcpu->regs[GPR_RAX], UINT32_MAX);
	}
	assert_int_equal(pc->s2.ballooned_pages, 0);
}

/* ---- Against a model ---- */

static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	random_state = random_state * 6364136223846793005 + 1442695040888963407;
	return (random_state >> 33) % limit;
}

static bool model[VMWARE_RAM]; /* in the balloon */

/* What LOCK or UNLOCK of the extent must answer, and does to the model. */
static unsigned model_step(bool lock, uint64_t gfn, uint64_t pages)
{
	uint64_t in = 0;

	if (gfn % pages != 0 || gfn >= VMWARE_RAM) {
		return VVMBALLOON_PPN_INVALID;
	}
	for (uint64_t i = gfn; i < gfn + pages; i++) {
		in += model[i] ? 1 : 0;
	}
	if (lock && VMWARE_BATCH_GFN >= gfn && VMWARE_BATCH_GFN < gfn + pages) {
		return VVMBALLOON_PPN_PINNED;
	}
	if (lock ? in > 0 : in == 0) {
		return lock ? VVMBALLOON_PPN_LOCKED : VVMBALLOON_PPN_UNLOCKED;
	}
	for (uint64_t i = gfn; i < gfn + pages; i++) {
		model[i] = lock;
	}
	return VVMBALLOON_OK;
}

/* A touch may fill more than the page. */
static void model_touch(uint64_t gfn)
{
	uint64_t pages = order_pages(world_lookup(&pc->s2, gfn).order);

	for (uint64_t i = gfn / pages * pages; i < gfn / pages * pages + pages; i++) {
		model[i] = false;
	}
}

/* Each page once: of one that comes twice, the second may be looked at first. */
static bool is_among(const uint64_t *gfns, unsigned count, uint64_t gfn)
{
	for (unsigned i = 0; i < count; i++) {
		if (gfns[i] == gfn) {
			return true;
		}
	}
	return false;
}

static void random_batch(void)
{
	unsigned number = VVMBALLOON_BATCHED_LOCK + (unsigned)random_below(4);
	bool lock = number % 2 == 0;
	uint64_t pages = number >= VVMBALLOON_BATCHED_2M_LOCK ? 512 : 1;
	unsigned count = 1 + (unsigned)random_below(pages == 1 ? 60 : 8);
	uint64_t gfn = random_below(VMWARE_RAM + 20) / pages * pages;
	uint64_t gfns[60];

	for (unsigned i = 0; i < count; i++) {
		do {
			gfn = random_below(4) == 0 ? random_below(VMWARE_RAM + 600) : gfn + pages;
			gfn = random_below(9) != 0 ? gfn / pages * pages : gfn;
		} while (is_among(gfns, i, gfn));
		gfns[i] = gfn;
		batch_page()[i] = gfn << 12 | random_below(32);
	}
	assert_int_equal(batch(number, count), VVMBALLOON_OK);
	for (unsigned i = 0; i < count; i++) {
		expect_entry(i, gfns[i], model_step(lock, gfns[i], pages));
	}
}

static void test_against_model(void **state)
{
	(void)state;
	start_driver(ALL);
	memset(model, 0, sizeof(model));
	random_state = 1;
	for (unsigned i = 0; i < 400; i++) {
		random_batch();
		uint64_t touched = random_below(VMWARE_RAM);
		if (pc->s2.mapped_pages < 3000 &&
		    world_lookup(&pc->s2, touched).kind != S2_MAPPED) {
			assert_int_equal(kernel_touch(pc, touched), EXIT_RESUME);
			model_touch(touched);
		}
		uint64_t ballooned = 0;
		for (uint64_t gfn = 0; gfn < VMWARE_RAM; gfn++) {
			ballooned += model[gfn] ? 1 : 0;
		}
		assert_int_equal(pc->s2.ballooned_pages, ballooned);
		if (random_below(100) == 0) {
			start_driver(ALL);
			memset(model, 0, sizeof(model));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		VMWARE_TEST(test_before_start),
		VMWARE_TEST(test_capabilities),
		VMWARE_TEST(test_target),
		VMWARE_TEST(test_batch_of_pages),
		VMWARE_TEST(test_batch_of_large_pages),
		VMWARE_TEST(test_single_pages),
		VMWARE_TEST(test_stops_at_single_pages),
		VMWARE_TEST(test_wrong_batches),
		VMWARE_TEST(test_rewritten_batch),
		VMWARE_TEST(test_continued_elsewhere),
		VMWARE_TEST(test_dropped_batch),
		VMWARE_TEST(test_batch_page_lost),
		VMWARE_TEST(test_unlock_in_pieces),
		VMWARE_TEST(test_start_with_full_balloon),
		VMWARE_TEST(test_goodbye_with_full_balloon),
		VMWARE_TEST(test_lock_during_start),
		VMWARE_TEST(test_reset),
		VMWARE_TEST(test_questions),
		VMWARE_TEST(test_no_call),
		VMWARE_TEST(test_against_model),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
