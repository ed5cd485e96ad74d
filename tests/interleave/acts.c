/* SPDX-License-Identifier: BSD-2-Clause */
/* See acts.h. Each is what the kernel does for a call, a fault or in idle time. Instrumented. */
#include "interleave/acts.h"

#include <stddef.h>

#include "arch/backend.h"
#include "fake/runs.h"
#include "interleave/world.h"
#include "mm/alloc.h"
#include "mm/cache.h"
#include "mm/guest_copy.h"
#include "mm/reclaim.h"
#include "mm/stage2/sample.h"
#include "mm/stage2/single.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* ---- A lock ---- */

uint64_t act_counted;

void act_count_under_lock(void)
{
	static struct lock lock;
	lock_acquire(&lock);
	act_counted++;
	lock_release(&lock);
}

void act_count_twice_under_lock(void)
{
	act_count_under_lock();
	act_count_under_lock();
}

/* ---- Guests ---- */

static void touch_mapped(void)
{
	world_answer(guest_touch(&spaces[0], MAPPED_GFN));
}

/* In the guest until the hypervisor wants the CPU, which it may never do. */
static void stay(void)
{
	guest_enter(&spaces[0]);
	(void)guest_access(&spaces[0], MAPPED_GFN);
	interleave_wait(guest_is_kicked, true);
	(void)guest_access(&spaces[0], MAPPED_GFN);
	guest_leave();
}

static void touch_ballooned(void)
{
	world_answer(guest_touch(&spaces[0], BALLOONED_GFN));
}

static void touch_empty(void)
{
	world_answer(guest_touch(&spaces[0], EMPTY_GFN));
}

/* ---- Calls of VM 1 ---- */

static void call(enum run_kind kind, struct s2 *s2, uint64_t gfn, unsigned order)
{
	uint64_t done;
	uint64_t work;
	struct s2_locked locked = s2_lock(s2);
	world_answer(run_once(locked, kind, (gfn_t){gfn}, order, 1, &done, &work));
	reclaim_flush(locked);
	s2_unlock(locked);
}

static void surrender_range(void)
{
	call(RUN_SURRENDER, &spaces[0], MAPPED_GFN, ORDER_4K);
}

static void single(struct s2 *s2, enum s2_kind into)
{
	uint64_t freed;
	struct s2_locked locked = s2_lock(s2);
	world_answer(s2_single_take_out(locked, (gfn_t){MAPPED_GFN}, ORDER_4K, into, &freed));
	s2_unlock(locked);
}

static void surrender_single(void)
{
	single(&spaces[0], S2_BALLOONED);
}

static void report_range(void)
{
	call(RUN_REPORT, &spaces[0], MAPPED_GFN, ORDER_4K);
}

static void return_range(void)
{
	call(RUN_RETURN, &spaces[0], BALLOONED_GFN, ORDER_4K);
}

static void return_single(void)
{
	struct s2_locked locked = s2_lock(&spaces[0]);
	world_answer(s2_single_return(locked, (gfn_t){BALLOONED_GFN}, ORDER_4K));
	s2_unlock(locked);
}

static void pin_page(uint64_t gfn)
{
	pfn_t pfn;
	struct s2_locked locked = s2_lock(&spaces[0]);
	world_answer(s2_pin(locked, (gfn_t){gfn}, &pfn));
	reclaim_flush(locked);
	s2_unlock(locked);
}

static void pin(void)
{
	pin_page(MAPPED_GFN);
}

/* An array of ranges is read, and what became of them is written, while the lock is held. */
static void copy(void)
{
	uint64_t words[2];
	struct s2_locked locked = s2_lock(&spaces[0]);
	gpa_t at = {MAPPED_GFN * PAGE_BYTES + 2048};
	enum status status = guest_copy_in(locked, at, words, sizeof(words));
	world_answer(status);
	if (status == STATUS_OK) {
		world_answer(guest_copy_out(locked, at, words, sizeof(words)));
	}
	s2_unlock(locked);
}

static void sample(void)
{
	struct s2_sample drawn;
	s2_sample_init(&drawn, 3);
	struct s2_locked locked = s2_lock(&spaces[0]);
	s2_sample_begin(locked, &drawn);
	s2_unlock(locked);
	locked = s2_lock(&spaces[0]);
	(void)s2_sample_end(locked, &drawn);
	s2_unlock(locked);
}

const struct act page_acts[] = {
	{.name = "touch-mapped", .run = touch_mapped, .at_once = true, .vm = 1},
	{.name = "touch-ballooned", .run = touch_ballooned, .at_once = true, .vm = 1},
	{.name = "touch-empty", .run = touch_empty, .at_once = true, .vm = 1},
	{.name = "stay", .run = stay, .at_once = true, .vm = 1},
	{.name = "surrender", .run = surrender_range, .at_once = true, .vm = 1},
	{.name = "surrender-single", .run = surrender_single, .at_once = true, .vm = 1},
	{.name = "report", .run = report_range, .at_once = true, .vm = 1},
	{.name = "return", .run = return_range, .at_once = true, .vm = 1},
	{.name = "return-single", .run = return_single, .at_once = true, .vm = 1},
	{.name = "pin", .run = pin, .at_once = true, .vm = 1},
	{.name = "copy", .run = copy, .at_once = true, .vm = 1},
	{.name = "sample", .run = sample, .at_once = true, .vm = 1},
};
const unsigned page_act_count = COUNT(page_acts);

/* ---- Frames that all have in common ---- */

static const struct frame_tag host_tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};

static void host_takes(void)
{
	pfn_t pfn;
	world_answer(frame_alloc(ORDER_4K, host_tag, &pfn));
}

/* Each CPU a page that the host had from the beginning. */
static void host_frees(void)
{
	frame_free(world_host_pages[interleave_cpu()], host_tag);
}

static void fault(struct s2 *s2, uint64_t gfn)
{
	enum s2_kind was;
	uint64_t pages;
	struct s2_locked locked = s2_lock(s2);
	world_answer(s2_fault(locked, (gfn_t){gfn}, ORDER_4K, true, &was, &pages));
	s2_unlock(locked);
}

static void fault_1(void)
{
	fault(&spaces[0], EMPTY_GFN);
	fault(&spaces[0], BALLOONED_GFN);
}

/*
 * It was promised these. Where the last free frame is on its way back, its vCPU waits until that is
 * there.
 */
static void fault_2(void)
{
	for (unsigned i = 0; i < 2; i++) {
		enum s2_kind was;
		uint64_t pages;
		enum status status;
		do {
			struct s2_locked locked = s2_lock(&spaces[1]);
			status = s2_fault(locked, (gfn_t){EMPTY_GFN + i}, ORDER_4K, true, &was,
					  &pages);
			s2_unlock(locked);
			if (status != STATUS_OK) {
				interleave_pause();
			}
		} while (status != STATUS_OK);
	}
}

static void surrender_2(void)
{
	call(RUN_SURRENDER, &spaces[1], MAPPED_GFN, ORDER_4K);
}

static void single_2(void)
{
	single(&spaces[1], S2_BALLOONED);
}

static void scrub(void)
{
	(void)scrub_step(ORDER_4K);
	(void)scrub_step(ORDER_4K);
}

static void empty_caches(void)
{
	frame_caches_empty();
}

static void switch_caches(void)
{
	frame_caches_floor_set(FRAME_CACHES_OFF);
	frame_caches_empty();
	frame_caches_floor_set(0);
}

/* The boot CPU alone begins and ends VMs: of two that would, one does. */
static bool created_3;
static bool ended_2;

static bool claim(bool *done)
{
	return !__atomic_exchange_n(done, true, __ATOMIC_SEQ_CST);
}

/* VM 3 begins, and is promised as much as there is for one of them. */
static void create_3(void)
{
	if (!claim(&created_3)) {
		return;
	}
	enum status status = s2_create(&spaces[2], &world_format, 3, SMALL_PAGES, 2);
	space_exists[2] = status == STATUS_OK;
	world_answer(status);
}

static void end_2(void)
{
	if (!claim(&ended_2)) {
		return;
	}
	while (!s2_destroy_step(&spaces[1], 3072)) {
	}
	space_exists[1] = false;
}

/* Sums of a moment: possible ones. */
static void look(void)
{
	if (frame_count_free() > frame_table_count || promise_spare() > frame_table_count ||
	    frame_count(FRAME_GUEST) > frame_table_count) {
		interleave_fail("more frames than there are");
	}
}

const struct act frame_acts[] = {
	{.name = "host-takes", .run = host_takes},
	{.name = "host-frees", .run = host_frees},
	{.name = "fault-1", .run = fault_1, .vm = 1},
	{.name = "fault-2", .run = fault_2, .vm = 2},
	{.name = "surrender-1", .run = surrender_range, .vm = 1},
	{.name = "surrender-2", .run = surrender_2, .vm = 2},
	{.name = "single-2", .run = single_2, .vm = 2},
	{.name = "scrub", .run = scrub},
	{.name = "empty-caches", .run = empty_caches},
	{.name = "switch-caches", .run = switch_caches},
	{.name = "create-3", .run = create_3},
	{.name = "end-2", .run = end_2, .ends = 2},
	{.name = "look", .run = look},
};
const unsigned frame_act_count = COUNT(frame_acts);

/* ---- Regions of 2 MiB ---- */

/* What no act here takes out is there at each moment; a TLB may forget what it likes. */
static void use_always(uint64_t gfn)
{
	guest_enter(&spaces[0]);
	for (unsigned i = 0; i < 3; i++) {
		if (i != 1) {
			backend->flush_s2(&spaces[0]);
		}
		if (!guest_access(&spaces[0], gfn)) {
			interleave_fail("page %llu is not mapped for a moment",
					(unsigned long long)gfn);
		}
	}
	guest_leave();
}

static void use_whole(void)
{
	use_always(WHOLE_GFN);
}

static void use_pieces(void)
{
	use_always(PIECES_GFN);
}

static void surrender_of_whole(void)
{
	call(RUN_SURRENDER, &spaces[0], WHOLE_GFN + 1, ORDER_4K);
}

static void pin_in_whole(void)
{
	pin_page(WHOLE_GFN);
}

static void pin_in_pieces(void)
{
	pin_page(PIECES_GFN + 1);
}

static void merge_pieces(void)
{
	struct s2_locked locked = s2_lock(&spaces[0]);
	world_answer(s2_merge(locked, (gfn_t){PIECES_GFN}));
	reclaim_flush(locked);
	s2_unlock(locked);
}

const struct act region_acts[] = {
	{.name = "use-whole", .run = use_whole, .at_once = true, .vm = 1},
	{.name = "use-pieces", .run = use_pieces, .at_once = true, .vm = 1},
	{.name = "surrender", .run = surrender_of_whole, .at_once = true, .vm = 1},
	{.name = "pin-in-whole", .run = pin_in_whole, .at_once = true, .vm = 1},
	{.name = "pin-in-pieces", .run = pin_in_pieces, .at_once = true, .vm = 1},
	{.name = "merge", .run = merge_pieces, .at_once = true, .vm = 1},
};
const unsigned region_act_count = COUNT(region_acts);
