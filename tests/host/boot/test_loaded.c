/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the loader put into memory comes back frame by frame: ram_find_released() of
 * arch/x86/boot/ram.c says which, frame_free_range() of mm/alloc.c frees them. Every frame is free
 * exactly when nothing that is needed lies in it, whatever the layout and the order.
 */
#include "fake/boot_map.h"
#include "fake/world.h"

#include <stdlib.h>
#include <string.h>

#include "arch/x86/boot/ram.h"
#include "base/bits.h"
#include "mm/alloc.h"

#define FRAMES 512u
#define IMAGE_START 0x40000u
#define IMAGE_END 0x52345u

static struct boot_info info;
static struct loaded loaded;
static struct memmap ram;

static void set_ram(const struct boot_region *regions, unsigned count)
{
	memset(&info, 0, sizeof(info));
	fake_boot_map(&info.map, regions, count);
	loaded = (struct loaded){.info = &info, .image = IMAGE_START, .image_end = IMAGE_END};
}

static void add_module(uint64_t start, uint64_t end)
{
	info.modules[info.module_count].start = start;
	info.modules[info.module_count++].end = end;
}

static void claim(struct memmap *available, struct memmap *hypervisor, uint64_t start, uint64_t end)
{
	start = align_down_u64(start, PAGE_BYTES);
	end = start < end ? align_up_u64(end, PAGE_BYTES) : start;
	assert_int_equal(memmap_remove(available, start, end), STATUS_OK);
	assert_int_equal(memmap_add(hypervisor, start, end), STATUS_OK);
}

/* The frame table that arch/x86/boot/memory.c would make of it. */
static void make_table(void)
{
	static struct memmap available;
	static struct memmap hypervisor;
	assert_int_equal(ram_find(&info.map, 40, 0, &ram), 0);
	available = ram;
	memmap_init(&hypervisor);
	claim(&available, &hypervisor, loaded.image, loaded.image_end);
	claim(&available, &hypervisor, loaded.information, loaded.information_end);
	for (unsigned i = 0; i < info.module_count; i++) {
		claim(&available, &hypervisor, info.modules[i].start, info.modules[i].end);
	}
	world_start_map(&available, &hypervisor, FRAMES, 2);
	for (uint64_t pfn = 0; pfn < FRAMES; pfn++) {
		fake_frame_fill((pfn_t){pfn}, WORLD_FORMER_OWNER);
	}
	world_check();
}

static uint64_t release(unsigned index)
{
	static struct memmap freed;
	if (index == LOADED_INFORMATION) {
		loaded.information_released = true;
	} else {
		info.modules[index].released = true;
	}
	assert_int_equal(ram_find_released(&loaded, index, &ram, &freed), STATUS_OK);
	for (unsigned i = 0; i < freed.count; i++) {
		frame_free_range((pfn_t){freed.regions[i].start >> PAGE_SHIFT},
				 (freed.regions[i].end - freed.regions[i].start) >> PAGE_SHIFT);
	}
	world_check(); /* every frame is counted */
	return memmap_bytes(&freed) >> PAGE_SHIFT;
}

static const struct boot_region all_ram[] = {{0x1000, FRAMES *PAGE_BYTES, true}};

static void test_modules_become_free(void **state)
{
	(void)state;
	set_ram(all_ram, 1);
	loaded.information = 0x53000;
	loaded.information_end = 0x53400;
	add_module(0x60000, 0x68000);
	add_module(0x68000, 0x6a001); /* begins where the first ends; three frames */
	add_module(0x100000, 0x140000);
	make_table();
	uint64_t free = frame_count_free();
	uint64_t all = free + frame_count(FRAME_HYPERVISOR);
	assert_int_equal(release(1), 3);
	assert_int_equal(frame_count_free(), free + 3);
	assert_int_equal(release(LOADED_INFORMATION), 1);
	assert_int_equal(release(0), 8);
	assert_int_equal(release(2), 64);
	assert_int_equal(frame_count_free(), free + 76);
	assert_int_equal(frame_count_free() + frame_count(FRAME_HYPERVISOR), all);
	assert_int_equal(frame_count(FRAME_HYPERVISOR), 19); /* the image */
	/* Nobody sees what was in them. */
	world_scrub_all();
	world_check_zeroed();
}

/* GRUB puts the boot information behind the end of the last module, into its last page. */
static void test_information_in_the_last_page_of_a_module(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 2; order++) {
		set_ram(all_ram, 1);
		add_module(0x60000, 0x61234);
		loaded.information = 0x61238;
		loaded.information_end = 0x61ff8;
		make_table();
		assert_int_equal(release(order == 0 ? 0 : LOADED_INFORMATION), order == 0 ? 1 : 0);
		assert_int_equal(release(order == 0 ? LOADED_INFORMATION : 0), order == 0 ? 1 : 2);
		assert_int_equal(frame_count(FRAME_HYPERVISOR), 19);
		world_stop();
	}
}

static void test_shared_pages_stay_until_the_last_goes(void **state)
{
	(void)state;
	set_ram(all_ram, 1);
	add_module(0x60000, 0x60800);
	add_module(0x60800, 0x60c00);
	add_module(0x60c00, 0x62001);
	add_module(IMAGE_END, IMAGE_END + 0x2000); /* begins in the image's last page */
	add_module(0x60800, 0x60c00);		   /* twice the same */
	make_table();
	assert_int_equal(release(0), 0);
	assert_int_equal(release(2), 2);
	assert_int_equal(release(1), 0);
	assert_int_equal(release(4), 1);
	assert_int_equal(release(3), 2);
	assert_int_equal(frame_count(FRAME_HYPERVISOR), 19);
}

/* An empty module lies at 0, or anywhere: it has no frame, and takes none from others. */
static void test_empty_modules(void **state)
{
	(void)state;
	set_ram(all_ram, 1);
	add_module(0, 0);
	add_module(0x60800, 0x60800);
	add_module(0x60000, 0x61000);
	add_module(0x70000, 0x70000);
	make_table();
	assert_int_equal(frame_count(FRAME_HYPERVISOR), 20);
	assert_int_equal(release(2), 1);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(i == 2 ? 0 : release(i), 0);
	}
}

/* What firmware's map does not call RAM, wholly, is not given to anybody. */
static void test_only_ram_is_given_back(void **state)
{
	static const struct boot_region regions[] = {
		{0x1000, 0x80800, true},
		{0x20000, 0x21001, false},
		{0x90000, FRAMES * PAGE_BYTES, true},
	};
	(void)state;
	set_ram(regions, ARRAY_COUNT(regions));
	add_module(0x1f000, 0x23000);
	add_module(0x7f000, 0x92000);
	add_module(0x85000, 0x86000);
	make_table();
	assert_int_equal(release(0), 2);
	assert_int_equal(release(1), 1 + 2);
	assert_int_equal(release(2), 0);
}

/* A module that a VM may be started from later keeps its frames. */
static void test_kept_module_keeps_its_frames(void **state)
{
	(void)state;
	set_ram(all_ram, 1);
	add_module(0x60000, 0x64000);
	add_module(0x63800, 0x68000);
	make_table();
	assert_int_equal(release(1), 4);
	for (uint64_t pfn = 0x60; pfn < 0x64; pfn++) {
		assert_true(fake_frame_is((pfn_t){pfn}, WORLD_FORMER_OWNER));
	}
	world_scrub_all();
	for (uint64_t pfn = 0x60; pfn < 0x64; pfn++) {
		assert_true(fake_frame_is((pfn_t){pfn}, WORLD_FORMER_OWNER));
	}
}

static bool is_used_by(uint64_t pfn, uint64_t start, uint64_t end)
{
	return start < end && start < (pfn + 1) << PAGE_SHIFT && pfn << PAGE_SHIFT < end;
}

static bool is_needed(uint64_t pfn)
{
	bool needed = is_used_by(pfn, loaded.image, loaded.image_end) ||
		      (!loaded.information_released &&
		       is_used_by(pfn, loaded.information, loaded.information_end));
	for (unsigned i = 0; i < info.module_count; i++) {
		needed |= !info.modules[i].released &&
			  is_used_by(pfn, info.modules[i].start, info.modules[i].end);
	}
	return needed;
}

static void expect_exactly_the_needed(void)
{
	for (uint64_t pfn = 0; pfn < FRAMES;) {
		struct frame_tag tag = frame_table[pfn].tag;
		for (uint64_t i = 0; i < order_pages(tag.order); i++, pfn++) {
			enum frame_state expected = pfn < 1	     ? FRAME_RESERVED
						    : is_needed(pfn) ? FRAME_HYPERVISOR
								     : FRAME_DIRTY;
			assert_int_equal(tag.state, expected);
		}
	}
}

/* Layouts with everything on top of everything, released in any order. */
static void test_random_layouts(void **state)
{
	(void)state;
	srandom(11);
	for (unsigned round = 0; round < 400; round++) {
		set_ram(all_ram, 1);
		uint64_t limit = 0x10000 + (uint64_t)random() % 0x60000;
		loaded.information = 0x1000 + (uint64_t)random() % limit;
		loaded.information_end = loaded.information + (uint64_t)random() % 0x4000;
		unsigned modules = 1 + (unsigned)random() % 12;
		for (unsigned i = 0; i < modules; i++) {
			uint64_t start = 0x1000 + (uint64_t)random() % limit;
			add_module(start, start + (uint64_t)random() % 0x9000);
		}
		make_table();
		expect_exactly_the_needed();
		unsigned first = (unsigned)random() % (modules + 1);
		for (unsigned i = 0; i <= modules; i++) {
			unsigned index = (first + i) % (modules + 1);
			(void)release(index == modules ? LOADED_INFORMATION : index);
			expect_exactly_the_needed();
		}
		world_stop();
	}
}

/* A range inside large extents is cut out of them; nothing else is freed with it. */
static void test_range_inside_extents(void **state)
{
	static struct memmap available;
	static struct memmap hypervisor = {1, {{0, FRAMES * PAGE_BYTES}}};
	(void)state;
	for (uint64_t first = 0; first < 20; first++) {
		for (uint64_t pages = 0; pages < 40; pages++) {
			world_start_map(&available, &hypervisor, FRAMES, 2);
			frame_free_range((pfn_t){first}, pages);
			world_check();
			assert_int_equal(frame_count_free(), pages);
			for (uint64_t i = 0; i < pages; i++) {
				expect_panic("expected", frame_free_range((pfn_t){first + i}, 1));
				fake_locks_reset();
				i += 7;
			}
			world_stop();
		}
	}
	/* What is a guest's, a table's, or not ours at all cannot be freed so. */
	static struct memmap some = {1, {{0x1000, 0x8000}}};
	static struct memmap nothing;
	world_start_map(&some, &nothing, 16, 2);
	expect_panic("expected", frame_free_range((pfn_t){0}, 1));
	fake_locks_reset();
	expect_panic("expected", frame_free_range((pfn_t){9}, 1));
	fake_locks_reset();
	expect_panic("CHECK", frame_free_range((pfn_t){16}, 1));
	fake_locks_reset();
}

#define TEST(name) cmocka_unit_test_teardown(name, world_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_modules_become_free),
		TEST(test_information_in_the_last_page_of_a_module),
		TEST(test_shared_pages_stay_until_the_last_goes),
		TEST(test_empty_modules),
		TEST(test_only_ram_is_given_back),
		TEST(test_kept_module_keeps_its_frames),
		TEST(test_random_layouts),
		TEST(test_range_inside_extents),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
