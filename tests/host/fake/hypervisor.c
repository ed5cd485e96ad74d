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

	mapping_bytes = pages * PAGE_BYTES + ALIGNMENT_BYTES;
	mapping = mmap(NULL, mapping_bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	assert_ptr_not_equal(mapping, MAP_FAILED);
	start = ((uintptr_t)mapping + ALIGNMENT_BYTES - 1) & ~(uintptr_t)(ALIGNMENT_BYTES - 1);
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

/* One range as far as the work allows; false when the call has to answer early. */
static bool handle_range(struct aerostat_range *range, enum fake_call call, uint64_t *work)
{
	uint64_t pages = 1ull << range->order;

	assert_true(range->order == 0 || range->order == 9);
	assert_int_equal(range->gfn % pages, 0);
	assert_int_equal(range->status, AEROSTAT_RANGE_PENDING);
	assert_int_equal(range->reserved, 0);
	assert_int_equal(range->flags, 0);
	assert_true(range->count > 0);
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
	range->flags |= call == FAKE_EMERGENCY && hv->backed ? AEROSTAT_RANGE_FLAG_BACKED : 0;
	return true;
}

static int64_t handle_ranges(uint64_t address, uint64_t count, enum fake_call call)
{
	struct aerostat_range *ranges = (void *)address;
	uint64_t work = hv->work_max;
	int64_t finished = 0;

	assert_true(count > 0 && count <= AEROSTAT_RANGES_MAX);
	assert_true(address % PAGE_BYTES + count * sizeof(*ranges) <= PAGE_BYTES);
	assert_int_equal(address % 8, 0);
	if (hv->error != 0) {
		return hv->error;
	}
	while ((uint64_t)finished < count && handle_range(&ranges[finished], call, &work)) {
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
		assert_in_range(b, 32, 255);
		if (hv->error != 0) {
			return hv->error;
		}
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

	assert_true(number < AEROSTAT_CALL_COUNT);
	assert_int_equal(c | d, 0);
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
