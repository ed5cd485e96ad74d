/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start and end of a guest library's test; see guest_fixture.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "guest_fixture.h"
#include "guests/lib/balloon.h"

static void *books;

void guest_start(uint64_t pages, uint64_t skip)
{
	fake_hypervisor_start(pages);
	books = calloc(1, palloc_books_bytes(pages));
	assert_non_null(books);
	palloc_init(hv->first_page + skip, hv->first_page + pages, books);
	assert_true(balloon_attach());
}

int guest_stop(void **state)
{
	(void)state;
	fake_hypervisor_stop();
	free(books);
	return 0;
}

uint64_t guest_count(enum page_state state)
{
	return palloc_counts.pages[state];
}

void guest_check_sum(void)
{
	uint64_t sum = 0;

	for (unsigned state = 0; state < PAGE_STATES; state++) {
		sum += palloc_counts.pages[state];
	}
	assert_int_equal(sum, palloc_counts.total);
}

uint64_t guest_take(uint64_t pages)
{
	uint64_t first = PALLOC_NONE;

	for (uint64_t i = 0; i < pages; i++) {
		uint64_t page = palloc_page(NULL);

		assert_int_not_equal(page, PALLOC_NONE);
		first = i == 0 ? page : first;
	}
	return first;
}
