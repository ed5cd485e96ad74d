/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See ranges.h. One loop for all four calls; each works on the hypervisor's copy of the
 * ranges, spends a bounded amount of work, and says per range how far it came.
 */
#include "kernel/balloon/ranges.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "base/trace.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/admission.h"
#include "kernel/balloon/single.h"
#include "mm/reclaim.h"
#include "mm/stage2/runs.h"

/* Whatever moves pages of a VM. */
#define TRACE_BALLOON (1u << TRACE_surrender | 1u << TRACE_return | 1u << TRACE_report)

static NOT_INLINE uint8_t range_status(enum status status)
{
	switch (status) {
	case STATUS_OK:
		return AEROSTAT_RANGE_OK;
	case STATUS_OUTSIDE:
		return AEROSTAT_RANGE_OUTSIDE;
	case STATUS_MISALIGNED:
		return AEROSTAT_RANGE_MISALIGNED;
	case STATUS_SURRENDERED:
		return AEROSTAT_RANGE_SURRENDERED;
	case STATUS_NOT_SURRENDERED:
		return AEROSTAT_RANGE_NOT_SURRENDERED;
	case STATUS_MIXED:
		return AEROSTAT_RANGE_MIXED;
	case STATUS_IN_USE:
		return AEROSTAT_RANGE_IN_USE;
	case STATUS_NO_MEMORY:
		return AEROSTAT_RANGE_NO_MEMORY;
	case STATUS_INVALID:
	case STATUS_UNSUPPORTED:
	case STATUS_EXISTS:
	case STATUS_NOT_FOUND:
		break;
	}
	panic("no range status for status %d", (int)status);
}

/* What can be said of a range before its first extent; AEROSTAT_RANGE_PENDING: nothing against it.
 */
static uint8_t judge_range(const struct vm *vm, const struct aerostat_range *range)
{
	if (range->reserved != 0 || range->flags != 0) {
		return AEROSTAT_RANGE_RESERVED;
	}
	if (range->order != ORDER_4K && range->order != ORDER_2M && range->order != ORDER_1G) {
		return AEROSTAT_RANGE_BAD_ORDER;
	}
	if (range->count == 0 || range->done > range->count) {
		return AEROSTAT_RANGE_BAD_COUNT;
	}
	if (!is_aligned_u64(range->gfn, order_pages(range->order))) {
		return AEROSTAT_RANGE_MISALIGNED;
	}
	uint64_t limit = vm->s2.limit_pages;
	if (range->gfn >= limit || range->count > (limit - range->gfn) >> range->order) {
		return AEROSTAT_RANGE_OUTSIDE;
	}
	return AEROSTAT_RANGE_PENDING;
}

static gfn_t next_extent(const struct aerostat_range *range)
{
	return (gfn_t){range->gfn + ((uint64_t)range->done << range->order)};
}

struct range_call {
	enum balloon_operation operation;
	struct vm *vm;
	struct s2_locked locked;
	gfn_t array_gfn;
	uint64_t work_left;
	uint64_t pages; /* moved so far */
	struct s2_batch batch;
};

/* Not what others wait for; but they do not wait for the reserve. */
static bool may_back(const struct vm *vm)
{
	return admission_allows_fill(vm) ||
	       (vm->s2.mapped_pages < vm->config.mem_pages && promise_spare() == 0);
}

/* How many of `count` extents, from gfn on, do not contain the page that holds the ranges. */
static uint64_t extents_before(const struct range_call *call, gfn_t gfn, unsigned order,
			       uint64_t count)
{
	if (call->array_gfn.n < gfn.n) {
		return count;
	}
	return min_u64(count, (call->array_gfn.n - gfn.n) >> order);
}

/* As many of the extents as are plain, at once. */
static uint64_t apply_run(struct range_call *call, gfn_t gfn, unsigned order, uint64_t count)
{
	if (!s2_batch_find(&call->batch, gfn, order)) {
		return 0;
	}
	if (call->operation == BALLOON_RETURN) {
		return s2_return_run(&call->batch, gfn, count);
	}
	count = extents_before(call, gfn, order, count);
	return call->operation == BALLOON_SURRENDER ? s2_surrender_run(&call->batch, gfn, count)
						    : s2_report_run(&call->batch, gfn, count);
}

/* One extent that is not plain, or is refused. */
static enum status apply_one(struct range_call *call, gfn_t gfn, unsigned order, uint64_t *work)
{
	uint64_t freed;
	bool returns = call->operation == BALLOON_RETURN || call->operation == BALLOON_EMERGENCY;
	if (returns) {
		return s2_return(call->locked, gfn, order, work);
	}
	if (extents_before(call, gfn, order, 1) == 0) {
		return STATUS_IN_USE;
	}
	return call->operation == BALLOON_SURRENDER
		       ? s2_surrender(call->locked, gfn, order, &freed, work)
		       : s2_report(call->locked, gfn, order, &freed, work);
}

/* The next extent of the range by itself. */
static NOT_INLINE enum status step_one(struct range_call *call, struct aerostat_range *range)
{
	uint64_t work = 1;
	s2_batch_end(&call->batch);
	enum status status = apply_one(call, next_extent(range), range->order, &work);
	call->work_left = sub_floor_u64(call->work_left, work);
	if (status == STATUS_OK) {
		range->done++;
		call->pages += order_pages(range->order);
	}
	return status;
}

/* The next extents of the range, as many as one step takes. */
static enum status step(struct range_call *call, struct aerostat_range *range)
{
	uint64_t count = min_u64(range->count - range->done, call->work_left);
	uint64_t done = apply_run(call, next_extent(range), range->order, count);
	if (done == 0) {
		return step_one(call, range);
	}
	range->done += (uint32_t)done;
	call->work_left -= done;
	call->pages += done << range->order;
	return STATUS_OK;
}

/*
 * Gives frames to an extent that has just left the balloon, as far as the host has any. The reserve
 * is for VMs that have less than their allotment; a gigabyte is too much for one call.
 */
static enum status back_extent(struct range_call *call, gfn_t gfn, unsigned order)
{
	struct vm *vm = call->vm;
	struct promise *promise = &vm->s2.promise;
	enum status status = STATUS_OK;
	uint64_t end = gfn.n + order_pages(order);
	if (order > ORDER_2M) {
		return STATUS_UNSUPPORTED;
	}
	if (!may_back(vm)) {
		return STATUS_NO_MEMORY;
	}
	promise->emergency = vm->s2.mapped_pages < vm->config.mem_pages;
	while (status == STATUS_OK && gfn.n < end) {
		uint64_t pages;
		status = s2_populate(call->locked, gfn, order, &pages);
		gfn.n += pages;
	}
	/* Frames may have to be scrubbed first, and that takes long; one is charged already. */
	call->work_left = sub_floor_u64(call->work_left, order_pages(order) - 1);
	promise->emergency = false;
	return status;
}

/*
 * All four as far as the work that is left allows: OK, an error, or PENDING. The first is for what
 * needs no frames.
 */
static uint8_t run_range(struct range_call *call, struct aerostat_range *range)
{
	while (range->done < range->count) {
		if (call->work_left == 0) {
			return AEROSTAT_RANGE_PENDING;
		}
		enum status status = step(call, range);
		if (status != STATUS_OK) {
			return range_status(status);
		}
	}
	/* Every fill comes from the zeroed pool. */
	range->flags = call->operation == BALLOON_SURRENDER ? 0 : AEROSTAT_RANGE_FLAG_ZERO;
	return AEROSTAT_RANGE_OK;
}

static NOT_INLINE uint8_t run_emergency(struct range_call *call, struct aerostat_range *range)
{
	/* Of what an earlier call did nothing is known here. */
	bool backed = range->done == 0;
	while (range->done < range->count) {
		if (call->work_left == 0) {
			return AEROSTAT_RANGE_PENDING;
		}
		gfn_t gfn = next_extent(range);
		enum status status = step_one(call, range);
		if (status != STATUS_OK) {
			return range_status(status);
		}
		backed = backed && back_extent(call, gfn, range->order) == STATUS_OK;
	}
	range->flags = AEROSTAT_RANGE_FLAG_ZERO | (backed ? AEROSTAT_RANGE_FLAG_BACKED : 0);
	return AEROSTAT_RANGE_OK;
}

static NOT_INLINE void note_pages(const struct vm *vm, enum balloon_operation operation,
				  uint64_t pages)
{
	if (pages == 0) {
		return;
	}
	enum trace_event event = operation == BALLOON_SURRENDER ? TRACE_surrender
				 : operation == BALLOON_REPORT	? TRACE_report
								: TRACE_return;
	trace_note(event, vm_trace_who(vm), pages, vm->s2.mapped_pages);
}

void balloon_count_pages(struct vm *vm, enum balloon_operation operation, uint64_t pages)
{
	struct balloon *balloon = &vm->balloon;
	switch (operation) {
	case BALLOON_SURRENDER:
		balloon->surrendered_pages += pages;
		break;
	case BALLOON_REPORT:
		balloon->reported_pages += pages;
		break;
	case BALLOON_RETURN:
	case BALLOON_EMERGENCY:
		balloon->returned_pages += pages;
		break;
	}
	if (__builtin_expect((trace_mask & TRACE_BALLOON) != 0, 0)) {
		note_pages(vm, operation, pages);
	}
}

/* A range of one extent that is plain, in one step. False: nothing was done. */
static inline bool run_single(struct range_call *call, struct aerostat_range *range)
{
	uint64_t *words = (uint64_t *)(void *)range;
	if (!balloon_is_single(words[1], words[2]) || call->work_left < 2 ||
	    call->operation == BALLOON_EMERGENCY) {
		return false;
	}
	gfn_t gfn = {range->gfn};
	unsigned order = range->order & 31u; /* it is one of the two: for clang-tidy */
	if (!s2_batch_find(&call->batch, gfn, order)) {
		return false;
	}
	if (call->operation == BALLOON_RETURN) {
		if (!s2_return_one(&call->batch, gfn)) {
			return false;
		}
	} else if ((call->array_gfn.n - gfn.n) >> order == 0 ||
		   !s2_take_out_one(&call->batch, gfn, call->operation == BALLOON_SURRENDER)) {
		return false;
	}
	call->work_left -= 2; /* the range, and its extent */
	call->pages += order_pages(order);
	balloon_single_done(words, words[1], call->operation);
	return true;
}

/* Judges and works on the ranges in order; answers how many are finished. */
static unsigned run_all(struct range_call *call, struct aerostat_range *ranges, unsigned count)
{
	struct aerostat_range *range = ranges;
	for (; range < ranges + count && call->work_left > 0; range++) {
		if (run_single(call, range)) {
			continue;
		}
		call->work_left--;
		range->status = judge_range(call->vm, range);
		if (range->status == AEROSTAT_RANGE_PENDING) {
			range->status = call->operation == BALLOON_EMERGENCY
						? run_emergency(call, range)
						: run_range(call, range);
		}
		if (range->status == AEROSTAT_RANGE_PENDING) {
			break;
		}
	}
	/* The work may have ended just before it: what the guest had there is no answer. */
	if (range < ranges + count) {
		range->status = AEROSTAT_RANGE_PENDING;
	}
	return (unsigned)(range - ranges);
}

/* Frames that came back are free. */
void balloon_note_freed(struct vm *vm, uint64_t freed)
{
	vm->balloon.driver_debt_pages = sub_floor_u64(vm->balloon.driver_debt_pages, freed);
	admission_frames_freed(vm, freed);
}

unsigned balloon_run_ranges(struct s2_locked locked, struct vm *vm,
			    enum balloon_operation operation, struct aerostat_range *ranges,
			    unsigned count, gfn_t array_gfn)
{
	struct range_call call;
	call.operation = operation;
	call.vm = vm;
	call.locked = locked;
	call.array_gfn = array_gfn;
	/* In an emergency 2 MiB must fit, even in single pages out of extents that are split. */
	call.work_left = AEROSTAT_CALL_WORK_MAX * (operation == BALLOON_EMERGENCY ? 2 : 1);
	call.pages = 0;
	s2_batch_begin(&call.batch, locked);
	uint64_t held = vm->s2.mapped_pages;
	vm_note_peaks(vm);
	unsigned finished = run_all(&call, ranges, count);
	s2_batch_end(&call.batch);
	reclaim_flush(locked);
	balloon_count_pages(vm, operation, call.pages);
	balloon_note_freed(vm, sub_floor_u64(held, vm->s2.mapped_pages));
	balloon_publish_size(vm);
	return finished;
}
