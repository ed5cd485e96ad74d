/* SPDX-License-Identifier: BSD-2-Clause */
/* Lab 2: mm/stage2/steps.c reads what a processor would read; and a table that is walked by hand.
 */
#include "labs/check.h"

#include "fake/world.h"

#include <stdlib.h>

#include "base/bits.h"
#include "mm/phys.h"
#include "mm/stage2/steps.h"

#define LIMIT (1ull << 20)
#define DEEP_GFN (3ull << 18 | 5ull << 9 | 7) /* another index on each level */

static struct s2 *vm;
static struct s2_step steps[S2_LEVELS];
static unsigned count;

static void start(void)
{
	world_start(512, 6000, 1);
	vm = world_create(1, LIMIT, 0);
	want(vm != NULL, "the model has no memory for a VM");
}

static void walk(uint64_t gfn)
{
	struct s2_locked locked = s2_lock(vm);
	count = s2_steps(locked, (gfn_t){gfn}, steps);
	s2_unlock(locked);
	want(count >= 1 && count <= S2_LEVELS, "s2_steps() answers %u steps", count);
}

static void want_end(unsigned right, enum s2_step_kind kind)
{
	static const char *const names[] = {"EMPTY", "BALLOONED", "TABLE", "LEAF"};
	want_number("the count of steps", count, right);
	want(steps[count - 1].kind == kind, "the last step is %s, should be %s",
	     names[steps[count - 1].kind % 4], names[kind]);
}

static void nothing_yet(void)
{
	start();
	walk(5);
	want_end(1, S2_STEP_EMPTY);
	want_number("the entry", steps[0].entry, 0);
}

static void starts_at_the_root(void)
{
	start();
	world_write(vm, 5, 1);
	walk(5);
	want_number("the frame of the first table", steps[0].table.n, vm->root.n);
	want_number("the level of the root", steps[0].level, S2_LEVELS - 1);
}

static void small_page(void)
{
	start();
	world_write(vm, 5, 1);
	walk(5);
	want_end(4, S2_STEP_LEAF);
	want_number("the frame", steps[3].pfn.n, world_lookup(vm, 5).pfn.n);
}

static void large_page(void)
{
	start();
	want(world_populate(vm, 1024, ORDER_2M) == STATUS_OK, "the model has no large frame");
	walk(1024 + 77);
	want_end(3, S2_STEP_LEAF);
	want_number("the first frame of the large page", steps[2].pfn.n,
		    world_lookup(vm, 1024).pfn.n);
}

static void levels_go_down(void)
{
	start();
	world_write(vm, 5, 1);
	walk(5);
	for (unsigned i = 0; i < count; i++) {
		want_number("the level of a step", steps[i].level, S2_LEVELS - 1 - i);
	}
	want_end(4, S2_STEP_LEAF);
}

static void indices(void)
{
	static const unsigned right[] = {0, 3, 5, 7};
	start();
	world_write(vm, DEEP_GFN, 1);
	walk(DEEP_GFN);
	want_end(4, S2_STEP_LEAF);
	for (unsigned i = 0; i < 4; i++) {
		want_number("the index of a step", steps[i].index, right[i]);
	}
}

static void each_leads_to_the_next(void)
{
	start();
	world_write(vm, DEEP_GFN, 1);
	walk(DEEP_GFN);
	want_end(4, S2_STEP_LEAF);
	for (unsigned i = 0; i + 1 < count; i++) {
		want(steps[i].kind == S2_STEP_TABLE, "step %u is no table, and a step follows", i);
		want_number("the table of a step", steps[i + 1].table.n, steps[i].pfn.n);
	}
}

static void entries_are_read(void)
{
	start();
	world_write(vm, DEEP_GFN, 1);
	walk(DEEP_GFN);
	want_end(4, S2_STEP_LEAF);
	for (unsigned i = 0; i < count; i++) {
		const uint64_t *table = pfn_to_virt(steps[i].table);
		want_number("the value of an entry", steps[i].entry, table[steps[i].index]);
	}
}

static void neighbour_is_empty(void)
{
	start();
	world_write(vm, 5, 1);
	walk(6);
	want_end(4, S2_STEP_EMPTY);
	want_number("pfn of a step that leads nowhere", steps[3].pfn.n, 0);
}

static void ballooned_page(void)
{
	start();
	world_write(vm, 5, 1);
	want(world_surrender(vm, 5, 0) == STATUS_OK, "the model refuses");
	walk(5);
	want_end(4, S2_STEP_BALLOONED);
	want_number("pfn of a step that leads nowhere", steps[3].pfn.n, 0);
}

static void ballooned_extent(void)
{
	start();
	want(world_surrender(vm, 1024, ORDER_2M) == STATUS_OK, "the model refuses");
	walk(1024 + 3);
	want_end(3, S2_STEP_BALLOONED);
}

static void accessed(void)
{
	start();
	want(world_populate(vm, 5, 0) == STATUS_OK, "the model refuses");
	walk(5);
	want_end(4, S2_STEP_LEAF);
	want(!steps[3].accessed, "accessed, and no access was made");
	world_write(vm, 5, 1);
	walk(5);
	want(steps[3].accessed, "an access was made, and the step does not say accessed");
	walk(6);
	want(!steps[3].accessed, "an empty entry cannot be accessed");
}

static void pinned(void)
{
	start();
	want(world_pin(vm, 5) == STATUS_OK, "the model refuses");
	walk(5);
	want_end(4, S2_STEP_LEAF);
	want(steps[3].pinned, "the leaf has the format's pinned_flag, and the step says no");
	want(!steps[2].pinned, "a table cannot be pinned");
	world_unpin(vm, 5);
	walk(5);
	want(!steps[3].pinned, "the page was let go, and the step says pinned");
}

/* At many places: the same as the product's own look-up, which comes another way. */
static void everywhere(void)
{
	static const unsigned orders[] = {[S2_STEP_EMPTY] = S2_EMPTY,
					  [S2_STEP_BALLOONED] = S2_BALLOONED,
					  [S2_STEP_LEAF] = S2_MAPPED,
					  [S2_STEP_TABLE] = 99};
	start();
	for (uint64_t i = 0; i < 200; i++) {
		uint64_t gfn = i * 977 % 4096;
		if (i % 3 == 0) {
			(void)world_surrender(vm, gfn, 0);
		} else {
			(void)world_populate(vm, gfn, 0);
		}
	}
	for (uint64_t gfn = 0; gfn < 4096; gfn += 3) {
		struct s2_slot slot = world_lookup(vm, gfn);
		walk(gfn);
		want(orders[steps[count - 1].kind % 4] == slot.kind, "page %llu: another kind",
		     (unsigned long long)gfn);
		want_number("9 times the level of the last step", 9 * steps[count - 1].level,
			    slot.order);
	}
}

static void changes_nothing(void)
{
	start();
	world_write(vm, 5, 1);
	struct world_image before = world_image();
	walk(5);
	walk(6);
	struct world_image after = world_image();
	want(world_image_equal(&before, &after), "a walk that only looks has changed something");
	want_end(4, S2_STEP_EMPTY);
}

/* ---- The table of the page, walked by hand -----------------------------------------------------
 */

/* Table, index, entry, as docs/labs/2-walk-a-table/README.md has them. All others are 0. */
static const struct {
	uint64_t table;
	unsigned index;
	uint64_t entry;
} dump[] = {
	{0x10000, 0, 0x11107},	 {0x11000, 0, 0x12107},	  {0x11000, 1, 0x13007},
	{0x11000, 3, 0x800},	 {0x12000, 0, 0x14107},	  {0x12000, 1, 0x34001f7},
	{0x12000, 5, 0x800},	 {0x13000, 2, 0x60000f7}, {0x14000, 0, 0x5001177},
	{0x14000, 5, 0x5a02177}, {0x14000, 6, 0x800},	  {0x14000, 7, 0x10000005b03077},
};

static uint64_t dump_entry(uint64_t table, unsigned index)
{
	for (unsigned i = 0; i < LABS_COUNT(dump); i++) {
		if (dump[i].table == table && dump[i].index == index) {
			return dump[i].entry;
		}
	}
	return 0;
}

/* The entry that decides, and its level (0: 4 KiB). */
static uint64_t walk_dump(uint64_t address, unsigned *level)
{
	uint64_t table = 0x10000;
	for (*level = 3;; (*level)--) {
		uint64_t entry = dump_entry(table, address >> (12 + 9 * *level) & 511);
		if ((entry & 7) == 0 || *level == 0 || (entry & 0x80) != 0) {
			return entry;
		}
		table = entry & 0xffffffffff000;
	}
}

static uint64_t translate(uint64_t address)
{
	unsigned level;
	uint64_t entry = walk_dump(address, &level);
	uint64_t inside = (4096ull << (9 * level)) - 1;
	return (entry & 0xffffffffff000 & ~inside) | (address & inside);
}

static const char *of_a_small_page(void)
{
	return text_of(translate(0x5abc));
}

static const char *of_a_large_page(void)
{
	return text_of(translate(0x345678));
}

static const char *of_a_higher_page(void)
{
	return text_of(translate(0x40412345));
}

/* Both sums go through every entry of 2 MiB, and of 4 KiB where there are any. */
static uint64_t pages_that_are(bool mapped)
{
	uint64_t pages = 0;
	for (uint64_t address = 0; address < 4ull << 30;) {
		unsigned level;
		uint64_t entry = walk_dump(address, &level);
		uint64_t here = 1ull << (9 * level);
		if (mapped ? (entry & 7) != 0 : entry == 0x800) {
			pages += here;
		}
		address += here << 12;
	}
	return pages;
}

static const char *pages_in_the_balloon(void)
{
	return text_of(pages_that_are(false));
}

static const char *pages_mapped(void)
{
	return text_of(pages_that_are(true));
}

static const char *pinned_page(void)
{
	for (uint64_t address = 0;; address += 4096) {
		unsigned level;
		if ((walk_dump(address, &level) & BIT(52)) != 0) {
			return text_of(address);
		}
	}
}

/* A gfn of a page of guest tables needs 4 reads to be found, the entry is the fifth; and the page.
 */
static const char *reads_of_a_walk_in_two_dimensions(void)
{
	return text_of(4 * (S2_LEVELS + 1) + S2_LEVELS);
}

int main(void)
{
	const struct check checks[] = {
		{"nothing_yet", 1, nothing_yet},
		{"starts_at_the_root", 1, starts_at_the_root},
		{"small_page", 2, small_page},
		{"large_page", 2, large_page},
		{"levels_go_down", 1, levels_go_down},
		{"indices", 2, indices},
		{"each_leads_to_the_next", 2, each_leads_to_the_next},
		{"entries_are_read", 1, entries_are_read},
		{"neighbour_is_empty", 1, neighbour_is_empty},
		{"ballooned_page", 1, ballooned_page},
		{"ballooned_extent", 1, ballooned_extent},
		{"accessed", 1, accessed},
		{"pinned", 1, pinned},
		{"everywhere", 2, everywhere},
		{"changes_nothing", 1, changes_nothing},
	};
	const struct question questions[] = {
		{"q1", 1, of_a_small_page, "indices 0, 0, 0, 5; the low 12 bits stay"},
		{"q2", 1, of_a_large_page, "the walk ends at 2 MiB: the low 21 bits stay"},
		{"q3", 2, of_a_higher_page, "which entry of 0x11000 decides over the second GiB?"},
		{"q4", 2, pages_in_the_balloon, "one entry can be 1, 512 or 262,144 pages"},
		{"q5", 1, pages_mapped, "leaves of 2 MiB are 512 pages each"},
		{"q6", 1, pinned_page, "bit 52 of a leaf; its address comes from the four indices"},
		{"q7", 2, reads_of_a_walk_in_two_dimensions,
		 "each table of the guest lies at a guest-physical address, and so does the page"},
	};
	return labs_run(checks, LABS_COUNT(checks), questions, LABS_COUNT(questions));
}
