/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/lib/printf.c, kernel/lib/string.c and arch/x86/cpu/string.c under other names, compared
 * with the C library on everything that both can do.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define snprintf tested_snprintf
#define vsnprintf tested_vsnprintf
#define memcpy tested_memcpy
#define memmove tested_memmove
#define memset tested_memset
#define memcmp tested_memcmp
#define strlen tested_strlen
#define strnlen tested_strnlen
#define strcmp tested_strcmp
#define strncmp tested_strncmp
#include "arch/x86/cpu/string.c"
#include "kernel/lib/printf.c"
#include "kernel/lib/string.c"
#undef snprintf
#undef vsnprintf
#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp

int snprintf(char *to, size_t bytes, const char *format, ...);
void *memset(void *to, int value, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
int strcmp(const char *a, const char *b);

#define AS_LIBC(...)                                                                               \
	do {                                                                                       \
		char wanted[256];                                                                  \
		char got[256];                                                                     \
		int wanted_length = snprintf(wanted, sizeof(wanted), __VA_ARGS__);                 \
		int got_length = tested_snprintf(got, sizeof(got), __VA_ARGS__);                   \
		assert_string_equal(got, wanted);                                                  \
		assert_int_equal(got_length, wanted_length);                                       \
	} while (0)

static void test_plain_text(void **state)
{
	(void)state;
	AS_LIBC("%s", "");
	AS_LIBC("plain");
	AS_LIBC("100%%");
	AS_LIBC("%c%c", 'a', 'z');
	AS_LIBC("[%5c][%-5c]", 'a', 'z');
}

static void test_strings(void **state)
{
	const char unterminated[3] = {'a', 'b', 'c'};
	(void)state;
	AS_LIBC("%s and %s", "one", "two");
	AS_LIBC("[%8s][%-8s][%2s]", "right", "left", "long");
	AS_LIBC("[%.*s]", 3, unterminated);
	AS_LIBC("[%.2s][%.9s][%.0s]", "abc", "abc", "abc");
	AS_LIBC("[%6.2s][%-6.2s]", "abc", "abc");

	const char *volatile nothing = NULL; /* or the compiler would object */
	char got[16];
	tested_snprintf(got, sizeof(got), "%s", nothing);
	assert_string_equal(got, "(null)");
}

static void test_numbers(void **state)
{
	(void)state;
	AS_LIBC("%d %d %d %i", 0, 1, -1, INT32_MIN);
	AS_LIBC("%u %u", 0u, UINT32_MAX);
	AS_LIBC("%x %x", 0u, 0xdeadbeefu);
	AS_LIBC("%ld %lld", INT64_MIN, (long long)INT64_MAX);
	AS_LIBC("%lu %llu %zu", UINT64_MAX, (unsigned long long)UINT64_MAX, SIZE_MAX);
	AS_LIBC("%lx %llx %zx", UINT64_MAX, 0x123456789abcdefull, (size_t)0xffff800000000000);
	AS_LIBC("%p", (void *)0x1234);
}

static void test_width_and_flags(void **state)
{
	(void)state;
	AS_LIBC("[%5d][%-5d][%05d]", 42, 42, 42);
	AS_LIBC("[%5d][%-5d][%05d]", -42, -42, -42);
	AS_LIBC("[%2d][%02d]", 12345, 12345);
	AS_LIBC("[%06llu][%016lx]", 123ull, 0xabcul);
	AS_LIBC("[%12p][%-12p]", (void *)0x99, (void *)0x99);
}

static void test_short_buffer(void **state)
{
	(void)state;
	for (size_t room = 0; room < 12; room++) {
		char wanted[16];
		char got[16];
		memset(wanted, 'x', sizeof(wanted));
		memset(got, 'x', sizeof(got));
		int wanted_length = snprintf(wanted, room, "%s-%d", "abcd", 12345);
		assert_int_equal(tested_snprintf(got, room, "%s-%d", "abcd", 12345), wanted_length);
		assert_memory_equal(got, wanted, sizeof(got));
	}
}

/* A conversion that does not exist is shown, and no argument is read for it. */
static void test_unknown_conversion(void **state)
{
	const char *format = "%q %d %";
	char got[32];
	(void)state;
	tested_snprintf(got, sizeof(got), format, 7);
	assert_string_equal(got, "%q 7 %");
}

static void test_random_numbers(void **state)
{
	(void)state;
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		uint64_t value =
			(uint64_t)random() << 33 ^ (uint64_t)random() << 10 ^ (uint64_t)random();
		value >>= random() % 64;
		AS_LIBC("%lu %ld %lx %u %d %x %9u %-9d %012lx", value, (long)value, value,
			(unsigned)value, (int)value, (unsigned)value, (unsigned)value, (int)value,
			value);
	}
}

static void test_moving_bytes(void **state)
{
	(void)state;
	for (unsigned length = 0; length < 40; length++) {
		for (unsigned shift = 0; shift < 60; shift++) {
			unsigned char wanted[128];
			unsigned char got[128];
			for (unsigned i = 0; i < sizeof(wanted); i++) {
				wanted[i] = got[i] = (unsigned char)(i * 7);
			}
			memmove(wanted + shift, wanted + 20, length);
			assert_ptr_equal(tested_memmove(got + shift, got + 20, length),
					 got + shift);
			assert_memory_equal(got, wanted, sizeof(got));
			memset(wanted + shift, 0x1a5, length);
			assert_ptr_equal(tested_memset(got + shift, 0x1a5, length), got + shift);
			assert_memory_equal(got, wanted, sizeof(got));
			assert_ptr_equal(tested_memcpy(got + 70, got + shift, length), got + 70);
			assert_int_equal(tested_memcmp(got + 70, got + shift, length), 0);
		}
	}
}

static int sign(int value)
{
	return (value > 0) - (value < 0);
}

static void test_comparing(void **state)
{
	static const char *const texts[] = {"", "a", "ab", "abc", "abd", "b", "\xff", "\x7f"};
	(void)state;
	for (unsigned i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(tested_strlen(texts[i]), strlen(texts[i]));
		assert_int_equal(tested_strnlen(texts[i], 2), strnlen(texts[i], 2));
		for (unsigned j = 0; j < sizeof(texts) / sizeof(texts[0]); j++) {
			assert_int_equal(tested_strcmp(texts[i], texts[j]),
					 sign(strcmp(texts[i], texts[j])));
			assert_int_equal(tested_strncmp(texts[i], texts[j], 2),
					 sign(strncmp(texts[i], texts[j], 2)));
			assert_int_equal(tested_memcmp(texts[i], texts[j], 1),
					 sign(memcmp(texts[i], texts[j], 1)));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain_text),     cmocka_unit_test(test_strings),
		cmocka_unit_test(test_numbers),	       cmocka_unit_test(test_width_and_flags),
		cmocka_unit_test(test_short_buffer),   cmocka_unit_test(test_unknown_conversion),
		cmocka_unit_test(test_random_numbers), cmocka_unit_test(test_moving_bytes),
		cmocka_unit_test(test_comparing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
