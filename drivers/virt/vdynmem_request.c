/* SPDX-License-Identifier: BSD-2-Clause */
/* See vdynmem_request.h. */
#include "drivers/virt/vdynmem_request.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "drivers/virt/vdynmem_protocol.h"
#include "drivers/virt/vdynmem_send.h"
#include "kernel/balloon/find.h"
#include "kernel/balloon/ranges.h"
#include "mm/promise.h"

#define ASK_PAGES_MAX 16384u  /* of one request: it cannot be taken back */
#define ASK_PAGES_LEAST 32u   /* there are frames for that in the reserve for drivers */
#define BACK_PAGES_MAX 16384u /* of one message: the driver frees them without a pause */
#define BACK_RUNS_MAX 16u
#define PIECES_MAX 3u /* of a run: up to 2 MiB, large ones, the rest */
#define CALL_RANGES_MAX (BACK_RUNS_MAX * PIECES_MAX)
#define TRIES_MAX 200u /* without memory for a page table, before a range stays as it is */

#define NO_ARRAY ((gfn_t){UINT64_MAX})

/* A run as ranges of the balloon's calls. Answers how many. */
static unsigned split(uint64_t gfn, uint64_t pages, struct aerostat_range *ranges)
{
	const uint64_t large = order_pages(ORDER_2M);
	const uint64_t head = min_u64(align_up_u64(gfn, large) - gfn, pages);
	const uint64_t middle = (pages - head) / large;
	const uint64_t tail = pages - head - middle * large;
	const struct aerostat_range pieces[PIECES_MAX] = {
		{.gfn = gfn, .count = (uint32_t)head},
		{.gfn = gfn + head, .count = (uint32_t)middle, .order = ORDER_2M},
		{.gfn = gfn + pages - tail, .count = (uint32_t)tail},
	};
	unsigned count = 0;

	for (unsigned i = 0; i < PIECES_MAX; i++) {
		if (pieces[i].count > 0) {
			ranges[count] = pieces[i];
			count++;
		}
	}
	return count;
}

static uint64_t done_pages(const struct aerostat_range *range)
{
	return (uint64_t)range->done << range->order;
}

/* ---- the driver gives ------------------------------------------------------------------------ */

static const uint64_t *answer_ranges(const struct vdynmem *memory)
{
	return memory->packet + sizeof(struct dynmem_balloon_response) / sizeof(uint64_t);
}

void vdynmem_answer_begin(struct vdynmem *memory, const struct vdynmem_place *place)
{
	const struct dynmem_balloon_response *answer = (const void *)memory->packet;
	unsigned count = answer->ranges >> 1;

	if (count > (answer->header.bytes - sizeof(*answer)) / sizeof(uint64_t)) {
		vdynmem_send_stop(memory, place,
				  "it gives more ranges than there are in its message");
		return;
	}
	memory->answer_is_last = !(answer->ranges & 1);
	memory->answer_is_there = true;
	memory->range_count = count;
	memory->range_at = 0;
	memory->range_done = 0;
	memory->tries = 0;
}

/* The ranges from where the work stands on, as many as one call takes. */
static unsigned gather(const struct vdynmem *memory, struct aerostat_range *ranges)
{
	uint64_t done = memory->range_done;
	unsigned found = 0;

	for (unsigned i = memory->range_at;
	     i < memory->range_count && found + PIECES_MAX <= CALL_RANGES_MAX; i++) {
		uint64_t range = answer_ranges(memory)[i];
		found += split(dynmem_range_gfn(range) + done, dynmem_range_pages(range) - done,
			       ranges + found);
		done = 0;
	}
	return found;
}

/* So many pages of the answer are done, or passed over. */
static void advance(struct vdynmem *memory, uint64_t pages)
{
	memory->range_done += pages;
	while (memory->range_at < memory->range_count) {
		uint64_t all = dynmem_range_pages(answer_ranges(memory)[memory->range_at]);
		if (memory->range_done < all) {
			break;
		}
		memory->range_done -= all;
		memory->range_at++;
	}
}

static void note_given(struct vdynmem *memory, uint64_t pages)
{
	memory->given_pages += pages;
	memory->available_pages = sub_floor_u64(memory->available_pages, pages);
	memory->committed_pages += pages; /* the driver counts them so */
}

/* The last answer to a request. One that gives less than it was asked for has come to its floor. */
static void finish_answer(struct vdynmem *memory)
{
	memory->answer_is_there = false;
	memory->range_count = 0;
	if (!memory->answer_is_last) {
		return;
	}
	memory->state = VDYNMEM_READY;
	if (memory->given_pages < memory->asked_pages) {
		memory->floor_pages = memory->available_pages;
		memory->floor_is_fresh = true;
	}
}

/* There was no memory to cut a large entry: in a while, but not for ever. */
static bool try_again(struct vdynmem *memory, const struct vdynmem_place *place,
		      const struct aerostat_range *range)
{
	if (memory->tries++ < TRIES_MAX) {
		vdynmem_send_later(memory, place);
		return false;
	}
	vm_log(place->guest.vm, "the balloon leaves out pages=%u gfn=0x%lx: no memory",
	       (range->count - range->done) << range->order, range->gfn);
	memory->tries = 0;
	advance(memory, (uint64_t)(range->count - range->done) << range->order);
	memory->next_tsc = place->now_tsc;
	return false;
}

/* What the core says of a range that is not finished. */
static bool refused(struct vdynmem *memory, const struct vdynmem_place *place,
		    const struct aerostat_range *range)
{
	switch (range->status) {
	case AEROSTAT_RANGE_PENDING:
		memory->next_tsc = place->now_tsc;
		return false;
	case AEROSTAT_RANGE_NO_MEMORY:
		return try_again(memory, place, range);
	}
	vdynmem_send_stop(memory, place, "it gives pages that it does not have");
	return false;
}

bool vdynmem_answer_step(struct vdynmem *memory, const struct vdynmem_place *place)
{
	struct aerostat_range ranges[CALL_RANGES_MAX];

	if (!memory->answer_is_there) {
		return true;
	}
	advance(memory, 0); /* past ranges of no pages */
	unsigned count = gather(memory, ranges);
	if (count > 0) {
		(void)balloon_run_ranges(place->guest.locked, place->guest.vm, BALLOON_SURRENDER,
					 ranges, count, NO_ARRAY);
	}
	for (unsigned i = 0; i < count; i++) {
		note_given(memory, done_pages(&ranges[i]));
		advance(memory, done_pages(&ranges[i]));
		if (ranges[i].status != AEROSTAT_RANGE_OK) {
			return refused(memory, place, &ranges[i]);
		}
	}
	if (memory->range_at < memory->range_count) {
		memory->next_tsc = place->now_tsc;
		return false;
	}
	finish_answer(memory);
	return true;
}

/* ---- requests -------------------------------------------------------------------------------- */

static struct dynmem_header header(struct vdynmem *memory, uint16_t type, size_t bytes)
{
	return (struct dynmem_header){type, (uint16_t)bytes, ++memory->transaction};
}

/*
 * The most that one request may ask for. Linux clears pages before it gives them, and gives none
 * before it has all of a request. Those that have no frame get one for that; if there were not
 * enough, the VM would wait for frames that it is about to give. So no more than there are frames
 * for, whichever pages it takes.
 */
static uint64_t ask_most(const struct vdynmem *memory, const struct vdynmem_place *place)
{
	const struct s2 *s2 = &place->guest.vm->s2;
	uint64_t assigned =
		sub_floor_u64(memory->boot_pages + memory->added_pages, s2->ballooned_pages);
	uint64_t unbacked = sub_floor_u64(assigned, s2->mapped_pages);
	uint64_t frames = ASK_PAGES_LEAST + promise_spare() / 2;

	return unbacked <= frames ? ASK_PAGES_MAX : min_u64(frames, ASK_PAGES_MAX);
}

/* Never for what the driver has said that it needs: it would be asked in vain. */
static void ask(struct vdynmem *memory, struct vdynmem_place *place, uint64_t pages)
{
	pages = min_u64(min_u64(pages, ask_most(memory, place)), place->page->free_pages);
	if (pages == 0) {
		return;
	}
	struct dynmem_balloon message = {
		.header = header(memory, DYNMEM_BALLOON, sizeof(message)),
		.pages = (uint32_t)pages,
	};
	if (vdynmem_send(memory, place, &message, sizeof(message))) {
		struct vm *vm = place->guest.vm;
		vm->balloon.under_way_pages = vm->s2.ballooned_pages + pages;
		memory->asked_pages = pages;
		memory->given_pages = 0;
		memory->state = VDYNMEM_BALLOON;
	}
}

struct back_message {
	struct dynmem_unballoon head;
	uint64_t ranges[CALL_RANGES_MAX];
};

/* What is in the balloon, up to `pages`, as ranges for one call. */
static unsigned find_back(struct vdynmem *memory, const struct vdynmem_place *place, uint64_t pages,
			  struct aerostat_range *ranges)
{
	uint64_t work = AEROSTAT_CALL_WORK_MAX;
	unsigned count = 0;

	for (unsigned i = 0; i < BACK_RUNS_MAX && pages > 0; i++) {
		struct balloon_run run = balloon_find_run(place->guest.locked, place->guest.vm,
							  pages, &memory->find_next, &work);
		if (run.pages == 0) {
			break;
		}
		count += split(run.gfn, run.pages, ranges + count);
		pages -= run.pages;
	}
	return count;
}

/* They leave the balloon; what did so goes into the message. Answers how many pages. */
static uint64_t take_back(struct vdynmem *memory, const struct vdynmem_place *place,
			  struct aerostat_range *ranges, unsigned count,
			  struct back_message *message)
{
	uint64_t pages = 0;
	unsigned taken = 0;

	(void)balloon_run_ranges(place->guest.locked, place->guest.vm, BALLOON_RETURN, ranges,
				 count, NO_ARRAY);
	for (unsigned i = 0; i < count; i++) {
		if (done_pages(&ranges[i]) > 0) {
			message->ranges[taken++] =
				dynmem_range(ranges[i].gfn, done_pages(&ranges[i]));
			pages += done_pages(&ranges[i]);
		}
		if (ranges[i].status != AEROSTAT_RANGE_OK) {
			memory->find_next = ranges[i].gfn + done_pages(&ranges[i]);
			break;
		}
	}
	size_t bytes = sizeof(message->head) + taken * sizeof(message->ranges[0]);
	message->head = (struct dynmem_unballoon){
		.header = header(memory, DYNMEM_UNBALLOON, bytes),
		.ranges = taken,
	};
	return pages;
}

/*
 * The pages leave the balloon first, so that they can be touched when the driver hears of them. So
 * there has to be room for the message before.
 */
static void give_back(struct vdynmem *memory, struct vdynmem_place *place, uint64_t pages)
{
	struct aerostat_range ranges[CALL_RANGES_MAX];
	struct back_message message;

	if (!vdynmem_send_done(memory, place,
			       vvmring_room(place->to_guest, &place->guest, sizeof(message)))) {
		return;
	}
	unsigned count = find_back(memory, place, min_u64(pages, BACK_PAGES_MAX), ranges);
	if (count == 0) {
		memory->next_tsc = place->now_tsc; /* not found yet: there is something */
		return;
	}
	uint64_t taken = take_back(memory, place, ranges, count, &message);
	if (taken == 0) {
		vdynmem_send_later(memory, place); /* no memory to cut an entry */
		return;
	}
	memory->available_pages += taken;
	memory->committed_pages = sub_floor_u64(memory->committed_pages, taken);
	if (vdynmem_send(memory, place, &message, message.head.header.bytes)) {
		memory->state = VDYNMEM_UNBALLOON;
	} else if (memory->state != VDYNMEM_STOPPED) {
		vdynmem_send_stop(memory, place, "the guest has filled the ring to itself");
	}
}

/* More RAM than it has, up to max=: when it wants some, has none in the balloon, and others none.
 */
static void add(struct vdynmem *memory, struct vdynmem_place *place)
{
	const struct aerostat_balloon_page *page = place->page;
	uint64_t gfn =
		max_u64(memory->add_gfn, align_up_u64(memory->boot_pages, memory->align_pages));

	if (!memory->may_add || page->wanted_pages == 0 ||
	    page->pressure != AEROSTAT_PRESSURE_NONE || place->now_tsc < memory->add_tsc ||
	    gfn + memory->align_pages > place->guest.vm->s2.limit_pages) {
		return;
	}
	struct dynmem_hot_add message = {
		.header = header(memory, DYNMEM_HOT_ADD, sizeof(message)),
		.range = dynmem_range(gfn, memory->align_pages),
		.region = dynmem_range(gfn, memory->align_pages),
	};
	if (vdynmem_send(memory, place, &message, sizeof(message))) {
		memory->add_gfn = gfn;
		memory->state = VDYNMEM_HOT_ADD;
	}
}

void vdynmem_request(struct vdynmem *memory, struct vdynmem_place *place)
{
	uint64_t size = place->guest.vm->s2.ballooned_pages;
	uint64_t target = __atomic_load_n(&place->page->target_pages, __ATOMIC_RELAXED);

	if (memory->state != VDYNMEM_READY || !place->attached) {
		return;
	}
	place->guest.vm->balloon.under_way_pages = 0;
	vdynmem_publish(memory, place);
	if (target > size) {
		ask(memory, place, target - size);
	} else if (target < size) {
		give_back(memory, place, size - target);
	} else if (size == 0) {
		add(memory, place);
	}
}
