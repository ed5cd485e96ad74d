/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The guest's page allocator, made for living with a balloon. Every page of RAM is in one state:
 *
 *	FRESH        free, and the host holds no frame: never touched, or back from the balloon
 *	IDLE         free, and the host probably holds a frame for it: giving it away helps
 *	USED         somebody's, or not ours to give (image, books, start information)
 *	SURRENDERED  in the balloon
 *	GIVING       on its way into the balloon: one vCPU has a hypercall for it under way
 *	TAKING       the same, on its way out of the balloon, or being reported
 *
 * Pages are handed out IDLE ones first, then FRESH ones from the lowest address on, so that the
 * guest costs no more frames than it must. The balloon gets them from the highest address down:
 * whole IDLE extents, single IDLE pages, whole FRESH extents, single FRESH pages.
 *
 * The host may answer the first touch of an extent of 2 MiB with one large frame. Therefore a FRESH
 * extent becomes IDLE as a whole when the first page of it is handed out.
 *
 * Lock: palloc_lock guards the books, the counts and what balloon.c plans. What a program calls
 * takes it; what balloon.c calls (choose, and page_state.h for what becomes of the pages) expects
 *it. It is never held during a hypercall, which is what GIVING and TAKING are for: no other vCPU
 * chooses those pages. The doorbell's handler does not come here. The functions never touch the
 * pages themselves.
 */
#ifndef GUESTS_LIB_PALLOC_H
#define GUESTS_LIB_PALLOC_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"
#include "guests/lib/lock.h"

#define PALLOC_NONE UINT64_MAX
#define PALLOC_EXTENT_PAGES 512
#define PALLOC_EXTENT_ORDER 9

enum page_state {
	PAGE_FRESH,
	PAGE_IDLE,
	PAGE_USED,
	PAGE_SURRENDERED,
	PAGE_GIVING,
	PAGE_TAKING,
	PAGE_STATES
};

struct palloc_counts {
	uint64_t total; /* managed: all but what palloc_init and palloc_exclude kept out */
	uint64_t pages[PAGE_STATES];
	/* Sums over the vCPUs: pages that the last failing request wanted, 0 after one that
	 * succeeds; see palloc_claim. */
	uint64_t wanted;
	uint64_t claimed;
	uint64_t free_calls; /* how often something was freed */
};

extern struct palloc_counts palloc_counts;
extern struct lock palloc_lock;

/* Size of the books for RAM of that many pages. */
uint64_t palloc_books_bytes(uint64_t limit_pages);

/* Manages [first_page, limit_pages). `books` is zero throughout and aligned to 8 bytes. */
void palloc_init(uint64_t first_page, uint64_t limit_pages, void *books);

/* Never hands out this FRESH page (no effect on one that is not managed). */
void palloc_exclude(uint64_t page);

static inline uint64_t palloc_free_pages(void)
{
	return palloc_counts.pages[PAGE_FRESH] + palloc_counts.pages[PAGE_IDLE];
}

/*
 * One page, or an aligned extent of 512; the number of the first page. When there is none, the
 * balloon is asked to give some back; PALLOC_NONE if that does not help. *zero (unless NULL): the
 * ABI promises that it reads as zero.
 */
uint64_t palloc_page(bool *zero);
uint64_t palloc_extent(bool *zero);

/*
 * Says how many pages this vCPU will ask for next, so that the balloon does not take them for
 * spare; what it is handed counts against it. Replaces what it has said before.
 */
void palloc_claim(uint64_t pages);

/* Says how many pages this vCPU has asked for in vain, all in all. */
void palloc_want(uint64_t pages);

/* Pages that were handed out, now IDLE. */
void palloc_free(uint64_t page, uint64_t count);

/*
 * Chooses up to `pages_max` free pages for the balloon, makes them GIVING, and writes them down as
 * PENDING ranges; answers how many ranges. Or chooses SURRENDERED ones to be returned: TAKING.
 */
unsigned palloc_choose_surrender(struct aerostat_range *ranges, unsigned ranges_max,
				 uint64_t pages_max);
unsigned palloc_choose_return(struct aerostat_range *ranges, unsigned ranges_max,
			      uint64_t pages_max);

/* The same for all IDLE pages, for a report: TAKING. */
unsigned palloc_choose_report(struct aerostat_range *ranges, unsigned ranges_max);

#endif
