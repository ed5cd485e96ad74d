/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Stands before the cmocka of the machine wherever a test says <cmocka.h>, so that every version of
 * it means the same to the tests. Version 2 has a macro with the everyday name `stop` and calls
 * assert_in_range() deprecated. A fuzz program is not linked with cmocka: there an expectation of
 * the shared fakes that does not hold is a crash, so that the input is kept (tests/fuzz/stop.c).
 */
#ifndef HOST_CMOCKA_H
#define HOST_CMOCKA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#ifndef AEROSTAT_FUZZ

#include_next <cmocka.h>

#undef stop
#undef assert_in_range

/* Unsigned, as in all versions before 2; the arguments are evaluated once. */
#define assert_in_range(value, low, high)                                                          \
	do {                                                                                       \
		uintmax_t in_range_value = (uintmax_t)(value);                                     \
		uintmax_t in_range_low = (uintmax_t)(low);                                         \
		uintmax_t in_range_high = (uintmax_t)(high);                                       \
		if (in_range_value < in_range_low || in_range_value > in_range_high) {             \
			fail_msg("%s:%d: %s is %#jx, not between %#jx and %#jx", __FILE__,         \
				 __LINE__, #value, in_range_value, in_range_low, in_range_high);   \
		}                                                                                  \
	} while (0)

#else

#include <string.h>

__attribute__((format(printf, 1, 2))) void print_error(const char *format, ...);
__attribute__((format(printf, 3, 4), noreturn)) void fuzz_stop(const char *file, int line,
							       const char *format, ...);

#define fail_msg(...) fuzz_stop(__FILE__, __LINE__, __VA_ARGS__)
#define fuzz_assert(condition, text)                                                               \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fail_msg("%s", text);                                                      \
		}                                                                                  \
	} while (0)

#define assert_true(condition) fuzz_assert(condition, #condition)
#define assert_false(condition) fuzz_assert(!(condition), "!(" #condition ")")
#define assert_non_null(pointer) fuzz_assert((pointer) != NULL, #pointer " != NULL")
#define assert_null(pointer) fuzz_assert((pointer) == NULL, #pointer " == NULL")
#define assert_ptr_equal(a, b) fuzz_assert((a) == (b), #a " == " #b)
#define assert_ptr_not_equal(a, b) fuzz_assert((a) != (b), #a " != " #b)
#define assert_string_equal(a, b) fuzz_assert(strcmp(a, b) == 0, #a " is " #b)
#define assert_memory_equal(a, b, bytes) fuzz_assert(memcmp(a, b, bytes) == 0, #a " is " #b)
#define assert_int_equal(a, b)                                                                     \
	do {                                                                                       \
		uintmax_t equal_a = (uintmax_t)(a);                                                \
		uintmax_t equal_b = (uintmax_t)(b);                                                \
		if (equal_a != equal_b) {                                                          \
			fail_msg("%s is %#jx, not %#jx", #a, equal_a, equal_b);                    \
		}                                                                                  \
	} while (0)

#endif
#endif
