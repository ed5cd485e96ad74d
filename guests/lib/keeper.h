/* SPDX-License-Identifier: BSD-2-Clause */
/* Pages whose every byte is checked and rewritten, round after round. */
#ifndef GUESTS_LIB_KEEPER_H
#define GUESTS_LIB_KEEPER_H

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

/* Gets and fills pages until there are `count`. False: not enough memory, said so in a line. */
bool keeper_grow(struct keeper *keeper, uint64_t count);

/*
 * Checks every byte and writes the next round's, serving the balloon in between. False: a byte is
 * wrong, and a line has said where.
 */
bool keeper_round(struct keeper *keeper);

/* How long a keeper goes on: words of the argument `until=`. */
enum keeper_until { KEEPER_UNTIL_ROUNDS, KEEPER_UNTIL_DEFLATED };
extern const char *const keeper_until_words[];

/* Another round after `keeper->round` of them? */
bool keeper_goes_on(const struct keeper *keeper, uint64_t rounds, uint64_t until);

#endif
