/* SPDX-License-Identifier: BSD-2-Clause */
/* See threads.h. What is not marked as a thread's own is accessed atomically. */
#include "fake/threads.h"

#include <sched.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/lock.h"
#include "arch/backend.h"
#include "mm/frame.h"
#include "mm/phys.h"

#define SETS 64

struct cached {
	const struct s2 *s2;
	uint64_t first; /* gfn */
	uint64_t pages;
	uint64_t pfn; /* of the page, or of a table of level 0 */
};

static __thread unsigned this_cpu;
static __thread uint64_t random_state;
static __thread uint32_t ranks_held;
static __thread struct cached leaves[SETS];
static __thread struct cached tables[SETS];

static uint32_t kicked[CPUS_MAX];
static uint64_t hits;
static uint64_t flushes;
static uint64_t kicks;

void fake_fail(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fprintf(stderr, "# CPU %u: ", this_cpu);
	vfprintf(stderr, format, arguments);
	fprintf(stderr, "\n");
	va_end(arguments);
	_Exit(1);
}

_Noreturn void panic(const char *format, ...)
{
	char text[256];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	fake_fail("panic: %s", text);
}

void arch_pause(void)
{
	sched_yield();
}

void lock_order_check(const struct lock *lock, bool taken)
{
	uint32_t bit = 1u << lock->rank;
	if (taken ? ranks_held >= bit : (ranks_held & bit) == 0) {
		fake_fail("lock of rank %u, while ranks %#x are held", lock->rank, ranks_held);
	}
	ranks_held ^= bit;
	/* There may be more threads than processors: who waits lets the holder run. */
	while (taken && lock_is_taken(lock)) {
		sched_yield();
	}
}

void fake_cpu_begin(unsigned cpu, uint64_t seed)
{
	this_cpu = cpu;
	random_state = (seed * CPUS_MAX + cpu + 1) * 0x9e3779b97f4a7c15;
}

/* xorshift64*: the same numbers on every machine. */
uint64_t fake_cpu_draw(uint64_t below)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1d >> 33) % below;
}

unsigned arch_cpu_index(void)
{
	return this_cpu;
}

unsigned arch_cpu_count(void)
{
	return FAKE_THREADS;
}

void arch_cpu_kick(unsigned cpu)
{
	__atomic_fetch_add(&kicks, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&kicked[cpu], 1, __ATOMIC_RELEASE);
}

bool fake_cpu_is_kicked(void)
{
	return __atomic_load_n(&kicked[this_cpu], __ATOMIC_ACQUIRE) != 0;
}

void fake_cpu_kick_seen(void)
{
	__atomic_store_n(&kicked[this_cpu], 0, __ATOMIC_RELAXED);
}

uint64_t fake_cpus_hits(void)
{
	return __atomic_load_n(&hits, __ATOMIC_RELAXED);
}

uint64_t fake_cpus_flushes(void)
{
	return __atomic_load_n(&flushes, __ATOMIC_RELAXED);
}

uint64_t fake_cpus_kicks(void)
{
	return __atomic_load_n(&kicks, __ATOMIC_RELAXED);
}

static void flush(const struct s2 *s2)
{
	for (unsigned i = 0; i < SETS; i++) {
		if (leaves[i].s2 == s2) {
			leaves[i].s2 = NULL;
		}
		if (tables[i].s2 == s2) {
			tables[i].s2 = NULL;
		}
	}
	__atomic_fetch_add(&flushes, 1, __ATOMIC_RELAXED);
}

static const struct backend thread_backend = {.name = "threads", .flush_s2 = flush};
const struct backend *backend = &thread_backend;

static bool covers(const struct cached *cached, const struct s2 *s2, uint64_t gfn)
{
	return cached->s2 == s2 && gfn - cached->first < cached->pages;
}

/*
 * Down from a table on `level`; false: not mapped. Fills the caches on its way. As a processor
 * does, it says in each entry that it was used, but only in the very entry that it has read.
 */
static bool walk(const struct s2 *s2, uint64_t gfn, unsigned level, uint64_t table,
		 struct cached *leaf)
{
	const uint64_t accessed = s2->format->accessed_flag;
	for (;; level--) {
		uint64_t *entries = pfn_to_virt((pfn_t){table});
		uint64_t *entry = &entries[(gfn >> (9 * level)) % S2_ENTRIES];
		uint64_t value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
		do {
			if ((value & s2->format->present_mask) == 0) {
				return false;
			}
		} while ((value & accessed) == 0 &&
			 !__atomic_compare_exchange_n(entry, &value, value | accessed, false,
						      __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
		uint64_t pages = 1ull << (9 * level);
		table = (value & s2->format->address_mask) >> PAGE_SHIFT;
		if (level == 0 || (value & s2->format->large_flag) != 0) {
			*leaf = (struct cached){s2, gfn & ~(pages - 1), pages, table};
			return true;
		}
		if (level == 1) {
			tables[(gfn >> 9) % SETS] =
				(struct cached){s2, gfn & ~(pages - 1), pages, table};
		}
	}
}

uint64_t *fake_cpu_access(const struct s2 *s2, uint64_t gfn, unsigned index)
{
	struct cached *leaf = &leaves[(gfn * 7 + s2->owner) % SETS];
	if (covers(leaf, s2, gfn)) {
		__atomic_fetch_add(&hits, 1, __ATOMIC_RELAXED);
	} else {
		const struct cached *table = &tables[(gfn >> 9) % SETS];
		bool near = covers(table, s2, gfn);
		if (!walk(s2, gfn, near ? 0 : S2_LEVELS - 1, near ? table->pfn : s2->root.n,
			  leaf)) {
			return NULL;
		}
	}
	uint64_t pfn = leaf->pfn + gfn - leaf->first;
	if (pfn >= frame_table_count) {
		fake_fail("VM %u gfn %#llx leads beyond memory: a page table has been reused",
			  s2->owner, (unsigned long long)gfn);
	}
	return (uint64_t *)pfn_to_virt((pfn_t){pfn}) + index;
}
