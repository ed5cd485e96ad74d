/* SPDX-License-Identifier: BSD-2-Clause */
/* See turns.h. */
#include "kernel/overcommit/policies/turns.h"

#include "base/bits.h"

#define FEW_PARTS 8	/* so small a part of them may as well go into the heap */
#define NARROWER_BITS 4 /* a closer look that gains less is not worth it */

/* A part of the scale of keys, both ends included; the place of each is (key - low) >> shift. */
struct range {
	uint64_t low;
	uint64_t width;
	unsigned shift;
};

static struct range range_of(uint64_t low, uint64_t width)
{
	unsigned bits = width != 0 ? 64 - (unsigned)__builtin_clzll(width) : 0;
	unsigned shift = bits > TURNS_PLACES_BITS ? bits - TURNS_PLACES_BITS : 0;
	return (struct range){low, width, shift};
}

/*
 * Sums up those with one turn; all keys are in the range, or some. Returns what those have that may
 * have several.
 */
static inline uint64_t sum_up_places(const struct turns *turns, struct policy_vm *vms,
				     unsigned count, struct range range, bool all)
{
	uint64_t several = 0;
	for (unsigned i = 0; i < TURNS_PLACES; i++) {
		vms[i].rank.place_pages = 0;
		vms[i].rank.place_count = 0;
	}
	for (unsigned i = 0; i < count; i++) {
		uint64_t room = vms[i].rank.room_pages;
		uint64_t offset = vms[i].rank.key - (all ? 0 : range.low);
		if (room - 1 >= turns->step) {
			several += room; /* or none */
		} else if (all || offset <= range.width) {
			vms[offset >> range.shift].rank.place_pages += room;
			vms[offset >> range.shift].rank.place_count++;
		}
	}
	return several;
}

/* From the least to the largest key of those with one turn in a part of the scale. */
static struct range closer_range(const struct turns *turns, const struct policy_vm *vms,
				 unsigned count, uint64_t low, uint64_t width)
{
	uint64_t least = width;
	uint64_t most = 0;
	for (unsigned i = 0; i < count; i++) {
		uint64_t offset = vms[i].rank.key - low;
		if (offset <= width && vms[i].rank.room_pages - 1 < turns->step) {
			least = min_u64(least, offset);
			most = max_u64(most, offset);
		}
	}
	return range_of(low + least, most - least);
}

/* Looks at all keys, and closer at those between the two bounds, while there are many. */
void turns_sum_up(struct turns *turns, struct policy_vm *vms, unsigned count)
{
	struct range range = range_of(0, turns->most_key);
	uint64_t met = 0; /* by all that are sure */
	uint64_t several = sum_up_places(turns, vms, count, range, true);
	for (bool closer = true; closer;) {
		unsigned sure = TURNS_PLACES;
		unsigned between = 0;
		uint64_t most = sub_floor_u64(turns->need, several);
		while (sure > 0 && met + vms[sure - 1].rank.place_pages <= most) {
			met += vms[--sure].rank.place_pages;
		}
		uint64_t end = met;
		unsigned vain = sure;
		while (vain > 0 && end < turns->need) {
			vain--;
			end += vms[vain].rank.place_pages;
			between += vms[vain].rank.place_count;
		}
		/* Otherwise none but those of before, as is the next. */
		if (sure <= range.width >> range.shift) {
			turns->at_once_pages = turns->step;
			turns->sure_key = range.low + ((uint64_t)sure << range.shift);
		}
		uint64_t low = range.low + ((uint64_t)vain << range.shift);
		if (end >= turns->need) {
			turns->vain_key = low;
			turns->tied = range.shift == 0 && sure - vain == 1;
		}
		turns->tied_sure_pages = sub_floor_u64(most, met);
		turns->tied_need_pages = turns->need - met;
		uint64_t width = ((uint64_t)(sure - vain) << range.shift) - 1;
		closer = between > count / FEW_PARTS && range.shift > 0 &&
			 width <= range.width >> NARROWER_BITS;
		if (closer) {
			range = closer_range(turns, vms, count, low, width);
			(void)sum_up_places(turns, vms, count, range, false);
		}
	}
}

bool turns_take_tied(struct turns *turns, uint64_t room, bool *vain)
{
	bool sure = room <= turns->tied_sure_pages;
	*vain = turns->tied_need_pages == 0;
	turns->tied_sure_pages = sub_floor_u64(turns->tied_sure_pages, room);
	turns->tied_need_pages = sub_floor_u64(turns->tied_need_pages, room);
	return sure;
}
