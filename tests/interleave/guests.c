/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Processors in the guest, each with a TLB for leaves and for the last tables. Compiled like the
 * code under test: what a processor reads in the tables are accesses like any others.
 */
#include "arch/arch.h"
#include "arch/backend.h"
#include "interleave/world.h"
#include "kernel/vm/tlb.h"
#include "mm/phys.h"
#include "mm/tlb.h"

#define CACHED 8
#define TRIES 4

struct cached {
	const struct s2 *s2; /* NULL: nothing */
	uint64_t first;	     /* gfn */
	uint64_t pages;
	uint64_t pfn;
};

static struct {
	struct cached leaves[CACHED];
	struct cached tables[CACHED];
} processors[INTERLEAVE_CPUS];

static bool kicked[INTERLEAVE_CPUS];

static unsigned here(void)
{
	unsigned cpu = interleave_cpu();
	return cpu < INTERLEAVE_CPUS ? cpu : 0;
}

unsigned arch_cpu_index(void)
{
	return here();
}

unsigned arch_cpu_count(void)
{
	return INTERLEAVE_CPUS;
}

void arch_pause(void)
{
	interleave_pause();
}

void arch_cpu_kick(unsigned cpu)
{
	__atomic_store_n(&kicked[cpu], true, __ATOMIC_SEQ_CST);
}

bool guest_is_kicked(void)
{
	return __atomic_load_n(&kicked[here()], __ATOMIC_SEQ_CST);
}

static void flush(const struct s2 *s2)
{
	for (unsigned i = 0; i < CACHED; i++) {
		struct cached *leaf = &processors[here()].leaves[i];
		struct cached *table = &processors[here()].tables[i];
		leaf->s2 = leaf->s2 == s2 ? NULL : leaf->s2;
		table->s2 = table->s2 == s2 ? NULL : table->s2;
	}
}

static const struct backend fake_backend = {.name = "interleavings", .flush_s2 = flush};
const struct backend *backend = &fake_backend;

static struct cached *find(struct cached *cached, const struct s2 *s2, uint64_t gfn)
{
	for (unsigned i = 0; i < CACHED; i++) {
		if (cached[i].s2 == s2 && gfn - cached[i].first < cached[i].pages) {
			return &cached[i];
		}
	}
	return NULL;
}

static void keep(struct cached *cached, struct cached entry)
{
	for (unsigned i = 0; i < CACHED; i++) {
		if (cached[i].s2 == NULL) {
			cached[i] = entry;
			return;
		}
	}
	interleave_fail("the TLB of a CPU is too small");
}

/* A present entry, and it was used from now on; 0: not present. */
static uint64_t use_entry(const struct s2 *s2, uint64_t *entry)
{
	const uint64_t accessed = s2->format->accessed_flag;
	uint64_t value = __atomic_load_n(entry, __ATOMIC_ACQUIRE);
	while ((value & s2->format->present_mask) != 0 && (value & accessed) == 0 &&
	       !__atomic_compare_exchange_n(entry, &value, value | accessed, false,
					    __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
	}
	return (value & s2->format->present_mask) != 0 ? value : 0;
}

/* What the tables say, from the last table that is cached or from the root. */
static bool walk(const struct s2 *s2, uint64_t gfn)
{
	const struct cached *near = find(processors[here()].tables, s2, gfn);
	uint64_t table = near != NULL ? near->pfn : s2->root.n;
	for (unsigned level = near != NULL ? 0 : S2_LEVELS - 1;; level--) {
		uint64_t *entries = pfn_to_virt((pfn_t){table});
		uint64_t value = use_entry(s2, &entries[(gfn >> (9 * level)) % S2_ENTRIES]);
		if (value == 0) {
			return false;
		}
		uint64_t pages = 1ull << (9 * level);
		table = (value & s2->format->address_mask) >> PAGE_SHIFT;
		if (level == 0 || (value & s2->format->large_flag) != 0) {
			keep(processors[here()].leaves,
			     (struct cached){s2, gfn & ~(pages - 1), pages, table});
			return true;
		}
		if (level == 1) {
			keep(processors[here()].tables,
			     (struct cached){s2, gfn & ~(pages - 1), pages, table});
		}
	}
}

void guest_enter(struct s2 *s2)
{
	tlb_run_begin(s2, here());
	tlb_enter(s2, here());
}

void guest_leave(void)
{
	tlb_leave(here());
	__atomic_store_n(&kicked[here()], false, __ATOMIC_RELAXED);
}

bool guest_access(struct s2 *s2, uint64_t gfn)
{
	const struct cached *leaf = find(processors[here()].leaves, s2, gfn);
	if (leaf == NULL) {
		if (!walk(s2, gfn)) {
			return false;
		}
		leaf = find(processors[here()].leaves, s2, gfn);
	}
	uint64_t pfn = leaf->pfn + gfn - leaf->first;
	if (!world_frame_is_of(pfn, s2->owner, gfn)) {
		interleave_fail("CPU %u uses frame %#llx as page %#llx of VM %u, whose it is not",
				here(), (unsigned long long)pfn, (unsigned long long)gfn,
				s2->owner);
	}
	/* Each CPU has a word of its own. */
	uint64_t *word = (uint64_t *)pfn_to_virt((pfn_t){pfn}) + 8 * here();
	uint64_t mark = (uint64_t)s2->owner << 32 | gfn;
	if (*word != 0 && *word != mark) {
		interleave_fail("CPU %u finds %#llx at page %#llx of VM %u", here(),
				(unsigned long long)*word, (unsigned long long)gfn, s2->owner);
	}
	*word = mark;
	return true;
}

enum status guest_touch(struct s2 *s2, uint64_t gfn)
{
	for (unsigned i = 0; i < TRIES; i++) {
		enum s2_kind was;
		uint64_t pages;
		guest_enter(s2);
		bool done = guest_access(s2, gfn);
		guest_leave();
		if (done) {
			return STATUS_OK;
		}
		struct s2_locked locked = s2_lock(s2);
		enum status status = s2_fault(locked, (gfn_t){gfn}, ORDER_4K, true, &was, &pages);
		s2_unlock(locked);
		if (status != STATUS_OK) {
			return status;
		}
	}
	return STATUS_OK; /* it is taken away each time */
}

/* ---- For the test, while no CPU runs ---- */

void guests_reset(void)
{
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		for (unsigned i = 0; i < CACHED; i++) {
			processors[cpu].leaves[i].s2 = NULL;
			processors[cpu].tables[i].s2 = NULL;
		}
		kicked[cpu] = false;
		tlb_cpus[cpu].guest = NULL;
	}
}

void guests_have_used(struct s2 *s2, uint64_t gfn)
{
	(void)walk(s2, gfn);
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		s2->tlb.ran_mask |= 1ull << cpu;
		processors[cpu] = processors[0];
	}
}

/* What it would find in the tables now is what it has cached. */
static bool is_current(const struct cached *cached, bool table)
{
	const struct s2 *s2 = cached->s2;
	uint64_t at = s2->root.n;
	for (unsigned level = S2_LEVELS - 1;; level--) {
		const uint64_t *entries = pfn_to_virt((pfn_t){at});
		uint64_t value = entries[(cached->first >> (9 * level)) % S2_ENTRIES];
		bool leaf = level == 0 || (value & s2->format->large_flag) != 0;
		if ((value & s2->format->present_mask) == 0) {
			return false;
		}
		at = (value & s2->format->address_mask) >> PAGE_SHIFT;
		if (leaf || (table && level == 1)) {
			uint64_t offset = cached->first & ((1ull << (9 * level)) - 1);
			return leaf != table && at + (table ? 0 : offset) == cached->pfn;
		}
	}
}

static void check_cached(unsigned cpu, const struct cached *cached, bool table)
{
	const struct s2 *s2 = cached->s2;
	if (s2 == NULL || !space_exists[s2->owner - 1]) {
		return;
	}
	bool in_guest = tlb_cpus[cpu].guest == s2;
	bool flushes = s2->tlb.seen[cpu] != s2->tlb.requested;
	if ((in_guest || !flushes) && !is_current(cached, table)) {
		interleave_fail("CPU %u keeps a stale %s at page %#llx of VM %u", cpu,
				table ? "table" : "translation", (unsigned long long)cached->first,
				s2->owner);
	}
}

void guests_check(void)
{
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		for (unsigned i = 0; i < CACHED; i++) {
			check_cached(cpu, &processors[cpu].leaves[i], false);
			check_cached(cpu, &processors[cpu].tables[i], true);
		}
	}
}
