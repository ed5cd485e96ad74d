/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Worlds so small that they can be explored: a dozen frames, two or three VMs of a few pages, and
 * from every state every operation, breadth first. After each step the auditor runs, every status
 * is compared with what a table of slots predicts, every page with what its guest wrote, and no
 * processor can reach a frame that is no longer its VM's (fake/small_mm.h).
 *
 * SMALL_WORLD_STATES and SMALL_WORLD_SECONDS say when each world is to be left; `make small-worlds`
 * goes on for a million states.
 */
#include "fake/environment.h"
#include "fake/runs.h"
#include "fake/small_mm.h"
#include "fake/small_search.h"

#include <string.h>

#include "base/bits.h"
#include "mm/alloc.h"
#include "mm/phys.h"
#include "mm/promise.h"
#include "mm/reclaim.h"

#define OPERATIONS_MAX 400

enum operation_kind {
	CREATE,
	DESTROY,
	POPULATE,
	POPULATE_EMERGENCY,
	SURRENDER,
	REPORT,
	RETURN,
	SURRENDER_RUN,
	REPORT_RUN,
	RETURN_RUN,
	PIN,
	UNPIN,
	FLUSH,
	SCRUB,
	HOST_TAKES,
	HOST_GIVES,
};

static const char *const operation_names[] = {
	"create",
	"destroy",
	"populate",
	"populate (emergency)",
	"surrender",
	"report",
	"return",
	"surrender run",
	"report run",
	"return run",
	"pin",
	"unpin",
	"flush",
	"scrub",
	"host takes a frame",
	"host gives it back",
};

struct operation {
	uint8_t kind;
	uint8_t vm;
	uint8_t gfn;
	uint8_t fail_at; /* which allocation fails, 0: none */
};

static struct operation operations[OPERATIONS_MAX];
static unsigned operation_count;

/* ---- Operations ---- */

/* What a fill needs and may have, looked at before it. */
struct prospect {
	uint64_t tables; /* to be added on the way to the page */
	bool allowed;	 /* by the promises */
	bool ready;	 /* the frames are free, not only on their way */
};

static struct prospect look_ahead(unsigned vm, unsigned gfn, bool emergency)
{
	struct s2 *s2 = &small_spaces[vm];
	struct s2_locked locked = s2_lock(s2);
	struct prospect prospect = {.tables = s2_lookup(locked, (gfn_t){gfn}).order / 9};
	s2_unlock(locked);
	uint64_t supply_pages = frame_count_free() + frame_count(FRAME_REVOKING);
	uint64_t kept = promise_owed() + (emergency ? 0 : small_mm->reserve);
	bool own = s2->promise.held_pages < s2->promise.min_pages;
	prospect.allowed = own || supply_pages > kept;
	prospect.ready = frame_count_free() >= prospect.tables + 1;
	return prospect;
}

static void judge_fill(struct prospect prospect, enum status status, const struct operation *o)
{
	assert_true(status == STATUS_OK || status == STATUS_NO_MEMORY);
	if (!prospect.allowed) {
		assert_int_equal(status, STATUS_NO_MEMORY);
	} else if (prospect.ready && o->fail_at == 0) {
		assert_int_equal(status, STATUS_OK);
	}
}

static void take_in(unsigned vm, unsigned gfn, struct s2_locked locked)
{
	struct small_slot *slot = &small_machines[vm].slots[gfn];
	if (slot->kind != S2_MAPPED) {
		struct s2_slot now = s2_lookup(locked, (gfn_t){gfn});
		assert_int_equal(now.kind, S2_MAPPED);
		small_mm_fill(vm, gfn, now.pfn.n);
		slot->kind = S2_MAPPED;
	}
}

static void populate(const struct operation *o)
{
	bool emergency = o->kind == POPULATE_EMERGENCY;
	const struct small_slot *slot = &small_machines[o->vm].slots[o->gfn];
	struct prospect prospect = look_ahead(o->vm, o->gfn, emergency);
	bool mapped = slot->kind == S2_MAPPED;
	uint64_t pages;
	struct s2_locked locked = s2_lock(&small_spaces[o->vm]);
	small_spaces[o->vm].promise.emergency = emergency;
	enum status status = s2_populate(locked, (gfn_t){o->gfn}, ORDER_1G, &pages);
	small_spaces[o->vm].promise.emergency = false;
	assert_int_equal(pages, status == STATUS_OK && !mapped ? 1 : 0);
	if (mapped) {
		assert_int_equal(status, STATUS_OK);
	} else {
		judge_fill(prospect, status, o);
	}
	if (status == STATUS_OK) {
		take_in(o->vm, o->gfn, locked);
	}
	s2_unlock(locked);
}

static void pin(const struct operation *o)
{
	struct small_slot *slot = &small_machines[o->vm].slots[o->gfn];
	struct prospect prospect = look_ahead(o->vm, o->gfn, false);
	pfn_t pfn;
	struct s2_locked locked = s2_lock(&small_spaces[o->vm]);
	enum status status = s2_pin(locked, (gfn_t){o->gfn}, &pfn);
	if (slot->kind == S2_BALLOONED) {
		assert_int_equal(status, STATUS_SURRENDERED);
	} else if (slot->pinned) {
		assert_int_equal(status, STATUS_IN_USE);
	} else if (slot->kind == S2_EMPTY) {
		judge_fill(prospect, status, o);
	} else {
		assert_int_equal(status, STATUS_OK);
	}
	if (status == STATUS_OK) {
		take_in(o->vm, o->gfn, locked);
		slot->pinned = true;
		assert_int_equal(s2_lookup(locked, (gfn_t){o->gfn}).pfn.n, pfn.n);
	}
	s2_unlock(locked);
}

/* OK when the slot may be taken out or returned as the operation says. */
static enum status judge_slot(const struct small_slot *slot, enum operation_kind kind)
{
	if (kind == RETURN || kind == RETURN_RUN) {
		return slot->kind == S2_BALLOONED ? STATUS_OK : STATUS_NOT_SURRENDERED;
	}
	if (slot->kind == S2_BALLOONED) {
		return STATUS_SURRENDERED;
	}
	return slot->pinned ? STATUS_IN_USE : STATUS_OK;
}

static void change_slot(struct small_slot *slot, enum operation_kind kind)
{
	bool into_balloon = kind == SURRENDER || kind == SURRENDER_RUN;
	slot->kind = into_balloon ? S2_BALLOONED : S2_EMPTY;
}

static void move_one(const struct operation *o)
{
	struct small_slot *slot = &small_machines[o->vm].slots[o->gfn];
	struct prospect prospect = look_ahead(o->vm, o->gfn, false);
	enum status expected = judge_slot(slot, o->kind);
	uint64_t freed = 0;
	uint64_t work;
	gfn_t gfn = {o->gfn};
	struct s2_locked locked = s2_lock(&small_spaces[o->vm]);
	enum status status = o->kind == SURRENDER ? s2_surrender(locked, gfn, 0, &freed, &work)
			     : o->kind == REPORT  ? s2_report(locked, gfn, 0, &freed, &work)
						  : s2_return(locked, gfn, 0, &work);
	s2_unlock(locked);
	bool may_lack = o->kind == SURRENDER && slot->kind == S2_EMPTY && prospect.tables > 0 &&
			(o->fail_at != 0 || frame_count_free() < prospect.tables);
	if (status != STATUS_NO_MEMORY || expected != STATUS_OK || !may_lack) {
		assert_int_equal(status, expected);
	}
	if (status == STATUS_OK) {
		assert_int_equal(freed, slot->kind == S2_MAPPED ? 1 : 0);
		change_slot(slot, o->kind);
	}
}

static void move_run(const struct operation *o)
{
	struct small_machine *machine = &small_machines[o->vm];
	uint64_t count = small_mm->pages - o->gfn;
	uint64_t done;
	uint64_t work;
	gfn_t gfn = {o->gfn};
	struct s2_locked locked = s2_lock(&small_spaces[o->vm]);
	enum status status = o->kind == SURRENDER_RUN
				     ? run_once(locked, RUN_SURRENDER, gfn, 0, count, &done, &work)
			     : o->kind == REPORT_RUN
				     ? run_once(locked, RUN_REPORT, gfn, 0, count, &done, &work)
				     : run_once(locked, RUN_RETURN, gfn, 0, count, &done, &work);
	s2_unlock(locked);
	enum status first = judge_slot(&machine->slots[o->gfn], o->kind);
	if (status != STATUS_NO_MEMORY || o->kind != SURRENDER_RUN) {
		assert_int_equal(status, first);
	}
	assert_true((done > 0) == (status == STATUS_OK) && done <= count);
	for (uint64_t i = 0; i < done; i++) {
		struct small_slot *slot = &machine->slots[o->gfn + i];
		assert_int_equal(judge_slot(slot, o->kind), STATUS_OK);
		change_slot(slot, o->kind);
	}
}

static void create(const struct operation *o)
{
	uint64_t min = small_mm->min[o->vm];
	uint64_t wanted = min + s2_table_pages_worst(small_mm->pages);
	bool fits = promise_spare() >= wanted;
	bool ready = frame_count_free() > 0 && o->fail_at == 0;
	enum status status = s2_create(&small_spaces[o->vm], &small_mm_format, (vm_id_t)(o->vm + 1),
				       small_mm->pages, min);
	assert_int_equal(status, fits && ready ? STATUS_OK : STATUS_NO_MEMORY);
	memset(&small_machines[o->vm], 0, sizeof(small_machines[o->vm]));
	small_machines[o->vm].exists = status == STATUS_OK;
}

static void destroy(const struct operation *o)
{
	uint64_t free_before = frame_count_free();
	uint64_t had = small_spaces[o->vm].mapped_pages + small_spaces[o->vm].table_pages +
		       small_spaces[o->vm].revoking_pages;
	for (unsigned steps = 0; !s2_destroy_step(&small_spaces[o->vm], 4096); steps++) {
		assert_true(steps < 4);
	}
	memset(&small_machines[o->vm], 0, sizeof(small_machines[o->vm]));
	assert_int_equal(frame_count_free(), free_before + had); /* every frame once */
}

static void take_host_frame(const struct operation *o)
{
	bool fits = promise_spare() >= 1;
	bool ready = frame_count_free() > 0 && o->fail_at == 0;
	pfn_t pfn;
	struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};
	enum status status = frame_alloc(ORDER_4K, tag, &pfn);
	assert_int_equal(status, fits && ready ? STATUS_OK : STATUS_NO_MEMORY);
	if (status == STATUS_OK) {
		small_mm_expect_zero(pfn.n, "given to the host");
		*(uint64_t *)pfn_to_virt(pfn) = 0x4057;
		small_host_frame = pfn.n;
	}
}

static void operate_globally(const struct operation *o)
{
	switch (o->kind) {
	case FLUSH: {
		struct s2_locked locked = s2_lock(&small_spaces[o->vm]);
		reclaim_flush(locked);
		s2_unlock(locked);
		break;
	}
	case SCRUB:
		(void)scrub_step(o->gfn);
		break;
	case HOST_TAKES:
		take_host_frame(o);
		break;
	default:
		frame_free((pfn_t){small_host_frame},
			   (struct frame_tag){FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST});
		small_host_frame = 0;
		break;
	}
}

static void operate(const struct operation *o)
{
	small_mm_note_reachable();
	frame_alloc_fail_at = o->fail_at;
	switch (o->kind) {
	case CREATE:
		create(o);
		break;
	case DESTROY:
		destroy(o);
		break;
	case POPULATE:
	case POPULATE_EMERGENCY:
		populate(o);
		break;
	case SURRENDER:
	case REPORT:
	case RETURN:
		move_one(o);
		break;
	case SURRENDER_RUN:
	case REPORT_RUN:
	case RETURN_RUN:
		move_run(o);
		break;
	case PIN:
		pin(o);
		break;
	case UNPIN: {
		struct s2_locked locked = s2_lock(&small_spaces[o->vm]);
		s2_unpin(locked, (gfn_t){o->gfn});
		s2_unlock(locked);
		small_machines[o->vm].slots[o->gfn].pinned = false;
		break;
	}
	default:
		operate_globally(o);
		break;
	}
	frame_alloc_fail_at = 0;
}

/* Is there any sense in it now? What would panic by contract is left out. */
static bool is_possible(const struct operation *o)
{
	const struct small_machine *machine = &small_machines[o->vm];
	switch (o->kind) {
	case CREATE:
		return !machine->exists;
	case SCRUB:
		return frame_count(FRAME_DIRTY) > 0;
	case HOST_TAKES:
		return small_host_frame == 0;
	case HOST_GIVES:
		return small_host_frame != 0;
	case UNPIN:
		return machine->exists && machine->slots[o->gfn].pinned;
	case FLUSH:
		return machine->exists && small_spaces[o->vm].revoking_pages > 0;
	default:
		return machine->exists;
	}
}

static void add_operation(enum operation_kind kind, unsigned vm, unsigned gfn, unsigned fail_at)
{
	assert_true(operation_count < OPERATIONS_MAX);
	operations[operation_count++] =
		(struct operation){(uint8_t)kind, (uint8_t)vm, (uint8_t)gfn, (uint8_t)fail_at};
}

static void list_page_operations(unsigned vm, unsigned gfn)
{
	static const uint8_t plain[] = {POPULATE, SURRENDER, REPORT, RETURN, PIN, UNPIN};
	static const uint8_t runs[] = {SURRENDER_RUN, REPORT_RUN, RETURN_RUN};
	for (unsigned i = 0; i < ARRAY_COUNT(plain); i++) {
		add_operation(plain[i], vm, gfn, 0);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(runs) && gfn + 1 < small_mm->pages; i++) {
		add_operation(runs[i], vm, gfn, 0);
	}
	if (small_mm->reserve > 0) {
		add_operation(POPULATE_EMERGENCY, vm, gfn, 0);
	}
	for (unsigned fail_at = 1; fail_at <= 4 && gfn == 0; fail_at++) {
		add_operation(POPULATE, vm, gfn, fail_at);
		if (fail_at < 4) {
			add_operation(SURRENDER, vm, gfn, fail_at);
		}
	}
	if (gfn == 0) {
		add_operation(PIN, vm, gfn, 1);
	}
}

static void list_operations(void)
{
	operation_count = 0;
	for (unsigned vm = 0; vm < small_mm->vms; vm++) {
		add_operation(CREATE, vm, 0, 0);
		add_operation(CREATE, vm, 0, 1);
		add_operation(DESTROY, vm, 0, 0);
		add_operation(FLUSH, vm, 0, 0);
		for (unsigned gfn = 0; gfn < small_mm->pages; gfn++) {
			list_page_operations(vm, gfn);
		}
	}
	add_operation(SCRUB, 0, ORDER_4K, 0);
	add_operation(SCRUB, 0, ORDER_1G, 0);
	add_operation(HOST_TAKES, 0, 0, 0);
	add_operation(HOST_TAKES, 0, 0, 1);
	add_operation(HOST_GIVES, 0, 0, 0);
}

/* ---- Exploration ---- */

static void print_operation(unsigned index)
{
	const struct operation *o = &operations[index];
	print_error("  VM %u: %s, page %u", o->vm + 1u, operation_names[o->kind], o->gfn);
	print_error(o->fail_at == 0 ? "\n" : ", allocation %u fails\n", o->fail_at);
}

static bool try(unsigned index)
{
	if (!is_possible(&operations[index])) {
		return false;
	}
	operate(&operations[index]);
	small_mm_check();
	return true;
}

static void explore(const struct small_mm *world, uint64_t seconds)
{
	uint64_t states = environment_number("SMALL_WORLD_STATES", 100000);
	seconds = environment_number("SMALL_WORLD_SECONDS", seconds);
	small_mm_start(world);
	list_operations();
	small_mm_check();
	struct small_search_result result =
		small_search_run(try, print_operation, operation_count, states, seconds);
	print_message("%s: %u distinct states, %u of them with all that follows, %llu steps, "
		      "depth %u%s\n",
		      world->name, result.states, result.expanded, (unsigned long long)result.steps,
		      result.depth,
		      result.expanded == result.states ? ", and there are no more" : "");
	assert_true(result.states > 500);
}

static int stop(void **state)
{
	(void)state;
	small_search_stop();
	small_mm_stop();
	return 0;
}

static void test_two_vms(void **state)
{
	static const struct small_mm world = {
		.name = "two VMs of 3 pages, 12 frames",
		.frames = 12,
		.vms = 2,
		.pages = 3,
		.min = {1, 2},
		.reserve = 1,
	};
	(void)state;
	explore(&world, 5);
}

static void test_two_vms_every_frame(void **state)
{
	static const struct small_mm world = {
		.name = "two VMs of 2 pages, 11 frames, each frame told apart",
		.frames = 11,
		.vms = 2,
		.pages = 2,
		.min = {0, 1},
		.exact = true,
	};
	(void)state;
	explore(&world, 4);
}

static void test_three_vms(void **state)
{
	static const struct small_mm world = {
		.name = "three VMs of 2 pages, 16 frames",
		.frames = 16,
		.vms = 3,
		.pages = 2,
		.min = {0, 1, 2},
	};
	(void)state;
	explore(&world, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_two_vms, stop),
		cmocka_unit_test_teardown(test_two_vms_every_frame, stop),
		cmocka_unit_test_teardown(test_three_vms, stop),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
