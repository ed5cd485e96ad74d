/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The runnable questions of docs/labs/questions.md: each works its answer out from the product
 * itself. `test_lab_questions N` prints the answer to question N; without an argument each is
 * worked out, in the form of a test.
 */
#include "labs/check.h"

#include "fake/kernel.h"
#include "fake/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernel/vm/exit.h"
#include "mm/reclaim.h"

#define MIB 256 /* pages */

static char answer[256];

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void say(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(answer, sizeof(answer), format, arguments);
	va_end(arguments);
}

/* ---- Who gives, and how much --------------------------------------------------------------------
 */

static struct policy_vm asked[3];

static void use_policy(const char *name)
{
	struct error error;
	assert_int_equal(policy_select(name, strlen(name), &error), STATUS_OK);
	for (unsigned i = 0; i < 3; i++) {
		asked[i] = policy_typical();
	}
}

/* An idle VM, nothing of which is in use. */
static void idle(struct policy_vm *vm, uint64_t mib)
{
	vm->held_pages = vm->mem_pages = vm->max_pages = mib * MIB;
	vm->min_pages = 0;
	vm->idle_pages = vm->free_pages = vm->held_pages;
	vm->active_known = true;
	vm->active_pages = 0;
}

static void lacks(uint64_t pages, unsigned count, unsigned tax)
{
	const struct policy_host host = {
		.low_pages = 1, .high_pages = pages, .idle_tax_percent = tax, .passed_us = 10000};
	policy_decide(&host, asked, count);
}

static uint64_t mib_of(unsigned vm)
{
	return (asked[vm].new_target_pages + MIB / 2) / MIB;
}

static void idle_tax(void)
{
	use_policy("shares");
	idle(&asked[0], 200);
	idle(&asked[1], 400);
	idle(&asked[2], 1000);
	lacks(800 * MIB, 3, 50);
	say("%lu %lu %lu", mib_of(0), mib_of(1), mib_of(2));
}

/* An idle VM of 300 shares and a busy one of 100, with 8,000 pages each. */
static void shares_against_tax(void)
{
	uint64_t given[2];
	use_policy("shares");
	for (unsigned i = 0; i < 2; i++) {
		asked[0].shares = 300;
		asked[0].active_known = asked[1].active_known = true;
		asked[0].active_pages = 0;
		asked[1].active_pages = asked[1].held_pages;
		lacks(2000, 2, i == 0 ? 75 : 0);
		given[i] = asked[0].new_target_pages;
		use_policy("shares");
	}
	say("%lu %lu", given[0], given[1]);
}

/* ---- A VM and its balloon -----------------------------------------------------------------------
 */

static struct vm *vm;

static void start(uint64_t frames)
{
	kernel_start(frames, 1);
	vm = kernel_vm("vm", 1000, 1000, 100);
}

static void driver_begins_again(void)
{
	start(3000);
	struct aerostat_balloon_page *page = kernel_attach(vm);
	kernel_touch_pages(vm, 100, 300);
	kernel_give(vm, 100, 300);
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_DETACH, 0, 0), 0);
	page = kernel_attach(vm);
	say("%lu", page->size_pages);
}

static const char *word_of(enum exit_action action)
{
	return action == EXIT_RESUME   ? "RESUME"
	       : action == EXIT_INJECT ? "INJECT"
	       : action == EXIT_KILL   ? "KILL"
				       : "OTHER";
}

static void touch_of_a_surrendered_page(void)
{
	static const enum on_touch ways[] = {ON_TOUCH_ZERO, ON_TOUCH_FAULT, ON_TOUCH_STOP};
	const char *words[3];
	for (unsigned i = 0; i < 3; i++) {
		start(3000);
		(void)kernel_attach(vm);
		vm->config.on_touch = ways[i];
		kernel_give(vm, 100, 1);
		words[i] = word_of(kernel_touch(vm, 100));
		world_stop();
	}
	say("%s %s %s", words[0], words[1], words[2]);
}

static void driver_or_mlock(void)
{
	start(3000);
	(void)kernel_attach(vm);
	kernel_touch_pages(vm, 100, 500);
	uint64_t before = vm->s2.mapped_pages;
	/* A program locks 200 of them, which the kernel makes sure are there; the host is not told.
	 */
	for (uint64_t gfn = 100; gfn < 300; gfn++) {
		(void)kernel_guest_page(vm, gfn);
	}
	uint64_t locked = before - vm->s2.mapped_pages;
	kernel_give(vm, 100, 200);
	say("%lu %lu", locked, before - vm->s2.mapped_pages);
}

static void balloon_page_itself(void)
{
	struct aerostat_range range = {.gfn = KERNEL_BALLOON_GFN, .count = 1};
	start(3000);
	(void)kernel_attach(vm);
	(void)kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, 1);
	say("%u %u", range.status, range.done);
}

/* ---- Tables and flushes -------------------------------------------------------------------------
 */

static struct s2 *space;

static void start_space(uint64_t limit)
{
	world_start(512, 6000, 1);
	world_scrub_all();
	space = world_create(1, limit, 0);
	assert_non_null(space);
}

static void breaking_two_mib(void)
{
	start_space(4096);
	assert_int_equal(world_populate(space, 1024, ORDER_2M), STATUS_OK);
	uint64_t tables = space->table_pages;
	assert_int_equal(world_surrender(space, 1030, 0), STATUS_OK);
	say("%lu %lu %lu", space->table_pages - tables, space->large_pages, world_work);
}

static void gigabyte_in_the_balloon(void)
{
	start_space(1ull << 18);
	uint64_t tables = space->table_pages;
	assert_int_equal(world_surrender(space, 0, ORDER_1G), STATUS_OK);
	uint64_t more = space->table_pages - tables;
	assert_int_equal(world_return(space, 5, 0), STATUS_OK);
	say("%lu %lu", more, space->table_pages - tables);
}

static void stale_translation(void)
{
	start_space(4096);
	world_write(space, 3, 0x33);
	assert_int_equal(world_surrender(space, 3, 0), STATUS_OK);
	const uint64_t *old = (const uint64_t *)fake_tlb_access(space, 0, (gfn_t){3});
	uint64_t seen = *old;
	uint64_t free = frame_count_free();
	world_flush(space);
	say("0x%lx %lu %s", seen, frame_count_free() - free,
	    fake_tlb_access(space, 0, (gfn_t){3}) == NULL ? "fault" : "access");
}

static void flushes_of_pages(void)
{
	start_space(4096);
	for (uint64_t gfn = 0; gfn < 512; gfn++) {
		assert_int_equal(world_populate(space, gfn, 0), STATUS_OK);
	}
	for (uint64_t gfn = 0; gfn < 512; gfn++) {
		assert_int_equal(world_surrender(space, gfn, 0), STATUS_OK);
	}
	world_flush(space);
	say("%lu", fake_tlb_flush_count);
}

static void calls_of_a_return(void)
{
	struct aerostat_range range = {.gfn = 512, .count = 2000};
	unsigned calls = 0;
	kernel_start(6000, 1);
	vm = kernel_vm("vm", 4096, 4096, 100);
	(void)kernel_attach(vm);
	while (kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, 1) == 0) {
	}
	range = (struct aerostat_range){.gfn = 512, .count = 2000};
	do {
		calls++;
	} while (kernel_ranges(vm, BALLOON_RETURN, &range, 1, 1) == 0);
	say("%u %u", calls, range.done);
}

/* Promises of 100 pages each, and the tables of 1,000 pages of RAM, until there is no room. */
static void how_many_vms(void)
{
	unsigned count = 0;
	world_start(512, 1000, 1);
	while (count < WORLD_SPACES_MAX && world_create((vm_id_t)(count + 1), 1000, 100) != NULL) {
		count++;
	}
	say("%u", count);
}

/* ---- Asking -------------------------------------------------------------------------------------
 */

static const struct check questions[] = {
	{"idle_tax", 1, idle_tax},
	{"shares_against_tax", 1, shares_against_tax},
	{"driver_begins_again", 1, driver_begins_again},
	{"touch_of_a_surrendered_page", 1, touch_of_a_surrendered_page},
	{"driver_or_mlock", 1, driver_or_mlock},
	{"balloon_page_itself", 1, balloon_page_itself},
	{"breaking_two_mib", 1, breaking_two_mib},
	{"gigabyte_in_the_balloon", 1, gigabyte_in_the_balloon},
	{"stale_translation", 1, stale_translation},
	{"flushes_of_pages", 1, flushes_of_pages},
	{"calls_of_a_return", 1, calls_of_a_return},
	{"how_many_vms", 1, how_many_vms},
};

int main(int count, char **arguments)
{
	if (count < 2) {
		return labs_run(questions, LABS_COUNT(questions), NULL, 0);
	}
	unsigned long number = strtoul(arguments[1], NULL, 10);
	if (number < 1 || number > LABS_COUNT(questions)) {
		fprintf(stderr, "there is no question %s: 1 to %zu\n", arguments[1],
			LABS_COUNT(questions));
		return 2;
	}
	questions[number - 1].run();
	printf("%s\n", answer);
	fflush(stdout);
	_Exit(0); /* without the search for leaks */
}
