/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Why this proves ownership: a leaf is right only if the record of its frame names this very VM and
 * this very gfn. Two leaves differ in VM or gfn, so they cannot both match one record; and as there
 * are as many matching leaves as GUEST frames, every GUEST frame is mapped exactly once. The same
 * holds for table pages (their records name owner, first gfn and level).
 */
#include "mm/audit.h"

#include "base/string.h"
#include "mm/pool.h"
#include "mm/promise.h"
#include "mm/stage2/table.h"

/* What the frame table says, summed up by state and, where a VM is meant, by owner. */
struct frame_sums {
	uint64_t by_state[FRAME_STATE_COUNT];
	uint64_t guest_pages[AUDIT_OWNERS_MAX];
	uint64_t revoking_pages[AUDIT_OWNERS_MAX];
	uint64_t table_pages[AUDIT_OWNERS_MAX];
	uint64_t lent_pages[AUDIT_OWNERS_MAX]; /* ZEROED, in the cache of a VM */
};

/* What one address space's tables say. */
struct walk_sums {
	uint64_t mapped_pages;
	uint64_t large_pages;
	uint64_t ballooned_pages;
	uint64_t table_pages;
};

static struct frame_sums frame_sums; /* too large for a stack */

void audit_complain(struct audit_report *report, const char *what, uint64_t where, uint64_t found,
		    uint64_t expected)
{
	if (report->error_count++ == 0) {
		snprintf(report->first_error, sizeof(report->first_error),
			 "%s at 0x%llx: found %llu, expected %llu", what, (unsigned long long)where,
			 (unsigned long long)found, (unsigned long long)expected);
	}
}

static void expect(struct audit_report *report, const char *what, uint64_t where, uint64_t found,
		   uint64_t expected)
{
	if (found != expected) {
		audit_complain(report, what, where, found, expected);
	}
}

/* The head at `pfn` and its tails; answers how many frames it stands for. */
static uint64_t audit_extent(uint64_t pfn, struct audit_report *report)
{
	const struct frame_tag tag = frame_table[pfn].tag;
	if (tag.state == FRAME_TAIL || tag.state >= FRAME_STATE_COUNT) {
		audit_complain(report, "frame without a head, state", pfn, tag.state,
			       FRAME_RESERVED);
		return 1;
	}
	uint64_t pages = order_pages(tag.order);
	if (tag.order > FRAME_ORDER_MAX || pages > frame_table_count - pfn ||
	    !is_aligned_u64(pfn, pages)) {
		audit_complain(report, "extent with impossible order", pfn, tag.order, 0);
		return 1;
	}
	for (uint64_t i = 1; i < pages; i++) {
		if (frame_table[pfn + i].tag.state != FRAME_TAIL) {
			audit_complain(report, "frame inside an extent, state", pfn + i,
				       frame_table[pfn + i].tag.state, FRAME_TAIL);
		}
	}
	frame_sums.by_state[tag.state] += pages;
	if (tag.owner >= AUDIT_OWNERS_MAX) {
		audit_complain(report, "frame with impossible owner", pfn, tag.owner, VM_ID_HOST);
	} else if (tag.state == FRAME_GUEST) {
		frame_sums.guest_pages[tag.owner] += pages;
	} else if (tag.state == FRAME_ZEROED && tag.owner != VM_ID_HOST) {
		frame_sums.lent_pages[tag.owner] += pages;
	} else if (tag.state == FRAME_REVOKING) {
		frame_sums.revoking_pages[tag.owner] += pages;
	} else if (tag.state == FRAME_HYPERVISOR && tag.owner != VM_ID_HOST &&
		   frame_table[pfn].gfn != FRAME_NONE) {
		frame_sums.table_pages[tag.owner] += pages;
	}
	return pages;
}

static void audit_frames(struct audit_report *report)
{
	memset(&frame_sums, 0, sizeof(frame_sums));
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		pfn += audit_extent(pfn, report);
	}
	uint64_t total = 0;
	for (unsigned state = 0; state < FRAME_STATE_COUNT; state++) {
		expect(report, "count of frames in a state", state, frame_sums.by_state[state],
		       frame_count((enum frame_state)state));
		total += frame_sums.by_state[state];
	}
	expect(report, "sum of all frames", 0, total, frame_table_count);
	uint64_t dirty;
	uint64_t zeroed;
	if (!pool_audit(&dirty, &zeroed)) {
		audit_complain(report, "damaged list of free frames", 0, 1, 0);
	}
	expect(report, "frames in the dirty pool", 0, dirty, frame_sums.by_state[FRAME_DIRTY]);
	uint64_t lent = 0;
	for (unsigned owner = 0; owner < AUDIT_OWNERS_MAX; owner++) {
		lent += frame_sums.lent_pages[owner];
	}
	expect(report, "frames in the zeroed pool", 0, zeroed + lent,
	       frame_sums.by_state[FRAME_ZEROED]);
}

static void audit_leaf(const struct s2 *s2, uint64_t value, unsigned level, uint64_t gfn,
		       struct audit_report *report)
{
	pfn_t pfn = entry_pfn(s2->format, value);
	const struct frame_tag right = {FRAME_GUEST, (uint8_t)level_order(level), s2->owner};
	if (pfn.n >= frame_table_count ||
	    memcmp(&frame_table[pfn.n].tag, &right, sizeof(right)) != 0) {
		audit_complain(report, "mapped frame is not this VM's", pfn.n, s2->owner,
			       s2->owner);
		return;
	}
	expect(report, "gfn of a mapped frame", pfn.n, frame_table[pfn.n].gfn, gfn);
}

static bool is_table_page(const struct s2 *s2, pfn_t table)
{
	const struct frame_tag right = {FRAME_HYPERVISOR, ORDER_4K, s2->owner};
	return table.n < frame_table_count &&
	       memcmp(&frame_table[table.n].tag, &right, sizeof(right)) == 0;
}

/* The depth of the recursion is the number of levels. */
static void audit_table(const struct s2 *s2, pfn_t table, unsigned level, uint64_t gfn,
			struct walk_sums *sums, struct audit_report *report)
{
	if (!is_table_page(s2, table)) {
		audit_complain(report, "page table is not this VM's", table.n, s2->owner,
			       s2->owner);
		return;
	}
	expect(report, "level of a page table", table.n, table_level(table), level);
	expect(report, "first gfn of a page table", table.n, frame_table[table.n].gfn, gfn);
	sums->table_pages++;
	uint64_t pages = order_pages(level_order(level));
	unsigned present = 0;
	unsigned ballooned = 0;
	for (unsigned i = 0; i < S2_ENTRIES; i++, gfn += pages) {
		uint64_t value = entry_read(table_entry(table, i));
		enum s2_entry_kind kind = entry_kind(s2->format, value, level);
		if (kind == ENTRY_EMPTY) {
			continue;
		}
		if (gfn >= s2->limit_pages) {
			audit_complain(report, "entry beyond the VM's RAM", gfn, value, 0);
		}
		if (kind == ENTRY_BALLOONED) {
			expect(report, "not-present entry", gfn, value,
			       s2->format->ballooned_entry);
			sums->ballooned_pages += pages;
			ballooned++;
			continue;
		}
		present++;
		if (kind == ENTRY_TABLE) {
			audit_table(s2, entry_pfn(s2->format, value), level - 1, gfn, sums, report);
		} else {
			audit_leaf(s2, value, level, gfn, report);
			sums->mapped_pages += pages;
			sums->large_pages += level > 0 ? pages : 0;
		}
	}
	expect(report, "present entries of a page table", table.n, table_present(table), present);
	expect(report, "ballooned entries of a page table", table.n, table_ballooned(table),
	       ballooned);
}

/* The quarantine list; its length is bounded by what the frame table says. */
static uint64_t revoking_list_pages(const struct s2 *s2)
{
	uint64_t pages = 0;
	uint32_t at = s2->revoking_head;
	while (at != FRAME_NONE && at < frame_table_count &&
	       frame_table[at].tag.state == FRAME_REVOKING &&
	       frame_table[at].tag.owner == s2->owner && pages <= frame_table_count) {
		pages += order_pages(frame_table[at].tag.order);
		at = frame_table[at].next;
	}
	return pages;
}

/* Each cached frame names its VM and its index: so no two are the same, and none is missing. */
static void audit_cache(const struct s2 *s2, struct audit_report *report)
{
	const struct frame_cache *cache = &s2->promise.cache;
	const struct frame_tag lent = {FRAME_ZEROED, ORDER_4K, s2->owner};
	if (cache->count > FRAME_CACHE_SIZE || cache->count > cache->lent) {
		audit_complain(report, "frames in a VM's cache", s2->owner, cache->count,
			       cache->lent);
		return;
	}
	for (uint32_t i = 0; i < cache->count; i++) {
		uint32_t pfn = cache->pfns[i];
		if (pfn >= frame_table_count || frame_table[pfn].tag_word != frame_tag_word(lent)) {
			audit_complain(report, "ready frame is not this VM's", pfn, s2->owner,
				       s2->owner);
			continue;
		}
		expect(report, "place of a ready frame", pfn, frame_table[pfn].next, i);
	}
	expect(report, "frames lent to a VM", s2->owner, frame_sums.lent_pages[s2->owner],
	       cache->count);
}

static void audit_space(const struct s2 *s2, struct audit_report *report)
{
	struct walk_sums sums = {0};
	audit_table(s2, s2->root, S2_LEVELS - 1, 0, &sums, report);
	expect(report, "mapped pages of a VM", s2->owner, sums.mapped_pages, s2->mapped_pages);
	expect(report, "large pages of a VM", s2->owner, sums.large_pages, s2->large_pages);
	expect(report, "ballooned pages of a VM", s2->owner, sums.ballooned_pages,
	       s2->ballooned_pages);
	expect(report, "table pages of a VM", s2->owner, sums.table_pages, s2->table_pages);
	expect(report, "promised tables of a VM", s2->owner, s2->promise.table_pages,
	       sums.table_pages);
	expect(report, "page tables in the frame table", s2->owner,
	       frame_sums.table_pages[s2->owner], sums.table_pages);
	audit_cache(s2, report);
	expect(report, "pages charged to a VM", s2->owner, s2->promise.held_pages,
	       sums.mapped_pages + s2->promise.cache.count);
	expect(report, "frames owned by a VM", s2->owner, frame_sums.guest_pages[s2->owner],
	       sums.mapped_pages);
	expect(report, "frames in a VM's quarantine", s2->owner, revoking_list_pages(s2),
	       frame_sums.revoking_pages[s2->owner]);
	expect(report, "quarantine counter of a VM", s2->owner, s2->revoking_pages,
	       frame_sums.revoking_pages[s2->owner]);
}

void audit_run(struct s2 *const *spaces, unsigned count, struct audit_report *report)
{
	uint64_t guest_pages = 0;
	uint64_t revoking_pages = 0;
	uint64_t owed = 0;
	uint64_t ready_pages = 0;
	memset(report, 0, sizeof(*report));
	audit_frames(report);
	for (unsigned i = 0; i < count; i++) {
		const struct promise *promise = &spaces[i]->promise;
		audit_space(spaces[i], report);
		guest_pages += spaces[i]->mapped_pages;
		revoking_pages += spaces[i]->revoking_pages;
		ready_pages += promise->cache.count;
		owed += sub_floor_u64(promise->min_pages, promise->held_pages) +
			(promise->table_pages_worst - promise->table_pages);
	}
	expect(report, "guest frames of no VM", 0, frame_sums.by_state[FRAME_GUEST], guest_pages);
	expect(report, "quarantined frames of no VM", 0, frame_sums.by_state[FRAME_REVOKING],
	       revoking_pages);
	uint64_t lent_pages = 0;
	for (unsigned owner = 0; owner < AUDIT_OWNERS_MAX; owner++) {
		lent_pages += frame_sums.lent_pages[owner];
	}
	expect(report, "frames lent to no VM", 0, lent_pages, ready_pages);
	expect(report, "frames owed", 0, promise_owed(), owed);
	/* What is lent cannot be handed to others before it is taken back. */
	if (owed > frame_count_free() - ready_pages + frame_count(FRAME_REVOKING)) {
		audit_complain(report, "promises beyond what is free", 0, owed,
			       frame_count_free() - ready_pages);
	}
}
