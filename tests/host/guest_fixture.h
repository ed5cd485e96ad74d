/* SPDX-License-Identifier: BSD-2-Clause */
/* What the tests of the guests' library begin and end with. */
#ifndef GUEST_FIXTURE_H
#define GUEST_FIXTURE_H

#include "fake/hypervisor.h"
#include "guests/lib/palloc.h"

#define EXTENT PALLOC_EXTENT_PAGES
#define TEST(name) cmocka_unit_test_teardown(name, guest_stop)

static struct fake_hypervisor *const hv = &fake_hypervisor;

/* RAM of `pages` pages, of which the allocator gets all but the first `skip`; balloon attached. */
void guest_start(uint64_t pages, uint64_t skip);
int guest_stop(void **state);

uint64_t guest_count(enum page_state state);

/* Allocates so many pages; the first one. */
uint64_t guest_take(uint64_t pages);

/* Every page is in exactly one state. */
void guest_check_sum(void);

#endif
