/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon calls that work on ranges: surrender, free-page report, return, emergency return. One
 * loop for all four; each works on the hypervisor's copy of the ranges, spends a bounded amount of
 * work, and says per range how far it came. Lock: the VM's address space, held by the caller.
 */
#include "base/bits.h"
#include "kernel/balloon.h"
#include "kernel/governor.h"
#include "kernel/waiters.h"
#include "mm/reclaim.h"

static uint8_t range_status(enum status status)
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
};

/* Not what others wait for; but they do not wait for the reserve. */
static bool may_back(const struct vm *vm)
{
	return waiters_allow_fill(vm) ||
	       (vm->s2.mapped_pages < vm->config.mem_pages && promise_spare() == 0);
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

/* How many extents of the range, from gfn on, do not contain the page that holds the ranges. */
static uint64_t extents_before(gfn_t gfn, const struct aerostat_range *range, gfn_t array_gfn)
{
	uint64_t left = range->count - range->done;
	if (array_gfn.n < gfn.n) {
		return left;
	}
	return min_u64(left, (array_gfn.n - gfn.n) >> range->order);
}

/* As many extents from gfn on as one step takes; see s2_surrender_run. */
static enum status apply_run(struct range_call *call, const struct aerostat_range *range, gfn_t gfn,
			     uint64_t *done)
{
	uint64_t work = 1;
	uint64_t count = min_u64(range->count - range->done, call->work_left);
	enum status status = STATUS_IN_USE;
	*done = 0;
	switch (call->operation) {
	case BALLOON_SURRENDER:
		count = min_u64(count, extents_before(gfn, range, call->array_gfn));
		if (count > 0) {
			status = s2_surrender_run(call->locked, gfn, range->order, count, done,
						  &work);
		}
		break;
	case BALLOON_REPORT:
		count = min_u64(count, extents_before(gfn, range, call->array_gfn));
		if (count > 0) {
			status = s2_report_run(call->locked, gfn, range->order, count, done, &work);
		}
		break;
	case BALLOON_RETURN:
		status = s2_return_run(call->locked, gfn, range->order, count, done, &work);
		break;
	case BALLOON_EMERGENCY:
		status = s2_return(call->locked, gfn, range->order, &work);
		*done = status == STATUS_OK ? 1 : 0;
		break;
	}
	call->work_left = sub_floor_u64(call->work_left, work);
	return status;
}

static void count_pages(struct balloon *balloon, enum balloon_operation operation, uint64_t pages)
{
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
}

/* One range, as far as the work that is left allows. */
static void run_range(struct range_call *call, struct aerostat_range *range)
{
	/* Of what an earlier call did nothing is known here. */
	bool backed = call->operation == BALLOON_EMERGENCY && range->done == 0;
	while (range->done < range->count && call->work_left > 0) {
		gfn_t gfn = next_extent(range);
		uint64_t done;
		enum status status = apply_run(call, range, gfn, &done);
		if (status != STATUS_OK) {
			range->status = range_status(status);
			return;
		}
		range->done += (uint32_t)done;
		count_pages(&call->vm->balloon, call->operation, done << range->order);
		backed = backed && back_extent(call, gfn, range->order) == STATUS_OK;
	}
	if (range->done < range->count) {
		return;
	}
	range->status = AEROSTAT_RANGE_OK;
	if (call->operation != BALLOON_SURRENDER) {
		/* Every fill comes from the zeroed pool. */
		range->flags = AEROSTAT_RANGE_FLAG_ZERO | (backed ? AEROSTAT_RANGE_FLAG_BACKED : 0);
	}
}

unsigned balloon_run_ranges(struct s2_locked locked, struct vm *vm,
			    enum balloon_operation operation, struct aerostat_range *ranges,
			    unsigned count, gfn_t array_gfn)
{
	struct range_call call = {
		.operation = operation,
		.vm = vm,
		.locked = locked,
		.array_gfn = array_gfn,
		.work_left = AEROSTAT_CALL_WORK_MAX,
	};
	unsigned finished = 0;
	if (operation == BALLOON_EMERGENCY) {
		/* 2 MiB must fit, even in single pages out of extents that have to be split. */
		call.work_left *= 2;
	}
	uint64_t held = vm->s2.mapped_pages;
	balloon_note_peaks(vm);
	while (finished < count && call.work_left > 0) {
		struct aerostat_range *range = &ranges[finished];
		range->status = judge_range(vm, range);
		call.work_left--;
		if (range->status == AEROSTAT_RANGE_PENDING) {
			run_range(&call, range);
		}
		if (range->status == AEROSTAT_RANGE_PENDING) {
			break;
		}
		finished++;
	}
	reclaim_flush(locked);
	uint64_t freed = sub_floor_u64(held, vm->s2.mapped_pages);
	vm->balloon.driver_debt_pages = sub_floor_u64(vm->balloon.driver_debt_pages, freed);
	governor_frames_came_back(vm, freed);
	balloon_publish_size(vm);
	return finished;
}
