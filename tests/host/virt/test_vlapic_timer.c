/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vlapic_timer.c: the three modes, each divisor, ticks that come late, and random
 * programs against a counter that is moved one step at a time.
 */
#include "vlapic_fixture.h"

#define VECTOR 0xec
#define PERIODIC 0x20000u
#define DEADLINE 0x40000u
#define RESERVED 0x60000u

static void write_at(struct vlapic *lapic, uint32_t offset, uint32_t value, uint64_t now)
{
	struct apic_message message;
	(void)(vlapic_write(lapic, offset, 4, value, now, &message) == VLAPIC_TIMER);
}

static uint32_t count_at(struct vlapic *lapic, uint64_t now)
{
	return (uint32_t)vlapic_read(lapic, REG_CURRENT, 4, now);
}

static void set_deadline(struct vlapic *lapic, uint64_t deadline, uint64_t now)
{
	struct apic_message message;
	assert_int_equal(vlapic_msr_write(lapic, VLAPIC_MSR_TSC_DEADLINE, deadline, now, &message),
			 VLAPIC_TIMER);
}

static uint64_t deadline_at(struct vlapic *lapic, uint64_t now)
{
	uint64_t value = 0;
	assert_true(vlapic_msr_read(lapic, VLAPIC_MSR_TSC_DEADLINE, now, &value));
	return value;
}

/* Was the timer's interrupt requested? Takes and ends it. */
static bool fired(struct vlapic *lapic)
{
	if (vlapic_ready(lapic) != VECTOR) {
		assert_int_equal(vlapic_ready(lapic), 0);
		return false;
	}
	vlapic_take(lapic, VECTOR);
	assert_int_equal(vlapic_eoi(lapic), 0);
	return true;
}

/* Figure 11-10: the divide configuration register. */
static const struct {
	uint32_t value;
	unsigned divisor;
} divisors[] = {{0x0, 2},  {0x1, 4},  {0x2, 8},	  {0x3, 16},
		{0x8, 32}, {0x9, 64}, {0xa, 128}, {0xb, 1}};

static void test_one_shot_with_every_divisor(void **state)
{
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(divisors); i++) {
		struct vlapic lapic = make_lapic(0);
		uint64_t unit = (uint64_t)divisors[i].divisor << VLAPIC_CLOCK_SHIFT;
		uint64_t start = 1000003;
		write_at(&lapic, REG_DIVIDE, divisors[i].value, start);
		write_at(&lapic, REG_TIMER, VECTOR, start);
		write_at(&lapic, REG_INITIAL, 5, start);
		assert_true(vlapic_next_tick(&lapic) == start + 5 * unit);
		for (uint64_t past = 0; past < 5 * unit; past++) {
			assert_int_equal(count_at(&lapic, start + past), 5 - past / unit);
			assert_true(vlapic_tick(&lapic, start + past) == start + 5 * unit);
			assert_false(fired(&lapic));
		}
		assert_true(vlapic_tick(&lapic, start + 5 * unit) == VLAPIC_NEVER);
		assert_true(fired(&lapic));
		assert_int_equal(count_at(&lapic, start + 5 * unit), 0);
		assert_int_equal(peek(&lapic, REG_INITIAL), 5);
		(void)vlapic_tick(&lapic, start + 500 * unit);
		assert_false(fired(&lapic));
	}
}

static void test_longest_count(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_DIVIDE, 0xa, 0);
	write_at(&lapic, REG_TIMER, VECTOR, 0);
	write_at(&lapic, REG_INITIAL, UINT32_MAX, 7);
	assert_true(vlapic_next_tick(&lapic) == 7 + (0xffffffffull << 9));
	assert_int_equal(count_at(&lapic, 7), UINT32_MAX);
	assert_int_equal(count_at(&lapic, 7 + (0xffffffffull << 9) - 1), 1);
	/* A clock that was set back shows no more than the beginning. */
	assert_int_equal(count_at(&lapic, 0), UINT32_MAX);
}

static void test_count_of_zero_stops(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_TIMER, VECTOR | PERIODIC, 0);
	write_at(&lapic, REG_INITIAL, 10, 0);
	write_at(&lapic, REG_INITIAL, 0, 5);
	assert_true(vlapic_tick(&lapic, 1000) == VLAPIC_NEVER);
	assert_false(fired(&lapic));
	assert_int_equal(count_at(&lapic, 1000), 0);
}

/* However late the look is: one interrupt, and the next is due in step with the first. */
static void test_missed_periods_are_one(void **state)
{
	(void)state;
	const uint64_t period = 100 << (VLAPIC_CLOCK_SHIFT + 1);
	for (uint64_t late = 0; late < 5 * period; late += 37) {
		struct vlapic lapic = make_lapic(0);
		write_at(&lapic, REG_TIMER, VECTOR | PERIODIC, 0);
		write_at(&lapic, REG_INITIAL, 100, 11);
		uint64_t now = 11 + period + late;
		uint64_t next = 11 + (late / period + 2) * period;
		assert_true(vlapic_tick(&lapic, now) == next);
		assert_true(fired(&lapic));
		assert_true(vlapic_tick(&lapic, now) == next);
		assert_true(vlapic_tick(&lapic, next - 1) == next);
		assert_false(fired(&lapic));
		assert_true(vlapic_tick(&lapic, next) == next + period);
		assert_true(fired(&lapic));
	}
}

/* The count register of a periodic timer begins anew; the guest may never look at the interrupt. */
static void test_count_of_a_periodic_timer(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_DIVIDE, 0xb, 0);
	write_at(&lapic, REG_TIMER, VECTOR | PERIODIC, 0);
	write_at(&lapic, REG_INITIAL, 10, 0);
	for (uint64_t now = 0; now < 400; now++) {
		assert_int_equal(count_at(&lapic, now), 10 - now / 4 % 10);
	}
	assert_true(fired(&lapic));
}

static void test_tsc_deadline(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	/* Not in another mode. */
	set_deadline(&lapic, 500, 0);
	assert_true(deadline_at(&lapic, 0) == 0);
	assert_true(vlapic_tick(&lapic, 1000) == VLAPIC_NEVER);
	write_at(&lapic, REG_TIMER, VECTOR | DEADLINE, 1000);
	assert_true(deadline_at(&lapic, 1000) == 0);
	set_deadline(&lapic, 5000, 1000);
	assert_true(deadline_at(&lapic, 4999) == 5000);
	assert_true(vlapic_tick(&lapic, 4999) == 5000);
	assert_false(fired(&lapic));
	assert_true(vlapic_tick(&lapic, 5000) == VLAPIC_NEVER);
	assert_true(fired(&lapic));
	assert_true(deadline_at(&lapic, 5000) == 0);
	/* In the past: at once. Moved, and taken back: not at all. */
	set_deadline(&lapic, 1, 6000);
	assert_true(vlapic_tick(&lapic, 6000) == VLAPIC_NEVER);
	assert_true(fired(&lapic));
	set_deadline(&lapic, 7000, 6000);
	set_deadline(&lapic, 8000, 6500);
	assert_true(vlapic_tick(&lapic, 7500) == 8000);
	assert_false(fired(&lapic));
	set_deadline(&lapic, 0, 7600);
	assert_true(deadline_at(&lapic, 7600) == 0);
	assert_true(vlapic_tick(&lapic, 9000) == VLAPIC_NEVER);
	assert_false(fired(&lapic));
}

/* What was due before a new deadline is written has been due. */
static void test_new_deadline_does_not_hide_the_old_one(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_TIMER, VECTOR | DEADLINE, 0);
	set_deadline(&lapic, 100, 0);
	set_deadline(&lapic, 900, 200);
	assert_true(fired(&lapic));
	write_at(&lapic, REG_TIMER, VECTOR, 300);
	write_at(&lapic, REG_INITIAL, 10, 300);
	write_at(&lapic, REG_INITIAL, 10, 10000);
	assert_true(fired(&lapic));
	write_at(&lapic, REG_TIMER, VECTOR | MASKED, 20000);
	assert_true(fired(&lapic));
}

/* 11.5.4.1: counts are ignored in TSC-deadline mode. */
static void test_counts_in_deadline_mode(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_INITIAL, 77, 0);
	write_at(&lapic, REG_TIMER, VECTOR | DEADLINE, 0);
	write_at(&lapic, REG_INITIAL, 10, 0);
	assert_true(vlapic_tick(&lapic, 1000) == VLAPIC_NEVER);
	assert_int_equal(count_at(&lapic, 0), 0);
	set_deadline(&lapic, 5000, 0);
	assert_int_equal(count_at(&lapic, 0), 0);
	write_at(&lapic, REG_INITIAL, 0, 0);
	write_at(&lapic, REG_DIVIDE, 0xb, 0);
	assert_true(deadline_at(&lapic, 0) == 5000);
}

/* 11.5.4.1: between TSC-deadline mode and the others the timer stops, between these it goes on. */
static void test_changes_of_mode(void **state)
{
	(void)state;
	static const uint32_t modes[] = {0, PERIODIC, DEADLINE, RESERVED};
	for (unsigned from = 0; from < 4; from++) {
		for (unsigned to = 0; to < 4; to++) {
			struct vlapic lapic = make_lapic(0);
			write_at(&lapic, REG_DIVIDE, 0xb, 0);
			write_at(&lapic, REG_TIMER, VECTOR | modes[from], 0);
			write_at(&lapic, REG_INITIAL, 100, 0);
			set_deadline(&lapic, 400, 0);
			bool runs = from < 3;
			assert_true(vlapic_next_tick(&lapic) == (runs ? 400 : VLAPIC_NEVER));
			write_at(&lapic, REG_TIMER, VECTOR | modes[to], 100);
			bool goes_on = runs && (from == to || (from < 2 && to < 2));
			assert_true(vlapic_next_tick(&lapic) == (goes_on ? 400 : VLAPIC_NEVER));
			(void)vlapic_tick(&lapic, 400);
			assert_int_equal(fired(&lapic), goes_on);
			assert_true(vlapic_next_tick(&lapic) ==
				    (goes_on && to == 1 ? 800 : VLAPIC_NEVER));
		}
	}
}

static void test_masked_timer_runs_in_silence(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_DIVIDE, 0xb, 0);
	write_at(&lapic, REG_TIMER, VECTOR | PERIODIC | MASKED, 0);
	write_at(&lapic, REG_INITIAL, 100, 0);
	assert_true(vlapic_next_tick(&lapic) == VLAPIC_NEVER);
	assert_true(vlapic_tick(&lapic, 1000) == VLAPIC_NEVER);
	/* What was due while it was masked does not come later; the phase is the same. */
	write_at(&lapic, REG_TIMER, VECTOR | PERIODIC, 1700);
	assert_false(fired(&lapic));
	assert_true(vlapic_next_tick(&lapic) == 2000);
	/* The same for a deadline. */
	write_at(&lapic, REG_TIMER, VECTOR | DEADLINE | MASKED, 1800);
	set_deadline(&lapic, 1900, 1800);
	write_at(&lapic, REG_TIMER, VECTOR | DEADLINE, 1950);
	assert_true(vlapic_tick(&lapic, 3000) == VLAPIC_NEVER);
	assert_false(fired(&lapic));
	assert_true(deadline_at(&lapic, 3000) == 0);
}

/* Switched off by software: what was due before is requested, then there is silence. */
static void test_switched_off_by_software(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_DIVIDE, 0xb, 0);
	write_at(&lapic, REG_TIMER, VECTOR | PERIODIC, 0);
	write_at(&lapic, REG_INITIAL, 100, 0);
	write_at(&lapic, REG_SVR, 0xff, 450);
	assert_true(fired(&lapic));
	assert_true(vlapic_tick(&lapic, 2000) == VLAPIC_NEVER);
	assert_false(fired(&lapic));
}

/* A running count goes on from where it is, at the new rate. */
static void test_divisor_of_a_running_timer(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_DIVIDE, 0xb, 0);
	write_at(&lapic, REG_TIMER, VECTOR, 0);
	write_at(&lapic, REG_INITIAL, 100, 0);
	write_at(&lapic, REG_DIVIDE, 0x1, 240);
	assert_int_equal(count_at(&lapic, 240), 40);
	assert_true(vlapic_next_tick(&lapic) == 240 + 40 * 16);
	(void)vlapic_tick(&lapic, 880);
	assert_true(fired(&lapic));
	write_at(&lapic, REG_DIVIDE, 0xb, 900);
	assert_true(vlapic_next_tick(&lapic) == VLAPIC_NEVER);
}

/* Sums do not wrap: what is due beyond the end of the clock never is. */
static void test_end_of_the_clock(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_DIVIDE, 0xb, 0);
	write_at(&lapic, REG_TIMER, VECTOR | PERIODIC, 0);
	write_at(&lapic, REG_INITIAL, 100, UINT64_MAX - 401);
	assert_true(vlapic_next_tick(&lapic) == UINT64_MAX - 1);
	assert_true(vlapic_tick(&lapic, UINT64_MAX - 1) == VLAPIC_NEVER);
	assert_true(fired(&lapic));
	assert_true(vlapic_tick(&lapic, UINT64_MAX) == VLAPIC_NEVER);
	write_at(&lapic, REG_INITIAL, 100, UINT64_MAX - 400);
	assert_true(vlapic_next_tick(&lapic) == VLAPIC_NEVER);
	/* Late by nearly all of it. */
	write_at(&lapic, REG_INITIAL, 1, 0);
	assert_true(vlapic_tick(&lapic, UINT64_MAX - 6) == UINT64_MAX - 3);
	assert_true(fired(&lapic));
}

static void test_vector_of_the_processor(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	write_at(&lapic, REG_TIMER, 0x0f, 0);
	write_at(&lapic, REG_INITIAL, 1, 0);
	(void)vlapic_tick(&lapic, 1000);
	assert_int_equal(vlapic_ready(&lapic), 0);
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), VLAPIC_ERROR_RECEIVE_VECTOR);
}

/* ---- random programs against a counter ---- */

/* What a part has: a counter that is decremented each time its divider has run around. */
struct counter {
	uint32_t entry;
	uint32_t initial;
	uint32_t current;
	unsigned divisor; /* in ticks of the TSC */
	unsigned phase;
	uint64_t deadline;
	unsigned fires;
};

static void counter_fire(struct counter *counter)
{
	counter->fires += counter->entry & MASKED ? 0 : 1;
}

static void counter_tick(struct counter *counter, uint64_t now)
{
	if (counter->entry & DEADLINE) {
		if (counter->deadline != 0 && now >= counter->deadline) {
			counter->deadline = 0;
			counter_fire(counter);
		}
		return;
	}
	if (counter->current == 0 || ++counter->phase < counter->divisor) {
		return;
	}
	counter->phase = 0;
	if (--counter->current == 0) {
		counter_fire(counter);
		counter->current = counter->entry & PERIODIC ? counter->initial : 0;
	}
}

static void random_operation(struct vlapic *lapic, struct counter *counter, uint64_t draw,
			     uint64_t now)
{
	unsigned which = (unsigned)(draw >> 8) % ARRAY_COUNT(divisors);
	uint32_t value = (uint32_t)(draw >> 16) % 12;

	switch (draw % 8) {
	case 0:
	case 1:
		write_at(lapic, REG_INITIAL, value, now);
		if ((counter->entry & DEADLINE) == 0) {
			counter->initial = counter->current = value;
			counter->phase = 0;
		}
		break;
	case 2: {
		uint32_t entry = VECTOR | (value % 3) << 17 | (draw >> 30 & 1 ? MASKED : 0);
		write_at(lapic, REG_TIMER, entry, now);
		if ((entry ^ counter->entry) & DEADLINE) {
			counter->current = 0;
			counter->deadline = 0;
		}
		counter->entry = entry;
		break;
	}
	case 3:
		if (counter->current == 0) {
			write_at(lapic, REG_DIVIDE, divisors[which].value, now);
			counter->divisor = divisors[which].divisor << VLAPIC_CLOCK_SHIFT;
		}
		break;
	case 4:
		set_deadline(lapic, value == 0 ? 0 : now + 3 * value, now);
		if (counter->entry & DEADLINE) {
			counter->deadline = value == 0 ? 0 : now + 3 * value;
		}
		break;
	default:
		assert_int_equal(count_at(lapic, now),
				 counter->entry & DEADLINE ? 0 : counter->current);
		assert_true(deadline_at(lapic, now) == counter->deadline);
		break;
	}
}

static void test_random_programs_against_a_counter(void **state)
{
	(void)state;
	uint64_t seed = 0x1234567;
	for (unsigned round = 0; round < 200; round++) {
		struct vlapic lapic = make_lapic(0);
		struct counter counter = {.entry = MASKED, .divisor = 2 << VLAPIC_CLOCK_SHIFT};
		for (uint64_t now = 1; now < 2000; now++) {
			uint64_t draw = next_random(&seed);
			counter_tick(&counter, now);
			if (draw % 16 == 0) {
				random_operation(&lapic, &counter, draw >> 8, now);
			}
			if (draw % 16 == 1) {
				/* Looks come rarely; what was missed meanwhile is one. */
				(void)vlapic_tick(&lapic, now);
				assert_int_equal(fired(&lapic), counter.fires > 0);
				counter.fires = 0;
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_one_shot_with_every_divisor),
		cmocka_unit_test(test_longest_count),
		cmocka_unit_test(test_count_of_zero_stops),
		cmocka_unit_test(test_missed_periods_are_one),
		cmocka_unit_test(test_count_of_a_periodic_timer),
		cmocka_unit_test(test_tsc_deadline),
		cmocka_unit_test(test_new_deadline_does_not_hide_the_old_one),
		cmocka_unit_test(test_counts_in_deadline_mode),
		cmocka_unit_test(test_changes_of_mode),
		cmocka_unit_test(test_masked_timer_runs_in_silence),
		cmocka_unit_test(test_switched_off_by_software),
		cmocka_unit_test(test_divisor_of_a_running_timer),
		cmocka_unit_test(test_end_of_the_clock),
		cmocka_unit_test(test_vector_of_the_processor),
		cmocka_unit_test(test_random_programs_against_a_counter),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
