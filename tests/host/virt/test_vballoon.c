/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vballoon.c and vballoon_queue.c over the real balloon core: a driver that does what
 * Linux does, and drivers that do not. After every access the audit must be clean.
 */
#include "virtio_fixture.h"

#include "base/bits.h"
#include "base/time.h"
#include "drivers/virt/vballoon.h"
#include "fake/devices.h"
#include "kernel/vm/platform.h"
#include "mm/alloc.h"
#include "mm/cache.h"

#define SIZE 64u
#define ALL 0x37u
#define INFLATE (&queues[0])
#define DEFLATE (&queues[1])
#define STATS (&queues[2])
#define REPORTS (&queues[3])

static struct vballoon balloon;
static struct aerostat_balloon_page page;
static struct queue queues[4];

static uint32_t load(uint32_t offset)
{
	return vballoon_read(&balloon, offset, 4);
}

static void store(uint32_t offset, uint32_t value)
{
	vballoon_write(&balloon, offset, 4, value, fake_tsc);
	world_check();
}

static void kick(const struct queue *queue)
{
	store(0x50, queue->number);
}

/* Time passes, and vCPU 0 does what is due. */
static void pass(uint64_t ms)
{
	fake_tsc += ticks_from_ms(ms);
	if (vballoon_next(&balloon) <= fake_tsc) {
		vballoon_tick(&balloon, fake_tsc);
	}
	world_check();
}

/* Ticks until nothing is left that can be done now; answers how many. */
static unsigned work_off(void)
{
	unsigned ticks = 0;
	while (vballoon_next(&balloon) <= fake_tsc) {
		vballoon_tick(&balloon, fake_tsc);
		world_check();
		assert_in_range(++ticks, 1, 10000);
	}
	return ticks;
}

/* It has been reset. */
static void accept_at_once(uint32_t features)
{
	store(0x70, 1);
	store(0x70, 3);
	store(0x24, 1);
	store(0x20, 1);
	store(0x24, 0);
	store(0x20, 0x3000003e); /* Linux writes them twice */
	store(0x20, features);
	store(0x70, 0xb);
	assert_int_equal(load(0x70), 0xb);
}

static void accept(uint32_t features)
{
	store(0x70, 0);
	accept_at_once(features);
}

static void set_up_queues(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		queues[i] = (struct queue){.number = i, .size = SIZE};
		for (unsigned part = 0; part < 3; part++) {
			memset(kernel_guest_page(driver_vm, QUEUE_GFN(i) + part), 0, PAGE_BYTES);
		}
		store(0x30, i);
		assert_int_equal(load(0x44), 0);
		assert_int_equal(load(0x34), SIZE);
		store(0x38, SIZE);
		store(0x80, (uint32_t)descriptors_at(&queues[i]));
		store(0x84, 0);
		store(0x90, (uint32_t)driver_at(&queues[i]));
		store(0x94, 0);
		store(0xa0, (uint32_t)device_at(&queues[i]));
		store(0xa4, 0);
		store(0x44, 1);
		assert_int_equal(load(0x44), 1);
	}
	store(0x30, count);
	assert_int_equal(load(0x34), 0);
}

static void say(uint64_t at, unsigned place, uint16_t tag, uint64_t value)
{
	put(at + place * 10, &tag, 2);
	put(at + place * 10 + 2, &value, 8);
}

/* As Linux: the first buffer of statistics is offered before DRIVER_OK. */
static void connect(uint32_t features)
{
	accept(features);
	set_up_queues(2 + (features >> 1 & 1) + (features >> 5 & 1));
	if (features & VBALLOON_STATS_VQ) {
		say(address_of(BUFFER_GFN) + 4, 0, 5, 2900 * PAGE_BYTES);
		say(address_of(BUFFER_GFN) + 4, 1, 6, 2000 * PAGE_BYTES);
		offer_one(STATS, address_of(BUFFER_GFN) + 4, 20, 0);
		kick(STATS);
		assert_int_equal(back(STATS), 0);
		assert_false(driver_vm->balloon.attached);
	}
	store(0x70, 0xf);
	assert_true(driver_vm->balloon.attached);
}

static void start_with(uint32_t features)
{
	driver_start();
	fake_devices_reset();
	fake_log_clear();
	memset(&page, 0, sizeof(page));
	vballoon_init(&balloon, driver_vm, &page);
	connect(features);
	work_off();
}

static void start(void)
{
	start_with(ALL);
}

static void end(void)
{
	kernel_vm_end(driver_vm);
}

/* Offers `count` page numbers from `first` on, each `step` from the one before. */
static void offer_pages(struct queue *queue, uint32_t first, int step, unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		uint32_t gfn = first + (uint32_t)(step * (int)i);
		put(address_of(BUFFER_GFN + 1) + 4 * i, &gfn, 4);
	}
	offer_one(queue, address_of(BUFFER_GFN + 1), 4 * count, 0);
	kick(queue);
}

static uint64_t ballooned(void)
{
	return driver_vm->s2.ballooned_pages;
}

static bool is_stopped(void)
{
	return load(0x70) & VMMIO_NEEDS_RESET;
}

/* ---- a good driver ---- */

static void test_inflate_and_deflate(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 512; gfn < 1024; gfn++) {
		driver_write(gfn, gfn);
	}
	uint64_t free = frame_count_free();
	for (unsigned i = 0; i < 2; i++) {
		offer_pages(INFLATE, 1023 - 256 * i, -1, 256);
		assert_int_equal(back(INFLATE), 1); /* within the notification */
		see(INFLATE);
		store(0x104, 256 * (i + 1));
		assert_int_equal(load(0x104), 256 * (i + 1));
	}
	assert_int_equal(ballooned(), 512);
	assert_int_equal(page.size_pages, 512);
	assert_in_range(frame_count_free(), free + 500, free + 512); /* but for a split table */
	offer_pages(DEFLATE, 512, 1, 256);
	assert_int_equal(back(DEFLATE), 1);
	assert_int_equal(ballooned(), 256);
	assert_int_equal(driver_read(512), 0);
	assert_string_equal(fake_log_text, "");
	end();
}

static void test_queues_are_numbered_without_gaps(void **state)
{
	static const struct {
		uint32_t features;
		unsigned count;
		int reports;
	} sets[] = {{0, 2, -1}, {2, 3, -1}, {0x20, 3, 2}, {0x22, 4, 3}, {ALL, 4, 3}};
	(void)state;
	start();
	for (unsigned i = 0; i < 5; i++) {
		connect(sets[i].features);
		assert_int_equal(balloon.mmio.queue_count, sets[i].count);
		if (sets[i].reports >= 0) {
			struct queue *queue = &queues[sets[i].reports];
			uint64_t reported = driver_vm->balloon.reported_pages;
			offer_one(queue, address_of(512), 512 * PAGE_BYTES, WRITE);
			kick(queue);
			assert_int_equal(back(queue), 1);
			assert_int_equal(driver_vm->balloon.reported_pages, reported + 512);
		}
	}
	/* Hints are not offered. */
	store(0x14, 0);
	assert_int_equal(load(0x10), ALL);
	end();
}

/* Its target, up and down, is a change of the configuration. */
static void test_target(void **state)
{
	(void)state;
	start();
	assert_int_equal(load(0x100), 0);
	balloon_set_target(driver_vm, 300, AEROSTAT_PRESSURE_LOW);
	assert_int_equal(fake_devices.targets_told, 1);
	uint32_t generation = load(0xfc);
	vballoon_target_changed(&balloon);
	assert_int_equal(load(0x100), 300);
	assert_int_not_equal(load(0xfc), generation);
	assert_true(vballoon_interrupt(&balloon));
	assert_int_equal(load(0x60), VMMIO_INTERRUPT_CONFIG);
	store(0x64, VMMIO_INTERRUPT_CONFIG);
	assert_false(vballoon_interrupt(&balloon));
	vballoon_target_changed(&balloon); /* it has not */
	assert_false(vballoon_interrupt(&balloon));
	end();
}

/* 5.5.6.3: the device keeps the buffer, and gives it back to ask again. */
static void test_statistics_once_a_second(void **state)
{
	(void)state;
	start();
	assert_int_equal(page.total_pages, 2900);
	assert_int_equal(page.free_pages, 2000);
	assert_int_equal(back(STATS), 0);
	pass(900);
	assert_int_equal(back(STATS), 0);
	assert_false(vballoon_interrupt(&balloon));
	pass(101);
	assert_int_equal(back(STATS), 1);
	assert_true(vballoon_interrupt(&balloon));
	see(STATS);
	store(0x64, 1);
	pass(5000); /* the driver does not answer: nothing to ask again with */
	assert_int_equal(back(STATS), 0);
	say(address_of(BUFFER_GFN) + 4, 1, 6, 1000 * PAGE_BYTES);
	offer_one(STATS, address_of(BUFFER_GFN) + 4, 20, 0);
	kick(STATS);
	assert_int_equal(page.free_pages, 1000);
	/* A second buffer waits until the first has gone back. */
	say(address_of(BUFFER_GFN) + 4, 1, 6, 500 * PAGE_BYTES);
	offer_one(STATS, address_of(BUFFER_GFN) + 4, 20, 0);
	kick(STATS);
	assert_int_equal(page.free_pages, 1000);
	pass(1001);
	assert_int_equal(back(STATS), 1);
	assert_int_equal(page.free_pages, 500);
	end();
}

/* The first count of a driver is since the guest's boot: what was swapped in before is no refault.
 */
static void test_swapped_in_before_the_driver_came(void **state)
{
	static const uint64_t counts[] = {1000, 1000, 1040, 1045};
	static const uint64_t refaults[] = {0, 0, 40, 45};
	(void)state;
	start();
	for (unsigned i = 0; i < ARRAY_COUNT(counts); i++) {
		pass(1001);
		assert_int_equal(back(STATS), 1);
		see(STATS);
		say(address_of(BUFFER_GFN) + 4, 0, 0, counts[i] * PAGE_BYTES);
		offer_one(STATS, address_of(BUFFER_GFN) + 4, 20, 0);
		kick(STATS);
		assert_int_equal(page.refault_count, refaults[i]);
	}
	end();
}

/* Reports are of whole pages; what is in them is gone, and touching them needs no call. */
static void test_reports(void **state)
{
	(void)state;
	start();
	for (uint64_t gfn = 500; gfn < 1100; gfn++) {
		driver_write(gfn, gfn);
	}
	describe(REPORTS, 0, address_of(500) + 1, 600 * PAGE_BYTES - 2, NEXT | WRITE, 1);
	describe(REPORTS, 1, address_of(1030) + 1, PAGE_BYTES, WRITE, 0); /* no whole page */
	offer(REPORTS, 0);
	kick(REPORTS);
	work_off();
	assert_int_equal(back(REPORTS), 1);
	assert_int_equal(driver_vm->balloon.reported_pages, 598);
	assert_int_equal(ballooned(), 0);
	assert_int_equal(driver_read(500), 500);
	assert_int_equal(driver_read(501), 0);
	assert_int_equal(driver_read(1098), 0);
	assert_int_equal(driver_read(1099), 1099);
	/* 32 at once, as Linux does. */
	see(REPORTS);
	for (unsigned i = 0; i < 32; i++) {
		describe(REPORTS, i, address_of(512 + 8 * i), 8 * PAGE_BYTES,
			 WRITE | (i < 31 ? NEXT : 0), (uint16_t)(i + 1));
	}
	offer(REPORTS, 0);
	kick(REPORTS);
	work_off();
	assert_int_equal(back(REPORTS), 1);
	assert_int_equal(driver_vm->balloon.reported_pages, 598 + 256);
	assert_string_equal(fake_log_text, "");
	end();
}

/* With a poison that is not 0 a page must keep it, so it keeps its frame. */
static void test_reports_of_poisoned_pages(void **state)
{
	(void)state;
	start();
	store(0x10c, 0xaa);
	assert_int_equal(load(0x10c), 0xaa);
	driver_write(512, 77);
	offer_one(REPORTS, address_of(512), PAGE_BYTES, WRITE);
	kick(REPORTS);
	assert_int_equal(back(REPORTS), 1);
	assert_int_equal(driver_read(512), 77);
	store(0x10c, 0);
	offer_one(REPORTS, address_of(512), PAGE_BYTES, WRITE);
	kick(REPORTS);
	assert_int_equal(driver_read(512), 0);
	/* A driver that has not accepted PAGE_POISON has none, whatever it writes there. */
	connect(ALL & ~VBALLOON_PAGE_POISON);
	store(0x10c, 0xaa);
	driver_write(512, 77);
	offer_one(REPORTS, address_of(512), PAGE_BYTES, WRITE);
	kick(REPORTS);
	assert_int_equal(driver_read(512), 0);
	end();
}

/*
 * A buffer that goes back within the notification has its interrupt when no other one follows, and
 * at the latest after 20 ms.
 */
static void test_interrupts_wait_for_more(void **state)
{
	(void)state;
	start();
	offer_pages(INFLATE, 100, 1, 10);
	assert_int_equal(back(INFLATE), 1);
	assert_false(vballoon_interrupt(&balloon));
	pass(2);
	assert_true(vballoon_interrupt(&balloon));
	assert_int_equal(load(0x60), VMMIO_INTERRUPT_USED);
	store(0x64, 1);
	pass(50);
	assert_false(vballoon_interrupt(&balloon));
	unsigned times = 0;
	for (unsigned i = 0; i < 100; i++) {
		offer_pages(INFLATE, 110 + i, 1, 1);
		fake_tsc += ticks_from_us(500);
		pass(0);
		times += vballoon_interrupt(&balloon);
		store(0x64, 1);
	}
	assert_in_range(times, 2, 3); /* in 50 ms */
	/* None where the driver wants none. */
	pass(50);
	store(0x64, 1);
	suppress(INFLATE, true);
	offer_pages(INFLATE, 300, 1, 1);
	pass(50);
	assert_false(vballoon_interrupt(&balloon));
	end();
}

/* One more than fits into the work of a notification goes on by ticks, and is told at once. */
static void test_work_beyond_a_notification(void **state)
{
	(void)state;
	start();
	/* Every second page, so that there are no neighbours; four buffers in one notification. */
	static uint32_t numbers[1024];
	for (unsigned i = 0; i < 1024; i++) {
		numbers[i] = 2 * i + 1 + (i < 1000 ? 0 : 500);
	}
	put(address_of(2400), numbers, sizeof(numbers));
	describe(INFLATE, 0, address_of(2400), sizeof(numbers), 0, 0);
	offer(INFLATE, 0);
	kick(INFLATE);
	assert_int_equal(back(INFLATE), 0);
	assert_true(vballoon_next(&balloon) <= fake_tsc);
	uint64_t done = ballooned();
	assert_in_range(done, 1, 512);
	assert_true(work_off() > 1);
	assert_int_equal(back(INFLATE), 1);
	assert_true(vballoon_interrupt(&balloon));
	assert_int_equal(ballooned(), 1024);
	end();
}

/* Page numbers may lie in any pieces (2.7.4.2), even cut in two; a rest is no number. */
static void test_numbers_in_pieces(void **state)
{
	uint32_t numbers[4] = {100, 101, 200, 0x7fffffff};
	(void)state;
	start();
	put(address_of(BUFFER_GFN + 1), numbers, sizeof(numbers));
	describe(INFLATE, 5, address_of(BUFFER_GFN + 1), 3, NEXT, 6);
	describe(INFLATE, 6, address_of(BUFFER_GFN + 1) + 3, 0, NEXT, 7);
	describe(INFLATE, 7, address_of(BUFFER_GFN + 1) + 3, 12, NEXT, 8);
	describe(INFLATE, 8, address_of(BUFFER_GFN + 9), 400, WRITE, 0); /* not to be read */
	offer(INFLATE, 5);
	kick(INFLATE);
	assert_int_equal(see(INFLATE), 5);
	assert_int_equal(ballooned(), 3);
	assert_string_equal(fake_log_text, "");
	end();
}

/* What the driver takes back though the target allows the balloon is what the guest ran out of. */
static void test_refaults(void **state)
{
	(void)state;
	start();
	balloon_set_target(driver_vm, 100, AEROSTAT_PRESSURE_LOW);
	vballoon_target_changed(&balloon);
	offer_pages(INFLATE, 100, 1, 150);
	offer_pages(DEFLATE, 100, 1, 20); /* above the target */
	assert_int_equal(balloon.refaults, 0);
	offer_pages(DEFLATE, 120, 1, 30);
	assert_int_equal(balloon.refaults, 0);
	offer_pages(DEFLATE, 150, 1, 40);
	assert_int_equal(balloon.refaults, 40);
	end();
}

/* ---- the driver goes ---- */

/* A reset with a full balloon: all of it is RAM again, in bounded steps, also while it starts. */
static void test_reset_with_a_full_balloon(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 8; i++) {
		offer_pages(INFLATE, i + 1, 12, 150);
		work_off();
	}
	assert_int_equal(ballooned(), 1200);
	store(0x70, 0);
	assert_int_equal(load(0x70), 0);
	assert_int_not_equal(ballooned(), 0); /* more than one step releases */
	assert_false(driver_vm->balloon.attached);
	assert_int_equal(load(0x104), 0);
	/* The next driver is there before that has come to its end, and what it gives stays. */
	accept_at_once(ALL);
	set_up_queues(4);
	store(0x70, 0xf);
	offer_pages(INFLATE, 2, 2, 100);
	work_off();
	assert_int_equal(back(INFLATE), 1);
	assert_int_equal(ballooned(), 100);
	assert_true(driver_vm->balloon.attached);
	assert_int_equal(page.size_pages, 100);
	store(0x70, 0);
	work_off();
	assert_int_equal(ballooned(), 0);
	store(0x70, 1); /* so Linux leaves it */
	assert_int_equal(vballoon_next(&balloon), UINT64_MAX);
	assert_string_equal(fake_log_text, "");
	end();
}

/* A reset at every step of a buffer's way. */
static void test_reset_at_every_step(void **state)
{
	(void)state;
	for (unsigned steps = 0; steps < 12; steps++) {
		start();
		static uint32_t numbers[1024];
		for (unsigned i = 0; i < 1024; i++) {
			numbers[i] = i;
		}
		put(address_of(2400), numbers, sizeof(numbers));
		offer_one(INFLATE, address_of(2400), sizeof(numbers), 0);
		offer_one(DEFLATE, address_of(2400), sizeof(numbers), 0);
		kick(INFLATE);
		kick(DEFLATE);
		for (unsigned i = 0; i < steps; i++) {
			pass(0);
		}
		store(0x70, 0);
		work_off();
		assert_int_equal(ballooned(), 0);
		assert_int_equal(balloon.kicked, 0);
		connect(ALL);
		offer_pages(INFLATE, 100, 1, 10);
		assert_int_equal(ballooned(), 10);
		end();
		if (steps < 11) {
			world_stop();
		}
	}
}

/* ---- a bad driver ---- */

/* Single pages that cannot be given or returned are skipped, and the others are done. */
static void test_bad_pages_are_skipped(void **state)
{
	uint32_t numbers[8] = {100, 100, 101, (uint32_t)DRIVER_PAGES, UINT32_MAX, 102, 100, 103};
	(void)state;
	start();
	put(address_of(BUFFER_GFN + 1), numbers, sizeof(numbers));
	offer_one(INFLATE, address_of(BUFFER_GFN + 1), sizeof(numbers), 0);
	kick(INFLATE);
	work_off();
	assert_int_equal(back(INFLATE), 1);
	assert_int_equal(ballooned(), 4);
	assert_false(is_stopped());
	assert_non_null(
		strstr(fake_log_text, "queue 0: skipped=4 first gfn=0x64: it is in the balloon"));
	fake_log_clear();
	offer_pages(DEFLATE, 102, 1, 4);
	assert_int_equal(ballooned(), 2);
	assert_non_null(strstr(fake_log_text,
			       "queue 1: skipped=2 first gfn=0x68: it is not in the balloon"));
	fake_log_clear();
	offer_one(REPORTS, address_of(100), 2 * PAGE_BYTES, WRITE);
	kick(REPORTS);
	assert_non_null(
		strstr(fake_log_text, "queue 3: skipped=1 first gfn=0x64: it is in the balloon"));
	offer_one(REPORTS, address_of(DRIVER_PAGES - 1), 8 * PAGE_BYTES, WRITE);
	kick(REPORTS);
	assert_int_equal(back(REPORTS), 2);
	assert_false(is_stopped());
	end();
}

/* The device stops; what was in the balloon stays there until the driver resets it. */
static void expect_stopped(const char *text)
{
	uint64_t size = ballooned();
	assert_true(is_stopped());
	assert_false(driver_vm->balloon.attached);
	assert_true(vballoon_interrupt(&balloon));
	assert_non_null(strstr(fake_log_text, "virtio-balloon stops until its driver resets it"));
	assert_non_null(strstr(fake_log_text, text));
	fake_log_clear();
	offer_one(INFLATE, address_of(BUFFER_GFN + 2), 4, 0);
	kick(INFLATE);
	pass(2000);
	assert_int_equal(ballooned(), size);
	assert_string_equal(fake_log_text, "");
	connect(ALL);
	work_off();
	assert_int_equal(ballooned(), 0);
	assert_false(is_stopped());
	offer_pages(INFLATE, 100, 1, 10);
	assert_int_equal(ballooned(), 10);
}

static void test_broken_rules(void **state)
{
	(void)state;
	start();
	offer_pages(INFLATE, 100, 1, 50);
	describe(INFLATE, 0, address_of(BUFFER_GFN), 4, NEXT, 0);
	offer(INFLATE, 0);
	kick(INFLATE);
	expect_stopped("queue 0: a chain is longer than the queue");
	offer_one(DEFLATE, DRIVER_PAGES * PAGE_BYTES, 4, 0);
	kick(DEFLATE);
	expect_stopped("queue 1: a buffer is not in RAM");
	offer_one(INFLATE, UINT64_MAX - 8, 8, 0);
	kick(INFLATE);
	expect_stopped("queue 0: a buffer is not in RAM");
	offer_pages(INFLATE, BUFFER_GFN + 1, 1, 1); /* the buffer itself: that is its own loss */
	assert_int_equal(back(INFLATE), 2);
	offer_one(INFLATE, address_of(BUFFER_GFN + 1), 4, 0);
	kick(INFLATE);
	expect_stopped("queue 0: a buffer is in the balloon");
	put_word(driver_at(REPORTS) + 2, 65);
	kick(REPORTS);
	expect_stopped("queue 3: more is offered than it has descriptors");
	offer(REPORTS, SIZE);
	kick(REPORTS);
	expect_stopped("queue 3: there is no such descriptor");
	end();
}

/* Each page of each ring is given away by the driver itself. */
static void test_rings_in_the_balloon(void **state)
{
	(void)state;
	start();
	for (unsigned part = 0; part < 3; part++) {
		offer_pages(INFLATE, QUEUE_GFN(0) + part, 1, 1);
		if (part == 0) { /* the descriptors are missed by the next chain only */
			assert_false(is_stopped());
			offer(INFLATE, 0);
			kick(INFLATE);
		}
		assert_true(is_stopped());
		assert_non_null(strstr(fake_log_text, "a part of it is in the balloon"));
		fake_log_clear();
		store(0x70, 0);
		work_off();
		assert_int_equal(ballooned(), 0);
		connect(ALL);
	}
	end();
}

static void test_bad_queues(void **state)
{
	(void)state;
	start();
	accept(ALL);
	store(0x30, 2);
	store(0x38, 3);
	store(0x44, 1);
	assert_true(is_stopped());
	assert_non_null(strstr(fake_log_text, "queue 2: its size is no power of 2"));
	/* A queue that is taken away while a buffer is under way, and one that was never ready. */
	connect(ALL);
	static uint32_t numbers[1024];
	put(address_of(2400), numbers, sizeof(numbers));
	offer_one(INFLATE, address_of(2400), sizeof(numbers), 0);
	kick(INFLATE);
	store(0x30, 0);
	store(0x44, 0);
	kick(INFLATE);
	work_off();
	assert_int_equal(back(INFLATE), 0);
	store(0x30, 2);
	store(0x44, 0);
	pass(2000); /* the buffer of statistics went with it */
	assert_false(is_stopped());
	offer_pages(DEFLATE, 100, 1, 1);
	assert_int_equal(back(DEFLATE), 1);
	end();
}

/* FAILED: the driver has given up. It is as if there were none; a reset begins anew. */
static void test_driver_gives_up(void **state)
{
	(void)state;
	start();
	offer_pages(INFLATE, 100, 1, 10);
	store(0x70, 0x8f);
	assert_false(driver_vm->balloon.attached);
	offer_pages(INFLATE, 200, 1, 10);
	assert_int_equal(ballooned(), 10);
	connect(ALL);
	work_off();
	assert_int_equal(ballooned(), 0);
	end();
}

/* No table can be had to split an extent: the page is tried for a second, and then skipped. */
static void test_no_table_for_a_page(void **state)
{
	(void)state;
	start();
	assert_int_equal(driver_surrender(driver_range(512, 9, 1)).status, AEROSTAT_RANGE_OK);
	uint32_t number = 600;
	put(address_of(BUFFER_GFN + 1), &number, 4);
	offer_one(DEFLATE, address_of(BUFFER_GFN + 1), 4, 0);
	frame_caches_empty();
	frame_caches_floor_set(FRAME_CACHES_OFF);
	frame_alloc_fail_at = 1;
	kick(DEFLATE);
	assert_int_equal(back(DEFLATE), 0);
	for (unsigned i = 0; i < 99; i++) {
		frame_alloc_fail_at = 1;
		pass(10);
	}
	frame_alloc_fail_at = 0;
	assert_int_equal(back(DEFLATE), 0);
	pass(10);
	assert_int_equal(back(DEFLATE), 1);
	assert_int_equal(ballooned(), 511);
	assert_string_equal(fake_log_text, "");
	assert_int_equal(driver_surrender(driver_range(1024, 9, 1)).status, AEROSTAT_RANGE_OK);
	number = 1100;
	put(address_of(BUFFER_GFN + 1), &number, 4);
	offer_one(DEFLATE, address_of(BUFFER_GFN + 1), 4, 0);
	frame_alloc_fail_at = 1;
	kick(DEFLATE);
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(back(DEFLATE), 1);
		frame_alloc_fail_at = 1;
		pass(10);
	}
	frame_alloc_fail_at = 0;
	assert_int_equal(back(DEFLATE), 2);
	assert_int_equal(ballooned(), 511 + 512);
	assert_non_null(strstr(fake_log_text, "first gfn=0x44c: there is no memory for a table"));
	end();
}

/* ---- accesses ---- */

static void test_widths(void **state)
{
	(void)state;
	start();
	for (unsigned i = 0; i < 4; i++) { /* as a driver of the old kind: byte by byte */
		vballoon_write(&balloon, 0x104 + i, 1, 0x11u * (i + 1), fake_tsc);
	}
	assert_int_equal(load(0x104), 0x44332211);
	vballoon_write(&balloon, 0x106, 2, 0xbeef, fake_tsc);
	assert_int_equal(load(0x104), 0xbeef2211);
	assert_int_equal(vballoon_read(&balloon, 0x105, 1), 0x22);
	store(0x100, 5); /* the device's own */
	store(0x108, 5);
	assert_int_equal(load(0x100), 0);
	assert_int_equal(load(0x108), 0);
	/* Registers are of 4 bytes, and there are no others. */
	assert_int_equal(vballoon_read(&balloon, 0, 1), 0);
	assert_int_equal(vballoon_read(&balloon, 0, 8), 0);
	assert_int_equal(vballoon_read(&balloon, 0x102, 4), 0);
	vballoon_write(&balloon, 0x70, 1, 0, fake_tsc);
	vballoon_write(&balloon, 0x70, 8, 0, fake_tsc);
	vballoon_write(&balloon, 0x106, 4, 0, fake_tsc);
	vballoon_write(&balloon, 0x100, 8, 0, fake_tsc);
	assert_int_equal(load(0x70), 0xf);
	assert_int_equal(load(0x104), 0xbeef2211);
	for (uint32_t offset = 0x110; offset < VMMIO_BYTES; offset += 4) {
		store(offset, 0xffffffff);
		assert_int_equal(load(offset), 0);
	}
	end();
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_inflate_and_deflate),
		TEST(test_queues_are_numbered_without_gaps),
		TEST(test_target),
		TEST(test_statistics_once_a_second),
		TEST(test_swapped_in_before_the_driver_came),
		TEST(test_reports),
		TEST(test_reports_of_poisoned_pages),
		TEST(test_interrupts_wait_for_more),
		TEST(test_work_beyond_a_notification),
		TEST(test_numbers_in_pieces),
		TEST(test_refaults),
		TEST(test_reset_with_a_full_balloon),
		TEST(test_reset_at_every_step),
		TEST(test_bad_pages_are_skipped),
		TEST(test_broken_rules),
		TEST(test_rings_in_the_balloon),
		TEST(test_bad_queues),
		TEST(test_driver_gives_up),
		TEST(test_no_table_for_a_page),
		TEST(test_widths),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
