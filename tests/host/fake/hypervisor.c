/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor of the guests' host tests; see hypervisor.h. */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "fake/hypervisor.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/vcpu.h"

#define PAGE_BYTES 4096
#define ALIGNMENT_BYTES 0x200000
#define GFN_MAX (1ull << 35) /* addresses of a process have 47 bits */
#define EMERGENCY_BACKS 512  /* single pages in one call */

/* What no guest should do ends the test; the text is also the reason that a student of lab 4 reads.
 */
#define rule(condition, ...)                                                                       \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fail_msg(__VA_ARGS__);                                                     \
		}                                                                                  \
	} while (0)

struct fake_hypervisor fake_hypervisor;

static struct fake_hypervisor *const hv = &fake_hypervisor;
static _Thread_local unsigned index_of_thread;
static volatile uint32_t doorbell_notes[AEROSTAT_VCPUS_MAX];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static void *mapping;
static size_t mapping_bytes;

void fake_hypervisor_start(uint64_t pages)
{
	uintptr_t start;
	size_t alignment = ALIGNMENT_BYTES;

	while (alignment < pages * PAGE_BYTES) {
		alignment *= 2;
	}
	mapping_bytes = pages * PAGE_BYTES + alignment;
	mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(mapping, MAP_FAILED);
	start = ((uintptr_t)mapping + alignment - 1) & ~(uintptr_t)(alignment - 1);
	*hv = (struct fake_hypervisor){
		.first_page = start / PAGE_BYTES,
		.pages = pages,
		.ballooned = calloc(pages, sizeof(bool)),
		.work_max = AEROSTAT_CALL_WORK_MAX,
		.refused_page = UINT64_MAX,
		.zero_promised = true,
		.vcpus = 1,
	};
	assert_non_null(hv->ballooned);
}

void fake_hypervisor_be_vcpu(unsigned index)
{
	index_of_thread = index;
}

unsigned vcpu_index(void)
{
	return index_of_thread;
}

unsigned vcpu_count(void)
{
	return hv->vcpus;
}

volatile uint32_t *vcpu_doorbell_note(void)
{
	return &doorbell_notes[index_of_thread];
}

void fake_hypervisor_stop(void)
{
	free(hv->ballooned);
	munmap(mapping, mapping_bytes);
}

void fake_hypervisor_set_target(uint64_t pages)
{
	hv->page->target_pages = pages;
	hv->page->doorbells++;
}

bool fake_hypervisor_holds(uint64_t page)
{
	return hv->ballooned[page - hv->first_page];
}

/* Moves one page; a page that comes back reads as zero, as the interface promises. */
static void move(uint64_t page, bool surrender)
{
	hv->ballooned[page - hv->first_page] = surrender;
	if (surrender) {
		hv->size_pages++;
	} else {
		hv->size_pages--;
	}
	hv->page->size_pages = hv->size_pages;
}

void fake_hypervisor_touch(uint64_t page)
{
	assert_true(fake_hypervisor_holds(page));
	move(page, false);
}

static const char *name_of(enum fake_call call)
{
	static const char *const names[] = {"SURRENDER", "RETURN", "REPORT", "EMERGENCY"};

	return names[call];
}

/* RAM is the memory of the test: what a guest has in static variables lies beside its pages. */
static bool is_memory(uint64_t gfn)
{
	unsigned char there;

	return gfn < GFN_MAX && mincore((void *)(gfn * PAGE_BYTES), PAGE_BYTES, &there) == 0;
}

static bool takes_out(enum fake_call call)
{
	return call == FAKE_SURRENDER || call == FAKE_REPORT;
}

static uint8_t judge_extent(uint64_t first, uint64_t pages, enum fake_call call)
{
	uint64_t inside = 0;

	if (first < hv->first_page || first + pages > hv->first_page + hv->pages) {
		return AEROSTAT_RANGE_OUTSIDE;
	}
	if (hv->refused_page >= first && hv->refused_page < first + pages) {
		return hv->refused_status;
	}
	for (uint64_t i = 0; i < pages; i++) {
		inside += fake_hypervisor_holds(first + i);
	}
	if (inside == (takes_out(call) ? 0 : pages)) {
		return AEROSTAT_RANGE_OK;
	}
	if (inside != 0 && inside != pages) {
		return AEROSTAT_RANGE_MIXED;
	}
	return takes_out(call) ? AEROSTAT_RANGE_SURRENDERED : AEROSTAT_RANGE_NOT_SURRENDERED;
}

/* What a guest is to fill in. The hypervisor would refuse some of it, range by range. */
static void judge_form(const struct aerostat_range *range, enum fake_call call)
{
	const char *name = name_of(call);

	rule(range->order == 0 || range->order == 9, "%s: order %u, not 0 or 9", name,
	     range->order);
	rule(range->gfn % (1ull << range->order) == 0, "%s: gfn is no multiple of 2^order", name);
	rule(range->status == AEROSTAT_RANGE_PENDING, "%s: a range has status %u already", name,
	     range->status);
	rule(range->reserved == 0, "%s: a range's reserved is %u, not 0", name, range->reserved);
	rule(range->flags == 0, "%s: a range's flags are %u, not 0", name, range->flags);
	rule(range->count > 0, "%s: a range's count is 0", name);
	rule(range->done <= range->count, "%s: a range's done is %u of %u", name, range->done,
	     range->count);
}

/* A range is BACKED when the call that ends it has begun it, and could back all of its pages. */
static bool is_backed(const struct aerostat_range *range, enum fake_call call, uint64_t begun_at,
		      uint64_t *backable)
{
	if (call != FAKE_EMERGENCY || !hv->backed || begun_at != 0) {
		return false;
	}
	if (range->order != 0) {
		return true;
	}
	if (range->count > *backable) {
		*backable = 0;
		return false;
	}
	*backable -= range->count;
	return true;
}

/* One range as far as the work allows; false when the call has to answer early. */
static bool handle_range(struct aerostat_range *range, enum fake_call call, uint64_t *work,
			 uint64_t *backable)
{
	judge_form(range, call);
	uint64_t pages = 1ull << range->order;
	uint64_t begun_at = range->done;

	for (; range->done < range->count; range->done++) {
		uint64_t first = range->gfn + ((uint64_t)range->done << range->order);
		uint8_t status = judge_extent(first, pages, call);

		if (*work == 0) {
			return false;
		}
		(*work)--;
		if (status != AEROSTAT_RANGE_OK) {
			range->status = status;
			hv->refusals++;
			return true;
		}
		hv->extents[call][range->order]++;
		hv->returned_pages += takes_out(call) ? 0 : pages;
		for (uint64_t i = 0; i < pages && call != FAKE_REPORT; i++) {
			move(first + i, call == FAKE_SURRENDER);
		}
		if (takes_out(call)) {
			madvise((void *)(first * PAGE_BYTES), pages * PAGE_BYTES, MADV_DONTNEED);
		}
	}
	range->status = AEROSTAT_RANGE_OK;
	range->flags = call != FAKE_SURRENDER && hv->zero_promised ? AEROSTAT_RANGE_FLAG_ZERO : 0;
	range->flags |= is_backed(range, call, begun_at, backable) ? AEROSTAT_RANGE_FLAG_BACKED : 0;
	return true;
}

static int64_t handle_ranges(uint64_t address, uint64_t count, enum fake_call call)
{
	struct aerostat_range *ranges = (void *)address;
	const char *name = name_of(call);
	uint64_t work = hv->work_max;
	uint64_t backable = EMERGENCY_BACKS;
	int64_t finished = 0;

	rule(count > 0 && count <= AEROSTAT_RANGES_MAX, "%s: RSI is %llu, should be 1 to %d ranges",
	     name, (unsigned long long)count, AEROSTAT_RANGES_MAX);
	rule(is_memory(address / PAGE_BYTES), "%s: RDI is no address (a page number?)", name);
	rule(address % 8 == 0, "%s: RDI is no multiple of 8 (a page number?)", name);
	rule(address % PAGE_BYTES + count * sizeof(*ranges) <= PAGE_BYTES,
	     "%s: the ranges are not within one page", name);
	hv->ranges = address;
	if (hv->error != 0) {
		return hv->error;
	}
	while ((uint64_t)finished < count &&
	       handle_range(&ranges[finished], call, &work, &backable)) {
		finished++;
	}
	return finished;
}

static int64_t answer(uint64_t number, uint64_t a, uint64_t b)
{
	hv->calls[number]++;
	switch (number) {
	case AEROSTAT_CALL_WAIT:
		return 0;
	case AEROSTAT_CALL_CONSOLE_WRITE:
		assert_true(b > 0 && b <= AEROSTAT_CONSOLE_BYTES_MAX);
		assert_true(a % PAGE_BYTES + b <= PAGE_BYTES);
		assert_true(strlen(hv->console) + b + 2 <= sizeof(hv->console));
		strncat(hv->console, (const char *)a, b);
		strcat(hv->console, "\n");
		return 0;
	case AEROSTAT_CALL_BALLOON_ATTACH:
		rule(b >= 32 && b <= 255, "ATTACH: RSI is %llu, no vector", (unsigned long long)b);
		if (hv->error != 0) {
			return hv->error;
		}
		rule(is_memory(a), "ATTACH: RDI is no page number (an address?)");
		hv->page = (void *)(a * PAGE_BYTES);
		hv->vector = b;
		hv->page->magic = AEROSTAT_BALLOON_MAGIC;
		hv->page->doorbells = 0;
		hv->page->target_pages = 0;
		hv->page->size_pages = hv->size_pages;
		return 0;
	case AEROSTAT_CALL_BALLOON_DETACH:
		return hv->error;
	case AEROSTAT_CALL_BALLOON_SURRENDER:
	case AEROSTAT_CALL_BALLOON_RETURN:
		return handle_ranges(a, b, number - AEROSTAT_CALL_BALLOON_SURRENDER);
	case AEROSTAT_CALL_BALLOON_REPORT:
	case AEROSTAT_CALL_BALLOON_EMERGENCY:
		return hv->old ? AEROSTAT_ERROR_UNKNOWN_CALL
			       : handle_ranges(a, b, number - AEROSTAT_CALL_BALLOON_SURRENDER);
	default:
		fail_msg("hypercall %lu is not expected here", number);
		return 0;
	}
}

int64_t hypercall(uint64_t number, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	int64_t result;

	rule(number < AEROSTAT_CALL_COUNT, "RAX is %llu: no such call", (unsigned long long)number);
	rule((c | d) == 0, "RDX or R10 of call %llu is not 0", (unsigned long long)number);
	if (number >= AEROSTAT_CALL_BALLOON_SURRENDER && hv->meanwhile) {
		void (*meanwhile)(void) = hv->meanwhile;

		hv->meanwhile = NULL;
		meanwhile();
	}
	pthread_mutex_lock(&mutex);
	result = answer(number, a, b);
	pthread_mutex_unlock(&mutex);
	if (number == AEROSTAT_CALL_WAIT || hv->vcpus > 1) {
		sched_yield();
	}
	return result;
}
