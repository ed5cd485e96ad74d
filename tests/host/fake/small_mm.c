/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See small_mm.h. A state is a copy of memory and of what mm/ keeps in statics, for which two of
 * its files are compiled into this one. Every table and page holds its non-zero words at known
 * places, so that a copy is small; that this is so is checked, too.
 */
#include "fake/small_mm.h"

#include <stdlib.h>
#include <string.h>

#include "fake/format.h"
#include "fake/phys.h"

#include "mm/pool.c"
#include "mm/promise.c"

#include "mm/audit.h"
#include "mm/memmap.h"
#include "mm/tlb.h"

#define FIRST 16ull /* a whole block of the pool begins here */
#define WORDS 9	    /* of a frame: the first eight and the last */

struct small_snapshot {
	uint64_t words[SMALL_FRAMES_MAX][WORDS];
	struct frame frames[SMALL_FRAMES_MAX];
	struct pool dirty;
	struct pool zeroed;
	uint64_t counts[FRAME_STATE_COUNT];
	uint64_t owed;
	uint64_t host_frame;
	uint8_t spaces[SMALL_VMS_MAX][offsetof(struct s2, tlb)];
	struct small_machine machines[SMALL_VMS_MAX];
};

const struct s2_format small_mm_format = {
	FAKE_FORMAT,
	.max_leaf_level = 0,
};

const struct small_mm *small_mm;
struct s2 small_spaces[SMALL_VMS_MAX];
struct small_machine small_machines[SMALL_VMS_MAX];
uint64_t small_host_frame;
static struct frame records[FIRST + SMALL_FRAMES_MAX];

/* ---- What processors may have cached: all that they could reach since the last flush ---- */

struct cached {
	bool held;
	uint8_t state;
	uint32_t gfn;
};

static struct cached cached[SMALL_VMS_MAX][FIRST + SMALL_FRAMES_MAX];

static uint64_t *frame_words(uint64_t pfn)
{
	return pfn_to_virt((pfn_t){pfn});
}

static void cache_frame(unsigned vm, uint64_t pfn)
{
	const struct frame *frame = &frame_table[pfn];
	uint32_t gfn = frame->tag.state == FRAME_GUEST ? frame->gfn : 0;
	cached[vm][pfn] = (struct cached){true, frame->tag.state, gfn};
}

/* What page walks find now: all tables on the only path that a few pages have, and the pages. */
static void cache_linked(unsigned vm)
{
	uint64_t table = small_spaces[vm].root.n;
	memset(cached[vm], 0, sizeof(cached[vm]));
	if (!small_machines[vm].exists || frame_table[table].tag.state != FRAME_HYPERVISOR) {
		return;
	}
	for (unsigned level = S2_LEVELS; level-- > 0;) {
		cache_frame(vm, table);
		const uint64_t *entries = frame_words(table);
		for (unsigned i = 0; level == 0 && i < small_mm->pages; i++) {
			if (entries[i] & small_mm_format.present_mask) {
				cache_frame(vm, (entries[i] & small_mm_format.address_mask) >>
							PAGE_SHIFT);
			}
		}
		if ((entries[0] & small_mm_format.present_mask) == 0) {
			return;
		}
		table = (entries[0] & small_mm_format.address_mask) >> PAGE_SHIFT;
	}
}

static void cache_reachable(unsigned vm)
{
	cache_linked(vm);
	for (uint64_t pfn = FIRST; pfn < FIRST + small_mm->frames; pfn++) {
		struct frame_tag tag = frame_table[pfn].tag;
		if (tag.state == FRAME_REVOKING && tag.owner == vm + 1) {
			cache_frame(vm, pfn);
		}
	}
}

void small_mm_note_reachable(void)
{
	for (unsigned vm = 0; vm < small_mm->vms; vm++) {
		cache_reachable(vm);
	}
}

uint64_t tlb_epoch_request(struct s2 *s2)
{
	return ++s2->tlb.requested;
}

bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch)
{
	return s2->tlb.seen[0] >= epoch;
}

void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch)
{
	assert_true(epoch == s2->tlb.requested);
	s2->tlb.seen[0] = epoch;
	cache_linked((unsigned)(s2 - small_spaces));
}

static void check_cached(unsigned vm)
{
	for (uint64_t pfn = FIRST; pfn < FIRST + small_mm->frames; pfn++) {
		const struct cached *entry = &cached[vm][pfn];
		struct frame_tag tag = frame_table[pfn].tag;
		if (!entry->held) {
			continue;
		}
		bool same = tag.state == entry->state &&
			    (tag.state != FRAME_GUEST || frame_table[pfn].gfn == entry->gfn);
		if (tag.owner != vm + 1 || (!same && tag.state != FRAME_REVOKING)) {
			fail_msg("frame %llu of VM %u can still be reached, but is state=%u "
				 "owner=%u now",
				 (unsigned long long)pfn, vm + 1, tag.state, tag.owner);
		}
	}
}

/* ---- Contents ---- */

static uint64_t *frame_word(uint64_t pfn, unsigned i)
{
	return frame_words(pfn) + (i < WORDS - 1 ? i : PAGE_BYTES / 8 - 1);
}

static uint64_t pattern(unsigned vm, unsigned gfn)
{
	return 0x5ec7e70000000000 | (uint64_t)(vm + 1) << 32 | (gfn + 1);
}

void small_mm_expect_zero(uint64_t pfn, const char *what)
{
	const uint64_t *words = frame_words(pfn);
	if (words[0] != 0 || memcmp(words, words + 1, PAGE_BYTES - 8) != 0) {
		fail_msg("frame %llu is %s and not zero", (unsigned long long)pfn, what);
	}
}

void small_mm_fill(unsigned vm, unsigned gfn, uint64_t pfn)
{
	small_mm_expect_zero(pfn, "given to a guest");
	for (unsigned i = 0; i < WORDS; i++) {
		*frame_word(pfn, i) = pattern(vm, gfn);
	}
}

static void check_contents(unsigned vm, unsigned gfn, uint64_t pfn)
{
	for (unsigned i = 0; i < WORDS; i++) {
		if (*frame_word(pfn, i) != pattern(vm, gfn)) {
			fail_msg("VM %u page %u has other contents", vm + 1, gfn);
		}
	}
}

/* ---- Checks after each step ---- */

static uint64_t of_kind(const struct small_machine *machine, enum s2_kind kind)
{
	uint64_t count = 0;
	for (unsigned gfn = 0; gfn < small_mm->pages; gfn++) {
		count += machine->slots[gfn].kind == kind ? 1 : 0;
	}
	return count;
}

static void check_machine(unsigned vm)
{
	const struct small_machine *machine = &small_machines[vm];
	struct s2_locked locked = s2_lock(&small_spaces[vm]);
	for (unsigned gfn = 0; gfn < small_mm->pages; gfn++) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		const struct small_slot *expected = &machine->slots[gfn];
		assert_int_equal(slot.kind, expected->kind);
		assert_int_equal(slot.pinned, expected->pinned);
		if (slot.kind == S2_MAPPED) {
			check_contents(vm, gfn, slot.pfn.n);
		}
	}
	s2_unlock(locked);
	assert_int_equal(small_spaces[vm].mapped_pages, of_kind(machine, S2_MAPPED));
	assert_int_equal(small_spaces[vm].ballooned_pages, of_kind(machine, S2_BALLOONED));
}

void small_mm_check(void)
{
	struct s2 *existing[SMALL_VMS_MAX];
	struct audit_report report;
	unsigned count = 0;
	for (unsigned vm = 0; vm < small_mm->vms; vm++) {
		check_cached(vm);
		if (small_machines[vm].exists) {
			check_machine(vm);
			existing[count++] = &small_spaces[vm];
		}
	}
	audit_run(existing, count, &report);
	if (report.error_count != 0) {
		fail_msg("audit: %s", report.first_error);
	}
	fake_locks_check();
	assert_true(promise_owed() <= frame_count_free() + frame_count(FRAME_REVOKING));
	for (uint64_t pfn = FIRST; pfn < FIRST + small_mm->frames;) {
		struct frame_tag tag = frame_table[pfn].tag;
		for (uint64_t i = 0; tag.state == FRAME_ZEROED && i < order_pages(tag.order); i++) {
			small_mm_expect_zero(pfn + i, "ZEROED");
		}
		pfn += order_pages(tag.order);
	}
}

/* ---- States ---- */

/* Nothing is anywhere but where a snapshot looks. */
static void check_places(uint64_t pfn)
{
	const uint64_t *words = frame_words(pfn) + WORDS - 1;
	size_t rest = PAGE_BYTES - WORDS * 8;
	assert_true(words[0] == 0 && memcmp(words, words + 1, rest - 8) == 0);
}

struct small_snapshot *small_mm_save(void)
{
	struct small_snapshot *to = calloc(1, sizeof(*to));
	assert_non_null(to);
	for (unsigned i = 0; i < small_mm->frames; i++) {
		check_places(FIRST + i);
		for (unsigned word = 0; word < WORDS; word++) {
			to->words[i][word] = *frame_word(FIRST + i, word);
		}
	}
	memcpy(to->frames, records + FIRST, sizeof(to->frames));
	to->dirty = dirty_pool;
	to->zeroed = zeroed_pool;
	memcpy(to->counts, frame_counts, sizeof(to->counts));
	to->owed = owed_pages;
	to->host_frame = small_host_frame;
	for (unsigned vm = 0; vm < SMALL_VMS_MAX; vm++) {
		memcpy(to->spaces[vm], &small_spaces[vm], sizeof(to->spaces[vm]));
	}
	memcpy(to->machines, small_machines, sizeof(small_machines));
	return to;
}

void small_mm_restore(const struct small_snapshot *from)
{
	for (unsigned i = 0; i < small_mm->frames; i++) {
		for (unsigned word = 0; word < WORDS; word++) {
			*frame_word(FIRST + i, word) = from->words[i][word];
		}
	}
	memcpy(records + FIRST, from->frames, sizeof(from->frames));
	dirty_pool = from->dirty;
	zeroed_pool = from->zeroed;
	memcpy(frame_counts, from->counts, sizeof(from->counts));
	owed_pages = from->owed;
	small_host_frame = from->host_frame;
	for (unsigned vm = 0; vm < SMALL_VMS_MAX; vm++) {
		memcpy((void *)&small_spaces[vm], from->spaces[vm], sizeof(from->spaces[vm]));
	}
	memcpy(small_machines, from->machines, sizeof(small_machines));
}

static uint64_t mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93;
	return value ^ value >> 32;
}

uint64_t small_mm_key(void)
{
	uint64_t key = small_host_frame != 0;
	for (unsigned vm = 0; vm < small_mm->vms; vm++) {
		const struct small_machine *machine = &small_machines[vm];
		uint64_t slots = machine->exists;
		for (unsigned gfn = 0; gfn < small_mm->pages; gfn++) {
			slots = slots * 8 + machine->slots[gfn].kind * 2 +
				(machine->slots[gfn].pinned ? 1 : 0);
		}
		key = mix(key + slots);
		if (machine->exists) {
			const struct promise *promise = &small_spaces[vm].promise;
			key = mix(key + (small_spaces[vm].table_pages << 48 |
					 small_spaces[vm].revoking_pages << 32 |
					 promise->held_pages << 16 | promise->table_pages));
		}
	}
	uint64_t sum = 0;
	for (uint64_t pfn = FIRST; pfn < FIRST + small_mm->frames; pfn++) {
		const struct frame *frame = &frame_table[pfn];
		uint64_t word = frame_tag_word(frame->tag);
		word |= frame->tag.state == FRAME_GUEST ? (uint64_t)(frame->gfn + 1) << 32 : 0;
		sum += mix(word | (small_mm->exact ? pfn << 48 : 0));
	}
	return mix(key + sum) | 1; /* never 0 */
}

/* ---- Beginning and end ---- */

void small_mm_start(const struct small_mm *wanted)
{
	static struct memmap available;
	static struct memmap nothing;
	small_mm = wanted;
	fake_locks_reset();
	fake_phys_start(FIRST + small_mm->frames);
	available.count = 1;
	available.regions[0] = (struct memmap_region){FIRST << PAGE_SHIFT,
						      (FIRST + small_mm->frames) << PAGE_SHIFT};
	frame_table_init(records, FIRST + small_mm->frames, &available, &nothing);
	owed_pages = 0;
	promise_reserve_set(small_mm->reserve);
	memset(small_machines, 0, sizeof(small_machines));
	memset(cached, 0, sizeof(cached));
	small_host_frame = 0;
	for (unsigned i = 0; i < small_mm->frames; i++) {
		for (unsigned word = 0; word < WORDS; word++) {
			*frame_word(FIRST + i, word) = 0xf0f0f0f0f0f0f0f0; /* a former owner's */
		}
	}
}

void small_mm_stop(void)
{
	frame_alloc_fail_at = 0;
	promise_reserve_set(0);
	fake_locks_reset();
	fake_phys_stop();
}
