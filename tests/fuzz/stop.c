/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Under libFuzzer a failed expectation of the shared fakes is a crash, so that the input is kept.
 * These take the place of cmocka's functions of the same names.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

void _fail(const char *file, int line)
{
	fprintf(stderr, "%s:%d: failed\n", file, line);
	abort();
}

void print_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
}

void _assert_true(uintmax_t result, const char *text, const char *file, int line)
{
	if (result == 0) {
		fprintf(stderr, "%s\n", text);
		_fail(file, line);
	}
}

void _assert_int_equal(uintmax_t a, uintmax_t b, const char *file, int line)
{
	if (a != b) {
		fprintf(stderr, "%#jx is not %#jx\n", a, b);
		_fail(file, line);
	}
}
