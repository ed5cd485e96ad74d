/* SPDX-License-Identifier: BSD-2-Clause */
/* See vballoon_statistics.h. */
#include "drivers/virt/vballoon_statistics.h"

#include "base/bits.h"
#include "base/string.h"

static bool has(const struct vballoon_statistics *statistics, enum vballoon_tag tag)
{
	return statistics->known >> tag & 1;
}

void vballoon_statistics_parse(struct vballoon_statistics *statistics, const uint8_t *bytes,
			       size_t count)
{
	size_t entries = min_u64(count / VBALLOON_ENTRY_BYTES, VBALLOON_ENTRIES_MAX);

	memset(statistics, 0, sizeof(*statistics));
	for (size_t i = 0; i < entries; i++) {
		uint16_t tag;
		memcpy(&tag, bytes + i * VBALLOON_ENTRY_BYTES, sizeof(tag));
		if (tag < VBALLOON_TAGS) {
			memcpy(&statistics->values[tag],
			       bytes + i * VBALLOON_ENTRY_BYTES + sizeof(tag), sizeof(uint64_t));
			statistics->known |= (uint8_t)(1u << tag);
		}
	}
}

static uint64_t pages_of(const struct vballoon_statistics *statistics, enum vballoon_tag tag)
{
	return statistics->values[tag] >> PAGE_SHIFT;
}

/* How much a count has grown; the first report of a driver says nothing of that. */
static uint64_t growth(const struct vballoon_statistics *now,
		       const struct vballoon_statistics *before, enum vballoon_tag tag)
{
	return has(before, tag) ? sub_floor_u64(now->values[tag], before->values[tag]) : 0;
}

/*
 * What its processes have asked for and could not have. Pages that go to swap or come from there
 * are missing, one by one. Major faults are files' as well: only those count that what is available
 * would not have kept in memory.
 */
static uint64_t wanted(const struct vballoon_statistics *now,
		       const struct vballoon_statistics *before, uint64_t available)
{
	uint64_t swapped = max_u64(growth(now, before, VBALLOON_SWAP_IN),
				   growth(now, before, VBALLOON_SWAP_OUT)) >>
			   PAGE_SHIFT;
	uint64_t faults = growth(now, before, VBALLOON_MAJOR_FAULTS);

	return max_u64(swapped, sub_floor_u64(faults, available));
}

uint64_t vballoon_statistics_swapped_in(const struct vballoon_statistics *now,
					const struct vballoon_statistics *before)
{
	return growth(now, before, VBALLOON_SWAP_IN) >> PAGE_SHIFT;
}

void vballoon_statistics_publish(const struct vballoon_statistics *now,
				 const struct vballoon_statistics *before,
				 const struct vballoon_host *host,
				 struct aerostat_balloon_page *page)
{
	uint64_t ballooned = min_u64(host->ballooned_pages, host->max_pages);
	uint64_t total = pages_of(now, VBALLOON_TOTAL) + (host->total_falls ? ballooned : 0);
	uint64_t available =
		pages_of(now, has(now, VBALLOON_AVAILABLE) ? VBALLOON_AVAILABLE : VBALLOON_FREE);

	total = min_u64(total, host->max_pages);
	available = min_u64(available, sub_floor_u64(total, ballooned));
	/* What holds frames and is neither in use nor the kernel's own, which `total` leaves out.
	 */
	uint64_t used = sub_floor_u64(host->max_pages, ballooned + available);
	uint64_t idle = min_u64(available, sub_floor_u64(host->held_pages, used));

	__atomic_store_n(&page->total_pages, total, __ATOMIC_RELAXED);
	__atomic_store_n(&page->free_pages, available, __ATOMIC_RELAXED);
	__atomic_store_n(&page->idle_pages, idle, __ATOMIC_RELAXED);
	__atomic_store_n(&page->wanted_pages, wanted(now, before, available), __ATOMIC_RELAXED);
	__atomic_store_n(&page->refault_count, host->refaults, __ATOMIC_RELAXED);
}
