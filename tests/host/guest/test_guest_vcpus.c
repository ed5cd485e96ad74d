/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Guests with several vCPUs: locks, the page allocator, the balloon driver and the console, on one
 * thread per vCPU, or at the one moment that matters: another vCPU acts while a balloon call of
 * this one is under way.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest_fixture.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/verified_pages.h"
#include "guests/lib/lock.h"
#include "guests/lib/vcpu.h"

#define VCPUS 4

struct thread {
	unsigned index;
	void (*work)(unsigned index);
};

static void *thread_main(void *argument)
{
	const struct thread *thread = argument;

	fake_hypervisor_be_vcpu(thread->index);
	thread->work(thread->index);
	return NULL;
}

/* On VCPUS vCPUs at once. The work does not assert; it counts what is wrong. */
static void run_all(void (*work)(unsigned index))
{
	pthread_t threads[VCPUS];
	struct thread arguments[VCPUS];

	for (unsigned i = 0; i < VCPUS; i++) {
		arguments[i] = (struct thread){i, work};
		assert_int_equal(pthread_create(&threads[i], NULL, thread_main, &arguments[i]), 0);
	}
	for (unsigned i = 0; i < VCPUS; i++) {
		pthread_join(threads[i], NULL);
	}
}

static unsigned wrong;

static void check(bool right)
{
	__atomic_fetch_add(&wrong, right ? 0 : 1, __ATOMIC_RELAXED);
}

static void start(uint64_t pages)
{
	guest_start(pages, 0);
	hv->vcpus = VCPUS;
	wrong = 0;
}

/* ---- On threads ---- */

static struct lock lock;
static unsigned counter;

static void count_up(unsigned index)
{
	(void)index;
	for (unsigned i = 0; i < 20000; i++) {
		lock_take(&lock);
		counter++;
		lock_release(&lock);
	}
}

static void a_lock_is_held_by_one(void **state)
{
	(void)state;
	start(EXTENT);
	counter = 0;
	run_all(count_up);
	assert_int_equal(counter, VCPUS * 20000);
	assert_int_equal(lock.taken, 0);
}

#define HELD_PAGES 300
#define LIFE_ROUNDS 60

/* Takes pages, marks them, and finds its marks again, while the balloon goes up and down. */
static void live(unsigned index)
{
	static uint64_t pages[VCPUS][HELD_PAGES];
	uint32_t random = index;

	for (unsigned round = 0; round < LIFE_ROUNDS; round++) {
		unsigned held = 0;

		while (held < HELD_PAGES) {
			uint64_t page = palloc_page(NULL);

			if (page == PALLOC_NONE) {
				break;
			}
			check(!fake_hypervisor_holds(page));
			*(uint64_t *)(page * 4096) = (uint64_t)index << 32 | held;
			pages[index][held++] = page;
			balloon_work();
		}
		check(held == HELD_PAGES);
		for (unsigned i = 0; i < held; i++) {
			check(*(uint64_t *)(pages[index][i] * 4096) == ((uint64_t)index << 32 | i));
		}
		random = random * 1664525 + 1013904223;
		if (random >> 30 == 0) {
			check(balloon_surrender(pages[index], held) == held);
			continue;
		}
		if (random >> 30 == 1) {
			/* The target is what the hypervisor wants, so it belongs to its calls. */
			hv->page->target_pages = (random >> 8) % (5 * EXTENT);
		}
		for (unsigned i = 0; i < held; i++) {
			palloc_free(pages[index][i], 1);
		}
		balloon_work();
	}
}

static void every_page_has_one_owner(void **state)
{
	(void)state;
	start(8 * EXTENT);
	hv->work_max = 100;
	run_all(live);
	assert_int_equal(wrong, 0);
	assert_int_equal(guest_count(PAGE_SURRENDERED), hv->size_pages);
	assert_int_equal(guest_count(PAGE_GIVING) + guest_count(PAGE_TAKING), 0);
	assert_int_equal(guest_count(PAGE_USED), 0);
	assert_int_equal(hv->refusals, 0);
	guest_check_sum();
	fake_hypervisor_set_target(0);
	balloon_work();
	assert_int_equal(hv->size_pages, 0);
	assert_int_equal(palloc_free_pages(), palloc_counts.total);
}

static void work_on_balloon(unsigned index)
{
	(void)index;
	for (unsigned i = 0; i < 50; i++) {
		balloon_work();
	}
}

static void nobody_gives_what_another_gives(void **state)
{
	(void)state;
	start(8 * EXTENT);
	hv->work_max = 7;
	for (uint64_t target = 1000; target <= 3000; target += 500) {
		fake_hypervisor_set_target(target);
		run_all(work_on_balloon);
		assert_int_equal(hv->size_pages, target);
	}
	/* It was never too much, so that some had to come back. */
	assert_int_equal(hv->calls[AEROSTAT_CALL_BALLOON_RETURN], 0);
	fake_hypervisor_set_target(100);
	run_all(work_on_balloon);
	assert_int_equal(hv->size_pages, 100);
	assert_int_equal(hv->returned_pages, 2900);
	assert_int_equal(hv->refusals, 0);
}

static struct keeper keeper;
static struct keeper_part parts[VCPUS];

static void keep_part(unsigned index)
{
	vcpu_share(keeper.pages.count, &parts[index].first, &parts[index].end);
	for (unsigned round = 0; round < 5; round++) {
		check(keeper_part_round(&keeper, &parts[index]));
	}
}

static void parts_of_a_keeper_add_up(void **state)
{
	uint64_t digest = 0;
	uint64_t end = 0;

	(void)state;
	start(2 * EXTENT);
	memset(&keeper, 0, sizeof(keeper));
	memset(parts, 0, sizeof(parts));
	keeper.seed = 5;
	assert_true(keeper_grow(&keeper, 333));
	run_all(keep_part);
	assert_int_equal(wrong, 0);
	for (unsigned i = 0; i < VCPUS; i++) {
		assert_int_equal(parts[i].first, end);
		end = parts[i].end;
		digest += parts[i].digest;
	}
	assert_int_equal(end, 333);
	/* The same pages, kept by one vCPU. */
	guest_stop(NULL);
	guest_start(2 * EXTENT, 0);
	memset(&keeper, 0, sizeof(keeper));
	keeper.seed = 5;
	assert_true(keeper_grow(&keeper, 333));
	for (unsigned round = 0; round < 5; round++) {
		assert_true(keeper_round(&keeper));
	}
	assert_int_equal(digest, keeper.digest);
}

/* ---- In the middle of a call ---- */

static uint64_t pages_moved;

static void another_works(void)
{
	uint64_t before = hv->size_pages;

	fake_hypervisor_be_vcpu(1);
	balloon_work();
	pages_moved = hv->size_pages - before;
	fake_hypervisor_be_vcpu(0);
}

static void what_is_under_way_counts(void **state)
{
	(void)state;
	start(4 * EXTENT);
	fake_hypervisor_set_target(EXTENT + 3);
	hv->meanwhile = another_works;
	balloon_work();
	assert_int_equal(pages_moved, 0);
	assert_int_equal(hv->size_pages, EXTENT + 3);
	/* And what is on its way out is not taken twice. */
	fake_hypervisor_set_target(3);
	hv->meanwhile = another_works;
	balloon_work();
	assert_int_equal(pages_moved, 0);
	assert_int_equal(hv->size_pages, 3);
	assert_int_equal(hv->refusals, 0);
}

static void another_withdraws(void)
{
	hv->page->target_pages = 0;
	another_works();
}

static void what_is_under_way_is_not_returned(void **state)
{
	(void)state;
	start(4 * EXTENT);
	fake_hypervisor_set_target(EXTENT);
	hv->meanwhile = another_withdraws;
	balloon_work();
	assert_int_equal(hv->refusals, 0);
	assert_int_equal(hv->size_pages, 0);
	assert_int_equal(palloc_free_pages(), palloc_counts.total);
}

static uint64_t page_of_another;
static unsigned waits_of_another;

/* Nothing is free until the call is over; the other one waits, and this is where it would run on.
 */
static void another_allocates(void)
{
	fake_hypervisor_be_vcpu(1);
	page_of_another = palloc_page(NULL);
	waits_of_another = (unsigned)hv->calls[AEROSTAT_CALL_WAIT];
	fake_hypervisor_be_vcpu(0);
}

static void who_runs_out_waits_for_what_is_under_way(void **state)
{
	(void)state;
	start(2 * EXTENT);
	fake_hypervisor_set_target(EXTENT);
	balloon_work();
	guest_take(EXTENT);
	fake_hypervisor_set_target(0);
	hv->meanwhile = another_allocates;
	balloon_work();
	assert_int_equal(page_of_another, PALLOC_NONE);
	assert_true(waits_of_another > 100);
	/* It said so; once it is served, it says no more. */
	assert_int_equal(hv->page->wanted_pages, 1);
	fake_hypervisor_be_vcpu(1);
	assert_int_not_equal(palloc_page(NULL), PALLOC_NONE);
	fake_hypervisor_be_vcpu(0);
	balloon_work();
	assert_int_equal(hv->page->wanted_pages, 0);
}

/* ---- What each vCPU has for itself ---- */

static void claims_are_each_vcpus_own(void **state)
{
	(void)state;
	start(2 * EXTENT);
	palloc_claim(100);
	fake_hypervisor_be_vcpu(1);
	palloc_claim(50);
	assert_int_equal(palloc_counts.claimed, 150);
	guest_take(60);
	assert_int_equal(palloc_counts.claimed, 100);
	palloc_want(7);
	fake_hypervisor_be_vcpu(0);
	palloc_want(5);
	assert_int_equal(palloc_counts.wanted, 12);
	palloc_claim(0);
	guest_take(1);
	assert_int_equal(palloc_counts.wanted, 7);
	assert_int_equal(palloc_counts.claimed, 0);
}

static void lines_are_not_mixed(void **state)
{
	(void)state;
	start(EXTENT);
	memset(hv->console, 0, sizeof(hv->console));
	console_print("one, ");
	fake_hypervisor_be_vcpu(3);
	console_print("another");
	fake_hypervisor_be_vcpu(0);
	console_print("two\n");
	fake_hypervisor_be_vcpu(3);
	console_print(" line\n");
	fake_hypervisor_be_vcpu(0);
	assert_string_equal(hv->console, "one, two\nanother line\n");
}

static void doorbells_are_each_vcpus_own(void **state)
{
	(void)state;
	start(EXTENT);
	*vcpu_doorbell_note() = 1;
	fake_hypervisor_be_vcpu(1);
	*vcpu_doorbell_note() = 1;
	balloon_work();
	assert_int_equal(*vcpu_doorbell_note(), 0);
	fake_hypervisor_be_vcpu(0);
	assert_int_equal(*vcpu_doorbell_note(), 1);
	balloon_work();
	assert_int_equal(*vcpu_doorbell_note(), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_lock_is_held_by_one),
		TEST(every_page_has_one_owner),
		TEST(nobody_gives_what_another_gives),
		TEST(parts_of_a_keeper_add_up),
		TEST(what_is_under_way_counts),
		TEST(what_is_under_way_is_not_returned),
		TEST(who_runs_out_waits_for_what_is_under_way),
		TEST(claims_are_each_vcpus_own),
		TEST(lines_are_not_mixed),
		TEST(doorbells_are_each_vcpus_own),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
