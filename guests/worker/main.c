/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * worker: a fixed job, and how long each part of it took; for comparing machines, processors and
 * numbers of VMs. All vCPUs share each part, and the next part begins when all are through.
 *
 *	work=N            units of computation, some 40,000 instructions each
 *	until=N           then sleep until the TSC has counted N milliseconds: VMs with the same
 *	                  N go on together, and the host may zero frames meanwhile
 *	touch=SIZE rounds=N order=0|9
 *	                  then touch that much memory, one store for each page of that order,
 *	                  and N times: surrender it, take it back, touch it again
 *	stay=N            then sleep for N milliseconds: others can finish undisturbed
 *	spin=N            instead: every vCPU counts until N milliseconds have passed
 *
 * With order=0 the last page of each 2 MiB stays in the balloon all the time and does not count, so
 * that the host cannot make a large page of the others.
 *
 * The digest is that of the computation, the same however the work was shared; with spin= it is how
 * far all have counted together.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/lib/wait.h"

#define UNIT_STEPS 4000
#define EXTENTS_MAX 4096
#define SPIN_STEPS 64 /* between two looks at the TSC */

static struct job {
	uint64_t work;
	uint64_t until_ms;
	uint64_t touch_pages;
	uint64_t rounds;
	uint64_t order;
	uint64_t stay_ms;
	uint64_t spin_ms;
} job = {.rounds = 1};

static uint64_t extents[EXTENTS_MAX]; /* first pages */
static uint64_t extent_count;
static uint64_t results[AEROSTAT_VCPUS_MAX]; /* of each vCPU */

/* ---- Parts; on every vCPU ---- */

static void compute(void *unused)
{
	uint64_t first;
	uint64_t end;
	uint64_t sum = 0;

	(void)unused;
	vcpu_share(job.work, &first, &end);
	for (uint64_t unit = first; unit < end; unit++) {
		uint64_t value = unit;

		for (unsigned step = 0; step < UNIT_STEPS; step++) {
			value = runtime_mix(value + step);
		}
		sum += value;
	}
	results[vcpu_index()] = sum;
}

/* Pages of an extent that the job is about. */
static uint64_t extent_pages(void)
{
	return job.order == 0 ? PALLOC_EXTENT_PAGES - 1 : PALLOC_EXTENT_PAGES;
}

static void touch(void *unused)
{
	uint64_t first;
	uint64_t end;

	(void)unused;
	vcpu_share(extent_count, &first, &end);
	for (uint64_t i = first; i < end; i++) {
		for (uint64_t page = 0; page < extent_pages(); page += 1u << job.order) {
			*(volatile uint64_t *)((extents[i] + page) * 4096) = page;
		}
	}
}

/* What the hypervisor does not do ends the VM. */
static void move(uint64_t call, uint64_t gfn, uint64_t count)
{
	struct aerostat_range *range = balloon_own_ranges();

	*range = (struct aerostat_range){
		.gfn = gfn,
		.count = (uint32_t)count,
		.order = (uint8_t)job.order,
	};
	if (!balloon_issue(call, range, 1) || range->status != AEROSTAT_RANGE_OK) {
		console_print("call %lu of page %lu: status %u\n", call, gfn, range->status);
		runtime_exit(GUEST_EXIT_INTERFACE);
	}
}

/* One call per 2 MiB. */
static void move_all(uint64_t call)
{
	uint64_t first;
	uint64_t end;

	vcpu_share(extent_count, &first, &end);
	for (uint64_t i = first; i < end; i++) {
		move(call, extents[i], extent_pages() >> job.order);
	}
}

static void surrender(void *unused)
{
	(void)unused;
	move_all(AEROSTAT_CALL_BALLOON_SURRENDER);
}

static void take_back(void *unused)
{
	(void)unused;
	move_all(AEROSTAT_CALL_BALLOON_RETURN);
}

static void spin(void *unused)
{
	uint64_t end = cpu_read_tsc() + job.spin_ms * runtime_tsc_khz;
	uint64_t count = 0;

	(void)unused;
	while (cpu_read_tsc() < end) {
		for (unsigned step = 0; step < SPIN_STEPS; step++) {
			__asm__ volatile("");
		}
		count++;
	}
	results[vcpu_index()] = count;
}

/* ---- vCPU 0 ---- */

/* How long all of them need for a part. */
static uint64_t ticks_of(void (*part)(void *))
{
	uint64_t start = cpu_read_tsc();

	if (!vcpu_run_all(part, NULL)) {
		runtime_exit(GUEST_EXIT_INTERFACE);
	}
	return cpu_read_tsc() - start;
}

static uint64_t sum_of_results(void)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < vcpu_count(); i++) {
		sum += results[i];
	}
	return sum;
}

static bool take_extents(void)
{
	extent_count = job.touch_pages / PALLOC_EXTENT_PAGES;
	for (uint64_t i = 0; i < extent_count; i++) {
		extents[i] = palloc_extent(NULL);
		if (extents[i] == PALLOC_NONE) {
			console_print("no memory: %lu extents wanted, %lu had\n", extent_count, i);
			return false;
		}
		if (job.order == 0) {
			move(AEROSTAT_CALL_BALLOON_SURRENDER, extents[i] + extent_pages(), 1);
		}
	}
	return true;
}

static bool arguments_are_sensible(void)
{
	if (job.order != 0 && job.order != PALLOC_EXTENT_ORDER) {
		console_print("order= is not 0 or 9\n");
		return false;
	}
	if (job.touch_pages % PALLOC_EXTENT_PAGES != 0 ||
	    job.touch_pages > EXTENTS_MAX * PALLOC_EXTENT_PAGES) {
		console_print("touch= is not a multiple of 2M, up to 8G\n");
		return false;
	}
	return true;
}

/* Sleeps the whole milliseconds, and spins for what is left of them. */
static void await(uint64_t tsc)
{
	if (cpu_read_tsc() < tsc) {
		wait_ms_quietly((tsc - cpu_read_tsc()) / runtime_tsc_khz);
	}
	while (cpu_read_tsc() < tsc) {
	}
}

static int do_job(void)
{
	uint64_t start = cpu_read_tsc();
	uint64_t work = ticks_of(compute);
	uint64_t began;
	uint64_t first;
	uint64_t surrendered = 0;
	uint64_t returned = 0;
	uint64_t touched = 0;
	uint64_t ticks;

	runtime_set_digest(sum_of_results());
	if (!take_extents()) {
		return GUEST_EXIT_NO_MEMORY;
	}
	await(job.until_ms * runtime_tsc_khz);
	began = cpu_read_tsc();
	first = ticks_of(touch);
	for (uint64_t round = 0; round < job.rounds; round++) {
		surrendered += ticks_of(surrender);
		returned += ticks_of(take_back);
		touched += ticks_of(touch);
	}
	ticks = cpu_read_tsc() - start;
	wait_ms_quietly(job.stay_ms);
	console_print("ticks=%lu ticks_work=%lu began=%lu ticks_first=%lu ticks_surrender=%lu "
		      "ticks_return=%lu ticks_touch=%lu pages=%lu rounds=%lu\n",
		      ticks, work, began, first, surrendered, returned, touched,
		      extent_count * extent_pages(), job.rounds);
	return GUEST_EXIT_SUCCESS;
}

int guest_main(const struct guest_arguments *arguments)
{
	const struct argument known[] = {
		{"work", ARGUMENT_COUNT, false, &job.work, NULL},
		{"until", ARGUMENT_COUNT, false, &job.until_ms, NULL},
		{"touch", ARGUMENT_SIZE, false, &job.touch_pages, NULL},
		{"rounds", ARGUMENT_COUNT, false, &job.rounds, NULL},
		{"order", ARGUMENT_COUNT, false, &job.order, NULL},
		{"stay", ARGUMENT_COUNT, false, &job.stay_ms, NULL},
		{"spin", ARGUMENT_COUNT, false, &job.spin_ms, NULL},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0])) ||
	    !arguments_are_sensible()) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	if (job.spin_ms > 0) {
		uint64_t ticks = ticks_of(spin);

		runtime_set_digest(sum_of_results());
		console_print("ticks=%lu counted=%lu\n", ticks, sum_of_results());
		return GUEST_EXIT_SUCCESS;
	}
	return do_job();
}
