/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a fuzz program has instead of cmocka (tests/host/cmocka.h): an expectation that does not
 * hold ends it as a crash, so that libFuzzer keeps the input.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

void print_error(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
}

void fuzz_stop(const char *file, int line, const char *format, ...)
{
	va_list arguments;

	fprintf(stderr, "%s:%d: ", file, line);
	va_start(arguments, format);
	vfprintf(stderr, format, arguments);
	va_end(arguments);
	fputc('\n', stderr);
	abort();
}
