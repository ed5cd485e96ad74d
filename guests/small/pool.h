/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The free pages of the guest `small`: what its driver may give away. Every page of the pool is
 * free, used by the guest, or with the driver, who keeps books of what it has taken out.
 */
#ifndef GUESTS_SMALL_POOL_H
#define GUESTS_SMALL_POOL_H

#include <stdbool.h>
#include <stdint.h>

#define POOL_NONE UINT64_MAX
#define POOL_PAGES_MAX 8192

/* Has nothing. */
void pool_init(void);

/* Adds a page that is now free. `touched`: the host may hold a frame for it. */
void pool_put(uint64_t page, bool touched);

/* A free page and no longer free, a touched one if there is one, from low to high; or POOL_NONE. */
uint64_t pool_take(void);

/* The same, but POOL_NONE if there is no touched one; and the other way round. */
uint64_t pool_take_touched(void);
uint64_t pool_take_untouched(void);

uint64_t pool_free_pages(void);
uint64_t pool_touched_pages(void); /* of those */

#endif
