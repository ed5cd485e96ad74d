/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pages that a driver gives and takes back: each has its own content, and is looked at again
 * and again. And the random numbers that decide what is said.
 */
#ifndef GUESTS_VMBUS_GAME_H
#define GUESTS_VMBUS_GAME_H

#include <stdbool.h>
#include <stdint.h>

#define FIRST_GFN 4096ul
#define WILD_PAGES                                                                                 \
	16u /* the first of them: the host may write to them, so nothing is looked for             \
	     */

extern struct game {
	uint64_t pages; /* from FIRST_GFN on */
	uint64_t ram_end;
} game;

/* Fills the pages. False: there are too few. */
bool game_begin(uint64_t ram_pages, uint64_t seed);

/* From now on both vCPUs play: any page may be lost at any time. */
void game_share(void);

uint64_t random_below(uint64_t limit);

/* These may be given away from now on: zeros are right as well. */
void game_lose(uint64_t first, uint64_t count);

/* What was written is there, or zeros if it may have been given; writes it anew. */
bool game_look(uint64_t page);

#endif
