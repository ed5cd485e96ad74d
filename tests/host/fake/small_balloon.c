/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See small_balloon.h. kernel/overcommit/governor.c and kernel/overcommit/wait_queue.c are compiled
 * into this file: the thresholds must be as small as the world, and what both remember belongs to
 * the state.
 */
#include "fake/small_balloon.h"

#include "fake/explorer.h"

#include <string.h>

#include "kernel/overcommit/governor.c"
#include "kernel/overcommit/wait_queue.c"

#include "mm/alloc.h"
#include "mm/phys.h"

#define FIRST 16ull /* a whole block of the pool begins here */
#define FRAMES_MAX 24
#define LAST (PAGE_BYTES / sizeof(uint64_t) - 1)

const struct small_world *small_world;
struct small_guest small_guests[VMS_MAX];
uint64_t small_host_frame;
static struct frame records[FIRST + FRAMES_MAX];

static struct small_guest *guest_of(const struct vm *vm)
{
	return &small_guests[vm - vms];
}

/* ---- The world ------------------------------------------------------------------------------- */

void small_start(const struct small_world *world)
{
	static struct memmap available;
	static struct memmap nothing;
	small_world = world;
	memset(vms, 0, sizeof(vms));
	memset(small_guests, 0, sizeof(small_guests));
	vm_count = 0;
	small_host_frame = 0;
	world_space_count = 0;
	fake_locks_reset();
	fake_log_clear();
	fake_tlb_reset();
	fake_phys_start(FIRST + world->frames);
	fake_cpus_reset(1);
	fake_format.max_leaf_level = 0;
	available.count = 1;
	available.regions[0] =
		(struct memmap_region){FIRST << PAGE_SHIFT, (FIRST + world->frames) << PAGE_SHIFT};
	frame_table_init(records, FIRST + world->frames, &available, &nothing);
	for (uint64_t pfn = FIRST; pfn < FIRST + world->frames; pfn++) {
		uint64_t *words = pfn_to_virt((pfn_t){pfn});
		words[0] = WORLD_FORMER_OWNER;
		words[LAST] = WORLD_FORMER_OWNER;
	}
	governor_init();
	promise_reserve_set(world->reserve_pages);
	frame_caches_floor_set(1);
	governor.low_pages = 2;
	governor.high_pages = 3;
	for (unsigned i = 0; i < world->vms_at_start; i++) {
		assert_true(small_create());
	}
	governor_poll(fake_tsc);
}

void small_stop(void)
{
	promise_reserve_set(0);
	world_space_count = 0;
	while (promise_owed() != 0) {
		struct promise rest = {.min_pages = promise_owed()};
		promise_withdraw(&rest);
	}
	frame_caches_init();
	fake_locks_reset();
	fake_tlb_reset();
	fake_phys_stop();
	frame_table = NULL;
}

bool small_create(void)
{
	const struct small_vm *wanted = &small_world->vm[vm_count];
	uint64_t promised = wanted->min_pages + s2_table_pages_worst(small_world->pages);
	if (promise_spare() < promised) {
		struct s2 refused;
		assert_int_equal(s2_create(&refused, &fake_format, (vm_id_t)(vm_count + 1),
					   small_world->pages, wanted->min_pages),
				 STATUS_NO_MEMORY);
		return false;
	}
	struct vm *vm = kernel_vm_with(wanted->vcpus, "vm", small_world->pages, wanted->mem_pages,
				       wanted->min_pages);
	vm->config.on_touch = wanted->on_touch;
	kernel_settle(&vm->vcpus[0]);
	for (unsigned i = 1; i < wanted->vcpus; i++) {
		assert_int_equal(scheduler_start(&vm->vcpus[i], 0x1000, 0), STATUS_OK);
	}
	return true;
}

uint64_t small_pattern(const struct vm *vm)
{
	return 0xabcd000000000000 | vm->id;
}

void small_write(const struct vm *vm, uint64_t *page)
{
	memset(page, 0, SMALL_PAGE_WORDS * sizeof(*page));
	page[0] = small_pattern(vm);
	page[LAST] = small_pattern(vm);
}

void small_governor(bool decide)
{
	governor.next_tsc = decide ? 0 : UINT64_MAX;
	governor_poll(fake_tsc);
	governor.next_tsc = UINT64_MAX;
}

/* ---- What a call is to do -------------------------------------------------------------------- */

static uint8_t judge(const struct aerostat_range *range)
{
	uint64_t pages = 1ull << range->order;
	uint64_t limit = small_world->pages;
	if (range->reserved != 0 || range->flags != 0) {
		return AEROSTAT_RANGE_RESERVED;
	}
	if (range->order != 0 && range->order != 9 && range->order != 18) {
		return AEROSTAT_RANGE_BAD_ORDER;
	}
	if (range->count == 0 || range->done > range->count) {
		return AEROSTAT_RANGE_BAD_COUNT;
	}
	if (range->gfn % pages != 0) {
		return AEROSTAT_RANGE_MISALIGNED;
	}
	if (range->gfn > limit || range->count * pages > limit - range->gfn) {
		return AEROSTAT_RANGE_OUTSIDE;
	}
	return AEROSTAT_RANGE_OK;
}

static uint8_t judge_page(const struct small_guest *guest, uint64_t gfn, bool takes,
			  uint64_t array_gfn)
{
	bool inside = guest->pages[gfn] == S2_BALLOONED;
	if (!takes) {
		return inside ? AEROSTAT_RANGE_OK : AEROSTAT_RANGE_NOT_SURRENDERED;
	}
	if (gfn == array_gfn || (guest->attached && gfn == guest->page_gfn)) {
		return AEROSTAT_RANGE_IN_USE;
	}
	return inside ? AEROSTAT_RANGE_SURRENDERED : AEROSTAT_RANGE_OK;
}

void small_predict(const struct vm *vm, enum balloon_operation operation,
		   struct aerostat_range *ranges, unsigned count, uint64_t array_gfn)
{
	struct small_guest *guest = guest_of(vm);
	bool takes = operation == BALLOON_SURRENDER || operation == BALLOON_REPORT;
	for (unsigned i = 0; i < count; i++) {
		struct aerostat_range *range = &ranges[i];
		range->status = judge(range);
		while (range->status == AEROSTAT_RANGE_OK && range->done < range->count) {
			uint64_t gfn = range->gfn + range->done;
			range->status = judge_page(guest, gfn, takes, array_gfn);
			if (range->status == AEROSTAT_RANGE_OK) {
				bool enters = operation == BALLOON_SURRENDER;
				guest->pages[gfn] = enters ? S2_BALLOONED : S2_EMPTY;
				range->done++;
			}
		}
		if (range->status == AEROSTAT_RANGE_OK && operation != BALLOON_SURRENDER) {
			range->flags = AEROSTAT_RANGE_FLAG_ZERO;
		}
	}
}

/* ---- Checks ---------------------------------------------------------------------------------- */

uint64_t small_slack(void)
{
	uint64_t supply = frame_count_free() + frame_count(FRAME_REVOKING);
	lock_acquire(&frame_lock);
	uint64_t again = frame_caches_sum().owed_again_pages;
	lock_release(&frame_lock);
	uint64_t owed = promise_owed() + again;
	if (owed > supply) {
		fail_msg("%llu frames are promised, and there are %llu", (unsigned long long)owed,
			 (unsigned long long)supply);
	}
	return supply - owed;
}

static void expect_words(const uint64_t *words, uint64_t own, const char *what)
{
	bool blank = words[0] == 0 && words[LAST] == 0;
	bool whole = (blank || (words[0] == own && words[LAST] == own));
	if (!whole || words[1] != 0 ||
	    memcmp(words + 1, words + 2, (SMALL_PAGE_WORDS - 2) * sizeof(*words)) != 0) {
		fail_msg("%s holds %llx", what, (unsigned long long)words[0]);
	}
}

static void check_balloon_page(const struct vm *vm, const struct aerostat_balloon_page *page)
{
	assert_ptr_equal(vm->balloon.page, page);
	assert_int_equal(page->magic, AEROSTAT_BALLOON_MAGIC);
	assert_int_equal(page->size_pages, vm->s2.ballooned_pages);
	assert_int_equal(page->target_pages, vm->balloon.target_pages);
}

static void check_pages(struct vm *vm)
{
	const struct small_guest *guest = guest_of(vm);
	uint64_t counts[3] = {0};
	struct s2_locked locked = s2_lock(&vm->s2);
	for (uint64_t gfn = 0; gfn < small_world->pages; gfn++) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		bool balloon_page = guest->attached && gfn == guest->page_gfn;
		if (slot.kind != guest->pages[gfn] || slot.pinned != balloon_page) {
			fail_msg("VM %u page %u is kind=%u pinned=%u, expected kind=%u pinned=%u",
				 vm->id, (unsigned)gfn, slot.kind, slot.pinned, guest->pages[gfn],
				 balloon_page);
		}
		counts[slot.kind]++;
		if (balloon_page) {
			check_balloon_page(vm, pfn_to_virt(slot.pfn));
		} else if (slot.kind == S2_MAPPED) {
			expect_words(pfn_to_virt(slot.pfn), small_pattern(vm), "a guest's page");
		}
	}
	s2_unlock(locked);
	assert_int_equal(vm->s2.mapped_pages, counts[S2_MAPPED]);
	assert_int_equal(vm->s2.ballooned_pages, counts[S2_BALLOONED]);
}

static void check_vm(struct vm *vm)
{
	const struct small_guest *guest = guest_of(vm);
	if (vm->state == VM_RUNNING) {
		check_pages(vm);
		assert_int_equal(vm->balloon.attached, guest->attached);
		assert_int_equal(vm->balloon.target_pages, guest->target_pages);
		assert_int_equal(vm->balloon.driver_debt_pages, guest->driver_debt_pages);
	}
	assert_int_equal(vm->s2.revoking_pages, 0);
	assert_false(vm->s2.promise.emergency);
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		assert_true(vcpu->state != VCPU_RUNNING && vcpu->state != VCPU_OFF);
		assert_true(vcpu->state == VCPU_ASLEEP || vcpu->wait == WAIT_NOTHING ||
			    vcpu->state == VCPU_ENDED);
		/* Nobody waits who was promised what he waits for: it was there, and is. */
		assert_false(vcpu->state == VCPU_ASLEEP && vcpu->wait == WAIT_MEMORY &&
			     vm->state == VM_RUNNING && vcpu->granted);
	}
}

void small_check(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].s2_exists) {
			check_vm(&vms[i]);
		}
	}
	world_check();
	(void)small_slack();
	for (uint64_t pfn = FIRST; pfn < frame_table_count;) {
		struct frame_tag tag = frame_table[pfn].tag;
		for (uint64_t i = 0; i < 1ull << tag.order; i++, pfn++) {
			if (tag.state == FRAME_ZEROED) {
				expect_words(pfn_to_virt((pfn_t){pfn}), 0, "a ZEROED frame");
			}
		}
	}
}

/* ---- The state ------------------------------------------------------------------------------- */

static void hash_vcpus(const struct vm *vm)
{
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		const struct vcpu *vcpu = &vm->vcpus[i];
		explorer_mix(vcpu->state | vcpu->wait << 8 | (uint64_t)vcpu->granted << 16 |
			     (uint64_t)vcpu->event << 17 | (uint64_t)vcpu->doorbell_pending << 18 |
			     (uint64_t)vcpu->doorbell_attached << 19 |
			     (uint64_t)vcpu->doorbell_vector << 20 | (uint64_t)vcpu->rang << 28 |
			     (uint64_t)vcpu->doorbell_open << 29);
	}
}

static void hash_balloon(const struct vm *vm)
{
	const struct balloon *balloon = &vm->balloon;
	explorer_mix(balloon->attached | balloon->unresponsive << 1 | balloon->target_pages << 8 |
		     balloon->driver_debt_pages << 16);
	if (balloon->attached) {
		const struct aerostat_balloon_page *page = balloon->page;
		explorer_mix(balloon->page_gfn.n | (uint64_t)page->pressure << 8 |
			     page->idle_pages << 16 | page->wanted_pages << 32);
	}
}

static void hash_vm(struct vm *vm)
{
	explorer_mix(vm->state | vm->s2_exists << 8);
	if (!vm->s2_exists) {
		return;
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	for (uint64_t gfn = 0; gfn < small_world->pages; gfn++) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		const uint64_t *words = pfn_to_virt(slot.pfn);
		bool written = slot.kind == S2_MAPPED && words[LAST] != 0;
		explorer_mix(slot.kind | (unsigned)slot.pinned << 8 | (unsigned)written << 9);
	}
	s2_unlock(locked);
	explorer_mix(vm->s2.table_pages | vm->s2.promise.held_pages << 8 |
		     (uint64_t)vm->s2.promise.cache.count << 16 |
		     (uint64_t)vm->s2.promise.cache.lent << 24 |
		     (uint64_t)vm->s2.promise.cache.listed << 32);
	hash_balloon(vm);
	hash_vcpus(vm);
}

void small_hash(void)
{
	uint64_t cached[128];
	uint64_t free_extents[2][8] = {{0}};
	for (uint64_t pfn = FIRST; pfn < frame_table_count;) {
		struct frame_tag tag = frame_table[pfn].tag;
		if (tag.state == FRAME_DIRTY || tag.state == FRAME_ZEROED) {
			free_extents[tag.state == FRAME_ZEROED][tag.order]++;
		}
		pfn += 1ull << tag.order;
	}
	for (unsigned order = 0; order < 8; order++) {
		explorer_mix(free_extents[0][order] | free_extents[1][order] << 32);
	}
	for (unsigned i = 0; i < vm_count; i++) {
		hash_vm(&vms[i]);
	}
	explorer_mix(vm_count | (uint64_t)(small_host_frame != 0) << 8 |
		     (uint64_t)below_allotment_waits << 9 | (uint64_t)governor.vcpu_waits << 10 |
		     (uint64_t)governor.frames_came_back << 11 | (uint64_t)turn << 12);
	unsigned count = fake_tlb_digest(cached, ARRAY_COUNT(cached));
	for (unsigned i = 0; i < count; i++) {
		explorer_mix(cached[i]);
	}
}
