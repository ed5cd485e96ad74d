/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/lib/error.c: the status comes back, the text is formatted, cut and terminated. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "base/error.h"

static void test_status_and_text(void **state)
{
	(void)state;
	struct error error;
	assert_int_equal(error_set(&error, STATUS_INVALID, "max=%luK is too small", 12ul),
			 STATUS_INVALID);
	assert_string_equal(error.text, "max=12K is too small");
}

static void test_long_text_is_cut(void **state)
{
	(void)state;
	struct {
		struct error error;
		char behind[8];
	} place;
	char value[2 * ERROR_TEXT_BYTES];
	memset(value, 'a', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	memset(&place, 0x5a, sizeof(place));
	assert_int_equal(error_set(&place.error, STATUS_OUTSIDE, "%s", value), STATUS_OUTSIDE);
	assert_int_equal(strlen(place.error.text), ERROR_TEXT_BYTES - 1);
	for (size_t i = 0; i < sizeof(place.behind); i++) {
		assert_int_equal(place.behind[i], 0x5a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_status_and_text),
		cmocka_unit_test(test_long_text_is_cut),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
