/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vpit.c and vpit_channel.c: against a counter that steps clock by clock, as drivers
 * program and calibrate with it, and the ticks that a VM which did not run gets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "drivers/virt/vpit.h"
#include "fake/counter.h"

/* One clock is 1000 ticks exactly. */
#define EVEN_KHZ VPIT_HZ
#define CLOCK 1000ull

static struct vpit pit;
static uint64_t now;

static int setup(void **state)
{
	(void)state;
	now = 5 * CLOCK;
	vpit_reset(&pit, now, EVEN_KHZ);
	return 0;
}

static void out(uint16_t port, uint8_t value)
{
	vpit_write(&pit, port, value, now);
}

static uint8_t in(uint16_t port)
{
	return vpit_read(&pit, port, now);
}

static unsigned in_word(uint16_t port)
{
	unsigned low = in(port);
	return low | (unsigned)in(port) << 8;
}

static void program(unsigned channel, unsigned mode, unsigned count)
{
	out(0x43, (uint8_t)(channel << 6 | 0x30 | mode << 1));
	out((uint16_t)(0x40 + channel), (uint8_t)count);
	out((uint16_t)(0x40 + channel), (uint8_t)(count >> 8));
}

static void pass(uint64_t clocks)
{
	now += clocks * CLOCK;
}

static unsigned ticks_due(void)
{
	unsigned count = 0;
	while (vpit_tick(&pit, now)) {
		count++;
	}
	return count;
}

static uint64_t random_state = 88172645463325252ull;

static unsigned random_below(unsigned limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (unsigned)(random_state % limit);
}

static uint16_t shown(const struct counter *counter)
{
	uint32_t value = counter->value;
	if (!counter->bcd) {
		return (uint16_t)value;
	}
	value %= 10000;
	return (uint16_t)(value / 1000 << 12 | value / 100 % 10 << 8 | value / 10 % 10 << 4 |
			  value % 10);
}

/* The count as the register takes it. */
static uint16_t register_of(const struct counter *counter, unsigned count)
{
	struct counter copy = {.bcd = counter->bcd, .value = count};
	return shown(&copy);
}

static void compare(const struct counter *counter)
{
	assert_int_equal(vpit_output(&pit, 2, now), counter->output);
	if (counter->running && !counter->moves) {
		out(0x43, 0x80);
		assert_int_equal(in_word(0x42), shown(counter));
	}
}

/* Channel 2, whose gate can be moved: modes, counts, gates and times at random. */
static void test_as_the_stepping_counter(void **state)
{
	struct counter counter = {0};
	(void)state;
	counter_mode(&counter, 3, false);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned choice = random_below(16);
		if (choice == 0) {
			unsigned mode = random_below(6);
			bool bcd = random_below(4) == 0;
			counter_mode(&counter, mode, bcd);
			out(0x43, (uint8_t)(0xb0 | mode << 1 | (bcd ? 1 : 0)));
		} else if (choice < 4) {
			unsigned most = choice == 1 ? (counter.bcd ? 10000 : 65536) : 40;
			/* A count of 1 is not for the periodic modes. */
			unsigned count = random_below(most - 1) + 2;
			uint16_t word = register_of(&counter, count);
			out(0x42, (uint8_t)word);
			if (random_below(4) == 0) {
				counter_stop(&counter);
				pass(1);
				counter_clock(&counter);
				compare(&counter);
			}
			counter_stop(&counter);
			counter_write(&counter, count);
			out(0x42, (uint8_t)(word >> 8));
		} else if (choice < 7) {
			bool gate = random_below(3) != 0;
			counter_gate(&counter, gate);
			out(0x61, gate);
		}
		unsigned clocks = 1 + random_below(choice == 15 ? 3000 : 30);
		for (unsigned i = 0; i < clocks; i++) {
			counter_clock(&counter);
		}
		pass(clocks);
		compare(&counter);
	}
}

/* Channel 0: every rise of the output is a tick. Small counts, so the pace is not looked at. */
static void test_ticks_are_the_rises(void **state)
{
	struct counter counter = {.gate = true};
	uint64_t told = 0;
	(void)state;
	counter_mode(&counter, 3, false);
	counter.rises = 0;
	for (unsigned round = 0; round < 3000; round++) {
		unsigned choice = random_below(40);
		if (choice == 0) {
			static const unsigned modes[] = {0, 2, 3, 4};
			unsigned mode = modes[random_below(4)];
			told += pit.owed; /* forgotten with the mode */
			counter_mode(&counter, mode, false);
			out(0x43, (uint8_t)(0x30 | mode << 1));
		} else if (choice < 6) {
			unsigned count = 150 + random_below(300);
			counter_stop(&counter);
			counter_write(&counter, count);
			out(0x40, (uint8_t)count);
			out(0x40, (uint8_t)(count >> 8));
		}
		for (unsigned i = random_below(200); i < 200; i++) {
			uint64_t before = counter.rises;
			uint64_t next = vpit_next(&pit, now);
			counter_clock(&counter);
			pass(1);
			if (counter.rises > before) {
				assert_true(next <= now);
			}
			told += ticks_due();
		}
		/* What the pace has held back. */
		assert_int_equal(told + pit.owed, counter.rises);
	}
	assert_true(told > 500);
}

static void test_ports_and_bytes(void **state)
{
	(void)state;
	out(0x61, 1);
	program(2, 2, 0x1234);
	pass(1);
	assert_int_equal(in_word(0x42), 0x1234);
	/* One byte only, the other counts as 0. */
	out(0x43, 0x94);
	out(0x42, 0x40);
	pass(3);
	assert_int_equal(in(0x42), 0x3e);
	assert_int_equal(in(0x42), 0x3e);
	out(0x43, 0xa4);
	out(0x42, 0x40);
	pass(2);
	assert_int_equal(in(0x42), 0x3f);
	pass(1);
	assert_int_equal(in(0x42), 0x3f);
	/* Modes 6 and 7 are 2 and 3. */
	out(0x43, 0xbe);
	out(0x43, 0xe8); /* read back the status of channel 2 */
	assert_int_equal(in(0x42), 0xf6);
	assert_int_equal(in(0x43), 0xff);
	assert_int_equal(in(0x44), 0xff);
	program(1, 2, 18);
	pass(4);
	assert_int_equal(in_word(0x41), 15);
}

static void test_latches(void **state)
{
	(void)state;
	program(0, 2, 1000);
	pass(11);
	out(0x43, 0x00);
	pass(100);
	out(0x43, 0x00); /* the first stays */
	assert_int_equal(in_word(0x40), 990);
	assert_int_equal(in_word(0x40), 890);
	/* Status and count of channels 0 and 2 at once, the status first. */
	out(0x43, 0xca);
	pass(5);
	assert_int_equal(in(0x40), 0xb4);
	assert_int_equal(in_word(0x40), 890);
	assert_int_equal(in_word(0x40), 885);
	assert_int_equal(in(0x42) & 0x40, 0x40); /* no count there */
	/* A new count waits for the end of the period. */
	out(0x40, 100);
	out(0x40, 0);
	out(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xf4);
	pass(885);
	out(0x43, 0xe2);
	assert_int_equal(in(0x40), 0xb4);
	assert_int_equal(in_word(0x40), 100);
	pass(99);
	out(0x43, 0xe2);
	assert_int_equal(in(0x40), 0x34);
}

/* Linux measures the TSC with it: by the high byte, not latched, and by the end of a mode 0 count.
 */
static void test_linux_calibrates(void **state)
{
	(void)state;
	vpit_reset(&pit, now, 2400000);
	out(0x61, (uint8_t)((in(0x61) & ~2) | 1));
	program(2, 0, 0xffff);
	uint64_t began = 0;
	unsigned last = 0xff;
	for (uint64_t end = now + 2400000ull * 50; now < end; now += 2400) {
		(void)in(0x42);
		unsigned high = in(0x42);
		assert_true(high == last || high == last - 1);
		if (high == 0xfe && last == 0xff) {
			began = now;
		}
		last = high;
		if (high == 0xff - 50) {
			break;
		}
	}
	uint64_t expected = 49ull * 256 * 2400000000 / VPIT_HZ;
	assert_in_range(now - began, expected - 2400, expected + 2400);
	program(2, 0, VPIT_HZ / 100);
	began = now;
	while ((in(0x61) & 0x20) == 0) {
		now += 1000;
	}
	assert_in_range(now - began, 24000000 - 10000, 24000000 + 10000);
}

static void test_system_port(void **state)
{
	(void)state;
	assert_int_equal(in(0x61) & 0x0f, 0);
	out(0x61, 0xff);
	assert_int_equal(in(0x61) & 0xcf, 0x0f);
	unsigned changes = 0;
	uint8_t last = in(0x61) & 0x10;
	for (unsigned i = 0; i < 1800; i++) {
		pass(1);
		uint8_t bit = in(0x61) & 0x10;
		changes += bit != last ? 1 : 0;
		last = bit;
	}
	assert_int_equal(changes, 100);
	/* The gate holds a count of mode 0. */
	program(2, 0, 100);
	pass(51);
	out(0x61, 0);
	pass(1000);
	assert_int_equal(in(0x61) & 0x20, 0);
	out(0x61, 1);
	pass(49);
	assert_int_equal(in(0x61) & 0x20, 0);
	pass(1);
	assert_int_equal(in(0x61) & 0x20, 0x20);
}

/* Ticks of months at 1000 Hz: each is due at the first tick of the TSC that it can be, exactly. */
static void test_no_drift(void **state)
{
	static const uint64_t frequencies[] = {1193182, 999999, 2399987, 3000000, 14318180};
	const uint64_t start = 1ull << 62;
	(void)state;
	for (unsigned i = 0; i < 5; i++) {
		uint64_t khz = frequencies[i];
		vpit_reset(&pit, start, khz);
		now = start;
		program(0, 2, 1193);
		for (uint64_t tick = 1; tick < 10000000000ull; tick = tick * 3 + 1) {
			unsigned __int128 scaled =
				(unsigned __int128)(tick * 1193 + 1) * (khz * 1000);
			uint64_t due = start + (uint64_t)((scaled + VPIT_HZ - 1) / VPIT_HZ);
			(void)vpit_tick(&pit, due - 1);
			pit.owed = 0; /* those before are not of interest */
			pit.paced = 0;
			assert_int_equal(vpit_next(&pit, due - 1), due);
			assert_false(vpit_tick(&pit, due - 1));
			assert_true(vpit_tick(&pit, due));
		}
	}
}

/* A kernel that ticks at 250 Hz and shares its CPU: no tick is lost, none comes in a burst. */
static void test_rate_is_kept_on_a_shared_cpu(void **state)
{
	const unsigned period = VPIT_HZ / 250;
	uint64_t ticks = 0;
	(void)state;
	program(0, 2, period);
	/* It runs 20 ms of 100. */
	for (unsigned i = 0; i < 100; i++) {
		uint64_t until = now + 20 * EVEN_KHZ;
		unsigned burst = 0;
		for (uint64_t at; (at = vpit_next(&pit, now)) < until;) {
			now = at;
			assert_true(vpit_tick(&pit, now));
			assert_false(vpit_tick(&pit, now));
			burst++;
		}
		assert_true(burst <= 40);
		ticks += burst;
		now = until + 80 * EVEN_KHZ;
	}
	assert_in_range(ticks, 100 * 25 - 25, 100 * 25);
}

static void test_ticks_missed_for_long_are_lost(void **state)
{
	unsigned ticks = 0;
	(void)state;
	program(0, 2, 1193);
	pass(1000000000);
	/* In twice the time that the owed ones need, as many as were owed and as are new. */
	uint64_t end = now + CLOCK * 1193 * 16;
	for (uint64_t last = 0, at; (at = vpit_next(&pit, now)) < end; last = at) {
		assert_true(last == 0 || at - last >= CLOCK * (1193 / 8));
		now = at;
		assert_true(vpit_tick(&pit, at));
		ticks++;
	}
	assert_in_range(ticks, VPIT_TICKS_OWED_MAX + 15, VPIT_TICKS_OWED_MAX + 17);
	/* A new mode owes nothing. */
	pass(10000000);
	program(0, 2, 1193);
	assert_false(vpit_tick(&pit, now));
	assert_int_equal(vpit_next(&pit, now), now + CLOCK * 1194);
}

/* A count of 1 would ask for a million interrupts in a second. */
static void test_smallest_count_is_paced(void **state)
{
	unsigned ticks = 0;
	(void)state;
	program(0, 2, 1);
	for (uint64_t end = now + 1000 * EVEN_KHZ; now < end; now = vpit_next(&pit, now)) {
		ticks += vpit_tick(&pit, now) ? 1 : 0;
	}
	assert_in_range(ticks, 9900, 10100);
}

static void test_one_shots(void **state)
{
	(void)state;
	assert_int_equal(vpit_next(&pit, now), UINT64_MAX);
	/* Linux: mode 4, a count for each event without another control word. */
	out(0x43, 0x38);
	assert_int_equal(vpit_next(&pit, now), UINT64_MAX);
	for (unsigned count = 10; count < 60000; count += 7000) {
		out(0x40, (uint8_t)count);
		out(0x40, (uint8_t)(count >> 8));
		uint64_t at = vpit_next(&pit, now);
		assert_int_equal(at, now + (count + 2) * CLOCK);
		now = at;
		assert_true(vpit_tick(&pit, now));
		assert_int_equal(vpit_next(&pit, now), UINT64_MAX);
		pass(200);
	}
	/* Its end: mode 0 without a count is silent. */
	out(0x43, 0x30);
	pass(1000000);
	assert_false(vpit_tick(&pit, now));
	assert_int_equal(vpit_next(&pit, now), UINT64_MAX);
	/* From there the output rises with the next mode, as the chip's does. */
	out(0x43, 0x38);
	assert_true(vpit_tick(&pit, now));
	program(0, 0, 500);
	assert_int_equal(vpit_next(&pit, now), now + 501 * CLOCK);
	program(0, 1, 500);
	assert_int_equal(ticks_due(), 1);
	assert_int_equal(vpit_next(&pit, now), UINT64_MAX);
}

/* vCPUs on different CPUs: a clock that lags behind is no way back. */
static void test_time_does_not_go_back(void **state)
{
	(void)state;
	program(0, 2, 1000);
	pass(501);
	assert_int_equal(in_word(0x40), 500);
	now -= 300 * CLOCK;
	assert_int_equal(in_word(0x40), 500);
	assert_int_equal(vpit_next(&pit, now), now + 800 * CLOCK);
	now = 0;
	assert_false(vpit_tick(&pit, now));
	assert_int_equal(in_word(0x40), 500);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_as_the_stepping_counter, setup),
		cmocka_unit_test_setup(test_ticks_are_the_rises, setup),
		cmocka_unit_test_setup(test_ports_and_bytes, setup),
		cmocka_unit_test_setup(test_latches, setup),
		cmocka_unit_test_setup(test_linux_calibrates, setup),
		cmocka_unit_test_setup(test_system_port, setup),
		cmocka_unit_test_setup(test_no_drift, setup),
		cmocka_unit_test_setup(test_rate_is_kept_on_a_shared_cpu, setup),
		cmocka_unit_test_setup(test_ticks_missed_for_long_are_lost, setup),
		cmocka_unit_test_setup(test_smallest_count_is_paced, setup),
		cmocka_unit_test_setup(test_one_shots, setup),
		cmocka_unit_test_setup(test_time_does_not_go_back, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
