/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a virtio-balloon driver says of its guest's memory (virtio 1.2, 5.5.6.4), and what the
 * balloon page says of that (docs/dialects.md has the table). Pure.
 */
#ifndef DRIVERS_VIRT_VBALLOON_STATISTICS_H
#define DRIVERS_VIRT_VBALLOON_STATISTICS_H

#include "abi/aerostat.h"
#include "base/types.h"

/* Tags with a meaning here. Others are skipped, whatever they are. */
enum vballoon_tag {
	VBALLOON_SWAP_IN,      /* bytes read back from swap, ever */
	VBALLOON_SWAP_OUT,     /* bytes written to swap, ever */
	VBALLOON_MAJOR_FAULTS, /* faults that waited for a disk, ever */
	VBALLOON_FREE = 4,     /* bytes */
	VBALLOON_TOTAL,	       /* bytes that the guest's allocator manages */
	VBALLOON_AVAILABLE,    /* bytes that could be had without swapping */
	VBALLOON_TAGS,
};

#define VBALLOON_ENTRY_BYTES 10u /* tag and value, packed */
#define VBALLOON_ENTRIES_MAX 32u /* that are looked at; later ones are skipped */

struct vballoon_statistics {
	uint64_t values[VBALLOON_TAGS];
	uint8_t known; /* bit of each tag that was there */
};

/* What the translation needs besides. */
struct vballoon_host {
	uint64_t max_pages;
	uint64_t held_pages;
	uint64_t ballooned_pages;
	uint64_t refaults; /* since the driver came: swapped in, or taken back unasked */
	bool total_falls;  /* what is in the balloon is no part of VBALLOON_TOTAL */
};

/* Entries in any order; of two with the same tag the later counts. A rest is skipped. */
void vballoon_statistics_parse(struct vballoon_statistics *statistics, const uint8_t *bytes,
			       size_t count);

/*
 * Pages read back from swap since the buffer before. The first buffer of a driver has a count since
 * the guest's boot: what was before is no refault of now.
 */
uint64_t vballoon_statistics_swapped_in(const struct vballoon_statistics *now,
					const struct vballoon_statistics *before);

/* Writes the guest's part of the page. `before`: those of the driver's last buffer, or all 0. */
void vballoon_statistics_publish(const struct vballoon_statistics *now,
				 const struct vballoon_statistics *before,
				 const struct vballoon_host *host,
				 struct aerostat_balloon_page *page);

#endif
