/* SPDX-License-Identifier: BSD-2-Clause */
/* See vvmballoon.h. */
#include "drivers/virt/vvmballoon.h"

#include "base/bits.h"
#include "base/nospec.h"
#include "base/string.h"
#include "kernel/balloon/balloon.h"
#include "kernel/balloon/release.h"
#include "kernel/overcommit/silent_driver.h"
#include "kernel/vm/vm.h"
#include "mm/guest_copy.h"

#define NO_PAGE UINT64_MAX
#define PIECES 512u	    /* of 2 MiB */
#define PIECE_RUN_COST 128u /* of a call of the core, where a look at one page costs 1 */

/* What the driver must have negotiated for a command; 0: there is no such command. */
static uint32_t needed_capability(uint32_t command)
{
	switch (command) {
	case VVMBALLOON_GET_TARGET:
	case VVMBALLOON_LOCK:
	case VVMBALLOON_UNLOCK:
	case VVMBALLOON_GUEST_ID:
		return VVMBALLOON_BASIC;
	case VVMBALLOON_BATCHED_LOCK:
	case VVMBALLOON_BATCHED_UNLOCK:
		return VVMBALLOON_BATCHED;
	case VVMBALLOON_BATCHED_2M_LOCK:
	case VVMBALLOON_BATCHED_2M_UNLOCK:
		return VVMBALLOON_BATCHED_2M;
	}
	return 0;
}

static bool is_lock(uint32_t command)
{
	return command == VVMBALLOON_LOCK || command == VVMBALLOON_BATCHED_LOCK ||
	       command == VVMBALLOON_BATCHED_2M_LOCK;
}

static bool is_large(uint32_t command)
{
	return command == VVMBALLOON_BATCHED_2M_LOCK || command == VVMBALLOON_BATCHED_2M_UNLOCK;
}

static struct vvmballoon_answer say(uint32_t status)
{
	return (struct vvmballoon_answer){.status = status};
}

static struct vvmballoon_answer say_again(void)
{
	return (struct vvmballoon_answer){.again = true};
}

static struct vvmballoon_answer say_target(const struct vvmballoon *balloon, uint32_t status)
{
	return (struct vvmballoon_answer){
		.status = status,
		.has_target = true,
		.target_pages = silent_driver_target(balloon->vm),
	};
}

void vvmballoon_reset(struct vvmballoon *balloon, struct vm *vm, struct aerostat_balloon_page *page)
{
	balloon->vm = vm;
	balloon->page = page;
	balloon->started = false;
	balloon->capabilities = 0;
	balloon->release_next = 0;
	balloon->batch.begun = false;
	balloon_detach_device(vm);
}

/* ---- START ---- */

static uint32_t negotiate(uint32_t wanted)
{
	uint32_t granted = wanted & VVMBALLOON_CAPABILITIES;

	if ((granted & VVMBALLOON_BATCHED) == 0) {
		granted &= ~VVMBALLOON_BATCHED_2M;
	}
	return (granted & VVMBALLOON_BASIC) != 0 ? granted : 0;
}

/* What an earlier driver said of the guest. */
static void forget_statistics(struct aerostat_balloon_page *page)
{
	__atomic_store_n(&page->total_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&page->free_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&page->idle_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&page->wanted_pages, 0, __ATOMIC_RELAXED);
	__atomic_store_n(&page->refault_count, 0, __ATOMIC_RELAXED);
}

/*
 * The driver has forgotten what it gave, and the guest uses all of it again: everything leaves the
 * balloon. Without capabilities it says goodbye (its module is removed).
 */
static struct vvmballoon_answer start(struct vvmballoon *balloon, uint32_t wanted)
{
	struct vm *vm = balloon->vm;

	balloon->started = false;
	balloon->batch.begun = false;
	balloon_detach_device(vm);
	struct s2_locked locked = s2_lock(&vm->s2);
	bool done = balloon_release_step(locked, vm, &balloon->release_next);
	s2_unlock(locked);
	if (!done) {
		return say_again();
	}
	balloon->capabilities = negotiate(wanted);
	if (balloon->capabilities != 0) {
		forget_statistics(balloon->page);
		if (balloon_attach_device(vm, balloon->page) != STATUS_OK) {
			return say(VVMBALLOON_BUSY);
		}
		silent_driver_begin(vm);
		balloon->started = true;
	}
	vm_log(vm, "balloon driver %s capabilities=0x%x", balloon->started ? "starts" : "stops",
	       balloon->capabilities);
	if (!balloon->started) {
		/*
		 * An error, which Linux passes over. A success without 2 MiB pages would have it
		 * look for pages of 4 KiB alone, until it has freed all, for ever (6.1).
		 */
		return say(VVMBALLOON_CMD_INVALID);
	}
	return (struct vvmballoon_answer){
		.status = VVMBALLOON_OK_WITH_CAPABILITIES,
		.has_capabilities = true,
		.capabilities = balloon->capabilities,
	};
}

/* ---- LOCK and UNLOCK ---- */

/* What becomes of a page, in the words of the driver; by what the core says. */
static const uint8_t page_statuses[16] = {
	[AEROSTAT_RANGE_OK] = VVMBALLOON_OK,
	[AEROSTAT_RANGE_MISALIGNED] = VVMBALLOON_PPN_INVALID,
	[AEROSTAT_RANGE_OUTSIDE] = VVMBALLOON_PPN_INVALID,
	[AEROSTAT_RANGE_SURRENDERED] = VVMBALLOON_PPN_LOCKED,
	[AEROSTAT_RANGE_NOT_SURRENDERED] = VVMBALLOON_PPN_UNLOCKED,
	[AEROSTAT_RANGE_MIXED] = VVMBALLOON_PPN_LOCKED, /* UNLOCK never leaves that */
	[AEROSTAT_RANGE_IN_USE] = VVMBALLOON_PPN_PINNED,
	[AEROSTAT_RANGE_NO_MEMORY] = VVMBALLOON_BUSY,
};

static inline uint8_t page_status(uint8_t status)
{
	return page_statuses[status % sizeof(page_statuses)];
}

/*
 * The same command once more, from whichever vCPU: a guest may move a task to another one in the
 * middle of its IN.
 */
static bool is_continued(const struct vvmballoon *balloon, const struct vvmballoon_call *call)
{
	const struct vvmballoon_call *begun = &balloon->batch.call;

	return balloon->batch.begun && begun->command == call->command &&
	       begun->arguments[0] == call->arguments[0] &&
	       begun->arguments[1] == call->arguments[1];
}

/* Copies the batch out of the guest's page. Its statuses are PENDING then. */
static uint32_t begin_batch(struct s2_locked locked, struct vvmballoon *balloon,
			    const struct vvmballoon_call *call)
{
	uint64_t *gfns = balloon->batch.gfns;
	uint64_t count = call->arguments[1];
	struct guest_window window;
	enum status status;

	if (count == 0 || count > VVMBALLOON_BATCH_MAX) {
		return VVMBALLOON_CMD_INVALID;
	}
	if (call->arguments[0] >= balloon->vm->s2.limit_pages) {
		return VVMBALLOON_PPN_INVALID;
	}
	gfn_t page = {call->arguments[0]};
	if (!balloon_may_populate(locked, balloon->vm, page)) {
		return VVMBALLOON_BUSY;
	}
	status = guest_window_open(locked, gfn_to_gpa(page), count * sizeof(uint64_t), &window);
	if (status != STATUS_OK) {
		return status == STATUS_NO_MEMORY ? VVMBALLOON_BUSY : VVMBALLOON_PPN_INVALID;
	}
	count = nospec_index(count, VVMBALLOON_BATCH_MAX + 1);
	guest_window_read(window, gfns);
	for (unsigned i = 0; i < count; i++) {
		gfns[i] >>= VVMBALLOON_ENTRY_SHIFT;
	}
	balloon->batch.page_gfn = page.n;
	balloon->batch.count = (unsigned)count;
	return VVMBALLOON_OK;
}

/* A command without a batch page is one of a single page. */
static uint32_t begin(struct s2_locked locked, struct vvmballoon *balloon,
		      const struct vvmballoon_call *call)
{
	uint32_t status = VVMBALLOON_OK;

	if (call->command == VVMBALLOON_LOCK || call->command == VVMBALLOON_UNLOCK) {
		balloon->batch.gfns[0] = call->arguments[0];
		balloon->batch.page_gfn = NO_PAGE;
		balloon->batch.count = 1;
	} else {
		status = begin_batch(locked, balloon, call);
	}
	balloon->batch.begun = status == VVMBALLOON_OK;
	balloon->batch.call = *call;
	balloon->batch.piece = 0;
	memset(balloon->batch.statuses, AEROSTAT_RANGE_PENDING, sizeof(balloon->batch.statuses));
	return status;
}

/* Pages from `piece` on, of 2 MiB from `gfn` on, that are in the balloon; at most up to the end. */
static uint32_t count_ballooned(struct s2_locked locked, uint64_t gfn, unsigned piece,
				unsigned *budget)
{
	uint32_t count = 0;

	while (piece + count<PIECES && * budget> 0 &&
	       s2_lookup(locked, (gfn_t){gfn + piece + count}).kind == S2_BALLOONED) {
		*budget -= 1;
		count++;
	}
	return count;
}

/*
 * UNLOCK of 2 MiB that are not one piece of the balloon, because the guest has touched a page of
 * them meanwhile: what is left of them leaves the balloon, and the driver has its 2 MiB again.
 * False: call again.
 */
static bool return_pieces(struct s2_locked locked, struct vvmballoon *balloon, unsigned i,
			  unsigned *budget)
{
	unsigned *piece = &balloon->batch.piece;
	uint8_t *status = &balloon->batch.statuses[i];
	uint64_t gfn = balloon->batch.gfns[i];

	while (*piece < PIECES) {
		if (*budget < PIECE_RUN_COST) {
			return false;
		}
		struct aerostat_range range = {.gfn = gfn + *piece, .order = ORDER_4K};
		range.count = count_ballooned(locked, gfn, *piece, budget);
		if (range.count == 0) {
			*piece += 1; /* the guest has it already */
			*budget -= 1;
			continue;
		}
		(void)balloon_run_ranges(locked, balloon->vm, BALLOON_RETURN, &range, 1,
					 (gfn_t){NO_PAGE});
		*piece += range.done;
		*budget = (unsigned)sub_floor_u64(*budget, PIECE_RUN_COST);
		if (range.status == AEROSTAT_RANGE_NO_MEMORY) {
			*status = range.status;
			break;
		}
	}
	*status = *status == AEROSTAT_RANGE_MIXED ? AEROSTAT_RANGE_OK : *status;
	*piece = 0;
	return true;
}

static bool return_all_pieces(struct s2_locked locked, struct vvmballoon *balloon)
{
	unsigned budget = AEROSTAT_CALL_WORK_MAX;

	for (unsigned i = 0; i < balloon->batch.count; i++) {
		if (balloon->batch.statuses[i] == AEROSTAT_RANGE_MIXED &&
		    !return_pieces(locked, balloon, i, &budget)) {
			return false;
		}
	}
	return true;
}

/* One step of the batch; true: it is done. */
static bool work(struct s2_locked locked, struct vvmballoon *balloon)
{
	uint32_t command = balloon->batch.call.command;
	bool done = balloon_run_pages(
		locked, balloon->vm, is_lock(command) ? BALLOON_SURRENDER : BALLOON_RETURN,
		balloon->batch.gfns, balloon->batch.count, is_large(command) ? ORDER_2M : ORDER_4K,
		(gfn_t){balloon->batch.page_gfn}, balloon->batch.statuses);

	if (done && command == VVMBALLOON_BATCHED_2M_UNLOCK) {
		done = return_all_pieces(locked, balloon);
	}
	return done;
}

/* The statuses go to the driver: of a single page in EAX, of others into their entries. */
static uint32_t finish(struct s2_locked locked, struct vvmballoon *balloon)
{
	uint64_t *entries = balloon->batch.gfns;
	struct guest_window window;

	balloon->batch.begun = false;
	if (balloon->batch.page_gfn == NO_PAGE) {
		return page_status(balloon->batch.statuses[0]);
	}
	for (unsigned i = 0; i < balloon->batch.count; i++) {
		entries[i] = entries[i] << VVMBALLOON_ENTRY_SHIFT |
			     page_status(balloon->batch.statuses[i]);
	}
	if (guest_window_open(locked, gfn_to_gpa((gfn_t){balloon->batch.page_gfn}),
			      balloon->batch.count * sizeof(uint64_t), &window) != STATUS_OK) {
		return VVMBALLOON_PPN_INVALID; /* the guest has given it away meanwhile */
	}
	guest_window_write(window, entries);
	return VVMBALLOON_OK;
}

/*
 * One batch at a time. Another one takes the place of one that is under way, of which stays done
 * what was done. The driver has a lock around its calls, so the old one's caller is gone (a kernel
 * that has crashed, for example); if the new one were told to wait, that could be for ever.
 */
static struct vvmballoon_answer move_pages(struct vvmballoon *balloon,
					   const struct vvmballoon_call *call)
{
	uint32_t status = VVMBALLOON_OK;

	struct s2_locked locked = s2_lock(&balloon->vm->s2);
	if (!is_continued(balloon, call)) {
		status = begin(locked, balloon, call);
	}
	bool again = status == VVMBALLOON_OK && !work(locked, balloon);
	if (status == VVMBALLOON_OK && !again) {
		status = finish(locked, balloon);
	}
	s2_unlock(locked);
	if (!again && status == VVMBALLOON_OK && call->command == VVMBALLOON_BATCHED_LOCK &&
	    call->arguments[1] > 1 && (balloon->capabilities & VVMBALLOON_BATCHED_2M) != 0) {
		silent_driver_scrapes(balloon->vm); /* one page alone is one that was moved */
	}
	return again ? say_again() : say_target(balloon, status);
}

static struct vvmballoon_answer get_target(struct vvmballoon *balloon, uint64_t ram_pages)
{
	__atomic_store_n(&balloon->page->total_pages, ram_pages, __ATOMIC_RELAXED);
	silent_driver_came(balloon->vm);
	return say_target(balloon, VVMBALLOON_OK);
}

/* Without 64-bit targets the driver may be one of 32 bits, and says nothing in the upper halves. */
static struct vvmballoon_call as_negotiated(const struct vvmballoon *balloon,
					    const struct vvmballoon_call *call)
{
	struct vvmballoon_call narrow = *call;

	if ((balloon->capabilities & VVMBALLOON_64_BIT) == 0) {
		narrow.arguments[0] = (uint32_t)narrow.arguments[0];
		narrow.arguments[1] = (uint32_t)narrow.arguments[1];
	}
	return narrow;
}

struct vvmballoon_answer vvmballoon_call(struct vvmballoon *balloon,
					 const struct vvmballoon_call *call)
{
	uint32_t needed = needed_capability(call->command);

	if (call->command == VVMBALLOON_START) {
		return start(balloon, (uint32_t)call->arguments[0]);
	}
	if (needed == 0) {
		return say(VVMBALLOON_CMD_INVALID);
	}
	if (!balloon->started) {
		return say(VVMBALLOON_RESET);
	}
	if ((balloon->capabilities & needed) == 0) {
		return say(VVMBALLOON_CMD_INVALID);
	}
	struct vvmballoon_call narrow = as_negotiated(balloon, call);
	switch (call->command) {
	case VVMBALLOON_GET_TARGET:
		return get_target(balloon, narrow.arguments[0]);
	case VVMBALLOON_GUEST_ID:
		return say(VVMBALLOON_OK);
	}
	return move_pages(balloon, &narrow);
}
