/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages whose every byte is checked and rewritten, round after round. */
#ifndef GUESTS_LIB_VERIFIED_PAGES_H
#define GUESTS_LIB_VERIFIED_PAGES_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/lib/page_set.h"

/* Static storage, all zero but the seed. */
struct keeper {
	uint64_t seed;
	uint64_t round;
	uint64_t digest; /* of all that was ever found right */
	struct page_set pages;
};

/* Pages [first, end) of a keeper, as one vCPU checks them; the digests of all parts add up. */
struct keeper_part {
	uint64_t first;
	uint64_t end;
	uint64_t round;
	uint64_t digest;
};

/* Gets and fills pages until there are `count`. False: not enough memory, said so in a line. */
bool keeper_grow(struct keeper *keeper, uint64_t count);

/*
 * Checks every byte and writes the next round's, serving the balloon in between. False: a byte is
 * wrong, and a line has said where.
 */
bool keeper_round(struct keeper *keeper);

/* The same for a part; vCPUs may work on parts of their own at the same time. */
bool keeper_part_round(const struct keeper *keeper, struct keeper_part *part);

/* How long a keeper goes on: words of the argument `until=`. */
enum keeper_until { KEEPER_UNTIL_ROUNDS, KEEPER_UNTIL_DEFLATED };
extern const char *const keeper_until_words[];

/* Another round after so many of them? */
bool keeper_goes_on(uint64_t rounds_done, uint64_t rounds, uint64_t until);

#endif
