/* SPDX-License-Identifier: BSD-2-Clause */
/* See world.h. Not instrumented: nothing here is an access of a CPU. */
#include "interleave/world.h"

#include <string.h>

#include "fake/format.h"
#include "mm/alloc.h"
#include "mm/audit.h"
#include "mm/cache.h"
#include "mm/phys.h"
#include "mm/reclaim.h"

#define SMALL_FIRST 8u
#define SMALL_FRAMES 64u
#define REGION_FIRST 512u
#define REGION_FRAMES (512u * 3)

const struct s2_format world_format = {
	FAKE_FORMAT,
	.accessed_flag = FAKE_ACCESSED_FLAG,
	.max_leaf_level = 1,
};

struct s2 spaces[SPACES];
bool space_exists[SPACES];
uint64_t world_answers[INTERLEAVE_CPUS];
pfn_t world_host_pages[INTERLEAVE_CPUS];
uint32_t trace_mask;

void trace_record(uint32_t what, uint64_t first, uint64_t second)
{
	(void)what;
	(void)first;
	(void)second;
}

static void must(bool condition, const char *what)
{
	if (!condition) {
		panic("the world cannot be made: %s", what);
	}
}

/* The promises of the world before go with its VMs. */
static void end_spaces(void)
{
	for (unsigned i = 0; i < SPACES; i++) {
		while (space_exists[i] && !s2_destroy_step(&spaces[i], 4096)) {
		}
		space_exists[i] = false;
	}
}

static void start(uint64_t first, uint64_t frames)
{
	static struct memmap available;
	static struct memmap nothing;
	uint64_t count = first + frames;
	end_spaces();
	char *memory = interleave_memory(count * (PAGE_BYTES + sizeof(struct frame)));
	available.count = 1;
	available.regions[0] = (struct memmap_region){first << PAGE_SHIFT, count << PAGE_SHIFT};
	direct_map_base = (uintptr_t)memory;
	frame_lock = (struct lock)LOCK_INITIALIZER(LOCK_FRAMES);
	frame_table_init((struct frame *)(void *)(memory + count * PAGE_BYTES), count, &available,
			 &nothing);
	promise_reserve_set(0);
	memset(spaces, 0, sizeof(spaces));
	memset(world_answers, 0, sizeof(world_answers));
	guests_reset();
}

static void create(unsigned number, uint64_t pages, uint64_t promised)
{
	struct s2 *s2 = &spaces[number];
	must(s2_create(s2, &world_format, (vm_id_t)(number + 1), pages, promised) == STATUS_OK,
	     "a VM");
	space_exists[number] = true;
}

static void fill(struct s2 *s2, uint64_t gfn, unsigned order)
{
	uint64_t pages;
	struct s2_locked locked = s2_lock(s2);
	must(s2_populate(locked, (gfn_t){gfn}, order, &pages) == STATUS_OK, "a page");
	s2_unlock(locked);
}

static void surrender(struct s2 *s2, uint64_t gfn)
{
	uint64_t freed;
	uint64_t work;
	struct s2_locked locked = s2_lock(s2);
	must(s2_surrender(locked, (gfn_t){gfn}, ORDER_4K, &freed, &work) == STATUS_OK, "a balloon");
	reclaim_flush(locked);
	s2_unlock(locked);
}

static void take_host_pages(uint64_t spare)
{
	const struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};
	pfn_t pfn;
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		must(frame_alloc(ORDER_4K, tag, &world_host_pages[cpu]) == STATUS_OK, "its pages");
	}
	while (promise_spare() > spare) {
		must(frame_alloc(ORDER_4K, tag, &pfn) == STATUS_OK, "pages of the host");
	}
}

static void make_small(uint64_t spare, bool caches)
{
	start(SMALL_FIRST, SMALL_FRAMES);
	for (unsigned number = 0; number < 2; number++) {
		create(number, SMALL_PAGES, number == 0 ? 0 : 6);
		for (uint64_t gfn = 0; gfn < 4; gfn++) {
			fill(&spaces[number], gfn, ORDER_4K);
		}
		surrender(&spaces[number], BALLOONED_GFN);
		surrender(&spaces[number], BALLOONED_GFN + 1);
	}
	take_host_pages(spare);
	frame_caches_floor_set(caches ? 0 : FRAME_CACHES_OFF);
	if (caches) {
		fill(&spaces[0], EMPTY_GFN + 1, ORDER_4K); /* and its cache */
	}
}

void world_small(uint64_t spare, bool caches)
{
	make_small(spare, caches);
	guests_have_used(&spaces[0], MAPPED_GFN);
	guests_have_used(&spaces[1], MAPPED_GFN);
}

void world_unused(void)
{
	make_small(12, false);
}

void world_regions(void)
{
	start(REGION_FIRST, REGION_FRAMES);
	create(0, REGION_PAGES, 0);
	fill(&spaces[0], 0, ORDER_2M);
	fill(&spaces[0], S2_ENTRIES, ORDER_2M);
	/* Cut into pieces, which stay where they are. */
	struct s2_locked locked = s2_lock(&spaces[0]);
	pfn_t pfn;
	must(s2_pin(locked, (gfn_t){PIECES_GFN}, &pfn) == STATUS_OK, "a pinned page");
	s2_unpin(locked, (gfn_t){PIECES_GFN});
	reclaim_flush(locked);
	s2_unlock(locked);
	take_host_pages(8);
	guests_have_used(&spaces[0], WHOLE_GFN);
	guests_have_used(&spaces[0], PIECES_GFN);
}

bool world_frame_is_of(uint64_t pfn, vm_id_t owner, uint64_t gfn)
{
	if (pfn >= frame_table_count) {
		return false;
	}
	uint64_t head = pfn;
	while (frame_table[head].tag.state == FRAME_TAIL && head > 0) {
		head--;
	}
	const struct frame *frame = &frame_table[head];
	return frame->tag.owner == owner &&
	       (frame->tag.state == FRAME_REVOKING ||
		(frame->tag.state == FRAME_GUEST && frame->gfn + (pfn - head) == gfn));
}

void world_answer(uint64_t answer)
{
	uint64_t *answers = &world_answers[interleave_cpu()];
	*answers = *answers * 31 + answer + 1;
}

static void check_zeroed(void)
{
	for (uint64_t pfn = 0; pfn < frame_table_count; pfn++) {
		const uint64_t *words = pfn_to_virt((pfn_t){pfn});
		if (frame_table[pfn].tag.state != FRAME_ZEROED) {
			continue;
		}
		for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
			if (words[8 * cpu] != 0) {
				interleave_fail("frame %#llx is ZEROED but not zero",
						(unsigned long long)pfn);
			}
		}
	}
}

void world_check(void)
{
	struct s2 *existing[SPACES];
	struct audit_report report;
	unsigned count = 0;
	for (unsigned i = 0; i < SPACES; i++) {
		if (space_exists[i]) {
			existing[count++] = &spaces[i];
		}
	}
	audit_run(existing, count, &report);
	if (report.error_count != 0) {
		interleave_fail("audit: %s", report.first_error);
	}
	check_zeroed();
	guests_check();
}

static uint64_t mix(uint64_t hash, uint64_t value)
{
	return (hash ^ value) * 0x9e3779b97f4a7c15;
}

uint64_t world_outcome(void)
{
	uint64_t hash = 0;
	for (unsigned cpu = 0; cpu < INTERLEAVE_CPUS; cpu++) {
		hash = mix(hash, world_answers[cpu]) >> 1;
		world_answers[cpu] = 0;
	}
	for (unsigned i = 0; i < SPACES; i++) {
		if (!space_exists[i]) {
			continue;
		}
		struct s2_locked locked = {&spaces[i]};
		for (uint64_t gfn = 0; gfn < spaces[i].limit_pages; gfn += gfn < 8 ? 1 : 509) {
			struct s2_slot slot = s2_lookup(locked, (gfn_t){gfn});
			hash = mix(hash, slot.kind * 64 + slot.order * 2 + slot.pinned);
		}
		hash = mix(hash, spaces[i].mapped_pages);
		hash = mix(hash, spaces[i].ballooned_pages);
		hash = mix(hash, spaces[i].table_pages);
	}
	return hash;
}
