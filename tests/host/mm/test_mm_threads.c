/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * mm/ with real threads as processors, under ThreadSanitizer: several VMs, each run by any number
 * of CPUs at once, that fault, surrender, return, report, join, split, die and come back
 * (fake/machines.h), while frames run short, are scrubbed, lent and taken back.
 *
 * What must hold: a page holds what its own VM wrote, or zero, whatever a CPU has cached; the pages
 * of a VM's lower half, which it never gives away, keep what each CPU wrote last; nobody races with
 * anybody (the sanitizer's word); and the audit is clean whenever all have stopped.
 *
 *	THREADS_SEED=n THREADS_SECONDS=n build/host/test_mm_threads
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "fake/environment.h"
#include "fake/machines.h"
#include "fake/phys.h"
#include "fake/runs.h"
#include "fake/threads.h"

#include "mm/alloc.h"
#include "mm/audit.h"
#include "mm/cache.h"

#define CPUS FAKE_THREADS
#define FRAMES 2560u
#define FIRST 512u
#define STEPS_BETWEEN_AUDITS 400

static pthread_barrier_t barrier;
static uint64_t seed;
static uint64_t end_time;
static bool over;

static const char *const event_names[EVENTS] = {
	"faults", "refused", "given",	 "returned", "joins",	"moves",
	"splits", "deaths",  "scrubbed", "audits",   "samples", "idle samples",
};

static uint64_t seconds_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec;
}

/* ---- What the host does besides ---- */

static __thread bool host_has;
static __thread pfn_t host_page;

/* A page for the hypervisor itself, and back. */
static void take_or_give(bool wanted)
{
	const struct frame_tag tag = {FRAME_HYPERVISOR, 0, VM_ID_HOST};
	if (host_has) {
		frame_free(host_page, tag);
	}
	host_has = wanted && !host_has && frame_alloc(0, tag, &host_page) == STATUS_OK;
}

static void keep_house(void)
{
	switch (fake_cpu_draw(8)) {
	case 0:
		frame_caches_floor_set(fake_cpu_draw(3) == 0 ? FRAME_CACHES_OFF
							     : fake_cpu_draw(600));
		break;
	case 1:
		frame_caches_empty();
		break;
	case 2:
		take_or_give(true);
		break;
	case 3: /* sums of a moment: possible ones, at least */
		if (frame_count_free() > FRAMES || promise_spare() > FRAMES ||
		    frame_count(FRAME_GUEST) > FRAMES) {
			fake_fail("more frames than there are");
		}
		break;
	default:
		for (unsigned i = 0; i < 16 && scrub_step((unsigned)fake_cpu_draw(10)) != 0; i++) {
			event_count(SCRUBBED);
		}
		break;
	}
}

/* One VM: three CPUs store to its pages, while the fourth moves them. */
static void one_move(void)
{
	struct machine *machine = &machines[0];
	machine_begin(machine);
	if (machine_enter(machine)) {
		if (arch_cpu_index() == 0) {
			uint64_t moves = events[MOVES];
			machine_fill(machine);
			machine_scatter(machine);
			while (events[MOVES] == moves && scrub_step(ORDER_2M) != 0) {
			}
		} else {
			machine_use_memory(machine);
		}
		machine_leave(machine);
	}
}

static void one_step(void)
{
	struct machine *machine = &machines[fake_cpu_draw(MACHINES)];
	uint64_t what = fake_cpu_draw(100);
	if (what < 20) {
		keep_house();
	} else if (what < 23) {
		machine_end(machine);
	} else if (machine_enter(machine)) {
		machine_use(machine);
		machine_leave(machine);
	} else {
		machine_begin(machine);
		if (fake_cpu_draw(4) != 0 && machine_enter(machine)) {
			machine_fill(machine);
			machine_leave(machine);
		}
	}
}

static void audit(void)
{
	struct s2 *spaces[MACHINES];
	struct audit_report report;
	unsigned existing = 0;
	for (unsigned i = 0; i < MACHINES; i++) {
		if (machine_life(&machines[i]) == ALIVE) {
			spaces[existing++] = &machines[i].s2;
		}
	}
	audit_run(spaces, existing, &report);
	if (report.error_count != 0) {
		fake_fail("audit: %llu errors; %s", (unsigned long long)report.error_count,
			  report.first_error);
	}
	for (uint64_t pfn = FIRST; pfn < FIRST + FRAMES; pfn++) {
		const struct frame *frame = &frame_table[pfn];
		if (frame->tag.state == FRAME_ZEROED && !fake_frame_is((pfn_t){pfn}, 0)) {
			fake_fail("frame %#llx is ZEROED but not zero", (unsigned long long)pfn);
		}
	}
	events[AUDITS]++;
}

static void (*step)(void);

static void *cpu_main(void *argument)
{
	unsigned cpu = (unsigned)(uintptr_t)argument;
	fake_cpu_begin(cpu, seed);
	while (!over) {
		for (unsigned i = 0; i < STEPS_BETWEEN_AUDITS; i++) {
			step();
		}
		pthread_barrier_wait(&barrier);
		if (cpu == 0) {
			audit();
			over = seconds_now() >= end_time;
		}
		pthread_barrier_wait(&barrier);
	}
	take_or_give(false);
	return NULL;
}

static void start(void)
{
	static struct memmap available;
	static struct memmap nothing;
	available.count = 1;
	available.regions[0] =
		(struct memmap_region){FIRST << PAGE_SHIFT, (FIRST + FRAMES) << PAGE_SHIFT};
	fake_phys_start(FIRST + FRAMES);
	struct frame *table = calloc(FIRST + FRAMES, sizeof(*table));
	frame_table_init(table, FIRST + FRAMES, &available, &nothing);
	promise_reserve_set(8);
	for (uint64_t pfn = FIRST; pfn < FIRST + FRAMES; pfn++) {
		fake_frame_fill((pfn_t){pfn}, 0x5ec7e75ec7e75ec7);
	}
}

static void run(void (*what)(void), uint64_t seconds)
{
	pthread_t threads[CPUS];
	step = what;
	over = false;
	memset(events, 0, sizeof(events));
	seed = environment_number("THREADS_SEED", 1);
	end_time = seconds_now() + environment_number("THREADS_SECONDS", seconds);
	print_message("THREADS_SEED=%llu\n", (unsigned long long)seed);
	frame_caches_floor_set(FRAME_CACHES_OFF);
	while (scrub_step(ORDER_2M) != 0) {
	}
	pthread_barrier_init(&barrier, NULL, CPUS);
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		assert_int_equal(
			pthread_create(&threads[cpu], NULL, cpu_main, (void *)(uintptr_t)cpu), 0);
	}
	for (unsigned cpu = 0; cpu < CPUS; cpu++) {
		pthread_join(threads[cpu], NULL);
	}
	for (unsigned i = 0; i < MACHINES; i++) {
		machine_end(&machines[i]);
	}
	audit();
	for (unsigned i = 0; i < EVENTS; i++) {
		print_message("%s=%llu ", event_names[i], (unsigned long long)events[i]);
	}
	print_message("hits=%llu flushes=%llu kicks=%llu\n", (unsigned long long)fake_cpus_hits(),
		      (unsigned long long)fake_cpus_flushes(),
		      (unsigned long long)fake_cpus_kicks());
	assert_int_equal(frame_count(FRAME_GUEST), 0);
	assert_int_equal(promise_owed(), 0);
}

static void test_all_at_once(void **state)
{
	(void)state;
	run(one_step, 3);
	assert_true(events[FAULTS] > 0 && events[GIVEN] > 0 && events[DEATHS] > 0 &&
		    events[SAMPLES] > 0);
}

static void test_move_under_stores(void **state)
{
	(void)state;
	machine_reach = KEPT;
	machine_longest_stay = 3000;
	run(one_move, 2);
	assert_true(events[MOVES] > 0);
}

/* What the sanitizer reads at its start. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
	return "halt_on_error=1";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_at_once),
		cmocka_unit_test(test_move_under_stores),
	};
	start();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
