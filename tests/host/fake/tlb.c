/* SPDX-License-Identifier: BSD-2-Clause */
/* See tlb.h. Walks the tables by itself, from the format's masks alone. */
#include "fake/tlb.h"

#include <stdlib.h>

#include "fake/panic.h"

#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/tlb.h"

#ifndef CACHED_MAX /* small worlds have less */
#define CACHED_MAX 512
#endif

/* A cached leaf, or with `is_table` a cached pointer to the table on `level` that covers gfn. */
struct cached {
	const struct s2 *s2;
	uint64_t gfn; /* first of those covered */
	uint64_t pfn;
	uint64_t stale_epoch; /* the flush that must drop it; 0: right as far as known */
	vm_id_t owner;
	uint8_t cpu;
	uint8_t level;
	bool is_table;
	bool used;
};

uint64_t fake_tlb_flush_count;
bool fake_tlb_broken;

static struct cached cache[CACHED_MAX];
static unsigned cached_end; /* entries behind it were never used */

struct walk {
	bool hit;
	unsigned level; /* of the leaf */
	uint64_t pfn;	/* of the leaf's extent */
	uint64_t tables[S2_LEVELS];
	unsigned lowest; /* level of the last table passed */
	uint64_t *entry; /* the last one looked at */
};

/* Follows gfn down from `table`, which is one of level `from`. */
static struct walk walk_from(const struct s2 *s2, uint64_t gfn, unsigned from, uint64_t table)
{
	struct walk walk = {.hit = false};
	for (unsigned level = from + 1; level-- > 0;) {
		uint64_t *entries = pfn_to_virt((pfn_t){table});
		walk.entry = &entries[(gfn >> (9 * level)) % S2_ENTRIES];
		uint64_t value = *walk.entry;
		walk.tables[level] = table;
		walk.lowest = level;
		if ((value & s2->format->present_mask) == 0) {
			return walk;
		}
		table = (value & s2->format->address_mask) >> PAGE_SHIFT;
		if (level == 0 || (value & s2->format->large_flag) != 0) {
			walk.hit = true;
			walk.level = level;
			walk.pfn = table;
			return walk;
		}
	}
	return walk;
}

static struct walk walk_tables(const struct s2 *s2, uint64_t gfn)
{
	return walk_from(s2, gfn, S2_LEVELS - 1, s2->root.n);
}

static uint64_t walk_pfn(const struct walk *walk, uint64_t gfn)
{
	return walk->pfn + (gfn & ((1ull << (9 * walk->level)) - 1));
}

/* The record of the extent that the frame belongs to. */
static const struct frame *head_of(uint64_t pfn, uint64_t *head)
{
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		*head = pfn & ~((1ull << order) - 1);
		const struct frame *frame = &frame_table[*head];
		if (frame->tag.state != FRAME_TAIL) {
			assert_true(frame->tag.order >= order);
			return frame;
		}
	}
	panic("frame %#llx belongs to no extent", (unsigned long long)pfn);
	return NULL;
}

static bool space_lives(const struct s2 *s2, vm_id_t owner)
{
	struct frame_tag tag = frame_table[s2->root.n].tag;
	return s2->owner == owner && tag.state == FRAME_HYPERVISOR && tag.owner == owner;
}

static bool is_current(const struct cached *entry)
{
	if (!space_lives(entry->s2, entry->owner)) {
		return false;
	}
	struct walk walk = walk_tables(entry->s2, entry->gfn);
	if (entry->is_table) {
		return walk.lowest <= entry->level && walk.tables[entry->level] == entry->pfn;
	}
	if (walk.hit && (*walk.entry & entry->s2->format->accessed_flag) == 0) {
		return false; /* software wants to be told of the next access */
	}
	if (!walk.hit || walk.level > entry->level) {
		return walk.hit && walk_pfn(&walk, entry->gfn) == entry->pfn;
	}
	/* A larger cached leaf is current while every piece of it still is what it was. */
	for (uint64_t i = 0; i < 1ull << (9 * entry->level);) {
		walk = walk_tables(entry->s2, entry->gfn + i);
		if (!walk.hit || walk.pfn != entry->pfn + i) {
			return false;
		}
		i += 1ull << (9 * walk.level);
	}
	return true;
}

static void add(const struct s2 *s2, unsigned cpu, uint64_t gfn, uint64_t pfn, unsigned level,
		bool is_table)
{
	const struct cached wanted = {
		s2, gfn, pfn, 0, s2->owner, (uint8_t)cpu, (uint8_t)level, is_table, true};
	struct cached *place = NULL;
	for (unsigned i = 0; i < cached_end; i++) {
		struct cached *entry = &cache[i];
		if (!entry->used) {
			place = place == NULL ? entry : place;
		} else if (entry->s2 == s2 && entry->owner == s2->owner && entry->cpu == cpu &&
			   entry->gfn == gfn && entry->pfn == pfn && entry->level == level &&
			   entry->is_table == is_table) {
			return;
		}
	}
	if (place == NULL && cached_end < CACHED_MAX) {
		place = &cache[cached_end++];
	}
	if (place == NULL) { /* full: like any TLB, it may forget; take something in its turn */
		static unsigned victim;
		place = &cache[victim++ % CACHED_MAX];
	}
	*place = wanted;
}

void fake_tlb_reset(void)
{
	for (unsigned i = 0; i < cached_end; i++) {
		cache[i] = (struct cached){0};
	}
	cached_end = 0;
	fake_tlb_flush_count = 0;
	fake_tlb_broken = false;
}

static bool covers(const struct cached *entry, const struct s2 *s2, unsigned cpu, uint64_t gfn)
{
	unsigned level = entry->is_table ? entry->level + 1u : entry->level;
	return entry->used && entry->s2 == s2 && entry->cpu == cpu && entry->owner == s2->owner &&
	       gfn >= entry->gfn && (level == S2_LEVELS || gfn - entry->gfn < 1ull << (9 * level));
}

/* The cached leaf for gfn, or else the lowest cached table, or NULL. */
static struct cached *find(const struct s2 *s2, unsigned cpu, uint64_t gfn)
{
	struct cached *best = NULL;
	for (unsigned i = 0; i < cached_end; i++) {
		struct cached *entry = &cache[i];
		if (!covers(entry, s2, cpu, gfn)) {
			continue;
		}
		if (!entry->is_table) {
			return entry;
		}
		if (best == NULL || entry->level < best->level) {
			best = entry;
		}
	}
	return best;
}

bool fake_tlb_holds(const struct s2 *s2, unsigned cpu, gfn_t gfn)
{
	const struct cached *entry = find(s2, cpu, gfn.n);
	return entry != NULL && !entry->is_table;
}

/* A walk that fills the cache; it starts at the lowest cached table, if there is one. */
static struct walk caching_walk(const struct s2 *s2, unsigned cpu, uint64_t gfn,
				const struct cached *start)
{
	unsigned from = start == NULL ? S2_LEVELS - 1 : start->level;
	struct walk walk = walk_from(s2, gfn, from, start == NULL ? s2->root.n : start->pfn);
	for (unsigned level = walk.lowest; level <= from; level++) {
		uint64_t covered = level + 1 == S2_LEVELS ? ~0ull : (1ull << (9 * (level + 1))) - 1;
		add(s2, cpu, gfn & ~covered, walk.tables[level], level, true);
	}
	if (walk.hit) {
		*walk.entry |= s2->format->accessed_flag | FAKE_TLB_DIRTY;
		uint64_t covered = (1ull << (9 * walk.level)) - 1;
		add(s2, cpu, gfn & ~covered, walk.pfn, walk.level, false);
	}
	return walk;
}

uint8_t *fake_tlb_access(const struct s2 *s2, unsigned cpu, gfn_t gfn)
{
	struct walk now = walk_tables(s2, gfn.n);
	const struct cached *entry = find(s2, cpu, gfn.n);
	uint64_t pfn;
	if (entry != NULL && !entry->is_table) {
		pfn = entry->pfn + (gfn.n - entry->gfn);
	} else {
		struct walk walk = caching_walk(s2, cpu, gfn.n, entry);
		if (!walk.hit) {
			if (now.hit) {
				panic("VM %u gfn %#llx: a stale table hides what is mapped",
				      s2->owner, (unsigned long long)gfn.n);
			}
			return NULL;
		}
		pfn = walk_pfn(&walk, gfn.n);
	}
	if (now.hit && pfn != walk_pfn(&now, gfn.n)) {
		panic("VM %u gfn %#llx: a stale translation to frame %#llx hides frame %#llx",
		      s2->owner, (unsigned long long)gfn.n, (unsigned long long)pfn,
		      (unsigned long long)walk_pfn(&now, gfn.n));
	}
	return pfn_to_virt((pfn_t){pfn});
}

static void check_entry(const struct cached *entry)
{
	uint64_t pages = entry->is_table ? 1 : 1ull << (9 * entry->level);
	for (uint64_t i = 0; i < pages;) {
		uint64_t head;
		const struct frame *frame = head_of(entry->pfn + i, &head);
		enum frame_state own = entry->is_table ? FRAME_HYPERVISOR : FRAME_GUEST;
		uint64_t gfn = frame->gfn + (entry->pfn + i - head);
		bool ours = frame->tag.owner == entry->owner &&
			    (frame->tag.state == FRAME_REVOKING || frame->tag.state == own);
		bool same =
			entry->is_table || frame->tag.state != FRAME_GUEST || gfn == entry->gfn + i;
		if (!ours || !same) {
			panic("CPU %u can still reach frame %#llx as %s of VM %u at gfn %#llx, "
			      "but it is state=%u owner=%u gfn=%#llx now",
			      entry->cpu, (unsigned long long)(entry->pfn + i),
			      entry->is_table ? "a page table" : "memory", entry->owner,
			      (unsigned long long)(entry->gfn + i), frame->tag.state,
			      frame->tag.owner, (unsigned long long)gfn);
		}
		i += (1ull << frame->tag.order) - (entry->pfn + i - head);
	}
}

void fake_tlb_check(void)
{
	for (unsigned i = 0; i < cached_end; i++) {
		if (cache[i].used) {
			check_entry(&cache[i]);
		}
	}
}

void fake_tlb_enter(struct s2 *s2, unsigned cpu)
{
	for (unsigned i = 0; i < cached_end; i++) {
		struct cached *entry = &cache[i];
		if (entry->used && entry->s2 == s2 && entry->cpu == cpu &&
		    entry->stale_epoch != 0) {
			*entry = (struct cached){0};
		}
	}
}

uint64_t tlb_epoch_request(struct s2 *s2)
{
	s2->tlb.requested++;
	for (unsigned i = 0; i < cached_end; i++) {
		struct cached *entry = &cache[i];
		if (entry->used && entry->s2 == s2 && entry->stale_epoch == 0 &&
		    !is_current(entry)) {
			entry->stale_epoch = s2->tlb.requested;
		}
	}
	return s2->tlb.requested;
}

bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch)
{
	return s2->tlb.seen[0] >= epoch;
}

void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch)
{
	CHECK(epoch <= s2->tlb.requested);
	fake_tlb_flush_count++;
	for (unsigned i = 0; i < cached_end && !fake_tlb_broken; i++) {
		struct cached *entry = &cache[i];
		if (entry->used && entry->s2 == s2 && entry->stale_epoch != 0 &&
		    entry->stale_epoch <= epoch) {
			*entry = (struct cached){0};
		}
	}
	if (s2->tlb.seen[0] < epoch) {
		s2->tlb.seen[0] = epoch;
	}
}

static int compare_words(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a;
	uint64_t right = *(const uint64_t *)b;
	return left < right ? -1 : left > right;
}

unsigned fake_tlb_digest(uint64_t *words, unsigned room)
{
	unsigned count = 0;
	for (unsigned i = 0; i < cached_end; i++) {
		const struct cached *entry = &cache[i];
		if (entry->used) {
			uint64_t head;
			uint64_t what = head_of(entry->pfn, &head)->tag.state;
			CHECK(count < room && entry->gfn < 1u << 20);
			words[count++] = entry->gfn << 44 | what << 20 |
					 (uint64_t)(entry->stale_epoch != 0) << 19 |
					 (uint64_t)entry->owner << 8 | entry->cpu << 4 |
					 entry->level << 1 | entry->is_table;
		}
	}
	qsort(words, count, sizeof(*words), compare_words);
	return count;
}
