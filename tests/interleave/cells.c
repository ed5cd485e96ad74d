/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See cells.h. Races are found with vector clocks: each CPU counts its releases, and knows of each
 * other CPU up to which release it has acquired. Two accesses to a byte race when one is a write,
 * one is plain, and the later CPU has not acquired what the earlier has released since.
 */
#define _GNU_SOURCE
#include "interleave/cells.h"
#include "interleave/cpus.h"
#include "interleave/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define UNDO_MOST (1u << 20)

static struct {
	uintptr_t begin;
	size_t bytes;
	struct cell *cells;
} regions[2];

static struct {
	uint64_t *at;
	uint64_t value;
} * undo_list;
static unsigned undo_count;

static uint32_t schedule_number;
static uint32_t scenario_number;
static unsigned cpu_count;

static uint32_t clocks[INTERLEAVE_CPUS][INTERLEAVE_CPUS];
static uint32_t fence_clocks[INTERLEAVE_CPUS][INTERLEAVE_CPUS];	 /* as of the last release fence */
static uint32_t loaded_clocks[INTERLEAVE_CPUS][INTERLEAVE_CPUS]; /* for an acquire fence */

extern char __data_start[];
extern char _end[];

static void region_add(unsigned number, uintptr_t begin, size_t bytes)
{
	size_t size = (bytes / 8 + 2) * sizeof(struct cell);
	void *cells = mmap(NULL, size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (cells == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	if (regions[number].cells != NULL) {
		munmap(regions[number].cells,
		       (regions[number].bytes / 8 + 2) * sizeof(struct cell));
	}
	regions[number].begin = begin & ~7ul;
	regions[number].bytes = bytes + (begin & 7);
	regions[number].cells = cells;
}

void *interleave_memory(uint64_t bytes)
{
	static void *memory;
	if (regions[0].bytes != 0) {
		munmap(memory, regions[0].bytes);
	} else {
		region_add(1, (uintptr_t)__data_start, (size_t)(_end - __data_start));
		undo_list = malloc(UNDO_MOST * sizeof(*undo_list));
	}
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		exit(1);
	}
	region_add(0, (uintptr_t)memory, bytes);
	return memory;
}

/* NULL: a CPU's own stack, or the test's. */
struct cell *cell_of(uintptr_t at)
{
	for (unsigned i = 0; i < 2; i++) {
		uintptr_t offset = at - regions[i].begin;
		if (offset < regions[i].bytes) {
			struct cell *cell = &regions[i].cells[offset >> 3];
			if (cell->schedule != schedule_number) {
				*cell = (struct cell){.schedule = schedule_number,
						      .scenario = cell->scenario,
						      .users = cell->users,
						      .writers = cell->writers,
						      .is_lock = cell->is_lock};
			}
			if (cell->scenario != scenario_number) {
				cell->scenario = scenario_number;
				cell->users = 0;
				cell->writers = 0;
				cell->is_lock = false;
			}
			return cell;
		}
	}
	return NULL;
}

void cell_keep(struct cell *cell, uintptr_t at)
{
	if (!cell->kept) {
		if (undo_count == UNDO_MOST) {
			interleave_fail("a schedule changes more than can be undone");
		}
		cell->kept = true;
		undo_list[undo_count].at = (uint64_t *)(at & ~7ul);
		undo_list[undo_count++].value = *(uint64_t *)(at & ~7ul);
	}
}

void memory_scenario_begin(void)
{
	scenario_number++;
}

void cells_begin(unsigned cpus)
{
	schedule_number++;
	undo_count = 0;
	cpu_count = cpus;
	memset(clocks, 0, sizeof(clocks));
	memset(fence_clocks, 0, sizeof(fence_clocks));
	memset(loaded_clocks, 0, sizeof(loaded_clocks));
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		clocks[cpu][cpu] = 1;
	}
}

void memory_undo(void)
{
	while (undo_count > 0) {
		undo_count--;
		*undo_list[undo_count].at = undo_list[undo_count].value;
	}
}

/* ---- Races ---- */

static access_t access_of(uintptr_t at, unsigned bytes, unsigned cpu)
{
	uint32_t mask = ((1u << bytes) - 1) << (at & 7) & 0xff;
	return mask << 24 | cpu << 22 | (clocks[cpu][cpu] & 0x3fffff);
}

static void check_race(access_t before, access_t now, const char *what, uintptr_t at,
		       const void *from)
{
	unsigned other = before >> 22 & 3;
	if (before == 0 || other == cpus_now || (before & now & 0xff000000) == 0 ||
	    (before & 0x3fffff) <= clocks[cpus_now][other]) {
		return;
	}
	char where[128];
	snprintf(where, sizeof(where), "%s", name_of((uintptr_t)from));
	interleave_fail("a race: %s in %s of CPU %u, and CPU %u before it, at %s", what, where,
			cpus_now, other, name_of(at));
}

void cell_plain(uintptr_t at, unsigned bytes, bool write, const void *from)
{
	struct cell *cell = cell_of(at);
	if (cell == NULL) {
		return;
	}
	access_t now = access_of(at, bytes, cpus_now);
	if (write) {
		if (cell->plain_write != now) {
			check_race(cell->plain_write, now, "a write", at, from);
			check_race(cell->atomic_write, now, "a write", at, from);
			for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
				check_race(cell->plain_reads[cpu], now, "a write", at, from);
				check_race(cell->atomic_reads[cpu], now, "a write", at, from);
			}
			cell->plain_write = now;
		}
		cell_keep(cell, at);
		cpus_changed(cpus_now);
	} else if (cell->plain_reads[cpus_now] != now) {
		check_race(cell->plain_write, now, "a read", at, from);
		check_race(cell->atomic_write, now, "a read", at, from);
		cell->plain_reads[cpus_now] = now;
	}
}

void cell_atomic(struct cell *cell, uintptr_t at, unsigned bytes, bool write, const void *from)
{
	access_t now = access_of(at, bytes, cpus_now);
	check_race(cell->plain_write, now, "an atomic access", at, from);
	if (write) {
		for (unsigned cpu = 0; cpu < cpu_count; cpu++) {
			check_race(cell->plain_reads[cpu], now, "an atomic write", at, from);
		}
		cell->atomic_write = now;
	} else {
		cell->atomic_reads[cpus_now] = now;
	}
}

static void join(uint32_t *to, const uint32_t *from)
{
	for (unsigned i = 0; i < INTERLEAVE_CPUS; i++) {
		to[i] = from[i] > to[i] ? from[i] : to[i];
	}
}

static bool acquires(int order)
{
	return order == __ATOMIC_ACQUIRE || order == __ATOMIC_CONSUME || order >= __ATOMIC_ACQ_REL;
}

static bool releases(int order)
{
	return order >= __ATOMIC_RELEASE;
}

void clock_acquire(const struct cell *cell, int order)
{
	join(acquires(order) ? clocks[cpus_now] : loaded_clocks[cpus_now], cell->released);
}

/* What a store of this order tells those that acquire it. */
void clock_release(uint32_t *released, int order)
{
	join(released, releases(order) ? clocks[cpus_now] : fence_clocks[cpus_now]);
	if (releases(order)) {
		clocks[cpus_now][cpus_now]++;
	}
}

void clock_fence(int order)
{
	if (acquires(order)) {
		join(clocks[cpus_now], loaded_clocks[cpus_now]);
	}
	if (releases(order)) {
		join(fence_clocks[cpus_now], clocks[cpus_now]);
		clocks[cpus_now][cpus_now]++;
	}
}
