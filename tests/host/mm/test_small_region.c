/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A tiny world with large pages: two VMs of one 2 MiB region each, and frames for one such extent
 * and a few single pages. Every operation in every order, breadth first: the region is filled,
 * given, cut, joined and lost by one VM and then by the other. In every state the auditor, the fake
 * TLB and the contents of all pages are checked. (Single pages: test_small_world.c.)
 *
 *	SMALL_REGION_SECONDS=n build/host/test_small_region	explore further
 */
#include "fake/environment.h"
#include "fake/explorer.h"
#include "fake/world.h"

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/phys.h"
#include "mm/reclaim.h"
#include "mm/stage2/table.h"

#define VMS 2
#define LIMIT 512
#define FIRST 512
#define FRAMES_MAX (FIRST + 512 + 16)

static struct frame records[FRAMES_MAX];
static struct s2 spaces[VMS];
static bool exists[VMS];
static const uint64_t gfns[] = {0, 511}; /* those that operations on single pages name */

/* What a page of VM v holds once it was written. */
static uint64_t pattern(unsigned v)
{
	return 0xabcd000000000000 | v;
}

/* ---- Checks
 * ------------------------------------------------------------------------------------*/

static void check_frame(uint64_t pfn, struct frame_tag tag)
{
	const uint64_t *words = pfn_to_virt((pfn_t){pfn});
	uint64_t own = tag.state == FRAME_GUEST ? pattern(tag.owner - 1u) : 0;
	if ((words[0] != 0 && words[0] != own) || (words[511] != 0 && words[511] != own)) {
		explorer_print_path();
		fail_msg("frame %llu holds %llx", (unsigned long long)pfn,
			 (unsigned long long)words[0]);
	}
}

/* Every page of a VM is zero or its own; nothing ZEROED is not zero; the auditor agrees. */
static void check_all(void)
{
	struct audit_report report;
	struct s2 *list[VMS];
	unsigned count = 0;
	for (unsigned v = 0; v < VMS; v++) {
		if (exists[v]) {
			list[count++] = &spaces[v];
		}
	}
	audit_run(list, count, &report);
	if (report.error_count != 0) {
		explorer_print_path();
		fail_msg("audit: %s", report.first_error);
	}
	fake_locks_check();
	fake_tlb_check();
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		struct frame_tag tag = frame_table[pfn].tag;
		for (uint64_t end = pfn + order_pages(tag.order); pfn < end; pfn++) {
			if (tag.state == FRAME_ZEROED || tag.state == FRAME_GUEST) {
				check_frame(pfn, tag);
			}
		}
	}
}

/* ---- What makes a state different from another: what it means, not which frames it is made of
 * --*/

static void hash_space(struct s2 *s2)
{
	struct s2_locked locked = s2_lock(s2);
	for (uint64_t gfn = 0; gfn < LIMIT;) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		const uint64_t *words = pfn_to_virt(slot.pfn);
		explorer_mix(slot.kind | slot.order << 8 | (uint64_t)slot.pinned << 16 | gfn << 32);
		explorer_mix(slot.kind == S2_MAPPED ? words[0] : 0);
		gfn += order_pages(slot.order);
	}
	s2_unlock(locked);
	explorer_mix(s2->promise.min_pages | s2->table_pages << 16 | s2->revoking_pages << 32);
}

static void hash_world(void)
{
	uint64_t cached[64];
	uint64_t free_extents[FRAME_ORDER_MAX + 1] = {0};
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		struct frame_tag tag = frame_table[pfn].tag;
		free_extents[tag.order] += tag.state == FRAME_DIRTY    ? 1
					   : tag.state == FRAME_ZEROED ? 1ull << 32
								       : 0;
		pfn += order_pages(tag.order);
	}
	for (unsigned order = 0; order <= FRAME_ORDER_MAX; order++) {
		explorer_mix(free_extents[order]);
	}
	for (unsigned v = 0; v < VMS; v++) {
		explorer_mix(exists[v]);
		if (exists[v]) {
			hash_space(&spaces[v]);
		}
	}
	unsigned count = fake_tlb_digest(cached, ARRAY_COUNT(cached));
	for (unsigned i = 0; i < count; i++) {
		explorer_mix(cached[i]);
	}
}

/* ---- Operations
 * --------------------------------------------------------------------------------*/

enum action {
	TOUCH, /* the guest writes: through the TLB, populating first if it must */
	SURRENDER,
	REPORT,
	RETURN,
	PIN_OR_UNPIN,
	SINGLE_ACTIONS, /* those before name a page, the rest is for the whole region */
	TOUCH_LARGE = SINGLE_ACTIONS,
	FILL, /* all that is not mapped, page by page */
	SURRENDER_LARGE,
	REPORT_LARGE,
	RETURN_LARGE,
	JOIN,
	CREATE,
	DESTROY,
	ACTIONS,
};

#define PER_VM (SINGLE_ACTIONS * ARRAY_COUNT(gfns) + ACTIONS - SINGLE_ACTIONS)
#define SCRUB (PER_VM * VMS) /* and without memory, for each of those before */
#define OPERATIONS (2 * SCRUB + 1)

static void see_and_write(uint64_t *page, unsigned v)
{
	if ((page[0] != 0 && page[0] != pattern(v)) || page[0] != page[511]) {
		explorer_print_path();
		fail_msg("VM %u sees %llx", v, (unsigned long long)page[0]);
	}
	page[0] = pattern(v);
	page[511] = pattern(v);
}

static void touch(unsigned v, gfn_t gfn, unsigned order)
{
	struct s2 *s2 = &spaces[v];
	uint64_t pages;
	uint64_t *page = (uint64_t *)fake_tlb_access(s2, 0, gfn);
	if (page == NULL) {
		struct s2_locked locked = s2_lock(s2);
		enum status status = s2_populate(locked, gfn, order, &pages);
		s2_unlock(locked);
		page = status == STATUS_OK ? (uint64_t *)fake_tlb_access(s2, 0, gfn) : NULL;
		assert_true((page != NULL) == (status == STATUS_OK));
		assert_true(page == NULL || page[0] == 0);
	}
	if (page != NULL) {
		see_and_write(page, v);
	}
}

static void fill(struct s2_locked locked)
{
	uint64_t pages;
	enum status status = STATUS_OK;
	for (uint64_t gfn = 0; gfn < LIMIT && status == STATUS_OK; gfn++) {
		status = s2_populate(locked, (gfn_t){gfn}, ORDER_4K, &pages);
	}
}

static void pin_or_unpin(struct s2_locked locked, gfn_t gfn)
{
	pfn_t pfn;
	if (s2_lookup(locked, gfn).pinned) {
		s2_unpin(locked, gfn);
	} else {
		(void)(s2_pin(locked, gfn, &pfn) == STATUS_OK);
	}
}

/* What happens under the lock, up to the flush that ends every hypercall. */
static void act(enum action action, unsigned v, gfn_t gfn)
{
	unsigned order = action < SINGLE_ACTIONS ? ORDER_4K : ORDER_2M;
	uint64_t freed;
	uint64_t work;
	enum status status = STATUS_OK;
	struct s2_locked locked = s2_lock(&spaces[v]);
	switch (action) {
	case SURRENDER:
	case SURRENDER_LARGE:
		status = s2_surrender(locked, gfn, order, &freed, &work);
		break;
	case REPORT:
	case REPORT_LARGE:
		status = s2_report(locked, gfn, order, &freed, &work);
		break;
	case RETURN:
	case RETURN_LARGE:
		status = s2_return(locked, gfn, order, &work);
		break;
	case FILL:
		fill(locked);
		break;
	case JOIN:
		status = s2_merge(locked, gfn);
		break;
	default:
		pin_or_unpin(locked, gfn);
	}
	assert_true(status != STATUS_OUTSIDE && status != STATUS_MISALIGNED);
	fake_tlb_check(); /* before the flush, too */
	reclaim_flush(locked);
	s2_unlock(locked);
}

static enum explorer_outcome operate_vm(enum action action, unsigned v, gfn_t gfn)
{
	if (action == CREATE) {
		if (exists[v]) {
			return EXPLORER_IMPOSSIBLE;
		}
		exists[v] = s2_create(&spaces[v], &fake_format, (vm_id_t)(v + 1), LIMIT, 0) ==
			    STATUS_OK;
		return EXPLORER_DONE;
	}
	if (!exists[v]) {
		return EXPLORER_IMPOSSIBLE;
	}
	if (action == DESTROY) {
		while (!s2_destroy_step(&spaces[v], 4096)) {
			check_all();
		}
		exists[v] = false;
	} else if (action == TOUCH || action == TOUCH_LARGE) {
		touch(v, gfn, action == TOUCH ? ORDER_4K : ORDER_2M);
	} else {
		act(action, v, gfn);
	}
	return EXPLORER_DONE;
}

static enum explorer_outcome operate(unsigned number)
{
	if (number == 2 * SCRUB) {
		uint64_t pages = scrub_step(ORDER_2M);
		check_all();
		return pages != 0 ? EXPLORER_DONE : EXPLORER_IMPOSSIBLE;
	}
	bool without_memory = number >= SCRUB;
	number %= SCRUB;
	unsigned v = number % VMS;
	number /= VMS;
	gfn_t gfn = {0};
	enum action action = (enum action)(number - SINGLE_ACTIONS * (ARRAY_COUNT(gfns) - 1));
	if (number < SINGLE_ACTIONS * ARRAY_COUNT(gfns)) {
		gfn.n = gfns[number % ARRAY_COUNT(gfns)];
		action = (enum action)(number / ARRAY_COUNT(gfns));
	}
	frame_alloc_fail_at = without_memory ? 1 : 0;
	enum explorer_outcome outcome = operate_vm(action, v, gfn);
	bool failed = frame_alloc_fail_at == 0;
	frame_alloc_fail_at = 0;
	if (outcome == EXPLORER_DONE && without_memory && !failed) {
		return EXPLORER_UNWANTED;
	}
	if (outcome == EXPLORER_DONE) {
		check_all();
	}
	return outcome;
}

/* ---- Worlds
 * ------------------------------------------------------------------------------------*/

static void start(uint64_t singles)
{
	static struct memmap available;
	static struct memmap nothing;
	uint64_t frames = FIRST + 512 + singles;
	fake_phys_start(frames);
	fake_locks_reset();
	fake_tlb_reset();
	fake_format.max_leaf_level = 1;
	available.count = 1;
	available.regions[0] = (struct memmap_region){FIRST << PAGE_SHIFT, frames << PAGE_SHIFT};
	frame_table_init(records, frames, &available, &nothing);
	for (uint64_t pfn = FIRST; pfn < frames; pfn++) {
		uint64_t *words = pfn_to_virt((pfn_t){pfn});
		words[0] = WORLD_FORMER_OWNER;
		words[511] = WORLD_FORMER_OWNER;
	}
}

static void explore(uint64_t singles)
{
	unsigned seconds = (unsigned)environment_number("SMALL_REGION_SECONDS", 5);
	start(singles);
	struct explorer_result result =
		explorer_run(operate, OPERATIONS, hash_world, 400000, seconds);
	print_message("%u frames, 2 VMs of one 2 MiB region: %llu distinct states, %llu "
		      "transitions, depth %u%s\n",
		      512 + (unsigned)singles, (unsigned long long)result.states,
		      (unsigned long long)result.transitions, result.depth,
		      result.complete ? ", which is all" : "");
	assert_true(result.complete || result.states >= 100);
}

static void test_enough_for_both(void **state)
{
	(void)state;
	explore(16);
}

/* Tables for both, and no more than the one extent for pages. */
static void test_not_a_page_to_spare(void **state)
{
	(void)state;
	explore(8);
}

static int teardown(void **state)
{
	(void)state;
	fake_phys_stop();
	fake_tlb_reset();
	frame_table = NULL;
	frame_alloc_fail_at = 0;
	for (unsigned v = 0; v < VMS; v++) {
		exists[v] = false;
	}
	while (promise_owed() != 0) {
		struct promise rest = {.min_pages = promise_owed()};
		promise_withdraw(&rest);
	}
	return 0;
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_enough_for_both),
		TEST(test_not_a_page_to_spare),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
