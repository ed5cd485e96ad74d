/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Beginning and end of an address space. Creation makes the promise and the root table; the end
 * gives everything back in bounded steps. Under s2->lock (creation: no other CPU knows it yet).
 */
#include "base/string.h"
#include "mm/alloc.h"
#include "mm/reclaim.h"
#include "mm/stage2/runs.h"
#include "mm/stage2/split.h"

uint64_t s2_table_pages_worst(uint64_t limit_pages)
{
	uint64_t pages = 1;
	for (unsigned level = 1; level < S2_LEVELS; level++) {
		uint64_t reach = order_pages(level_order(level));
		pages += (limit_pages + reach - 1) / reach;
	}
	return pages;
}

enum status s2_create(struct s2 *s2, const struct s2_format *format, vm_id_t owner,
		      uint64_t limit_pages, uint64_t min_pages)
{
	CHECK(limit_pages > 0 && limit_pages <= UINT32_MAX);
	memset(s2, 0, sizeof(*s2));
	lock_init(&s2->lock, LOCK_S2);
	s2->owner = owner;
	s2->format = format;
	s2->limit_pages = limit_pages;
	s2->revoking_head = FRAME_NONE;
	enum status status =
		promise_make(&s2->promise, min_pages, s2_table_pages_worst(limit_pages));
	if (status != STATUS_OK) {
		return status;
	}
	status = frame_alloc_table(&s2->promise, owner, &s2->root);
	if (status != STATUS_OK) {
		promise_withdraw(&s2->promise);
		return status;
	}
	frame_of(s2->root)->gfn = 0;
	table_set_counts(s2->root, S2_LEVELS - 1, 0, 0);
	s2->table_pages = 1;
	return STATUS_OK;
}

/*
 * Empties a table, spending one unit of *work per entry looked at. False: the work ran out. The
 * depth of the recursion is the number of levels.
 */
static bool clear_table(struct s2 *s2, pfn_t table, unsigned level, uint64_t *work)
{
	for (unsigned i = 0; i < S2_ENTRIES; i++) {
		if (*work == 0) {
			return false;
		}
		(*work)--;
		uint64_t *entry = table_entry(table, i);
		uint64_t value = entry_read(entry);
		uint64_t pages = order_pages(level_order(level));
		enum s2_entry_kind kind = entry_kind(s2->format, value, level);
		if (kind == ENTRY_EMPTY) {
			continue;
		}
		/* A table of pages goes as one: what is left is not enough, the next step is. */
		if (kind == ENTRY_TABLE && level == 1 && *work < S2_ENTRIES) {
			return false;
		}
		pfn_t pfn = entry_pfn(s2->format, value);
		bool at_once = kind == ENTRY_TABLE && level < S2_LEVELS - 1 &&
			       *work >= S2_ENTRIES && s2_is_of_leaves(s2, pfn, level - 1);
		if (kind == ENTRY_TABLE && !at_once && !clear_table(s2, pfn, level - 1, work)) {
			return false;
		}
		entry_write(entry, 0);
		if (at_once) {
			*work -= S2_ENTRIES;
			s2_free_leaves(s2, pfn, level - 1);
		}
		bool ballooned = kind == ENTRY_BALLOONED;
		table_set_counts(table, level, table_present(table) - (ballooned ? 0 : 1),
				 table_ballooned(table) - (ballooned ? 1 : 0));
		if (ballooned) {
			s2->ballooned_pages -= pages;
		} else if (kind == ENTRY_TABLE) {
			s2_revoke_table(s2, pfn);
		} else {
			struct frame_tag tag = {FRAME_GUEST, (uint8_t)level_order(level),
						s2->owner};
			reclaim_push(s2, pfn, tag);
			s2->mapped_pages -= pages;
			s2->large_pages -= level > 0 ? pages : 0;
		}
	}
	return true;
}

bool s2_destroy_step(struct s2 *s2, uint64_t work_max)
{
	struct s2_locked locked = s2_lock(s2);
	uint64_t work = work_max;
	bool done = clear_table(s2, s2->root, S2_LEVELS - 1, &work);
	if (done) {
		s2_revoke_table(s2, s2->root);
	}
	reclaim_flush(locked);
	s2_unlock(locked);
	if (done) {
		CHECK(s2->mapped_pages == 0 && s2->ballooned_pages == 0 && s2->table_pages == 0);
		promise_withdraw(&s2->promise);
	}
	return done;
}
