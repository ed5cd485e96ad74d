/* SPDX-License-Identifier: BSD-2-Clause */
/* Lab 4: the balloon driver of guests/small against a hypervisor that keeps to docs/abi.md. */
#include "labs/check.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "fake/hypervisor.h"
#include "guests/small/driver.h"
#include "guests/small/pool.h"

#define RAM_PAGES 512
#define POOL_PAGES 400
#define LIFE_STEPS 3000
#define PAGE_BYTES 4096
#define EMERGENCY_PAGES 512 /* what one call backs */

static struct fake_hypervisor *const hv = &fake_hypervisor;

/* A pool of touched pages from the start of RAM on, every `step`th. */
static void start_with(uint64_t pages, uint64_t step)
{
	fake_hypervisor_start(pages * step < RAM_PAGES ? RAM_PAGES : pages * step);
	pool_init();
	for (uint64_t i = 0; i < pages; i++) {
		pool_put(hv->first_page + i * step, true);
	}
	want(driver_attach(0x50, pages), "driver_attach() says that the hypervisor has refused");
	want(hv->page != NULL, "driver_attach() has not issued ATTACH");
}

static void start(void)
{
	start_with(POOL_PAGES, 1);
}

static void work_to(uint64_t target)
{
	fake_hypervisor_set_target(target);
	driver_work();
}

static void want_size(uint64_t right)
{
	want_number("the size of the balloon", hv->size_pages, right);
}

/* What may have a frame is touched; `why` these are. */
static void want_touched(const char *why, uint64_t right)
{
	want(pool_touched_pages() == right,
	     "%llu pages in the pool are touched, should be %llu: %s",
	     (unsigned long long)pool_touched_pages(), (unsigned long long)right, why);
}

/* Nothing is lost: each page of the pool is free, or in the balloon, or was taken by the test. */
static void want_all(uint64_t total, uint64_t used)
{
	want(pool_free_pages() + hv->size_pages + used == total,
	     "%llu pages are free, %llu in the balloon, %llu used: of %llu some are lost or there "
	     "twice",
	     (unsigned long long)pool_free_pages(), (unsigned long long)hv->size_pages,
	     (unsigned long long)used, (unsigned long long)total);
}

/* No page that the pool calls free is in the balloon. Empties the pool. */
static void want_free_pages_here(void)
{
	for (uint64_t page = pool_take(); page != POOL_NONE; page = pool_take()) {
		want(!fake_hypervisor_holds(page), "a page is in the pool while the balloon has "
						   "it: who uses it gets a zeroed one");
	}
}

/* ---- Attaching --------------------------------------------------------------------------------
 */

static void attaches_its_page(void)
{
	start();
	want_number("the count of ATTACH calls", hv->calls[AEROSTAT_CALL_BALLOON_ATTACH], 1);
	want(hv->page == &driver_page, "RDI of ATTACH is not the page number of driver_page");
	want_number("RSI of ATTACH, the vector", hv->vector, 0x50);
}

/* Where the driver has its ranges, as another process finds out by giving a page. */
static uint64_t learn_ranges(void)
{
	int ends[2];
	uint64_t address = 0;
	want(pipe(ends) == 0, "there is no pipe: say `make grade` again");
	pid_t child = fork();
	if (child == 0) {
		start();
		work_to(1);
		_exit(write(ends[1], &hv->ranges, sizeof(address)) < 0);
	}
	close(ends[1]);
	bool learnt = read(ends[0], &address, sizeof(address)) == (ssize_t)sizeof(address);
	int status = 0;
	waitpid(child, &status, 0);
	if (WIFSIGNALED(status)) {
		raise(WTERMSIG(status));
	} else if (status != 0) {
		_exit(1); /* the other process has said why */
	}
	want(learnt && address != 0, "one page was asked for, and driver_work() gives none");
	return address;
}

static void *ranges_page;
static volatile sig_atomic_t ranges_written;

static void note_write(int signal)
{
	(void)signal;
	ranges_written = mprotect(ranges_page, PAGE_BYTES, PROT_READ | PROT_WRITE) == 0;
}

static void writes_to_its_ranges_first(void)
{
	ranges_page = (void *)(learn_ranges() & ~(uint64_t)(PAGE_BYTES - 1));
	want(mprotect(ranges_page, PAGE_BYTES, PROT_READ) == 0 &&
		     signal(SIGSEGV, note_write) != SIG_ERR,
	     "the page of ranges cannot be watched: is it static, and aligned to 4096?");
	start();
	want(ranges_written, "driver_attach() has not written to the page of ranges");
}

static void says_that_it_was_refused(void)
{
	fake_hypervisor_start(RAM_PAGES);
	pool_init();
	hv->error = AEROSTAT_ERROR_STATE;
	want(!driver_attach(0x50, 0), "ATTACH answered STATE, and driver_attach() says true");
}

static void detaches(void)
{
	start();
	want(driver_detach(), "DETACH answered 0, and driver_detach() says false");
	want_number("the count of DETACH calls", hv->calls[AEROSTAT_CALL_BALLOON_DETACH], 1);
	hv->error = AEROSTAT_ERROR_STATE;
	want(!driver_detach(), "DETACH answered STATE, and driver_detach() says true");
}

/* ---- Giving and taking ------------------------------------------------------------------------
 */

static void gives_what_is_asked(void)
{
	start();
	work_to(100);
	want_size(100);
	want_all(POOL_PAGES, 0);
	want_free_pages_here();
}

static void takes_back(void)
{
	start();
	work_to(100);
	work_to(40);
	want_size(40);
	want_all(POOL_PAGES, 0);
	want_free_pages_here();
}

static void gives_everything_back(void)
{
	start();
	work_to(300);
	work_to(0);
	want_size(0);
	want_number("the count of free pages", pool_free_pages(), POOL_PAGES);
}

static void does_nothing_at_its_target(void)
{
	start();
	work_to(100);
	uint64_t calls = hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER];
	driver_work();
	want_number("the count of SURRENDER calls", hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER],
		    calls);
	want_number("the count of RETURN calls", hv->calls[AEROSTAT_CALL_BALLOON_RETURN], 0);
}

static void keeps_its_reserve(void)
{
	start();
	work_to(10 * POOL_PAGES);
	want_size(POOL_PAGES - DRIVER_RESERVE_PAGES);
}

static uint64_t taken[POOL_PAGES];

static void leaves_used_pages_alone(void)
{
	start();
	for (unsigned i = 0; i < 50; i++) {
		taken[i] = pool_take();
	}
	work_to(10 * POOL_PAGES);
	want_size(POOL_PAGES - 50 - DRIVER_RESERVE_PAGES);
	for (unsigned i = 0; i < 50; i++) {
		want(!fake_hypervisor_holds(taken[i]),
		     "a page that the guest uses was surrendered");
	}
}

static void look_into_the_pool(void)
{
	uint64_t page;
	while ((page = pool_take()) != POOL_NONE) {
		want(page - hv->first_page >= 100 || pool_free_pages() == 0 ||
			     POOL_PAGES - pool_free_pages() > 100,
		     "pages of the ranges are still on the free list during the call");
		taken[0]++;
	}
}

static void pages_leave_the_list_first(void)
{
	start();
	taken[0] = 0;
	hv->meanwhile = look_into_the_pool;
	work_to(100);
	want(taken[0] == POOL_PAGES - 100,
	     "%llu pages were on the free list during the call, should be %u",
	     (unsigned long long)taken[0], POOL_PAGES - 100);
}

static void neighbours_share_a_range(void)
{
	start();
	work_to(350);
	want_number("the count of SURRENDER calls for 350 neighbours",
		    hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER], 1);
	work_to(0);
	want(hv->calls[AEROSTAT_CALL_BALLOON_RETURN] <= 3,
	     "it took %llu RETURN calls for 350 neighbours",
	     (unsigned long long)hv->calls[AEROSTAT_CALL_BALLOON_RETURN]);
}

static void scattered_pages_go_in_batches(void)
{
	start_with(RAM_PAGES / 2, 2);
	work_to(200);
	want_size(200);
	want(hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER] <= 2,
	     "it took %llu calls for 200 pages that are no neighbours: 170 ranges fit into one",
	     (unsigned long long)hv->calls[AEROSTAT_CALL_BALLOON_SURRENDER]);
}

/* ---- Answers ----------------------------------------------------------------------------------
 */

static void goes_on_where_a_call_has_stopped(void)
{
	start();
	hv->work_max = 7;
	work_to(300);
	want_size(300);
	want_all(POOL_PAGES, 0);
	work_to(20);
	want_size(20);
}

static void goes_on_without_a_finished_range(void)
{
	start_with(RAM_PAGES / 2, 2);
	hv->work_max = 1;
	work_to(120);
	want_size(120);
	work_to(3);
	want_size(3);
	want_all(RAM_PAGES / 2, 0);
}

static void a_refused_page_stays_free(void)
{
	start();
	hv->refused_page = hv->first_page + 30;
	hv->refused_status = AEROSTAT_RANGE_IN_USE;
	work_to(60);
	want(!fake_hypervisor_holds(hv->refused_page), "the model is wrong");
	want_all(POOL_PAGES, 0);
	want(hv->size_pages >= 30, "%llu pages went, though only the 31st was refused",
	     (unsigned long long)hv->size_pages);
	want_touched("what was refused still has its frames", pool_free_pages());
}

static void an_unattached_call_loses_nothing(void)
{
	start();
	hv->error = AEROSTAT_ERROR_STATE;
	work_to(60);
	want_number("the count of free pages after a refused call", pool_free_pages(), POOL_PAGES);
	want_touched("what was refused still has its frames", POOL_PAGES);
}

static void a_touched_page_is_ours(void)
{
	start();
	work_to(100);
	fake_hypervisor_touch(hv->first_page + 50);
	work_to(0);
	want_size(0);
	want_number("the count of free pages", pool_free_pages(), POOL_PAGES);
	want_touched("300 were never given, and somebody touched one", POOL_PAGES - 100 + 1);
}

static void without_memory_they_stay(void)
{
	start();
	work_to(100);
	hv->refused_page = hv->first_page + 50;
	hv->refused_status = AEROSTAT_RANGE_NO_MEMORY;
	work_to(0);
	want(fake_hypervisor_holds(hv->refused_page), "the model is wrong");
	want_all(POOL_PAGES, 0);
	hv->refused_page = UINT64_MAX;
	driver_work();
	want_size(0);
	want_all(POOL_PAGES, 0);
}

/* ---- The guest itself -------------------------------------------------------------------------
 */

static void use_all(void)
{
	while (pool_take() != POOL_NONE) {
	}
}

static void short_guest_comes_first(void)
{
	start();
	work_to(100);
	use_all();
	hv->page->pressure = AEROSTAT_PRESSURE_LOW;
	want_number("what driver_short(10) answers", driver_short(10), 10);
	want_number("the count of EMERGENCY calls with pressure 1",
		    hv->calls[AEROSTAT_CALL_BALLOON_EMERGENCY], 0);
	want_size(90);
	want_number("the count of free pages", pool_free_pages(), 10);
}

/* More ranges than fit into one call. */
static void short_of_many_pages(void)
{
	start_with(2 * AEROSTAT_RANGES_MAX, 2);
	work_to(300);
	use_all();
	want_number("what driver_short(250) answers, with 300 single pages in the balloon",
		    driver_short(250), 250);
	want_number("the count of free pages", pool_free_pages(), 250);
}

static void does_not_give_again_at_once(void)
{
	start();
	work_to(300);
	use_all();
	(void)driver_short(100);
	driver_work();
	want_size(200);
	driver_freed();
	driver_work();
	want_size(284); /* 100 were free, and 16 are the reserve */
}

static void gives_again_when_the_target_changes(void)
{
	start();
	work_to(300);
	use_all();
	(void)driver_short(100);
	work_to(250);
	want_size(250);
}

static void emergency_under_pressure(void)
{
	start();
	work_to(100);
	use_all();
	hv->backed = true;
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	(void)driver_short(10);
	want_number("the count of EMERGENCY calls", hv->calls[AEROSTAT_CALL_BALLOON_EMERGENCY], 1);
	want_touched("BACKED ones have a frame", 10);
}

static void emergency_in_pieces(void)
{
	start_with(2 * EMERGENCY_PAGES, 1);
	work_to(EMERGENCY_PAGES + 100);
	use_all();
	hv->backed = true;
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	want_number("what driver_short(600) answers", driver_short(600), 600);
	want_touched("one EMERGENCY call backs 512 pages, and nothing of a range with more", 600);
}

static void emergency_of_an_old_hypervisor(void)
{
	start();
	work_to(100);
	use_all();
	hv->old = true;
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	want_number("what driver_short(10) answers when EMERGENCY is unknown", driver_short(10),
		    10);
}

/* ---- Statistics -------------------------------------------------------------------------------
 */

static void statistics_at_rest(void)
{
	start();
	driver_work();
	want_number("total_pages", driver_page.total_pages, POOL_PAGES);
	want_number("free_pages", driver_page.free_pages, POOL_PAGES);
	want_number("idle_pages", driver_page.idle_pages, POOL_PAGES - DRIVER_RESERVE_PAGES);
	work_to(100);
	want_number("total_pages with a balloon", driver_page.total_pages, POOL_PAGES);
	want_number("free_pages with a balloon of 100", driver_page.free_pages, POOL_PAGES - 100);
}

static void returned_pages_are_not_idle(void)
{
	start();
	work_to(300);
	work_to(0);
	want_number("idle_pages: what came back from the balloon has no frame",
		    driver_page.idle_pages, 100);
}

static void statistics_of_a_short_guest(void)
{
	start();
	work_to(100);
	use_all();
	(void)driver_short(10);
	want_number("refault_count", driver_page.refault_count, 10);
	want_number("wanted_pages", driver_page.wanted_pages, 0);
	use_all();
	(void)driver_short(95);
	want_number("refault_count", driver_page.refault_count, 100);
	want_number("wanted_pages: 95 asked for, 90 came", driver_page.wanted_pages, 5);
	want_number("idle_pages of a guest that is short", driver_page.idle_pages, 0);
	work_to(120);
	want_number("wanted_pages with another target", driver_page.wanted_pages, 5);
	driver_freed();
	want_number("wanted_pages after driver_freed()", driver_page.wanted_pages, 0);
}

static void nothing_is_idle_while_it_holds_back(void)
{
	start();
	work_to(100);
	use_all();
	hv->backed = true;
	hv->page->pressure = AEROSTAT_PRESSURE_HIGH;
	(void)driver_short(40);
	want_touched("BACKED ones have a frame", 40);
	want_number("idle_pages while it holds back", driver_page.idle_pages, 0);
	driver_freed();
	want_number("idle_pages after driver_freed()", driver_page.idle_pages,
		    40 - DRIVER_RESERVE_PAGES);
}

/* ---- A life -----------------------------------------------------------------------------------
 */

static uint64_t seed = 1;

static uint64_t draw(uint64_t below)
{
	seed = seed * 6364136223846793005 + 1442695040888963407;
	return (seed >> 33) % below;
}

/* What may happen between two looks at the target. */
static void live(uint64_t *used)
{
	switch (draw(5)) {
	case 0:
		while (*used < 300 && draw(40) > 0) {
			taken[*used] = pool_take();
			if (taken[*used] == POOL_NONE && driver_short(1) == 0) {
				hv->refused_page = UINT64_MAX; /* it may have tried that one */
				(void)driver_short(1);
			}
			taken[*used] = taken[*used] == POOL_NONE ? pool_take() : taken[*used];
			want(taken[*used] != POOL_NONE, "no page left, though no more than 300 of"
							" 400 are used");
			want(!fake_hypervisor_holds(taken[*used]), "a page of the pool is in the"
								   " balloon");
			(*used)++;
		}
		break;
	case 1:
		while (*used > 0 && draw(40) > 0) {
			pool_put(taken[--*used], true);
		}
		driver_freed();
		break;
	case 2:
		hv->work_max = 1 + draw(60);
		break;
	case 3:
		hv->refused_page = draw(2) == 0 ? UINT64_MAX : hv->first_page + draw(POOL_PAGES);
		hv->refused_status = AEROSTAT_RANGE_NO_MEMORY;
		break;
	default:
		fake_hypervisor_set_target(draw(POOL_PAGES + 50));
	}
}

static void long_life(void)
{
	uint64_t used = 0;
	start();
	for (unsigned step = 0; step < LIFE_STEPS; step++) {
		live(&used);
		driver_work();
		want_all(POOL_PAGES, used);
	}
	want_free_pages_here();
}

/* ---- Questions --------------------------------------------------------------------------------
 */

/* Each call: one unit for the range, the others for a page each. */
static const char *calls_for_3000_pages(void)
{
	uint64_t each = AEROSTAT_CALL_WORK_MAX - 1;
	return text_of((3000 + each - 1) / each);
}

static const char *bytes_left(void)
{
	return text_of(4096 - AEROSTAT_RANGES_MAX * sizeof(struct aerostat_range));
}

static const char *status_of_the_balloon_page(void)
{
	return text_of(AEROSTAT_RANGE_IN_USE);
}

static const char *error_of_171_ranges(void)
{
	return "COUNT";
}

static const char *offset_of_wanted(void)
{
	return text_of(offsetof(struct aerostat_balloon_page, wanted_pages));
}

int main(void)
{
	const struct check checks[] = {
		{"attaches_its_page", 2, attaches_its_page},
		{"writes_to_its_ranges_first", 1, writes_to_its_ranges_first},
		{"says_that_it_was_refused", 1, says_that_it_was_refused},
		{"detaches", 1, detaches},
		{"gives_what_is_asked", 3, gives_what_is_asked},
		{"takes_back", 2, takes_back},
		{"gives_everything_back", 1, gives_everything_back},
		{"does_nothing_at_its_target", 1, does_nothing_at_its_target},
		{"keeps_its_reserve", 2, keeps_its_reserve},
		{"leaves_used_pages_alone", 1, leaves_used_pages_alone},
		{"pages_leave_the_list_first", 2, pages_leave_the_list_first},
		{"neighbours_share_a_range", 2, neighbours_share_a_range},
		{"scattered_pages_go_in_batches", 2, scattered_pages_go_in_batches},
		{"goes_on_where_a_call_has_stopped", 2, goes_on_where_a_call_has_stopped},
		{"goes_on_without_a_finished_range", 2, goes_on_without_a_finished_range},
		{"a_refused_page_stays_free", 2, a_refused_page_stays_free},
		{"an_unattached_call_loses_nothing", 1, an_unattached_call_loses_nothing},
		{"a_touched_page_is_ours", 2, a_touched_page_is_ours},
		{"without_memory_they_stay", 2, without_memory_they_stay},
		{"short_guest_comes_first", 2, short_guest_comes_first},
		{"short_of_many_pages", 1, short_of_many_pages},
		{"does_not_give_again_at_once", 2, does_not_give_again_at_once},
		{"gives_again_when_the_target_changes", 1, gives_again_when_the_target_changes},
		{"emergency_under_pressure", 1, emergency_under_pressure},
		{"emergency_in_pieces", 1, emergency_in_pieces},
		{"emergency_of_an_old_hypervisor", 1, emergency_of_an_old_hypervisor},
		{"statistics_at_rest", 2, statistics_at_rest},
		{"returned_pages_are_not_idle", 1, returned_pages_are_not_idle},
		{"statistics_of_a_short_guest", 2, statistics_of_a_short_guest},
		{"nothing_is_idle_while_it_holds_back", 1, nothing_is_idle_while_it_holds_back},
		{"long_life", 3, long_life},
	};
	const struct question questions[] = {
		{"q1", 1, calls_for_3000_pages,
		 "docs/abi.md, Partial progress: the units of a call"},
		{"q2", 1, bytes_left, "docs/abi.md, Ranges: how many, of how many bytes?"},
		{"q3", 1, status_of_the_balloon_page, "docs/abi.md, Ranges: the table of statuses"},
		{"q4", 1, error_of_171_ranges, "docs/abi.md, Hypercalls: the table of errors"},
		{"q5", 1, offset_of_wanted, "docs/abi.md, The balloon page"},
	};
	return labs_run(checks, LABS_COUNT(checks), questions, LABS_COUNT(questions));
}
