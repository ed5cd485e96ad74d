/* SPDX-License-Identifier: BSD-2-Clause */
/* See world.h. One thread. */
#include "fake/world.h"

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "fake/format.h"
#include "fake/runs.h"
#include "mm/alloc.h"
#include "mm/phys.h"
#include "mm/reclaim.h"

struct s2_format fake_format = {
	FAKE_FORMAT,
	.accessed_flag = FAKE_ACCESSED_FLAG,
	.max_leaf_level = 2,
};

struct s2 *world_spaces[WORLD_SPACES_MAX];
unsigned world_space_count;
static bool owned[WORLD_SPACES_MAX]; /* to be freed by us */
uint64_t world_pages;
uint64_t world_freed;
uint64_t world_work;
uint64_t world_done;

void world_start_map(const struct memmap *available, const struct memmap *hypervisor,
		     uint64_t frames, unsigned max_leaf_level)
{
	fake_locks_reset();
	fake_log_clear();
	fake_tlb_reset();
	fake_phys_start(frames);
	fake_format.max_leaf_level = max_leaf_level;
	frame_alloc_fail_at = 0;
	promise_reserve_set(0);
	/* No promise of an earlier test is left: a failed one may have kept its own. */
	while (promise_owed() != 0) {
		struct promise rest = {.min_pages = promise_owed()};
		promise_withdraw(&rest);
	}
	struct frame *table = malloc(frames * sizeof(*table));
	memset(table, 0xa5, frames * sizeof(*table));
	frame_table_init(table, frames, available, hypervisor);
	world_space_count = 0;
}

void world_start(uint64_t first, uint64_t frames, unsigned max_leaf_level)
{
	static struct memmap available;
	static struct memmap nothing;
	available.count = 1;
	available.regions[0] =
		(struct memmap_region){first << PAGE_SHIFT, (first + frames) << PAGE_SHIFT};
	world_start_map(&available, &nothing, first + frames, max_leaf_level);
	for (uint64_t i = 0; i < frames && frames <= 16384; i++) {
		fake_frame_fill((pfn_t){first + i}, WORLD_FORMER_OWNER);
	}
	world_check();
}

void world_stop(void)
{
	if (frame_table == NULL) {
		return;
	}
	fake_locks_reset();
	while (world_space_count > 0) {
		if (owned[--world_space_count]) {
			free(world_spaces[world_space_count]);
		}
	}
	fake_phys_stop();
	fake_tlb_reset();
	frame_alloc_fail_at = 0;
	free(frame_table);
	frame_table = NULL;
}

int world_teardown(void **state)
{
	(void)state;
	world_stop();
	return 0;
}

void world_check_at(const char *file, int line)
{
	struct audit_report report;
	void (*on_unlock)(void) = fake_on_unlock;
	fake_on_unlock = NULL; /* the machine is stopped while the auditor counts */
	audit_run(world_spaces, world_space_count, &report);
	fake_on_unlock = on_unlock;
	if (report.error_count != 0) {
		print_error("%s:%d\n", file, line);
		fail_msg("audit: %llu errors; %s", (unsigned long long)report.error_count,
			 report.first_error);
	}
	fake_locks_check();
	fake_tlb_check();
}

void world_check(void)
{
	world_check_at("world", 0);
}

void world_check_zeroed(void)
{
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		struct frame_tag tag = frame_table[pfn].tag;
		for (uint64_t i = 0; tag.state == FRAME_ZEROED && i < order_pages(tag.order); i++) {
			if (!fake_frame_is((pfn_t){pfn + i}, 0)) {
				fail_msg("frame %#llx is ZEROED but not zero",
					 (unsigned long long)(pfn + i));
			}
		}
		pfn += order_pages(tag.order);
	}
}

void world_scrub_all(void)
{
	while (scrub_step(FRAME_ORDER_MAX) != 0) {
	}
	assert_int_equal(frame_count(FRAME_DIRTY), 0);
	world_check();
}

void world_adopt(struct s2 *s2)
{
	assert_true(world_space_count < WORLD_SPACES_MAX);
	owned[world_space_count] = false;
	world_spaces[world_space_count++] = s2;
}

struct s2 *world_create(vm_id_t owner, uint64_t limit_pages, uint64_t min_pages)
{
	struct s2 *s2 = malloc(sizeof(*s2));
	memset(s2, 0xa5, sizeof(*s2));
	if (s2_create(s2, &fake_format, owner, limit_pages, min_pages) != STATUS_OK) {
		free(s2);
		world_check();
		return NULL;
	}
	world_adopt(s2);
	owned[world_space_count - 1] = true;
	world_check();
	return s2;
}

void world_forget(struct s2 *s2)
{
	for (unsigned i = 0; i < world_space_count; i++) {
		if (world_spaces[i] == s2) {
			bool ours = owned[i];
			world_spaces[i] = world_spaces[--world_space_count];
			owned[i] = owned[world_space_count];
			if (ours) {
				free(s2);
			}
			return;
		}
	}
	fail_msg("no such address space");
}

void world_destroy(struct s2 *s2, uint64_t work_max)
{
	vm_id_t owner = s2->owner;
	uint64_t steps = 0;
	while (!s2_destroy_step(s2, work_max)) {
		world_check();
		assert_true(++steps < 100000);
	}
	world_forget(s2);
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		if (frame_table[pfn].tag.owner == owner) {
			fail_msg("frame %#llx is still owned by VM %u", (unsigned long long)pfn,
				 owner);
		}
	}
	world_check();
}

void world_destroy_all(void)
{
	while (world_space_count > 0) {
		world_destroy(world_spaces[world_space_count - 1], 4096);
	}
	assert_int_equal(frame_count(FRAME_GUEST) + frame_count(FRAME_REVOKING), 0);
	assert_int_equal(promise_owed(), 0);
}

enum status world_populate(struct s2 *s2, uint64_t gfn, unsigned order_max)
{
	struct s2_locked locked = s2_lock(s2);
	enum status status = s2_populate(locked, (gfn_t){gfn}, order_max, &world_pages);
	s2_unlock(locked);
	world_check();
	return status;
}

enum status world_surrender(struct s2 *s2, uint64_t gfn, unsigned order)
{
	struct s2_locked locked = s2_lock(s2);
	enum status status = s2_surrender(locked, (gfn_t){gfn}, order, &world_freed, &world_work);
	s2_unlock(locked);
	world_check();
	return status;
}

enum status world_report(struct s2 *s2, uint64_t gfn, unsigned order)
{
	struct s2_locked locked = s2_lock(s2);
	enum status status = s2_report(locked, (gfn_t){gfn}, order, &world_freed, &world_work);
	s2_unlock(locked);
	world_check();
	return status;
}

enum status world_run(struct s2 *s2, enum world_operation operation, uint64_t gfn, unsigned order,
		      uint64_t count)
{
	struct s2_locked locked = s2_lock(s2);
	enum status status = STATUS_INVALID;
	gfn_t at = {gfn};
	world_done = UINT64_MAX;
	switch (operation) {
	case WORLD_SURRENDER:
		status =
			run_once(locked, RUN_SURRENDER, at, order, count, &world_done, &world_work);
		break;
	case WORLD_REPORT:
		status = run_once(locked, RUN_REPORT, at, order, count, &world_done, &world_work);
		break;
	case WORLD_RETURN:
		status = run_once(locked, RUN_RETURN, at, order, count, &world_done, &world_work);
		break;
	}
	s2_unlock(locked);
	world_check();
	return status;
}

enum status world_return(struct s2 *s2, uint64_t gfn, unsigned order)
{
	struct s2_locked locked = s2_lock(s2);
	enum status status = s2_return(locked, (gfn_t){gfn}, order, &world_work);
	s2_unlock(locked);
	world_check();
	return status;
}

enum status world_pin(struct s2 *s2, uint64_t gfn)
{
	pfn_t pfn = {~0ull};
	struct s2_locked locked = s2_lock(s2);
	enum status status = s2_pin(locked, (gfn_t){gfn}, &pfn);
	if (status == STATUS_OK) {
		struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
		assert_true(slot.kind == S2_MAPPED && slot.pinned && slot.order == 0);
		assert_int_equal(slot.pfn.n, pfn.n);
	}
	s2_unlock(locked);
	world_check();
	return status;
}

void world_unpin(struct s2 *s2, uint64_t gfn)
{
	struct s2_locked locked = s2_lock(s2);
	s2_unpin(locked, (gfn_t){gfn});
	assert_false(s2_lookup(locked, (gfn_t){gfn}).pinned);
	s2_unlock(locked);
	world_check();
}

enum status world_join(struct s2 *s2, uint64_t gfn)
{
	struct s2_locked locked = s2_lock(s2);
	enum status status = s2_merge(locked, (gfn_t){gfn});
	if (status == STATUS_OK) {
		reclaim_flush(locked); /* as its contract asks of every caller */
	}
	s2_unlock(locked);
	world_check();
	return status;
}

void world_flush(struct s2 *s2)
{
	struct s2_locked locked = s2_lock(s2);
	reclaim_flush(locked);
	s2_unlock(locked);
	assert_int_equal(s2->revoking_pages, 0);
	world_check();
}

struct s2_slot world_lookup(struct s2 *s2, uint64_t gfn)
{
	struct s2_locked locked = s2_lock(s2);
	struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
	s2_unlock(locked);
	return slot;
}

static void *access_filling(struct s2 *s2, uint64_t gfn)
{
	uint8_t *page = fake_tlb_access(s2, 0, (gfn_t){gfn});
	if (page == NULL) {
		assert_int_equal(world_populate(s2, gfn, ORDER_4K), STATUS_OK);
		page = fake_tlb_access(s2, 0, (gfn_t){gfn});
	}
	assert_non_null(page);
	return page;
}

static pfn_t pfn_of(const void *page)
{
	return hpa_to_pfn((hpa_t){(uintptr_t)page - direct_map_base});
}

void world_write(struct s2 *s2, uint64_t gfn, uint64_t word)
{
	fake_frame_fill(pfn_of(access_filling(s2, gfn)), word);
}

void world_expect(struct s2 *s2, uint64_t gfn, uint64_t word)
{
	const uint64_t *page = access_filling(s2, gfn);
	if (!fake_frame_is(pfn_of(page), word)) {
		fail_msg("VM %u gfn %#llx holds %#llx, expected %#llx", s2->owner,
			 (unsigned long long)gfn, (unsigned long long)page[0],
			 (unsigned long long)word);
	}
}

void world_expect_slot(struct s2 *s2, uint64_t gfn, enum s2_kind kind, unsigned order)
{
	struct s2_slot slot = world_lookup(s2, gfn);
	if (slot.kind != kind || slot.order != order) {
		fail_msg("gfn %#llx is kind=%u order=%u, expected kind=%u order=%u",
			 (unsigned long long)gfn, slot.kind, slot.order, kind, order);
	}
}

static void append(struct world_image *image, const void *data, size_t bytes)
{
	if (image->bytes + bytes > image->room) {
		image->room = 2 * (image->bytes + bytes);
		image->data = realloc(image->data, image->room);
	}
	memcpy(image->data + image->bytes, data, bytes);
	image->bytes += bytes;
}

static bool is_free(struct frame_tag tag)
{
	return tag.state == FRAME_DIRTY || tag.state == FRAME_ZEROED;
}

struct world_image world_image(void)
{
	struct world_image image = {0};
	uint64_t sums[] = {frame_count_free(),
			   frame_count(FRAME_GUEST),
			   frame_count(FRAME_HYPERVISOR),
			   frame_count(FRAME_REVOKING),
			   promise_owed(),
			   promise_spare()};
	append(&image, sums, sizeof(sums));
	for (unsigned i = 0; i < world_space_count; i++) {
		struct s2 space = *world_spaces[i];
		lock_init(&space.lock, LOCK_S2); /* its tickets tell how often it was taken */
		append(&image, &space, sizeof(space));
	}
	for (uint64_t pfn = 0; pfn < frame_table_count;) {
		const struct frame *frame = &frame_table[pfn];
		uint64_t pages = order_pages(frame->tag.order);
		if (!is_free(frame->tag) && frame->tag.state != FRAME_RESERVED) {
			append(&image, &pfn, sizeof(pfn));
			append(&image, frame, sizeof(*frame));
			append(&image, pfn_to_virt((pfn_t){pfn}), pages * PAGE_BYTES);
		}
		pfn += pages;
	}
	return image;
}

bool world_image_equal(const struct world_image *a, const struct world_image *b)
{
	return a->bytes == b->bytes && memcmp(a->data, b->data, a->bytes) == 0;
}

void world_image_free(struct world_image *image)
{
	free(image->data);
	*image = (struct world_image){0};
}

struct world_tables {
	unsigned count;
	uint64_t pfns[512];
	uint64_t words[512][S2_ENTRIES];
};

struct world_tables *world_tables_save(const struct s2 *s2)
{
	struct world_tables *saved = malloc(sizeof(*saved));
	saved->count = 0;
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		struct frame_tag tag = frame_table[pfn].tag;
		if (tag.state == FRAME_HYPERVISOR && tag.owner == s2->owner) {
			assert_true(saved->count < 512);
			saved->pfns[saved->count] = pfn;
			memcpy(saved->words[saved->count++], pfn_to_virt((pfn_t){pfn}), PAGE_BYTES);
		}
	}
	return saved;
}

uint64_t world_tables_changed(const struct world_tables *saved)
{
	uint64_t changed = 0;
	for (unsigned i = 0; i < saved->count; i++) {
		const uint64_t *words = pfn_to_virt((pfn_t){saved->pfns[i]});
		for (unsigned word = 0; word < S2_ENTRIES; word++) {
			changed += words[word] != saved->words[i][word];
		}
	}
	free((void *)(uintptr_t)saved);
	return changed;
}
