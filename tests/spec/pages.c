/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See watch.h: pages as specified, and what the tables and the frame table say of them. Many pages
 * are compared entry by entry, some eight at a time. That only tells what is surely the same: where
 * there is doubt compare_page() looks at each page by itself, and has the last word.
 */
#include "tests/spec/watch.h"

#include "base/bits.h"
#include "base/check.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/stage2/table.h"

#define AT_ONCE 8u			/* pages: their states, a byte each, are one word */
#define EACH_BYTE 0x0101010101010101ull /* times a byte: that byte, eight times */
#define NOT_DONE_PAGES 32u		/* of an extent that the call has not changed */

/* ---- One page -------------------------------------------------------------------------------- */

/* The frame table has one owner for each frame: it must be this page. */
static bool owns_frame(const struct watch *watch, uint64_t gfn, struct s2_slot slot)
{
	uint64_t inside = gfn & (order_pages(slot.order) - 1);
	const struct frame *frame = frame_of((pfn_t){slot.pfn.n - inside});
	return frame->tag.state == FRAME_GUEST && frame->tag.owner == watch->s2->owner &&
	       frame->tag.order == slot.order && frame->gfn == gfn - inside;
}

static void compare_page(const struct watch *watch, struct s2_locked locked, uint64_t gfn)
{
	struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
	const struct spec_vm *spec = &watch->spec;
	bool pinned = spec->attached && spec->balloon_page == gfn;
	if (watch_real_page(slot.kind) != spec->page[gfn]) {
		watch_mismatch(watch, "the page is something else", gfn);
	}
	if (slot.kind == S2_MAPPED && !owns_frame(watch, gfn, slot)) {
		watch_mismatch(watch, "its frame is another page's", gfn);
	}
	if (!watch->busy && pinned != slot.pinned) {
		watch_mismatch(watch, "the balloon page is not kept, or another one is", gfn);
	}
}

void watch_page(const struct watch *watch, struct s2_locked locked, uint64_t gfn)
{
	watch_count(&oracle_counts.pages, 1);
	compare_page(watch, locked, gfn);
}

/* ---- Many ------------------------------------------------------------------------------------ */

/* What many pages are compared with: read once. */
struct view {
	const struct watch *watch;
	const struct spec_vm *spec;
	const struct frame *frames;
	uint64_t head; /* of the record of the VM's single page 0; its order and gfn are added */
	uint64_t pin;  /* the page that is pinned as specified; none: a number that no page has */
	struct s2_format format;
};

static uint64_t head_of(vm_id_t owner, unsigned order, uint64_t gfn)
{
	const struct frame frame = {
		.tag = {FRAME_GUEST, (uint8_t)order, owner},
		.gfn = (uint32_t)gfn,
	};
	return frame.head;
}

static struct view view_of(const struct watch *watch)
{
	return (struct view){
		.watch = watch,
		.spec = &watch->spec,
		.frames = frame_table,
		.head = head_of(watch->s2->owner, ORDER_4K, 0),
		.pin = watch->spec.attached ? watch->spec.balloon_page : ~0ull,
		.format = *watch->s2->format,
	};
}

static uint64_t eight_pages(const struct spec_vm *spec, uint64_t gfn)
{
	uint64_t word;
	__builtin_memcpy(&word, &spec->page[gfn], sizeof(word));
	return word;
}

/* Are all of these specified as `page`? */
static bool all_are(const struct spec_vm *spec, uint64_t gfn, uint64_t pages, enum spec_page page)
{
	uint64_t differs = 0;
	for (; pages >= AT_ONCE; pages -= AT_ONCE, gfn += AT_ONCE) {
		differs |= eight_pages(spec, gfn) ^ (uint64_t)page * EACH_BYTE;
	}
	for (; pages > 0; pages--, gfn++) {
		differs |= (uint64_t)spec->page[gfn] ^ (uint64_t)page;
	}
	return differs == 0;
}

/* Are all of these, which one entry above the single pages decides over, as specified? */
static bool entry_is_same(const struct view *view, const uint64_t *entry, unsigned level,
			  uint64_t gfn, uint64_t pages)
{
	const struct spec_vm *spec = view->spec;
	uint64_t value = entry_read(entry);
	unsigned order = level_order(level);
	uint64_t first = align_down_u64(gfn, order_pages(order));
	switch (entry_kind(&view->format, value, level)) {
	case ENTRY_EMPTY:
		return all_are(spec, gfn, pages, SPEC_UNTOUCHED);
	case ENTRY_BALLOONED:
		return all_are(spec, gfn, pages, SPEC_IN_BALLOON);
	case ENTRY_LEAF:
		return view->pin - gfn >= pages && (value & view->format.pinned_flag) == 0 &&
		       view->frames[entry_pfn(&view->format, value).n].head ==
			       head_of(view->watch->s2->owner, order, first) &&
		       all_are(spec, gfn, pages, SPEC_HELD);
	case ENTRY_TABLE:
		break;
	}
	return false;
}

/* Are eight pages, each with its own entry, all specified to be without a frame, and are so? */
static inline bool eight_are_same(const struct view *view, const uint64_t *entry, uint64_t gfn)
{
	uint64_t specified = eight_pages(view->spec, gfn);
	bool in_balloon = specified == SPEC_IN_BALLOON * EACH_BYTE;
	if (!in_balloon && specified != SPEC_UNTOUCHED * EACH_BYTE) {
		return false;
	}
	uint64_t expected = in_balloon ? view->format.ballooned_entry : 0;
	uint64_t differs = 0;
#pragma GCC unroll 8
	for (unsigned i = 0; i < AT_ONCE; i++) {
		differs |= entry_read(&entry[i]) ^ expected;
	}
	return differs == 0;
}

static inline bool one_is_same(const struct view *view, uint64_t value, uint64_t gfn)
{
	enum spec_page page = (enum spec_page)view->spec->page[gfn];
	if ((value & view->format.present_mask) == 0) {
		return page == (value == 0 ? SPEC_UNTOUCHED : SPEC_IN_BALLOON);
	}
	bool pinned = (value & view->format.pinned_flag) != 0;
	return page == SPEC_HELD && pinned == (view->pin == gfn) &&
	       view->frames[entry_pfn(&view->format, value).n].head == (view->head | gfn << 32);
}

/* Pages of one region, each with its own entry. */
static void compare_entries(const struct view *view, const uint64_t *entry, uint64_t gfn,
			    uint64_t pages)
{
	for (uint64_t i = 0; i < pages;) {
		if (pages - i >= AT_ONCE && eight_are_same(view, &entry[i], gfn + i)) {
			i += AT_ONCE;
			continue;
		}
		for (uint64_t end = min_u64(i + AT_ONCE, pages); i < end; i++) {
			if (!one_is_same(view, entry_read(&entry[i]), gfn + i)) {
				compare_page(view->watch, (struct s2_locked){view->watch->s2},
					     gfn + i);
			}
		}
	}
}

void watch_pages(const struct watch *watch, struct s2_locked locked, uint64_t gfn, uint64_t pages)
{
	const struct view view = view_of(watch);
	uint64_t end = min_u64(gfn + pages, watch->spec.pages);
	uint64_t first = gfn;
	for (uint64_t next; gfn < end; gfn = next) {
		struct s2_path path;
		const uint64_t *entry = s2_walk(locked.s2, (gfn_t){gfn}, &path);
		next = min_u64(align_down_u64(gfn, SPEC_REGION) + SPEC_REGION, end);
		if (path.level == 0) {
			compare_entries(&view, entry, gfn, next - gfn);
		} else if (!entry_is_same(&view, entry, path.level, gfn, next - gfn)) {
			for (uint64_t at = gfn; at < next; at++) {
				compare_page(watch, locked, at);
			}
		}
	}
	watch_count(&oracle_counts.pages, gfn - first);
}

/* ---- What a call was about ------------------------------------------------------------------- */

/* Regions are marked, and compared when all ranges were looked at. */
static void compare_extents(const struct watch *watch, struct s2_locked locked, uint64_t gfn,
			    uint64_t pages, uint64_t *regions)
{
	uint64_t end = min_u64(gfn + pages, watch->spec.pages);
	for (uint64_t next; gfn < end; gfn = next) {
		uint64_t region = gfn / SPEC_REGION;
		next = min_u64((region + 1) * SPEC_REGION, end);
		if (next - gfn == SPEC_REGION) {
			regions[region / 64] |= BIT(region % 64);
		} else {
			watch_pages(watch, locked, gfn, next - gfn);
		}
	}
}

/*
 * The pages that a range was about, as far as the call came, and of the next extent the first ones.
 * Was more of that changed, it stays so until watch_rest() comes by, or a call or touch finds
 * something else there than the specification has.
 */
static void compare_range(const struct watch *watch, struct s2_locked locked,
			  const struct aerostat_range *before, const struct aerostat_range *after,
			  uint64_t *regions)
{
	if (before->order > 18 || before->gfn >= watch->spec.pages || after->done < before->done) {
		return;
	}
	uint64_t gfn = before->gfn + ((uint64_t)before->done << before->order);
	uint64_t pages = ((uint64_t)after->done - before->done) << before->order;
	compare_extents(watch, locked, gfn, pages, regions);
	if (gfn + pages < watch->spec.pages) {
		watch_pages(watch, locked, gfn + pages,
			    min_u64(order_pages(before->order), NOT_DONE_PAGES));
	}
}

/* A region that several ranges are about is compared once. */
void watch_ranges(const struct watch *watch, struct s2_locked locked,
		  const struct aerostat_range *before, const struct aerostat_range *after,
		  unsigned count)
{
	uint64_t regions[SPEC_REGIONS_MAX / 64 + 1] = {0};
	for (unsigned i = 0; i < count; i++) {
		compare_range(watch, locked, &before[i], &after[i], regions);
	}
	for (uint64_t region = 0; region * SPEC_REGION < watch->spec.pages; region++) {
		if ((regions[region / 64] & BIT(region % 64)) != 0) {
			watch_pages(watch, locked, region * SPEC_REGION, SPEC_REGION);
		}
	}
}

/* ---- Frames ---------------------------------------------------------------------------------- */

static bool is_zero(pfn_t pfn)
{
	const uint64_t *words = pfn_to_virt(pfn);
	uint64_t any = 0;
#pragma GCC unroll 16
	for (unsigned i = 0; i < PAGE_BYTES / sizeof(*words); i++) {
		any |= words[i];
	}
	return any == 0;
}

/* Pages that have just got frames. With several vCPUs another one may have written already. */
void watch_zeros(const struct watch *watch, struct s2_locked locked, uint64_t gfn, uint64_t pages)
{
	uint64_t first = pages == 0 ? gfn : align_down_u64(gfn, pages);
	struct s2_slot slot = {.order = ORDER_4K};
	for (uint64_t i = 0; i < pages && watch->spec.vcpus == 1; i++) {
		bool same_extent = i % order_pages(slot.order) != 0;
		slot = same_extent ? slot : s2_lookup(locked, (gfn_t){first + i});
		if (!is_zero((pfn_t){slot.pfn.n + i % order_pages(slot.order)})) {
			watch_mismatch(watch, "a fresh page is not zero", first + i);
		}
	}
}

void watch_no_frames(const struct watch *watch)
{
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		struct frame_tag tag = frame_table[pfn].tag;
		if (tag.state == FRAME_GUEST && tag.owner == watch->s2->owner) {
			panic("oracle: %s: frame 0x%llx is its own still after its end",
			      vm_name(watch_vm(watch)), (unsigned long long)pfn);
		}
	}
}
