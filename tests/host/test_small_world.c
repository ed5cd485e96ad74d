/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Worlds so small that they can be explored: a dozen frames, two or three VMs of a few pages, and
 * from every state every operation, breadth first. After each step the auditor runs, every status
 * is compared with what a table of slots predicts, every page with what its guest wrote, and no
 * processor can reach a frame that is no longer its VM's.
 *
 * States are kept as copies of memory and of what mm/ keeps in statics, for which two of its files
 * are compiled into this one. Every table and page holds its non-zero words at known places, so
 * that a copy is small; that this is so is checked, too.
 *
 * SMALL_WORLD_STATES and SMALL_WORLD_SECONDS say when each world is to be left; `make small-worlds`
 * goes on for a million states.
 */
#include "fake/panic.h"
#include "fake/phys.h"
#include "fake/runs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "mm/pool.c"
#include "mm/promise.c"

#include "mm/audit.h"
#include "mm/memmap.h"
#include "mm/reclaim.h"
#include "mm/s2.h"
#include "mm/tlb.h"

#define VMS_MAX 3
#define PAGES_MAX 7
#define FIRST 16ull /* a whole block of the pool begins here */
#define FRAMES_MAX 16
#define WORDS 9 /* of a frame: the first eight and the last */
#define OPERATIONS_MAX 400

struct configuration {
	const char *name;
	unsigned frames;
	unsigned vms;
	unsigned pages; /* of RAM, per VM */
	uint64_t min[VMS_MAX];
	uint64_t reserve;
	bool exact; /* states that differ in which frame is which are different ones */
};

static const struct s2_format format = {
	.present_mask = BIT(62) | BIT(3),
	.table_flags = BIT(62) | BIT(1),
	.leaf_flags = BIT(3) | BIT(9) | BIT(58),
	.large_flag = BIT(61),
	.address_mask = 0x00fffffffffff000,
	.ballooned_entry = 0x2ba1100000ba1105,
	.pinned_flag = BIT(57),
	.max_leaf_level = 0,
};

/* ---- The world, and what is expected of it ---- */

struct slot {
	uint8_t kind; /* enum s2_kind */
	bool pinned;
};

struct machine {
	bool exists;
	struct slot slots[PAGES_MAX];
};

static const struct configuration *setup;
static struct frame records[FIRST + FRAMES_MAX];
static struct s2 spaces[VMS_MAX];
static struct machine machines[VMS_MAX];
static uint64_t host_frame; /* taken by the hypervisor for itself, 0: none */

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

/* ---- What processors may have cached: everything that they could reach since the last flush ----
 */

struct cached {
	bool held;
	uint8_t state;
	uint32_t gfn;
};

static struct cached cached[VMS_MAX][FIRST + FRAMES_MAX];

static uint64_t *frame_words(uint64_t pfn)
{
	return pfn_to_virt((pfn_t){pfn});
}

static void cache_frame(unsigned vm, uint64_t pfn)
{
	const struct frame *frame = &frame_table[pfn];
	uint32_t gfn = frame->tag.state == FRAME_GUEST ? frame->gfn : 0;
	cached[vm][pfn] = (struct cached){true, frame->tag.state, gfn};
}

/* What page walks find now: all tables on the only path that a few pages have, and the pages. */
static void cache_linked(unsigned vm)
{
	uint64_t table = spaces[vm].root.n;
	memset(cached[vm], 0, sizeof(cached[vm]));
	if (!machines[vm].exists || frame_table[table].tag.state != FRAME_HYPERVISOR) {
		return;
	}
	for (unsigned level = S2_LEVELS; level-- > 0;) {
		cache_frame(vm, table);
		const uint64_t *entries = frame_words(table);
		for (unsigned i = 0; level == 0 && i < setup->pages; i++) {
			if (entries[i] & format.present_mask) {
				cache_frame(vm, (entries[i] & format.address_mask) >> PAGE_SHIFT);
			}
		}
		if ((entries[0] & format.present_mask) == 0) {
			return;
		}
		table = (entries[0] & format.address_mask) >> PAGE_SHIFT;
	}
}

/* Between two operations: what is linked, and what has been taken out and not been flushed. */
static void cache_reachable(unsigned vm)
{
	cache_linked(vm);
	for (uint64_t pfn = FIRST; pfn < FIRST + setup->frames; pfn++) {
		struct frame_tag tag = frame_table[pfn].tag;
		if (tag.state == FRAME_REVOKING && tag.owner == vm + 1) {
			cache_frame(vm, pfn);
		}
	}
}

uint64_t tlb_epoch_request(struct s2 *s2)
{
	return ++s2->tlb.requested;
}

bool tlb_epoch_reached(const struct s2 *s2, uint64_t epoch)
{
	return s2->tlb.seen[0] >= epoch;
}

void tlb_epoch_enforce(struct s2 *s2, uint64_t epoch)
{
	assert_true(epoch == s2->tlb.requested);
	s2->tlb.seen[0] = epoch;
	cache_linked((unsigned)(s2 - spaces));
}

static void check_cached(unsigned vm)
{
	for (uint64_t pfn = FIRST; pfn < FIRST + setup->frames; pfn++) {
		const struct cached *entry = &cached[vm][pfn];
		struct frame_tag tag = frame_table[pfn].tag;
		if (!entry->held) {
			continue;
		}
		bool same = tag.state == entry->state &&
			    (tag.state != FRAME_GUEST || frame_table[pfn].gfn == entry->gfn);
		if (tag.owner != vm + 1 || (!same && tag.state != FRAME_REVOKING)) {
			fail_msg("frame %llu of VM %u can still be reached, but is state=%u "
				 "owner=%u now",
				 (unsigned long long)pfn, vm + 1, tag.state, tag.owner);
		}
	}
}

/* ---- Contents ---- */

static uint64_t *frame_word(uint64_t pfn, unsigned i)
{
	return frame_words(pfn) + (i < WORDS - 1 ? i : PAGE_BYTES / 8 - 1);
}

static uint64_t pattern(unsigned vm, unsigned gfn)
{
	return 0x5ec7e70000000000 | (uint64_t)(vm + 1) << 32 | (gfn + 1);
}

static void expect_zero(uint64_t pfn, const char *what)
{
	const uint64_t *words = frame_words(pfn);
	if (words[0] != 0 || memcmp(words, words + 1, PAGE_BYTES - 8) != 0) {
		fail_msg("frame %llu is %s and not zero", (unsigned long long)pfn, what);
	}
}

/* A guest has got a page: it must be zero, and is written. */
static void fill(unsigned vm, unsigned gfn, uint64_t pfn)
{
	expect_zero(pfn, "given to a guest");
	for (unsigned i = 0; i < WORDS; i++) {
		*frame_word(pfn, i) = pattern(vm, gfn);
	}
}

static void check_contents(unsigned vm, unsigned gfn, uint64_t pfn)
{
	for (unsigned i = 0; i < WORDS; i++) {
		if (*frame_word(pfn, i) != pattern(vm, gfn)) {
			fail_msg("VM %u page %u has other contents", vm + 1, gfn);
		}
	}
}

/* ---- Checks after each step ---- */

static uint64_t of_kind(const struct machine *machine, enum s2_kind kind)
{
	uint64_t count = 0;
	for (unsigned gfn = 0; gfn < setup->pages; gfn++) {
		count += machine->slots[gfn].kind == kind ? 1 : 0;
	}
	return count;
}

static void check_machine(unsigned vm)
{
	const struct machine *machine = &machines[vm];
	struct s2_locked locked = s2_lock(&spaces[vm]);
	for (unsigned gfn = 0; gfn < setup->pages; gfn++) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		const struct slot *expected = &machine->slots[gfn];
		assert_int_equal(slot.kind, expected->kind);
		assert_int_equal(slot.pinned, expected->pinned);
		if (slot.kind == S2_MAPPED) {
			check_contents(vm, gfn, slot.pfn.n);
		}
	}
	s2_unlock(locked);
	assert_int_equal(spaces[vm].mapped_pages, of_kind(machine, S2_MAPPED));
	assert_int_equal(spaces[vm].ballooned_pages, of_kind(machine, S2_BALLOONED));
}

static void check_world(void)
{
	struct s2 *existing[VMS_MAX];
	struct audit_report report;
	unsigned count = 0;
	for (unsigned vm = 0; vm < setup->vms; vm++) {
		check_cached(vm);
		if (machines[vm].exists) {
			check_machine(vm);
			existing[count++] = &spaces[vm];
		}
	}
	audit_run(existing, count, &report);
	if (report.error_count != 0) {
		fail_msg("audit: %s", report.first_error);
	}
	fake_locks_check();
	assert_true(promise_owed() <= frame_count_free() + frame_count(FRAME_REVOKING));
	for (uint64_t pfn = FIRST; pfn < FIRST + setup->frames;) {
		struct frame_tag tag = frame_table[pfn].tag;
		for (uint64_t i = 0; tag.state == FRAME_ZEROED && i < order_pages(tag.order); i++) {
			expect_zero(pfn + i, "ZEROED");
		}
		pfn += order_pages(tag.order);
	}
}

/* ---- Operations ---- */

/* What a fill needs and may have, looked at before it. */
struct prospect {
	uint64_t tables; /* to be added on the way to the page */
	bool allowed;	 /* by the promises */
	bool ready;	 /* the frames are free, not only on their way */
};

static struct prospect look_ahead(unsigned vm, unsigned gfn, bool emergency)
{
	struct s2 *s2 = &spaces[vm];
	struct s2_locked locked = s2_lock(s2);
	struct prospect prospect = {.tables = s2_lookup(locked, (gfn_t){gfn}).order / 9};
	s2_unlock(locked);
	uint64_t supply_pages = frame_count_free() + frame_count(FRAME_REVOKING);
	uint64_t kept = promise_owed() + (emergency ? 0 : setup->reserve);
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
	struct slot *slot = &machines[vm].slots[gfn];
	if (slot->kind != S2_MAPPED) {
		struct s2_slot now = s2_lookup(locked, (gfn_t){gfn});
		assert_int_equal(now.kind, S2_MAPPED);
		fill(vm, gfn, now.pfn.n);
		slot->kind = S2_MAPPED;
	}
}

static void populate(const struct operation *o)
{
	bool emergency = o->kind == POPULATE_EMERGENCY;
	const struct slot *slot = &machines[o->vm].slots[o->gfn];
	struct prospect prospect = look_ahead(o->vm, o->gfn, emergency);
	bool mapped = slot->kind == S2_MAPPED;
	uint64_t pages;
	struct s2_locked locked = s2_lock(&spaces[o->vm]);
	spaces[o->vm].promise.emergency = emergency;
	enum status status = s2_populate(locked, (gfn_t){o->gfn}, ORDER_1G, &pages);
	spaces[o->vm].promise.emergency = false;
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
	struct slot *slot = &machines[o->vm].slots[o->gfn];
	struct prospect prospect = look_ahead(o->vm, o->gfn, false);
	pfn_t pfn;
	struct s2_locked locked = s2_lock(&spaces[o->vm]);
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
static enum status judge_slot(const struct slot *slot, enum operation_kind kind)
{
	if (kind == RETURN || kind == RETURN_RUN) {
		return slot->kind == S2_BALLOONED ? STATUS_OK : STATUS_NOT_SURRENDERED;
	}
	if (slot->kind == S2_BALLOONED) {
		return STATUS_SURRENDERED;
	}
	return slot->pinned ? STATUS_IN_USE : STATUS_OK;
}

static void change_slot(struct slot *slot, enum operation_kind kind)
{
	bool into_balloon = kind == SURRENDER || kind == SURRENDER_RUN;
	slot->kind = into_balloon ? S2_BALLOONED : S2_EMPTY;
}

static void move_one(const struct operation *o)
{
	struct slot *slot = &machines[o->vm].slots[o->gfn];
	struct prospect prospect = look_ahead(o->vm, o->gfn, false);
	enum status expected = judge_slot(slot, o->kind);
	uint64_t freed = 0;
	uint64_t work;
	gfn_t gfn = {o->gfn};
	struct s2_locked locked = s2_lock(&spaces[o->vm]);
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
	struct machine *machine = &machines[o->vm];
	uint64_t count = setup->pages - o->gfn;
	uint64_t done;
	uint64_t work;
	gfn_t gfn = {o->gfn};
	struct s2_locked locked = s2_lock(&spaces[o->vm]);
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
		struct slot *slot = &machine->slots[o->gfn + i];
		assert_int_equal(judge_slot(slot, o->kind), STATUS_OK);
		change_slot(slot, o->kind);
	}
}

static void create(const struct operation *o)
{
	uint64_t min = setup->min[o->vm];
	uint64_t wanted = min + s2_table_pages_worst(setup->pages);
	bool fits = promise_spare() >= wanted;
	bool ready = frame_count_free() > 0 && o->fail_at == 0;
	enum status status =
		s2_create(&spaces[o->vm], &format, (vm_id_t)(o->vm + 1), setup->pages, min);
	assert_int_equal(status, fits && ready ? STATUS_OK : STATUS_NO_MEMORY);
	memset(&machines[o->vm], 0, sizeof(machines[o->vm]));
	machines[o->vm].exists = status == STATUS_OK;
}

static void destroy(const struct operation *o)
{
	uint64_t free_before = frame_count_free();
	uint64_t had = spaces[o->vm].mapped_pages + spaces[o->vm].table_pages +
		       spaces[o->vm].revoking_pages;
	for (unsigned steps = 0; !s2_destroy_step(&spaces[o->vm], 4096); steps++) {
		assert_true(steps < 4);
	}
	memset(&machines[o->vm], 0, sizeof(machines[o->vm]));
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
		expect_zero(pfn.n, "given to the host");
		*frame_word(pfn.n, 0) = 0x4057;
		host_frame = pfn.n;
	}
}

static void operate_globally(const struct operation *o)
{
	switch (o->kind) {
	case FLUSH: {
		struct s2_locked locked = s2_lock(&spaces[o->vm]);
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
		frame_free((pfn_t){host_frame},
			   (struct frame_tag){FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST});
		host_frame = 0;
		break;
	}
}

static void operate(const struct operation *o)
{
	for (unsigned vm = 0; vm < setup->vms; vm++) {
		cache_reachable(vm);
	}
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
		struct s2_locked locked = s2_lock(&spaces[o->vm]);
		s2_unpin(locked, (gfn_t){o->gfn});
		s2_unlock(locked);
		machines[o->vm].slots[o->gfn].pinned = false;
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
	const struct machine *machine = &machines[o->vm];
	switch (o->kind) {
	case CREATE:
		return !machine->exists;
	case SCRUB:
		return frame_count(FRAME_DIRTY) > 0;
	case HOST_TAKES:
		return host_frame == 0;
	case HOST_GIVES:
		return host_frame != 0;
	case UNPIN:
		return machine->exists && machine->slots[o->gfn].pinned;
	case FLUSH:
		return machine->exists && spaces[o->vm].revoking_pages > 0;
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
	for (unsigned i = 0; i < ARRAY_COUNT(runs) && gfn + 1 < setup->pages; i++) {
		add_operation(runs[i], vm, gfn, 0);
	}
	if (setup->reserve > 0) {
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
	for (unsigned vm = 0; vm < setup->vms; vm++) {
		add_operation(CREATE, vm, 0, 0);
		add_operation(CREATE, vm, 0, 1);
		add_operation(DESTROY, vm, 0, 0);
		add_operation(FLUSH, vm, 0, 0);
		for (unsigned gfn = 0; gfn < setup->pages; gfn++) {
			list_page_operations(vm, gfn);
		}
	}
	add_operation(SCRUB, 0, ORDER_4K, 0);
	add_operation(SCRUB, 0, ORDER_1G, 0);
	add_operation(HOST_TAKES, 0, 0, 0);
	add_operation(HOST_TAKES, 0, 0, 1);
	add_operation(HOST_GIVES, 0, 0, 0);
}

/* ---- States ---- */

struct snapshot {
	uint64_t words[FRAMES_MAX][WORDS];
	struct frame frames[FRAMES_MAX];
	struct pool dirty;
	struct pool zeroed;
	uint64_t counts[FRAME_STATE_COUNT];
	uint64_t owed;
	uint64_t host_frame;
	uint8_t spaces[VMS_MAX][offsetof(struct s2, tlb)];
	struct machine machines[VMS_MAX];
};

/* Nothing is anywhere but where a snapshot looks. */
static void check_places(uint64_t pfn)
{
	const uint64_t *words = frame_words(pfn) + WORDS - 1;
	size_t rest = PAGE_BYTES - WORDS * 8;
	assert_true(words[0] == 0 && memcmp(words, words + 1, rest - 8) == 0);
}

static void save(struct snapshot *to)
{
	memset(to, 0, sizeof(*to));
	for (unsigned i = 0; i < setup->frames; i++) {
		check_places(FIRST + i);
		for (unsigned word = 0; word < WORDS; word++) {
			to->words[i][word] = *frame_word(FIRST + i, word);
		}
	}
	memcpy(to->frames, records + FIRST, sizeof(to->frames));
	to->dirty = dirty_pool;
	to->zeroed = zeroed_pool;
	memcpy(to->counts, frame_counts, sizeof(to->counts));
	to->owed = owed_pages;
	to->host_frame = host_frame;
	for (unsigned vm = 0; vm < VMS_MAX; vm++) {
		memcpy(to->spaces[vm], &spaces[vm], sizeof(to->spaces[vm]));
	}
	memcpy(to->machines, machines, sizeof(machines));
}

static void restore(const struct snapshot *from)
{
	for (unsigned i = 0; i < setup->frames; i++) {
		for (unsigned word = 0; word < WORDS; word++) {
			*frame_word(FIRST + i, word) = from->words[i][word];
		}
	}
	memcpy(records + FIRST, from->frames, sizeof(from->frames));
	dirty_pool = from->dirty;
	zeroed_pool = from->zeroed;
	memcpy(frame_counts, from->counts, sizeof(from->counts));
	owed_pages = from->owed;
	host_frame = from->host_frame;
	for (unsigned vm = 0; vm < VMS_MAX; vm++) {
		memcpy((void *)&spaces[vm], from->spaces[vm], sizeof(from->spaces[vm]));
	}
	memcpy(machines, from->machines, sizeof(machines));
}

static uint64_t mix(uint64_t value)
{
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93;
	value ^= value >> 32;
	value *= 0xd6e8feb86659fd93;
	return value ^ value >> 32;
}

/* Two states with the same key are one: per VM the slots and sums, and who has which frames. */
static uint64_t state_key(void)
{
	uint64_t key = host_frame != 0;
	for (unsigned vm = 0; vm < setup->vms; vm++) {
		const struct machine *machine = &machines[vm];
		uint64_t slots = machine->exists;
		for (unsigned gfn = 0; gfn < setup->pages; gfn++) {
			slots = slots * 8 + machine->slots[gfn].kind * 2 +
				(machine->slots[gfn].pinned ? 1 : 0);
		}
		key = mix(key + slots);
		if (machine->exists) {
			const struct promise *promise = &spaces[vm].promise;
			key = mix(key + (spaces[vm].table_pages << 48 |
					 spaces[vm].revoking_pages << 32 |
					 promise->held_pages << 16 | promise->table_pages));
		}
	}
	uint64_t sum = 0;
	for (uint64_t pfn = FIRST; pfn < FIRST + setup->frames; pfn++) {
		const struct frame *frame = &frame_table[pfn];
		uint64_t word = frame_tag_word(frame->tag);
		word |= frame->tag.state == FRAME_GUEST ? (uint64_t)(frame->gfn + 1) << 32 : 0;
		sum += mix(word | (setup->exact ? pfn << 48 : 0));
	}
	return mix(key + sum) | 1; /* never 0 */
}

/* ---- Exploration ---- */

struct path {
	uint32_t parent;
	uint32_t operation;
};

static struct {
	uint64_t *keys; /* a hash table, 0: free */
	uint64_t mask;
	struct path *paths;	     /* how each state was reached */
	struct snapshot **snapshots; /* of those that are still to be expanded */
	uint32_t count;
	uint32_t max;
	uint32_t expanded;
	uint64_t steps;
	bool trying; /* from state `expanded`, this operation: */
	unsigned operation;
} search;

static bool is_new(uint64_t key)
{
	for (uint64_t at = key & search.mask;; at = (at + 1) & search.mask) {
		if (search.keys[at] == key) {
			return false;
		}
		if (search.keys[at] == 0) {
			search.keys[at] = key;
			return true;
		}
	}
}

static void note_state(uint32_t parent, unsigned operation)
{
	if (search.count == search.max || !is_new(state_key())) {
		return;
	}
	search.paths[search.count] = (struct path){parent, operation};
	search.snapshots[search.count] = malloc(sizeof(struct snapshot));
	assert_non_null(search.snapshots[search.count]);
	save(search.snapshots[search.count]);
	search.count++;
}

static void print_operation(unsigned index)
{
	const struct operation *o = &operations[index];
	print_error("  VM %u: %s, page %u", o->vm + 1u, operation_names[o->kind], o->gfn);
	print_error(o->fail_at == 0 ? "\n" : ", allocation %u fails\n", o->fail_at);
}

static void print_path(uint32_t at)
{
	if (at != 0) {
		print_path(search.paths[at].parent);
		print_operation(search.paths[at].operation);
	}
}

static uint64_t limit_of(const char *name, uint64_t usual)
{
	const char *text = getenv(name);
	return text == NULL ? usual : strtoull(text, NULL, 10);
}

static void expand(uint32_t at)
{
	const struct snapshot *snapshot = search.snapshots[at];
	bool restored = false;
	for (unsigned i = 0; i < operation_count; i++) {
		if (!restored) {
			restore(snapshot);
			restored = true;
		}
		if (!is_possible(&operations[i])) {
			continue;
		}
		restored = false;
		search.trying = true;
		search.operation = i;
		operate(&operations[i]);
		check_world();
		search.trying = false;
		search.steps++;
		note_state(at, i);
	}
	free(search.snapshots[at]);
	search.snapshots[at] = NULL;
}

static void start(const struct configuration *configuration)
{
	static struct memmap available;
	static struct memmap nothing;
	setup = configuration;
	fake_locks_reset();
	fake_phys_start(FIRST + setup->frames);
	available.count = 1;
	available.regions[0] =
		(struct memmap_region){FIRST << PAGE_SHIFT, (FIRST + setup->frames) << PAGE_SHIFT};
	frame_table_init(records, FIRST + setup->frames, &available, &nothing);
	owed_pages = 0;
	promise_reserve_set(setup->reserve);
	memset(machines, 0, sizeof(machines));
	memset(cached, 0, sizeof(cached));
	host_frame = 0;
	for (unsigned i = 0; i < setup->frames; i++) {
		for (unsigned word = 0; word < WORDS; word++) {
			*frame_word(FIRST + i, word) = 0xf0f0f0f0f0f0f0f0; /* a former owner's */
		}
	}
	list_operations();
}

static void start_search(uint64_t states)
{
	memset(&search, 0, sizeof(search));
	search.max = (uint32_t)states;
	search.mask = 1024;
	while (search.mask < states * 2) {
		search.mask *= 2;
	}
	search.keys = calloc(search.mask, sizeof(*search.keys));
	search.mask--;
	search.paths = calloc(states, sizeof(*search.paths));
	search.snapshots = calloc(states, sizeof(struct snapshot *));
	assert_true(search.keys != NULL && search.paths != NULL && search.snapshots != NULL);
	note_state(0, 0);
}

static int stop(void **state)
{
	(void)state;
	if (search.trying) {
		print_error("after this, from an empty world:\n");
		print_path(search.expanded);
		print_operation(search.operation);
	}
	for (uint32_t i = 0; i < search.count; i++) {
		free(search.snapshots[i]);
	}
	free(search.keys);
	free(search.paths);
	free(search.snapshots);
	memset(&search, 0, sizeof(search));
	frame_alloc_fail_at = 0;
	promise_reserve_set(0);
	fake_locks_reset();
	fake_phys_stop();
	return 0;
}

static void explore(const struct configuration *configuration, uint64_t seconds)
{
	uint64_t states = limit_of("SMALL_WORLD_STATES", 100000);
	seconds = limit_of("SMALL_WORLD_SECONDS", seconds);
	time_t end = time(NULL) + (time_t)seconds;
	start(configuration);
	start_search(states);
	check_world();
	while (search.expanded < search.count && search.count < search.max && time(NULL) < end) {
		expand(search.expanded);
		search.expanded++;
	}
	bool closed = search.expanded == search.count;
	unsigned depth = 0;
	for (uint32_t at = search.count - 1; at != 0; at = search.paths[at].parent) {
		depth++;
	}
	print_message("%s: %u distinct states, %u of them with all that follows, %llu steps, "
		      "depth %u%s\n",
		      setup->name, search.count, search.expanded, (unsigned long long)search.steps,
		      depth, closed ? ", and there are no more" : "");
	assert_true(search.count > 500);
}

static void test_two_vms(void **state)
{
	static const struct configuration configuration = {
		.name = "two VMs of 3 pages, 12 frames",
		.frames = 12,
		.vms = 2,
		.pages = 3,
		.min = {1, 2},
		.reserve = 1,
	};
	(void)state;
	explore(&configuration, 5);
}

static void test_two_vms_every_frame(void **state)
{
	static const struct configuration configuration = {
		.name = "two VMs of 2 pages, 11 frames, each frame told apart",
		.frames = 11,
		.vms = 2,
		.pages = 2,
		.min = {0, 1},
		.exact = true,
	};
	(void)state;
	explore(&configuration, 4);
}

static void test_three_vms(void **state)
{
	static const struct configuration configuration = {
		.name = "three VMs of 2 pages, 16 frames",
		.frames = 16,
		.vms = 3,
		.pages = 2,
		.min = {0, 1, 2},
	};
	(void)state;
	explore(&configuration, 4);
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
