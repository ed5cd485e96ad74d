/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See spec.h: SURRENDER, REPORT, RETURN and EMERGENCY over arrays of ranges. The words in capitals
 * are those of docs/abi.md, and so is the order of judgements.
 */
#include "tests/spec/spec.h"

/* Work as the table of units in docs/abi.md has it: at least, and at most. */
struct work {
	uint64_t least;
	uint64_t most;
};

/* What may be said of an extent: one status, or OK as well. */
struct verdict {
	uint8_t status;
	bool or_ok;
	bool splits; /* then NO_MEMORY is allowed too, without plenty */
	struct work work;
};

static bool contains(uint64_t gfn, uint64_t pages, uint64_t page)
{
	return page >= gfn && page - gfn < pages;
}

/* Is all RAM of the aligned extent around gfn untouched, or all of the extent in the balloon? */
static bool is_one_entry(const struct spec_vm *vm, uint64_t gfn, uint64_t pages,
			 enum spec_page page)
{
	uint64_t first = gfn - gfn % pages;
	struct spec_counts counts = spec_count_regions(vm, first, pages);
	if (page == SPEC_IN_BALLOON) {
		return counts.balloon == pages;
	}
	return page == SPEC_HELD ? counts.held == pages : counts.held + counts.balloon == 0;
}

/*
 * How many levels of tables an extent splits, for 512 units each. What is untouched or in the
 * balloon throughout is one entry; memory may be one, or many. Levels above the gigabyte are not
 * the guest's to see: an address space without any page may have one more.
 */
static void add_splits(const struct spec_vm *vm, uint64_t gfn, uint64_t pages, struct work *work)
{
	enum spec_page page = (enum spec_page)vm->page[gfn];
	for (uint64_t around = SPEC_REGION; around <= SPEC_GIGABYTE; around *= SPEC_REGION) {
		if (around > pages && is_one_entry(vm, gfn, around, page)) {
			work->least += page == SPEC_HELD ? 0 : 512;
			work->most += 512;
		}
	}
	if (vm->held_pages + vm->balloon_pages == 0) {
		work->most += 512;
	}
}

static struct verdict refuse(uint8_t status, uint64_t least, uint64_t most)
{
	return (struct verdict){.status = status, .work = {least, most}};
}

static struct verdict done(const struct spec_vm *vm, uint64_t gfn, uint64_t pages, struct work work)
{
	uint64_t before = work.most;
	add_splits(vm, gfn, pages, &work);
	return (struct verdict){
		.status = AEROSTAT_RANGE_OK, .splits = work.most > before, .work = work};
}

/* SURRENDER or REPORT of one extent. */
static struct verdict judge_taking(const struct spec_vm *vm, enum spec_operation operation,
				   uint64_t gfn, uint64_t pages, uint64_t array_gfn)
{
	struct spec_counts counts = spec_count_extent(vm, gfn, pages);
	uint64_t many = pages > 1 ? 513 : 1; /* where the extent consists of smaller ones */
	bool in_use = vm->attached && contains(gfn, pages, vm->balloon_page);
	if (contains(gfn, pages, array_gfn)) {
		return refuse(AEROSTAT_RANGE_IN_USE, 1, many);
	}
	if (counts.balloon == pages) {
		return refuse(AEROSTAT_RANGE_SURRENDERED, 1, 1);
	}
	bool of_pages = pages == SPEC_GIGABYTE && (counts.pieces || in_use);
	if (counts.balloon != 0 || of_pages) {
		return refuse(AEROSTAT_RANGE_MIXED, many, many);
	}
	if (in_use) {
		return refuse(AEROSTAT_RANGE_IN_USE, many, many);
	}
	if (pages == SPEC_GIGABYTE && counts.whole) {
		struct verdict verdict = refuse(AEROSTAT_RANGE_MIXED, 1, many);
		verdict.or_ok = true;
		return verdict;
	}
	if (counts.held == 0 && operation == SPEC_REPORT) {
		return refuse(AEROSTAT_RANGE_OK, 1, 1); /* nothing is done */
	}
	struct work work = {counts.pieces ? many : 1, counts.held != 0 ? many : 1};
	return done(vm, gfn, pages, work);
}

/* RETURN or EMERGENCY of one extent. */
static struct verdict judge_returning(const struct spec_vm *vm, uint64_t gfn, uint64_t pages)
{
	struct spec_counts counts = spec_count_extent(vm, gfn, pages);
	uint64_t most = pages == SPEC_GIGABYTE ? 513 : 1;
	if (counts.balloon == 0) {
		return refuse(AEROSTAT_RANGE_NOT_SURRENDERED, 1, most);
	}
	if (counts.balloon != pages) {
		return refuse(AEROSTAT_RANGE_MIXED, most, most);
	}
	return done(vm, gfn, pages, (struct work){1, 1});
}

struct call {
	struct spec_vm *vm;
	enum spec_operation operation;
	uint64_t array_gfn;
	uint64_t budget;
	struct work work;
	spec_look look;
};

static struct verdict judge_extent(const struct call *call, uint64_t gfn, uint64_t pages)
{
	return call->operation == SPEC_SURRENDER || call->operation == SPEC_REPORT
		       ? judge_taking(call->vm, call->operation, gfn, pages, call->array_gfn)
		       : judge_returning(call->vm, gfn, pages);
}

static uint8_t judge_range(const struct spec_vm *vm, const struct aerostat_range *range)
{
	if (range->reserved != 0 || range->flags != 0) {
		return AEROSTAT_RANGE_RESERVED;
	}
	if (range->order != 0 && range->order != 9 && range->order != 18) {
		return AEROSTAT_RANGE_BAD_ORDER;
	}
	if (range->count == 0 || range->done > range->count) {
		return AEROSTAT_RANGE_BAD_COUNT;
	}
	uint64_t pages = 1ull << range->order;
	if (range->gfn % pages != 0) {
		return AEROSTAT_RANGE_MISALIGNED;
	}
	if (range->gfn > vm->pages || (uint64_t)range->count * pages > vm->pages - range->gfn) {
		return AEROSTAT_RANGE_OUTSIDE;
	}
	return AEROSTAT_RANGE_PENDING;
}

/* An extent was returned: which of its pages have frames by now? True: all. */
static bool take_in_backed(struct call *call, uint64_t gfn, uint64_t pages)
{
	uint64_t backed = 0;
	for (uint64_t i = 0; i < pages; i++) {
		if (call->look(call->vm, gfn + i) == SPEC_HELD) {
			spec_set_pages(call->vm, gfn + i, 1, SPEC_HELD);
			backed++;
		}
	}
	if (pages == SPEC_REGION) {
		call->work.least += backed == pages ? 511 : 0;
		call->work.most += 511;
	}
	return backed == pages;
}

/* True: all its pages have frames. */
static bool apply(struct call *call, uint64_t gfn, uint64_t pages)
{
	struct spec_vm *vm = call->vm;
	enum spec_operation operation = call->operation;
	spec_set_pages(vm, gfn, pages,
		       operation == SPEC_SURRENDER ? SPEC_IN_BALLOON : SPEC_UNTOUCHED);
	vm->surrendered_pages += operation == SPEC_SURRENDER ? pages : 0;
	vm->reported_pages += operation == SPEC_REPORT ? pages : 0;
	vm->returned_pages += operation == SPEC_RETURN || operation == SPEC_EMERGENCY ? pages : 0;
	return operation == SPEC_EMERGENCY && pages < SPEC_GIGABYTE &&
	       take_in_backed(call, gfn, pages);
}

static const char *run_extent(struct call *call, const struct aerostat_range *range, uint32_t at,
			      uint8_t status, bool *backed)
{
	uint64_t pages = 1ull << range->order;
	uint64_t gfn = range->gfn + at * pages;
	if (call->work.least >= call->budget) {
		return "the call goes on beyond its work";
	}
	struct verdict verdict = judge_extent(call, gfn, pages);
	bool right = status == verdict.status || (status == AEROSTAT_RANGE_OK && verdict.or_ok) ||
		     (status == AEROSTAT_RANGE_NO_MEMORY && verdict.splits && !call->vm->plenty);
	if (!right) {
		return "an extent got the wrong status";
	}
	call->work.least += verdict.work.least;
	call->work.most += verdict.work.most;
	if (status == AEROSTAT_RANGE_OK) {
		bool all = apply(call, gfn, pages);
		if (!all && call->vm->plenty && call->operation == SPEC_EMERGENCY &&
		    pages < SPEC_GIGABYTE && range->done == 0) {
			return "EMERGENCY has left a page without its frame";
		}
		*backed = *backed && all;
	}
	return NULL;
}

static uint32_t flags_of(const struct call *call, const struct aerostat_range *before, bool backed)
{
	if (call->operation == SPEC_SURRENDER) {
		return 0;
	}
	bool is_backed = call->operation == SPEC_EMERGENCY && backed && before->done == 0;
	return AEROSTAT_RANGE_FLAG_ZERO | (is_backed ? AEROSTAT_RANGE_FLAG_BACKED : 0);
}

static bool same_request(const struct aerostat_range *before, const struct aerostat_range *after)
{
	return before->gfn == after->gfn && before->count == after->count &&
	       before->order == after->order && before->reserved == after->reserved;
}

/* A range that was looked at, from its `done` to what the answer says. */
static const char *run_range(struct call *call, const struct aerostat_range *before,
			     const struct aerostat_range *after)
{
	bool backed = true;
	const char *wrong = NULL;
	uint8_t status = judge_range(call->vm, before);
	call->work.least++;
	call->work.most++;
	if (status != AEROSTAT_RANGE_PENDING) {
		bool same = after->status == status && after->done == before->done &&
			    after->flags == before->flags;
		return same ? NULL : "a malformed range got the wrong answer";
	}
	if (after->done < before->done || after->done > before->count) {
		return "done is out of bounds";
	}
	for (uint32_t at = before->done; at < after->done && wrong == NULL; at++) {
		wrong = run_extent(call, before, at, AEROSTAT_RANGE_OK, &backed);
	}
	if (wrong != NULL) {
		return wrong;
	}
	bool complete = after->done == before->count;
	if (complete != (after->status == AEROSTAT_RANGE_OK)) {
		return "OK means that all extents are done";
	}
	if (complete) {
		return after->flags == flags_of(call, before, backed) ? NULL : "wrong flags";
	}
	if (after->flags != before->flags) {
		return "flags of a range that is not OK";
	}
	if (after->status == AEROSTAT_RANGE_PENDING) {
		return NULL;
	}
	return run_extent(call, before, after->done, after->status, &backed);
}

const char *spec_ranges(struct spec_vm *vm, enum spec_operation operation, uint64_t array_gfn,
			const struct aerostat_range *before, const struct aerostat_range *after,
			unsigned count, unsigned finished, spec_look look)
{
	struct call call = {vm, operation, array_gfn, 1024, {0, 0}, look};
	const char *wrong = NULL;
	call.budget = operation == SPEC_EMERGENCY ? 2048 : 1024;
	if (finished > count) {
		return "more ranges are finished than there are";
	}
	for (unsigned i = 0; i < count && wrong == NULL; i++) {
		bool looked_at = i < finished || (i == finished && call.work.most < call.budget) ||
				 (i == finished && before[i].done != after[i].done);
		if (!same_request(&before[i], &after[i])) {
			return "the request itself was changed";
		}
		if ((after[i].status == AEROSTAT_RANGE_PENDING) != (i == finished) &&
		    i <= finished) {
			return "PENDING is the first range that is not finished, and no other";
		}
		if (i < finished && call.work.least >= call.budget) {
			return "the call goes on beyond its work";
		}
		if (looked_at) {
			wrong = run_range(&call, &before[i], &after[i]);
			continue;
		}
		if (before[i].done != after[i].done || before[i].flags != after[i].flags ||
		    (i > finished && before[i].status != after[i].status)) {
			return "a range behind the last one was changed";
		}
	}
	if (wrong == NULL && finished < count && call.work.most < call.budget) {
		return "the call ends before its work is done";
	}
	return wrong;
}
