/* SPDX-License-Identifier: BSD-2-Clause */
/* See game.h. */
#include "guests/vmbus/game.h"

#include "guests/lib/bare.h"
#include "guests/vmbus/bus.h"

#define PAGES_MAX 4096u
#define PAGES_MIN 512u

struct game game;

static uint64_t state;
static uint8_t may_be_lost[PAGES_MAX];
static bool shared;

uint64_t random_below(uint64_t limit)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % limit;
}

static volatile uint64_t *word_of(uint64_t page)
{
	return (volatile uint64_t *)((FIRST_GFN + page) * PAGE_BYTES);
}

/* No half of it is the number of a page of RAM. */
static uint64_t content_of(uint64_t page)
{
	return (page << 32 | page) | 0x9000000080000000ul;
}

bool game_begin(uint64_t ram_pages, uint64_t seed)
{
	state = seed * 2 + 1;
	game.ram_end = ram_pages;
	game.pages = ram_pages > FIRST_GFN + PAGES_MIN ? ram_pages - FIRST_GFN : 0;
	game.pages = game.pages < PAGES_MAX ? game.pages : PAGES_MAX;
	for (uint64_t i = 0; i < game.pages; i++) {
		*word_of(i) = content_of(i);
	}
	return game.pages > 0;
}

void game_share(void)
{
	shared = true;
	game_lose(0, game.pages);
}

void game_lose(uint64_t first, uint64_t count)
{
	for (uint64_t i = first; i < first + count && i < game.pages; i++) {
		may_be_lost[i] = 1;
	}
}

bool game_look(uint64_t page)
{
	uint64_t word = *word_of(page);
	bool lost = page < PAGES_MAX && may_be_lost[page] && word == 0;
	bool right = page < WILD_PAGES || word == content_of(page) || lost;

	if (!right) {
		bare_print("vmbus: page %u holds %u\n", page, word);
	}
	*word_of(page) = content_of(page);
	may_be_lost[page] = shared;
	return right;
}
