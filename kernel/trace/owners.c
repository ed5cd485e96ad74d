/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See owners.h. Tags are read one by one without a lock (mm/frame.h): a frame that changes hands
 * meanwhile is seen as before or as after, and is looked at again in the next round. A window that
 * differs is read a second time, and that reading is recorded and remembered.
 */
#include "kernel/trace/owners.h"

#include "base/bits.h"
#include "base/time.h"
#include "base/trace.h"
#include "kernel/trace/trace.h"
#include "mm/alloc.h"
#include "mm/frame_extent.h"
#include "mm/phys.h"

#define ROUND_MS 10   /* a round begins no sooner after the last one began */
#define STEP_LOOKS 64 /* at extents; what a window needs beyond it is looked at still */

/* FNV-1a, 64 bits: the sum of a window, by which a change is noticed. */
#define SUM_BASIS 0xcbf29ce484222325ull
#define SUM_PRIME 0x100000001b3ull
#define SUM_NONE 0 /* not looked at yet */

static uint64_t *sums; /* of each window; NULL: none */
static pfn_t sums_frame;
static uint64_t lost_before; /* records, when the last round began */
static uint64_t next_window;
static uint64_t next_round_tsc;

void trace_owners_reset(void)
{
	sums = NULL;
	next_window = 0;
	next_round_tsc = 0;
}

static uint64_t window_count(void)
{
	return (frame_table_count + TRACE_WINDOW_PAGES - 1) / TRACE_WINDOW_PAGES;
}

static struct frame_tag tag_of_sums(void)
{
	unsigned order = 0;

	while ((PAGE_BYTES << order) < window_count() * sizeof(*sums)) {
		order++;
	}
	return (struct frame_tag){FRAME_HYPERVISOR, (uint8_t)order, VM_ID_HOST};
}

static void forget_windows(void)
{
	for (uint64_t i = 0; i < window_count(); i++) {
		sums[i] = SUM_NONE;
	}
}

enum status trace_owners_prepare(struct error *error)
{
	struct frame_tag tag = tag_of_sums();
	pfn_t frame;

	if (sums != NULL) {
		return STATUS_OK;
	}
	if (tag.order > FRAME_ORDER_MAX || frame_alloc(tag.order, tag, &frame) != STATUS_OK) {
		return error_set(error, STATUS_NO_MEMORY,
				 "there is no memory for a trace of frames: it needs %luK in a row",
				 (PAGE_BYTES << tag.order) >> 10);
	}
	sums_frame = frame;
	sums = pfn_to_virt(frame);
	forget_windows();
	return STATUS_OK;
}

void trace_owners_release(void)
{
	if (sums != NULL) {
		sums = NULL;
		frame_free(sums_frame, tag_of_sums());
	}
}

/* Frames of one look, side by side. */
struct run {
	uint64_t first;
	uint64_t pages;
	vm_id_t owner;
	uint64_t look; /* the second word, without pages and TRACE_EXTENT_LAST */
};

static uint64_t sum_of(uint64_t sum, uint64_t value)
{
	return (sum ^ value) * SUM_PRIME;
}

/* A run has ended: it is part of the sum, and of the recording if that is wanted. */
static uint64_t close_run(const struct run *run, uint64_t sum, bool record, bool last)
{
	if (run->pages == 0) {
		return sum;
	}
	uint64_t what = run->look | run->pages;
	if (record) {
		trace_note(TRACE_extent, trace_who(run->owner, 0), run->first,
			   what | (last ? TRACE_EXTENT_LAST : 0));
	}
	return sum_of(sum_of(sum, what), run->owner);
}

/* The frames from `pfn` on that have one look, as far as the table says at once; before `end`. */
static struct run look_at(uint64_t pfn, uint64_t end)
{
	struct frame_tag tag;
	uint64_t head;

	if (!frame_extent_now(pfn, &head, &tag)) {
		return (struct run){pfn, 1, VM_ID_HOST, 0};
	}
	uint64_t look = (uint64_t)tag.state << TRACE_EXTENT_STATE_SHIFT;
	if (tag.order >= ORDER_2M) {
		look |= TRACE_EXTENT_LARGE;
	}
	return (struct run){pfn, min_u64(head + order_pages(tag.order), end) - pfn, tag.owner,
			    look};
}

/* Reads a window. Returns its sum; *looks is less by what it took. */
static uint64_t read_window(uint64_t window, bool record, unsigned *looks)
{
	uint64_t pfn = window * TRACE_WINDOW_PAGES;
	uint64_t end = min_u64(pfn + TRACE_WINDOW_PAGES, frame_table_count);
	uint64_t sum = SUM_BASIS;
	struct run run = {0};

	while (pfn < end) {
		struct run next = look_at(pfn, end);
		*looks = (unsigned)sub_floor_u64(*looks, 1);
		pfn += next.pages;
		if (run.pages != 0 && next.owner == run.owner && next.look == run.look) {
			run.pages += next.pages;
			continue;
		}
		sum = close_run(&run, sum, record, false);
		run = next;
	}
	sum = close_run(&run, sum, record, true);
	return sum == SUM_NONE ? SUM_BASIS : sum;
}

void trace_owners_step(uint64_t now_tsc)
{
	unsigned looks = STEP_LOOKS;

	if (sums == NULL || (next_window == 0 && now_tsc < next_round_tsc)) {
		return;
	}
	if (next_window == 0) {
		next_round_tsc = now_tsc + ticks_from_ms(ROUND_MS);
		/* A lost record may have been a window's: all of them are said once more. */
		uint64_t lost = trace_sums().lost;
		if (lost != lost_before) {
			lost_before = lost;
			forget_windows();
		}
	}
	while (looks > 0) {
		if (read_window(next_window, false, &looks) != sums[next_window]) {
			/* One window a step: the caller sees to it that there is room for one. */
			sums[next_window] = read_window(next_window, true, &looks);
			looks = 0;
		}
		next_window++;
		if (next_window == window_count()) {
			next_window = 0;
			return;
		}
	}
}
