/* SPDX-License-Identifier: BSD-2-Clause */
/* See vballoon_queue.h. */
#include "drivers/virt/vballoon_queue.h"

#include "base/bits.h"
#include "base/time.h"
#include "kernel/balloon/page_list.h"
#include "mm/guest_copy.h"

#define FRAME_NUMBER_BYTES 4u /* le32, of 4 KiB whatever the guest's page size is */
#define ASK_MS 1000u
#define TRIES_MAX 100u /* of a page whose table cannot be split; then it is skipped */

static const gfn_t no_array = {UINT64_MAX};

static enum vballoon_step step_of(enum vring_outcome outcome)
{
	switch (outcome) {
	case VRING_DONE:
		return VBALLOON_MORE;
	case VRING_NONE:
		return VBALLOON_IDLE;
	case VRING_LATER:
		return VBALLOON_WAIT;
	case VRING_BROKEN:
		break;
	}
	return VBALLOON_BROKEN;
}

/* ---- what the driver has written ---- */

/*
 * The next `bytes` that the device may read, or as many as the chain has; *got says. Pieces that
 * are for writing are none of it.
 */
static enum status read_on(struct vballoon_job *job, struct s2_locked locked, uint8_t *to,
			   size_t bytes, size_t *got)
{
	enum status status = STATUS_OK;

	*got = 0;
	while (status == STATUS_OK && *got < bytes && job->piece < job->chain.count) {
		const struct vring_piece *piece = &job->chain.pieces[job->piece];
		size_t part = (size_t)min_u64(piece->bytes - job->offset, bytes - *got);
		if (piece->for_device || part == 0) {
			job->piece++;
			job->offset = 0;
			continue;
		}
		status = guest_copy_in(locked, (gpa_t){piece->address + job->offset}, to + *got,
				       part);
		job->offset += (uint32_t)part;
		*got += part;
		if (job->offset == piece->bytes) {
			job->piece++;
			job->offset = 0;
		}
	}
	return status;
}

static const char *buffer_fault(enum status status)
{
	return status == STATUS_SURRENDERED ? "a buffer is in the balloon"
					    : "a buffer is not in RAM";
}

/* ---- page numbers ---- */

static void note_skipped(struct vballoon_news *news, uint64_t gfn, uint8_t status)
{
	if (news->skipped++ == 0) {
		news->skipped_gfn = gfn;
		news->skipped_status = status;
	}
}

/* The next page numbers of the chain; a rest of less than one is none. */
static enum status fill_pages(struct vballoon_job *job, struct s2_locked locked)
{
	uint32_t numbers[VBALLOON_BATCH_PAGES];
	size_t got;
	enum status status = read_on(job, locked, (uint8_t *)numbers, sizeof(numbers), &got);

	if (status == STATUS_OK) {
		job->count = (uint16_t)(got / FRAME_NUMBER_BYTES);
		job->tries = 0;
		for (unsigned i = 0; i < job->count; i++) {
			job->gfns[i] = numbers[i];
			job->statuses[i] = AEROSTAT_RANGE_PENDING;
		}
	}
	return status;
}

/* Pages whose table could not be split are tried again; answers whether there are any. */
static bool try_again(struct vballoon_job *job)
{
	bool any = false;

	if (job->tries >= TRIES_MAX) {
		return false;
	}
	for (unsigned i = 0; i < job->count; i++) {
		if (job->statuses[i] == AEROSTAT_RANGE_NO_MEMORY) {
			job->statuses[i] = AEROSTAT_RANGE_PENDING;
			any = true;
		}
	}
	job->tries += any ? 1 : 0;
	return any;
}

static unsigned settle_pages(const struct vballoon_job *job, struct vballoon_news *news)
{
	unsigned done = 0;

	for (unsigned i = 0; i < job->count; i++) {
		if (job->statuses[i] == AEROSTAT_RANGE_OK) {
			done++;
		} else {
			note_skipped(news, job->gfns[i], job->statuses[i]);
		}
	}
	return done;
}

/* MORE: there may be others; IDLE: the chain is done. */
static enum vballoon_step work_on_pages(struct vballoon *balloon, struct s2_locked locked,
					enum balloon_operation operation,
					struct vballoon_news *news)
{
	struct vballoon_job *job = &balloon->job;
	uint64_t target = __atomic_load_n(&balloon->page->target_pages, __ATOMIC_RELAXED);
	bool unasked = operation == BALLOON_RETURN && balloon->vm->s2.ballooned_pages <= target;

	if (job->count == 0) {
		enum status status = fill_pages(job, locked);
		if (status != STATUS_OK) {
			news->broken = buffer_fault(status);
			return VBALLOON_BROKEN;
		}
	}
	if (!balloon_run_pages(locked, balloon->vm, operation, job->gfns, job->count, ORDER_4K,
			       no_array, job->statuses)) {
		return VBALLOON_MORE;
	}
	if (try_again(job)) {
		return VBALLOON_WAIT;
	}
	unsigned done = settle_pages(job, news);
	balloon->refaults += unasked ? done : 0;
	job->count = 0;
	return job->piece < job->chain.count ? VBALLOON_MORE : VBALLOON_IDLE;
}

/* ---- free-page reports ---- */

static void add_range(struct vballoon_job *job, uint64_t gfn, uint64_t end, unsigned order)
{
	if (gfn < end) {
		job->ranges[job->count++] = (struct aerostat_range){
			.gfn = gfn,
			.count = (uint32_t)((end - gfn) >> order),
			.order = (uint8_t)order,
		};
	}
}

/* Whole pages of it, as extents of 2 MiB as far as they are aligned: three ranges at most. */
static void add_piece(struct vballoon_job *job, const struct vring_piece *piece)
{
	uint64_t gfn = (piece->address >> PAGE_SHIFT) + (piece->address % PAGE_BYTES != 0);
	uint64_t end = (piece->address + piece->bytes) >> PAGE_SHIFT;
	uint64_t large = align_up_u64(gfn, order_pages(ORDER_2M));
	uint64_t large_end = align_down_u64(end, order_pages(ORDER_2M));

	if (large >= large_end) {
		add_range(job, gfn, end, ORDER_4K);
		return;
	}
	add_range(job, gfn, large, ORDER_4K);
	add_range(job, large, large_end, ORDER_2M);
	add_range(job, large_end, end, ORDER_4K);
}

static void fill_ranges(struct vballoon_job *job)
{
	job->first = 0;
	while (job->piece < job->chain.count && job->count + 3u <= VBALLOON_BATCH_RANGES) {
		const struct vring_piece *piece = &job->chain.pieces[job->piece++];
		if (piece->for_device) {
			add_piece(job, piece);
		}
	}
}

static void settle_ranges(const struct vballoon_job *job, struct vballoon_news *news)
{
	for (unsigned i = 0; i < job->count; i++) {
		const struct aerostat_range *range = &job->ranges[i];
		/* A report is worth no second try. */
		if (range->status != AEROSTAT_RANGE_OK &&
		    range->status != AEROSTAT_RANGE_NO_MEMORY) {
			note_skipped(news, range->gfn + ((uint64_t)range->done << range->order),
				     range->status);
		}
	}
}

/*
 * As above. With a poison that is not 0 the pages must keep what is in them (5.5.6.7.2), so the
 * report is taken and nothing is done.
 */
static enum vballoon_step work_on_report(struct vballoon *balloon, struct s2_locked locked,
					 struct vballoon_news *news)
{
	struct vballoon_job *job = &balloon->job;

	if ((balloon->mmio.features & VBALLOON_PAGE_POISON) && balloon->poison != 0) {
		return VBALLOON_IDLE;
	}
	if (job->count == 0) {
		fill_ranges(job);
	}
	unsigned left = job->count - job->first;
	unsigned finished = balloon_run_ranges(locked, balloon->vm, BALLOON_REPORT,
					       job->ranges + job->first, left, no_array);
	job->first = (uint16_t)(job->first + finished);
	if (finished < left) {
		return VBALLOON_MORE;
	}
	settle_ranges(job, news);
	job->count = 0;
	return job->piece < job->chain.count ? VBALLOON_MORE : VBALLOON_IDLE;
}

/* ---- statistics ---- */

static enum vballoon_step take_statistics(struct vballoon *balloon, struct s2_locked locked,
					  uint64_t now_tsc, struct vballoon_news *news)
{
	uint8_t bytes[VBALLOON_ENTRIES_MAX * VBALLOON_ENTRY_BYTES];
	struct vballoon_statistics before = balloon->statistics;
	size_t got;
	enum status status = read_on(&balloon->job, locked, bytes, sizeof(bytes), &got);

	if (status != STATUS_OK) {
		news->broken = buffer_fault(status);
		return VBALLOON_BROKEN;
	}
	vballoon_statistics_parse(&balloon->statistics, bytes, got);
	balloon->refaults += vballoon_statistics_swapped_in(&balloon->statistics, &before);
	const struct vballoon_host host = {
		.max_pages = balloon->vm->s2.limit_pages,
		.held_pages = balloon->vm->s2.mapped_pages,
		.ballooned_pages = balloon->vm->s2.ballooned_pages,
		.refaults = balloon->refaults,
		.total_falls = !(balloon->mmio.features & VBALLOON_DEFLATE_ON_OOM),
	};
	vballoon_statistics_publish(&balloon->statistics, &before, &host, balloon->page);
	balloon->asked = true;
	balloon->ask_head = balloon->job.chain.head;
	balloon->ask_tsc = now_tsc + ticks_from_ms(ASK_MS);
	balloon->job.active = false; /* the buffer stays here until then */
	return VBALLOON_MORE;
}

enum vballoon_step vballoon_queue_ask(struct vballoon *balloon, struct vballoon_news *news)
{
	enum vring_outcome outcome = VRING_DONE;
	struct s2_locked locked = s2_lock(&balloon->vm->s2);

	for (unsigned i = 0; i < balloon->mmio.queue_count; i++) {
		struct vring *ring = &balloon->mmio.queues[i];
		if (balloon->roles[i] == VBALLOON_ASK && ring->ready) {
			news->queue = i;
			outcome = vring_give(ring, locked, balloon->ask_head, 0, &news->notify,
					     &news->broken);
		}
	}
	s2_unlock(locked);
	if (outcome == VRING_DONE) {
		balloon->asked = false;
	}
	return step_of(outcome);
}

/* ---- steps ---- */

/* One buffer for statistics is kept; another one waits until that has gone back. */
static bool may_take(const struct vballoon *balloon, unsigned queue)
{
	return (balloon->kicked >> queue & 1) && balloon->mmio.queues[queue].ready &&
	       !(balloon->roles[queue] == VBALLOON_ASK && balloon->asked);
}

/* The next chain of any queue. */
static enum vballoon_step take_chain(struct vballoon *balloon, struct s2_locked locked,
				     struct vballoon_news *news)
{
	struct vballoon_job *job = &balloon->job;

	for (unsigned i = 0; i < balloon->mmio.queue_count; i++) {
		if (!may_take(balloon, i)) {
			continue;
		}
		news->queue = i;
		enum vring_outcome outcome =
			vring_take(&balloon->mmio.queues[i], locked, &job->chain, &news->broken);
		if (outcome == VRING_NONE) {
			balloon->kicked &= (uint8_t) ~(1u << i);
			continue;
		}
		if (outcome == VRING_DONE) {
			job->active = true;
			job->queue = (uint8_t)i;
			job->piece = 0;
			job->offset = 0;
			job->count = 0;
		}
		return step_of(outcome);
	}
	return VBALLOON_IDLE;
}

/* MORE: the chain is not done; IDLE: it is, and can go back. */
static enum vballoon_step work(struct vballoon *balloon, struct s2_locked locked, uint64_t now_tsc,
			       struct vballoon_news *news)
{
	switch ((enum vballoon_role)balloon->roles[balloon->job.queue]) {
	case VBALLOON_INFLATE:
		return work_on_pages(balloon, locked, BALLOON_SURRENDER, news);
	case VBALLOON_DEFLATE:
		return work_on_pages(balloon, locked, BALLOON_RETURN, news);
	case VBALLOON_REPORT:
		return work_on_report(balloon, locked, news);
	case VBALLOON_ASK:
		break;
	}
	return take_statistics(balloon, locked, now_tsc, news);
}

static enum vballoon_step step(struct vballoon *balloon, struct s2_locked locked, uint64_t now_tsc,
			       struct vballoon_news *news)
{
	struct vballoon_job *job = &balloon->job;
	enum vballoon_step answer = VBALLOON_MORE;

	if (job->active && !balloon->mmio.queues[job->queue].ready) {
		job->active = false; /* the driver has taken the queue away */
	}
	if (!job->active) {
		answer = take_chain(balloon, locked, news);
		if (answer != VBALLOON_MORE) {
			return answer;
		}
	}
	news->queue = job->queue;
	/* All of it is done, and only the driver's ring had no frame. */
	bool done = job->piece >= job->chain.count && job->count == 0;
	answer = done ? VBALLOON_IDLE : work(balloon, locked, now_tsc, news);
	if (answer != VBALLOON_IDLE) {
		return answer;
	}
	job->piece = job->chain.count;
	answer = step_of(vring_give(&balloon->mmio.queues[job->queue], locked, job->chain.head, 0,
				    &news->notify, &news->broken));
	job->active = answer == VBALLOON_WAIT;
	return answer;
}

enum vballoon_step vballoon_queue_step(struct vballoon *balloon, uint64_t now_tsc,
				       struct vballoon_news *news)
{
	struct s2_locked locked = s2_lock(&balloon->vm->s2);
	enum vballoon_step answer = step(balloon, locked, now_tsc, news);

	s2_unlock(locked);
	return answer;
}
