/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon calls over arrays of ranges, step by step. Real: kernel/balloon/ranges.c,
 * kernel/balloon/single.h. Stubbed: mm/stage2, which may answer anything that its header allows;
 * the stubs prove that only whole extents inside RAM, never the page of the array, get there.
 */
#include "tests/proofs/proof.h"

#include "kernel/balloon/ranges.c"

static struct vm vm;
static struct range_call call;
static bool takes; /* out of the VM: the page of the array is out of bounds */
static enum status answer;

static void prove_extents(gfn_t gfn, unsigned order, uint64_t count)
{
	uint64_t limit = vm.s2.limit_pages;
	PROVE(gfn.n <= limit && count <= (limit - gfn.n) >> order);
	PROVE(!takes || count == 0 || call.array_gfn.n < gfn.n ||
	      (call.array_gfn.n - gfn.n) >> order >= count);
}

bool s2_batch_go(struct s2_batch *batch, gfn_t gfn, unsigned order)
{
	(void)batch;
	(void)gfn;
	(void)order;
	return any_bool();
}

void s2_batch_end(struct s2_batch *batch)
{
	(void)batch;
}

static uint64_t some_of(gfn_t gfn, uint64_t count)
{
	prove_extents(gfn, call.batch.order, count);
	return any_below(count + 1);
}

uint64_t s2_surrender_run(struct s2_batch *batch, gfn_t gfn, uint64_t count)
{
	(void)batch;
	return some_of(gfn, count);
}

uint64_t s2_report_run(struct s2_batch *batch, gfn_t gfn, uint64_t count)
{
	(void)batch;
	return some_of(gfn, count);
}

uint64_t s2_return_run(struct s2_batch *batch, gfn_t gfn, uint64_t count)
{
	(void)batch;
	return some_of(gfn, count);
}

static enum status any_answer(gfn_t gfn, unsigned order, uint64_t *work)
{
	prove_extents(gfn, order, 1);
	*work = any_below(4 * S2_ENTRIES);
	answer = (enum status)any_u8();
	ASSUME(answer == STATUS_OK || answer == STATUS_OUTSIDE || answer == STATUS_MISALIGNED ||
	       answer == STATUS_SURRENDERED || answer == STATUS_NOT_SURRENDERED ||
	       answer == STATUS_MIXED || answer == STATUS_IN_USE || answer == STATUS_NO_MEMORY);
	return answer;
}

enum status s2_surrender(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t *freed,
			 uint64_t *work)
{
	(void)locked;
	*freed = 0;
	return any_answer(gfn, order, work);
}

enum status s2_report(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t *freed,
		      uint64_t *work)
{
	(void)locked;
	*freed = 0;
	return any_answer(gfn, order, work);
}

enum status s2_return(struct s2_locked locked, gfn_t gfn, unsigned order, uint64_t *work)
{
	(void)locked;
	return any_answer(gfn, order, work);
}

bool s2_take_out_one(struct s2_batch *batch, gfn_t gfn, bool ballooned)
{
	(void)batch;
	(void)ballooned;
	PROVE(call.array_gfn.n < gfn.n || (call.array_gfn.n - gfn.n) >> call.batch.order > 0);
	return any_bool();
}

bool s2_return_one(struct s2_batch *batch, gfn_t gfn)
{
	(void)batch;
	(void)gfn;
	return any_bool();
}

/* A call that is under way, over RAM of any size, and a range as the guest wrote it. */
static struct aerostat_range any_range(void)
{
	struct aerostat_range range = {
		.gfn = any_u64(),
		.count = any_u32(),
		.order = any_u8(),
		.status = any_u8(),
		.reserved = any_u16(),
		.done = any_u32(),
		.flags = any_u32(),
	};
	vm.s2.limit_pages = 1 + any_below(UINT32_MAX);
	call.vm = &vm;
	call.locked.s2 = &vm.s2;
	call.operation = (enum balloon_operation)any_below(4);
	call.array_gfn.n = any_below(vm.s2.limit_pages);
	call.work_left = any_below(2 * AEROSTAT_CALL_WORK_MAX + 1);
	call.batch.order = range.order;
	call.batch.first_gfn = any_u64();
	call.batch.pages = any_u64();
	takes = call.operation == BALLOON_SURRENDER || call.operation == BALLOON_REPORT;
	return range;
}

/*
 * PROOF range_judged_good_is_inside
 * Shows: a range that is let through has a size of the interface, is aligned, is not empty, and
 * all of it lies in RAM: no product or sum wraps
 * Bound: all 2^192 ranges, RAM of any size
 * Assumes: RAM has 1 to 2^32 - 1 pages
 * Classes: F4 F5 H1 H2
 * Sources: kernel/balloon/ranges.c
 * Fault: kernel/balloon/ranges.c | if (range->gfn >= limit || range->count > (limit - range->gfn)
 * >> range->order) { | if (range->gfn + ((uint64_t)range->count << range->order) > limit) {
 */
void range_judged_good_is_inside(void)
{
	struct aerostat_range range = any_range();
	if (judge_range(&vm, &range) != AEROSTAT_RANGE_PENDING) {
		return;
	}
	PROVE(range.order == 0 || range.order == 9 || range.order == 18);
	PROVE(range.count > 0 && range.done <= range.count);
	PROVE(range.gfn % order_pages(range.order) == 0);
	unsigned __int128 end = range.gfn + ((unsigned __int128)range.count << range.order);
	PROVE(end <= vm.s2.limit_pages);
	PROVE(range.reserved == 0 && range.flags == 0);
}

/*
 * PROOF range_step_stays_inside
 * Shows: one step over any range that was let through hands only extents inside RAM on, never the
 * page that holds the ranges when memory is taken out; it gets on or says why not; `done` never
 * passes `count`; the work that is left never wraps
 * Bound: all ranges, RAM of any size, any answer of mm/stage2
 * Assumes: the range was let through, and work and extents are left
 * Classes: F4 F5 F8
 * Sources: kernel/balloon/ranges.c
 * Options: --object-bits 10
 * Fault: kernel/balloon/ranges.c | count = extents_before(call, gfn, order, count); | count =
 * min_u64(count, count);
 */
void range_step_stays_inside(void)
{
	struct aerostat_range range = any_range();
	ASSUME(judge_range(&vm, &range) == AEROSTAT_RANGE_PENDING);
	ASSUME(range.done < range.count && call.work_left > 0);
	ASSUME(call.operation != BALLOON_EMERGENCY);
	uint64_t work = call.work_left;
	uint32_t done = range.done;
	enum status status = step(&call, &range);
	PROVE(range.done <= range.count && call.work_left <= work);
	PROVE(status == STATUS_OK ? range.done > done : range.done == done);
}

/*
 * PROOF range_refusals_have_an_answer
 * Shows: each way in which an extent can be refused has a status of the interface; none stops the
 * machine, and none looks like success or like a range that is to be continued
 * Bound: all statuses that mm/stage2/map.h names
 * Assumes: nothing
 * Classes: H1 H2
 * Sources: kernel/balloon/ranges.c
 * Fault: kernel/balloon/ranges.c | return AEROSTAT_RANGE_MIXED; | return AEROSTAT_RANGE_OK;
 */
void range_refusals_have_an_answer(void)
{
	struct aerostat_range range = any_range();
	uint64_t work;
	vm.s2.limit_pages = UINT32_MAX;
	takes = false;
	enum status status = any_answer((gfn_t){0}, 0, &work);
	uint8_t said = range_status(status);
	(void)range;
	PROVE(said != AEROSTAT_RANGE_PENDING && said <= AEROSTAT_RANGE_RESERVED);
	PROVE((said == AEROSTAT_RANGE_OK) == (status == STATUS_OK));
}

/*
 * PROOF range_single_never_takes_the_array
 * Shows: the short way for one extent is taken only for a range as plain as it demands, and never
 * takes the page of the array out; what it writes back is OK, and done
 * Bound: all ranges
 * Assumes: nothing
 * Classes: F8
 * Sources: kernel/balloon/ranges.c
 * Options: --object-bits 10
 * Fault: kernel/balloon/ranges.c | } else if ((call->array_gfn.n - gfn.n) >> order == 0 || | }
 * else if (call->array_gfn.n == gfn.n ||
 */
void range_single_never_takes_the_array(void)
{
	struct aerostat_range range = any_range();
	struct aerostat_range before = range;
	uint64_t work = call.work_left;
	if (run_single(&call, &range)) {
		PROVE(before.count == 1 && before.done == 0 && before.flags == 0);
		PROVE(before.reserved == 0 && (before.order == 0 || before.order == 9));
		PROVE(range.status == AEROSTAT_RANGE_OK && range.done == 1 && range.count == 1);
		PROVE(range.gfn == before.gfn && range.order == before.order);
		PROVE(call.work_left == work - 2);
		PROVE(call.operation != BALLOON_EMERGENCY);
	} else {
		PROVE(range.done == before.done && range.status == before.status);
	}
}
