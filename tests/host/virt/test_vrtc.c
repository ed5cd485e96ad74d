/* SPDX-License-Identifier: BSD-2-Clause */
/* drivers/virt/vrtc.c and vrtc_calendar.c: the time in every format, setting it, and IRQ 8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <time.h>

#include "drivers/virt/vrtc.h"
#include "drivers/virt/vrtc_calendar.h"

#define KHZ 2399987ull
#define SECOND (KHZ * 1000)
#define BEGIN 1798761599ll /* 2026-12-31 23:59:59, a Thursday */
#define RAM (512ull << 20)

static struct vrtc rtc;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	now = 12345678901ull;
	vrtc_reset(&rtc, now, KHZ, BEGIN, RAM);
	return 0;
}

static uint8_t in(uint8_t number)
{
	vrtc_write(&rtc, 0x70, number, now);
	return vrtc_read(&rtc, 0x71, now);
}

static void out(uint8_t number, uint8_t value)
{
	vrtc_write(&rtc, 0x70, number, now);
	vrtc_write(&rtc, 0x71, value, now);
}

static void expect_time(const uint8_t bytes[8])
{
	static const uint8_t numbers[] = {0x32, 9, 8, 7, 6, 4, 2, 0};
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(in(numbers[i]), bytes[i]);
	}
}

static void test_time_in_bcd(void **state)
{
	(void)state;
	expect_time((const uint8_t[]){0x20, 0x26, 0x12, 0x31, 5, 0x23, 0x59, 0x59});
	now += SECOND - 1;
	expect_time((const uint8_t[]){0x20, 0x26, 0x12, 0x31, 5, 0x23, 0x59, 0x59});
	now += 1;
	expect_time((const uint8_t[]){0x20, 0x27, 0x01, 0x01, 6, 0x00, 0x00, 0x00});
	now += SECOND * 86400 * 59;
	expect_time((const uint8_t[]){0x20, 0x27, 0x03, 0x01, 2, 0x00, 0x00, 0x00});
}

static void test_other_formats(void **state)
{
	static const uint8_t hours[] = {0x92, 0x81, 0x12, 0x01, 0x11, 0x92};
	static const uint8_t binary[] = {0x8c, 0x81, 0x0c, 0x01, 0x0b, 0x8c};
	static const unsigned at[] = {12, 13, 0, 1, 11, 12};
	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		vrtc_reset(&rtc, now, KHZ, (int64_t)at[i] * 3600 + 59, RAM);
		out(0x0b, 0x00);
		assert_int_equal(in(4), hours[i]);
		assert_int_equal(in(0), 0x59);
		out(0x0b, 0x04);
		assert_int_equal(in(4), binary[i]);
		assert_int_equal(in(0), 59);
		/* Setting it gives the same time back. */
		out(0x0b, 0x84);
		out(4, binary[i]);
		out(0x0b, 0x04);
		out(0x0b, 0x06);
		assert_int_equal(in(4), at[i]);
	}
}

/* As Linux sets it: stop, hold the divider, write, go on, release the divider. */
static void test_setting_the_time(void **state)
{
	(void)state;
	now += SECOND / 3;
	out(0x0b, 0x82);
	out(0x0a, 0x76);
	now += 10 * SECOND;
	expect_time((const uint8_t[]){0x20, 0x26, 0x12, 0x31, 5, 0x23, 0x59, 0x59});
	out(0x32, 0x20);
	out(9, 0x28);
	out(8, 0x02);
	out(7, 0x28);
	out(4, 0x23);
	out(2, 0x59);
	out(0, 0x58);
	out(6, 1); /* a Sunday; it was a Monday */
	out(0x0b, 0x02);
	now += 5 * SECOND;
	expect_time((const uint8_t[]){0x20, 0x28, 0x02, 0x28, 1, 0x23, 0x59, 0x58});
	out(0x0a, 0x26);
	/* Half a second to the next one. */
	now += SECOND / 2 - 1000;
	assert_int_equal(in(0), 0x58);
	now += 1001;
	assert_int_equal(in(0), 0x59);
	now += SECOND;
	expect_time((const uint8_t[]){0x20, 0x28, 0x02, 0x29, 2, 0x00, 0x00, 0x00});
}

/* SET alone keeps the part of the second that has passed. */
static void test_stopping_and_single_bytes(void **state)
{
	(void)state;
	now += SECOND / 4;
	out(0x0b, 0x82);
	now += 7 * SECOND;
	out(0, 0x10);
	out(0x0b, 0x02);
	assert_int_equal(in(0), 0x10);
	now += SECOND * 3 / 4;
	assert_int_equal(in(0), 0x11);
	out(2, 0x30); /* while it runs */
	assert_int_equal(in(0), 0x11);
	now += SECOND;
	assert_int_equal(in(0), 0x12);
	assert_int_equal(in(2), 0x30);
	out(0x0b, 0x92);
	assert_int_equal(in(0x0b), 0x82); /* no update interrupt while it stands */
}

static void test_absurd_bytes_are_harmless(void **state)
{
	(void)state;
	for (unsigned value = 0; value < 256; value++) {
		for (unsigned control = 0; control < 8; control += 2) {
			out(0x0b, (uint8_t)(0x80 | control));
			for (uint8_t number = 0; number <= 9; number++) {
				out(number, (uint8_t)(value * (number + 1)));
			}
			out(0x32, (uint8_t)(value * 77));
			out(0x0b, (uint8_t)(control | 0x70));
			now += SECOND;
			for (uint8_t number = 0; number <= 9; number++) {
				(void)in(number);
			}
			assert_true(vrtc_next(&rtc, now) >= now);
			assert_in_range(rtc.weekday_shift, 0, 6);
		}
	}
}

static void test_update_in_progress(void **state)
{
	(void)state;
	assert_int_equal(in(0x0a), 0x26);
	now += SECOND - KHZ * 245 / 1000;
	assert_int_equal(in(0x0a), 0x26);
	now += KHZ * 2 / 1000;
	assert_int_equal(in(0x0a), 0xa6);
	now += KHZ * 243 / 1000 + 1;
	assert_int_equal(in(0x0a), 0x26);
	now += SECOND - 10;
	assert_int_equal(in(0x0a), 0xa6);
	out(0x0b, 0x82);
	assert_int_equal(in(0x0a), 0x26);
	out(0x0a, 0xa6); /* the bit is not the guest's */
	assert_int_equal(in(0x0a), 0x26);
}

static void test_update_interrupt(void **state)
{
	(void)state;
	assert_int_equal(vrtc_next(&rtc, now), UINT64_MAX);
	out(5, 0x24); /* or the alarm of midnight comes as well */
	out(0x0b, 0x12);
	uint64_t first = now;
	for (unsigned i = 1; i < 100; i++) {
		uint64_t next = vrtc_next(&rtc, now);
		assert_int_equal(next, first + i * SECOND);
		now = next - 1;
		assert_false(vrtc_interrupt(&rtc, now));
		now = next;
		assert_true(vrtc_interrupt(&rtc, now));
		assert_int_equal(vrtc_next(&rtc, now), UINT64_MAX);
		now += SECOND / 2;
		assert_int_equal(in(0x0c) & 0xb0, 0x90);
		assert_int_equal(in(0x0c), 0);
		assert_false(vrtc_interrupt(&rtc, now));
	}
	/* Many seconds that nobody looked at are one interrupt. */
	now += 1000 * SECOND;
	assert_int_equal(vrtc_next(&rtc, now), now);
	assert_true(vrtc_interrupt(&rtc, now));
	assert_int_equal(in(0x0c) & 0x90, 0x90);
	assert_false(vrtc_interrupt(&rtc, now));
}

static void test_flags_without_interrupt(void **state)
{
	(void)state;
	now += 2 * SECOND;
	assert_false(vrtc_interrupt(&rtc, now));
	assert_int_equal(in(0x0c), 0x70); /* a second, periods, and midnight */
	now += SECOND;
	assert_int_equal(in(0x0c), 0x50);
	now += SECOND;
	out(0x0b, 0x12); /* what happened before is pending at once */
	assert_true(vrtc_interrupt(&rtc, now));
}

static void test_periods(void **state)
{
	static const unsigned rates[] = {0,   256, 128, 8192, 4096, 2048, 1024, 512,
					 256, 128, 64,	32,   16,   8,	  4,	2};
	(void)state;
	for (uint8_t rate = 1; rate < 16; rate++) {
		vrtc_reset(&rtc, now, KHZ, BEGIN, RAM);
		uint64_t first = now;
		out(0x0a, 0x20 | rate);
		out(0x0b, 0x42);
		for (unsigned i = 1; i <= 2 * rates[rate]; i++) {
			now = vrtc_next(&rtc, now);
			assert_true(vrtc_interrupt(&rtc, now));
			uint64_t exact = first + (i * SECOND + rates[rate] - 1) / rates[rate];
			assert_int_equal(now, exact);
			assert_int_equal(in(0x0c) & 0xc0, 0xc0);
		}
		out(0x0a, 0x60 | rate); /* the divider is held */
		assert_int_equal(vrtc_next(&rtc, now), UINT64_MAX);
		out(0x0a, 0x20);
		assert_int_equal(vrtc_next(&rtc, now), UINT64_MAX);
	}
}

/* The alarm against a search of every second. */
static void test_alarm(void **state)
{
	static const uint8_t any[] = {0xff, 0xc0};
	uint64_t seed = 1;
	(void)state;
	for (unsigned round = 0; round < 300; round++) {
		uint8_t want[3];
		unsigned limit[] = {24, 60, 60};
		for (unsigned i = 0; i < 3; i++) {
			seed = seed * 6364136223846793005ull + 1442695040888963407ull;
			unsigned value = (unsigned)(seed >> 33) % limit[i];
			want[i] = (seed >> 60) < 8 ? any[seed >> 63] : (uint8_t)value;
		}
		unsigned from = (unsigned)(seed >> 20) % 86400;
		vrtc_reset(&rtc, now, KHZ, from, RAM);
		out(0x0b, 0x26);
		out(5, want[0]);
		out(3, want[1]);
		out(1, want[2]);
		unsigned wait = 0;
		bool found = false;
		while (!found) {
			unsigned at = (from + ++wait) % 86400;
			found = (want[0] >= 0xc0 || want[0] == at / 3600) &&
				(want[1] >= 0xc0 || want[1] == at / 60 % 60) &&
				(want[2] >= 0xc0 || want[2] == at % 60);
		}
		assert_int_equal(vrtc_next(&rtc, now), now + wait * SECOND);
		now += wait * SECOND - 1;
		assert_false(vrtc_interrupt(&rtc, now));
		now += 1;
		assert_true(vrtc_interrupt(&rtc, now));
		assert_int_equal(in(0x0c) & 0xa0, 0xa0);
		assert_false(vrtc_interrupt(&rtc, now));
	}
	out(5, 24); /* never */
	assert_int_equal(vrtc_next(&rtc, now), UINT64_MAX);
	now += 86400 * SECOND;
	assert_false(vrtc_interrupt(&rtc, now));
	vrtc_reset(&rtc, now, KHZ, 13 * 3600 - 2, RAM);
	out(0x0b, 0x20); /* in BCD and halves of the day */
	out(5, 0x81);
	out(3, 0);
	out(1, 0);
	assert_int_equal(vrtc_next(&rtc, now), now + 2 * SECOND);
}

static void test_other_bytes(void **state)
{
	unsigned sum = 0;
	(void)state;
	assert_int_equal(in(0x0d), 0x80);
	out(0x0d, 0);
	assert_int_equal(in(0x0d), 0x80);
	out(0x0c, 0xff);
	assert_int_equal(in(0x0c), 0);
	assert_int_equal(in(0x15) | in(0x16) << 8, 640);
	assert_int_equal(in(0x17) | in(0x18) << 8, 65535);
	assert_int_equal(in(0x30) | in(0x31) << 8, 65535);
	assert_int_equal(in(0x34) | in(0x35) << 8, 496 * 16);
	for (uint8_t i = 0x10; i < 0x2e; i++) {
		sum += in(i);
	}
	assert_int_equal(in(0x2e) << 8 | in(0x2f), sum);
	vrtc_reset(&rtc, now, KHZ, BEGIN, 3 << 20);
	assert_int_equal(in(0x30) | in(0x31) << 8, 2048);
	assert_int_equal(in(0x34) | in(0x35) << 8, 0);
	for (unsigned i = 0x33; i < 0x80; i++) {
		out((uint8_t)(0x80 | i), (uint8_t)(i * 3));
		assert_int_equal(in((uint8_t)i), (uint8_t)(i * 3));
	}
	assert_int_equal(vrtc_read(&rtc, 0x70, now), 0xff);
	assert_int_equal(vrtc_read(&rtc, 0x72, now), 0xff);
}

/* Against the C library, over all years that the clock can show. */
static void test_calendar(void **state)
{
	(void)state;
	for (int64_t at = -62135596800ll; at < 253402300800ll; at += 86400 * 61 + 12345) {
		struct vrtc_date date;
		struct tm tm;
		time_t seconds = (time_t)at;
		assert_non_null(gmtime_r(&seconds, &tm));
		vrtc_calendar_date(at, &date);
		assert_int_equal(date.year, tm.tm_year + 1900);
		assert_int_equal(date.month, tm.tm_mon + 1);
		assert_int_equal(date.day, tm.tm_mday);
		assert_int_equal(date.weekday, tm.tm_wday);
		assert_int_equal(date.hour, tm.tm_hour);
		assert_int_equal(date.minute, tm.tm_min);
		assert_int_equal(date.second, tm.tm_sec);
		assert_int_equal(vrtc_calendar_seconds(&date), at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_time_in_bcd, setup),
		cmocka_unit_test_setup(test_other_formats, setup),
		cmocka_unit_test_setup(test_setting_the_time, setup),
		cmocka_unit_test_setup(test_stopping_and_single_bytes, setup),
		cmocka_unit_test_setup(test_absurd_bytes_are_harmless, setup),
		cmocka_unit_test_setup(test_update_in_progress, setup),
		cmocka_unit_test_setup(test_update_interrupt, setup),
		cmocka_unit_test_setup(test_flags_without_interrupt, setup),
		cmocka_unit_test_setup(test_periods, setup),
		cmocka_unit_test_setup(test_alarm, setup),
		cmocka_unit_test_setup(test_other_bytes, setup),
		cmocka_unit_test(test_calendar),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
