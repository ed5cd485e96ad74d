/* SPDX-License-Identifier: BSD-2-Clause */
/* See vhyperv_hint.h. */
#include "drivers/virt/vhyperv_hint.h"

#include "base/bits.h"
#include "drivers/virt/vhyperv.h"
#include "kernel/balloon/ranges.h"

#define CONTROL_COUNT(control) ((unsigned)((control) >> 32 & 0xfff))
#define CONTROL_START(control) ((unsigned)((control) >> 48 & 0xfff))
#define RESULT_DONE(count) ((uint64_t)(count) << 32)

#define RANGES_MAX (PAGE_BYTES / sizeof(uint64_t) - 1) /* behind a word that says what is meant */
#define HINT_COLD_DISCARD 2u
#define HINT_MASK 3u

/* A range: number of pages less one, and whether they are large ones. */
#define RANGE_COUNT(range) ((uint32_t)((range)&0x7ff) + 1)
#define RANGE_LARGE BIT(11)
#define RANGE_GIGABYTES BIT(12)
#define RANGE_SIZE_MASK (BIT(21) - BIT(12))

/* Most units of work that a call begins a further range with. */
#define WORK_MAX AEROSTAT_CALL_WORK_MAX

static struct aerostat_range range_of(uint64_t hint)
{
	uint64_t gfn = hint >> PAGE_SHIFT;
	uint8_t order = ORDER_4K;

	if (hint & RANGE_LARGE) {
		order = (hint & RANGE_SIZE_MASK) == RANGE_GIGABYTES ? ORDER_1G : ORDER_2M;
		gfn = align_down_u64(gfn, order_pages(order));
	}
	return (struct aerostat_range){.gfn = gfn, .count = RANGE_COUNT(hint), .order = order};
}

/*
 * The pages of one range are discarded, all of them, because the guest cannot be told of half of
 * it. What the core refuses stays as it is: a hint is no promise. Answers the work.
 */
static unsigned discard(const struct vguest *guest, uint64_t hint)
{
	struct aerostat_range range = range_of(hint);
	unsigned work = range.count;
	uint32_t before;

	do {
		before = range.done;
		(void)balloon_run_ranges(guest->locked, guest->vm, BALLOON_REPORT, &range, 1,
					 (gfn_t){UINT64_MAX});
	} while (range.status == AEROSTAT_RANGE_PENDING && range.done > before);
	return work;
}

uint64_t vhyperv_memory_hint(const struct vguest *guest, uint64_t control, uint64_t input)
{
	uint64_t words[PAGE_BYTES / sizeof(uint64_t) / 8];
	unsigned count = CONTROL_COUNT(control);
	unsigned at = CONTROL_START(control);
	unsigned work = 0;
	uint64_t kind;

	if (control & VHYPERV_CALL_FAST || count == 0 || count > RANGES_MAX || at >= count) {
		return VHYPERV_BAD_INPUT;
	}
	if (!is_aligned_u64(input, sizeof(uint64_t)) ||
	    (input & (PAGE_BYTES - 1)) + (count + 1) * sizeof(uint64_t) > PAGE_BYTES) {
		return VHYPERV_BAD_ALIGNMENT;
	}
	if (vguest_read(guest, input, &kind, sizeof(kind)) != STATUS_OK ||
	    (kind & HINT_MASK) != HINT_COLD_DISCARD) {
		return VHYPERV_BAD_PARAMETER;
	}
	/* As many at once as one call takes: the others are the next call's. */
	unsigned some = (unsigned)min_u64(count - at, ARRAY_COUNT(words));
	if (vguest_read(guest, input + (1 + at) * sizeof(uint64_t), words,
			some * sizeof(uint64_t)) != STATUS_OK) {
		return VHYPERV_BAD_PARAMETER;
	}
	for (unsigned i = 0; i < some && work < WORK_MAX; i++) {
		work += discard(guest, words[i]);
		at++;
	}
	return VHYPERV_OK | RESULT_DONE(at);
}
