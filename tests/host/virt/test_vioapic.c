/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vioapic.c: registers through index and window, edges and levels, remote IRR, and
 * random programs against a naive model of the pins.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/virt/vioapic.h"

#define LOGICAL 0x800u
#define LOW_ACTIVE 0x2000u
#define OUTSTANDING 0x4000u
#define LEVEL 0x8000u
#define MASKED 0x10000u

static struct vioapic ioapic;
static struct vioapic_messages out;

static int setup(void **state)
{
	(void)state;
	memset(&ioapic, 0xee, sizeof(ioapic));
	memset(&out, 0xee, sizeof(out));
	vioapic_reset(&ioapic, 0);
	return 0;
}

static uint32_t get(uint8_t number)
{
	vioapic_write(&ioapic, 0x00, 4, number, &out);
	assert_int_equal(out.count, 0);
	return (uint32_t)vioapic_read(&ioapic, 0x10, 4);
}

/* How many messages the write caused. */
static unsigned set(uint8_t number, uint32_t value)
{
	vioapic_write(&ioapic, 0x00, 4, number, &out);
	vioapic_write(&ioapic, 0x10, 4, value, &out);
	return out.count;
}

static uint8_t low_of(unsigned pin)
{
	return (uint8_t)(0x10 + 2 * pin);
}

static unsigned line(unsigned pin, bool asserted)
{
	vioapic_line(&ioapic, pin, asserted, &out);
	return out.count;
}

static unsigned end(uint8_t vector)
{
	vioapic_eoi(&ioapic, vector, &out);
	return out.count;
}

static void check_message(unsigned item, unsigned pin, uint8_t vector, bool level)
{
	assert_true(item < out.count);
	assert_int_equal(out.items[item].pin, pin);
	assert_int_equal(out.items[item].message.vector, vector);
	assert_int_equal(out.items[item].message.level, level);
	assert_int_equal(out.items[item].message.shorthand, APIC_DESTINATION);
}

/* ---- registers ---- */

static void test_state_after_power_on(void **state)
{
	(void)state;
	vioapic_reset(&ioapic, 0x19);
	assert_int_equal(vioapic_read(&ioapic, 0x00, 4), 0);
	assert_int_equal(get(0), 0x09000000);
	assert_int_equal(get(1), 0x00170020);
	assert_int_equal(get(2), 0x09000000);
	assert_int_equal(get(3), 1);
	for (unsigned pin = 0; pin < 24; pin++) {
		assert_int_equal(get(low_of(pin)), MASKED);
		assert_int_equal(get((uint8_t)(low_of(pin) + 1)), 0);
		assert_int_equal(line(pin, true), 0);
	}
}

/* What a write of ones leaves of every register that the index can name. */
static void test_bits_of_every_register(void **state)
{
	(void)state;
	for (unsigned number = 0; number < 256; number++) {
		bool entry = number >= 0x10 && number < 0x40;
		uint32_t expected = entry ? (number % 2 ? 0xff000000 : 0x0001afff) : 0;
		if (number == 0) {
			expected = 0x0f000000;
		} else if (number == 1) {
			expected = 0x00170020;
		} else if (number == 2) {
			expected = 0x0f000000; /* as the identifier */
		} else if (number == 3) {
			expected = 1;
		}
		assert_int_equal(set((uint8_t)number, 0xffffffff), 0);
		assert_int_equal(get((uint8_t)number), expected);
		if (entry) {
			assert_int_equal(set((uint8_t)number, number % 2 ? 0 : MASKED), 0);
		}
	}
}

static void test_every_width_and_offset(void **state)
{
	(void)state;
	(void)set(low_of(3), 0x0001a9c7);
	for (unsigned bytes = 1; bytes <= 8; bytes *= 2) {
		uint64_t ones = bytes < 8 ? (1ull << 8 * bytes) - 1 : UINT64_MAX;
		for (uint32_t offset = 0; offset < 4096; offset++) {
			uint64_t expected = offset == 0x00   ? low_of(3)
					    : offset == 0x10 ? 0x0001a9c7 & ones
							     : 0;
			assert_true(vioapic_read(&ioapic, offset, bytes) == expected);
			struct vioapic before = ioapic;
			out.count = 99;
			vioapic_write(&ioapic, offset, bytes, 0x5555555500000000 | low_of(3), &out);
			assert_int_equal(out.count, 0);
			if (offset == 0x10 && bytes == 4) {
				assert_int_equal(get(low_of(3)), low_of(3));
				(void)set(low_of(3), 0x0001a9c7);
				continue;
			}
			assert_memory_equal(&before, &ioapic, sizeof(ioapic));
		}
	}
}

static void test_pins_of_legacy_interrupts(void **state)
{
	(void)state;
	bool used[VIOAPIC_PINS] = {false};
	for (unsigned irq = 0; irq < 16; irq++) {
		unsigned pin = vioapic_pin_of_irq(irq);
		if (irq == 2) {
			assert_int_equal(pin, VIOAPIC_NO_PIN);
			continue;
		}
		assert_int_equal(pin, irq == 0 ? 2 : irq);
		assert_false(used[pin]);
		used[pin] = true;
	}
	assert_int_equal(vioapic_pin_of_irq(16), VIOAPIC_NO_PIN);
}

/* ---- edges ---- */

static void test_edge_is_one_message(void **state)
{
	(void)state;
	assert_int_equal(set((uint8_t)(low_of(4) + 1), 0x03000000), 0);
	assert_int_equal(set(low_of(4), 0x41), 0);
	assert_int_equal(line(4, true), 1);
	check_message(0, 4, 0x41, false);
	assert_int_equal(out.items[0].message.destination, 3);
	assert_false(out.items[0].message.logical);
	assert_int_equal(out.items[0].message.delivery, APIC_FIXED);
	assert_int_equal(get(low_of(4)), 0x41);
	assert_int_equal(line(4, true), 0);
	assert_int_equal(end(0x41), 0);
	assert_int_equal(line(4, false), 0);
	assert_int_equal(line(4, true), 1);
}

/* The data sheet: edges on a masked pin are neither delivered nor held pending. */
static void test_edge_on_a_masked_pin_is_lost(void **state)
{
	(void)state;
	(void)set(low_of(4), 0x41 | MASKED);
	assert_int_equal(line(4, true), 0);
	assert_int_equal(set(low_of(4), 0x41), 0);
	assert_int_equal(line(4, true), 0);
	assert_int_equal(line(4, false), 0);
	assert_int_equal(line(4, true), 1);
}

static void test_destinations(void **state)
{
	(void)state;
	(void)set((uint8_t)(low_of(7) + 1), 0xff000000);
	(void)set(low_of(7), 0x41);
	assert_int_equal(line(7, true), 1);
	assert_true(out.items[0].message.destination == APIC_BROADCAST);
	(void)line(7, false);
	(void)set(low_of(7), 0x41 | LOGICAL);
	assert_int_equal(line(7, true), 1);
	assert_int_equal(out.items[0].message.destination, 0xff);
	assert_true(out.items[0].message.logical);
}

/* Polarity says which voltage is meant; lines here are asserted or not. */
static void test_polarity_has_no_effect(void **state)
{
	(void)state;
	assert_int_equal(set(low_of(9), 0x41 | LEVEL | LOW_ACTIVE), 0);
	assert_int_equal(line(9, true), 1);
	assert_int_equal(get(low_of(9)), 0x41 | LEVEL | LOW_ACTIVE | OUTSTANDING);
}

static void test_every_delivery_mode(void **state)
{
	(void)state;
	for (unsigned delivery = 0; delivery < 8; delivery++) {
		for (unsigned level = 0; level < 2; level++) {
			bool exists = delivery != 3 && delivery != 6;
			bool keeps = level && delivery <= 1;
			(void)setup(NULL);
			(void)set(low_of(5), delivery << 8 | 0x41 | (level ? LEVEL : 0));
			assert_int_equal(line(5, true), exists);
			if (exists) {
				check_message(0, 5, 0x41, keeps);
				assert_int_equal(out.items[0].message.delivery, delivery);
			}
			assert_int_equal(!!(get(low_of(5)) & OUTSTANDING), keeps);
		}
	}
}

/* ---- levels ---- */

static void test_level_until_its_cause_is_gone(void **state)
{
	(void)state;
	(void)set(low_of(9), 0x51 | LEVEL);
	assert_int_equal(line(9, true), 1);
	check_message(0, 9, 0x51, true);
	assert_int_equal(get(low_of(9)), 0x51 | LEVEL | OUTSTANDING);
	assert_int_equal(line(9, true), 0);
	assert_int_equal(line(9, false), 0);
	assert_int_equal(line(9, true), 0);
	assert_int_equal(end(0x50), 0);
	assert_int_equal(end(0x51), 1);
	check_message(0, 9, 0x51, true);
	assert_int_equal(line(9, false), 0);
	assert_int_equal(end(0x51), 0);
	assert_int_equal(get(low_of(9)), 0x51 | LEVEL);
	assert_int_equal(end(0x51), 0);
}

static void test_level_that_is_unmasked(void **state)
{
	(void)state;
	(void)set(low_of(9), 0x51 | LEVEL | MASKED);
	assert_int_equal(line(9, true), 0);
	assert_int_equal(set(low_of(9), 0x51 | LEVEL), 1);
	check_message(0, 9, 0x51, true);
	/* Masked while it is outstanding: its end sends nothing, unmasking does. */
	assert_int_equal(set(low_of(9), 0x51 | LEVEL | MASKED), 0);
	assert_int_equal(get(low_of(9)), 0x51 | LEVEL | MASKED | OUTSTANDING);
	assert_int_equal(end(0x51), 0);
	assert_int_equal(set(low_of(9), 0x51 | LEVEL), 1);
	/* Writing the entry again adds none. */
	assert_int_equal(set(low_of(9), 0x51 | LEVEL), 0);
	assert_int_equal(set((uint8_t)(low_of(9) + 1), 0x01000000), 0);
}

/* Remote IRR is cleared by way of edge-triggered, as kernels do for version 0x11. */
static void test_outstanding_is_cleared_by_an_edge(void **state)
{
	(void)state;
	(void)set(low_of(9), 0x51 | LEVEL);
	assert_int_equal(line(9, true), 1);
	assert_int_equal(set(low_of(9), 0x51 | MASKED), 0);
	assert_int_equal(get(low_of(9)), 0x51 | MASKED);
	assert_int_equal(set(low_of(9), 0x51 | LEVEL), 1);
	/* As it is in a mode that knows edges only. */
	assert_int_equal(set(low_of(9), 0x400 | LEVEL), 0);
	assert_int_equal(get(low_of(9)), 0x400 | LEVEL);
}

static void test_eoi_register(void **state)
{
	(void)state;
	(void)set(low_of(9), 0x51 | LEVEL);
	assert_int_equal(line(9, true), 1);
	vioapic_write(&ioapic, 0x40, 4, 0x52, &out);
	assert_int_equal(out.count, 0);
	vioapic_write(&ioapic, 0x40, 4, 0x51, &out);
	assert_int_equal(out.count, 1);
	check_message(0, 9, 0x51, true);
	assert_int_equal(vioapic_read(&ioapic, 0x40, 4), 0);
}

static void test_pins_that_share_a_vector(void **state)
{
	(void)state;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		(void)set(low_of(pin), 0x51 | LEVEL);
		assert_int_equal(line(pin, true), 1);
	}
	assert_int_equal(line(5, false), 0);
	assert_int_equal(end(0x51), VIOAPIC_PINS - 1);
	for (unsigned i = 0; i < out.count; i++) {
		check_message(i, i < 5 ? i : i + 1, 0x51, true);
	}
	assert_int_equal(get(low_of(5)), 0x51 | LEVEL);
}

/* No local APIC took it: the next write or assertion tries again, and only those. */
static void test_refused_message(void **state)
{
	(void)state;
	(void)set(low_of(9), 0x51 | LEVEL);
	assert_int_equal(line(9, true), 1);
	vioapic_refused(&ioapic, 9);
	assert_int_equal(get(low_of(9)), 0x51 | LEVEL);
	assert_int_equal(end(0x51), 0);
	assert_int_equal(line(9, true), 1);
	vioapic_refused(&ioapic, 9);
	assert_int_equal(set((uint8_t)(low_of(9) + 1), 0x01000000), 1);
}

/* ---- random programs ---- */

struct model_pin {
	bool asserted, masked, level, outstanding;
	uint8_t vector;
};

static struct model_pin pins[VIOAPIC_PINS];

/* Which pins send after an operation: what the data sheet says of each, by itself. */
static void check_sent(const bool sent[VIOAPIC_PINS])
{
	unsigned count = 0;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		if (sent[pin]) {
			check_message(count, pin, pins[pin].vector, pins[pin].level);
			count++;
		}
	}
	assert_int_equal(out.count, count);
}

static bool model_may_send(struct model_pin *pin)
{
	bool sends = pin->asserted && !pin->masked && pin->level && !pin->outstanding;
	pin->outstanding = pin->outstanding || sends;
	return sends;
}

static void random_operation(uint64_t draw)
{
	bool sent[VIOAPIC_PINS] = {false};
	unsigned number = (unsigned)(draw >> 8) % VIOAPIC_PINS;
	struct model_pin *pin = &pins[number];
	bool flag = draw >> 16 & 1;

	if (draw % 4 == 0) {
		pin->masked = flag;
		pin->level = draw >> 17 & 1;
		pin->vector = (uint8_t)(0x20 + (draw >> 18) % 4);
		pin->outstanding = pin->outstanding && pin->level;
		sent[number] = model_may_send(pin);
		(void)set(low_of(number),
			  pin->vector | (pin->masked ? MASKED : 0) | (pin->level ? LEVEL : 0));
	} else if (draw % 4 == 1) {
		uint8_t vector = (uint8_t)(0x20 + (draw >> 18) % 4);
		for (unsigned i = 0; i < VIOAPIC_PINS; i++) {
			if (pins[i].outstanding && pins[i].vector == vector) {
				pins[i].outstanding = false;
				sent[i] = model_may_send(&pins[i]);
			}
		}
		(void)end(vector);
	} else {
		bool edge = flag && !pin->asserted && !pin->level && !pin->masked;
		pin->asserted = flag;
		sent[number] = edge || model_may_send(pin);
		(void)line(number, flag);
	}
	check_sent(sent);
}

static void test_random_programs_against_a_model(void **state)
{
	(void)state;
	uint64_t seed = 0x9e3779b97f4a7c15;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		pins[pin] = (struct model_pin){.masked = true};
	}
	for (unsigned step = 0; step < 200000; step++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		random_operation(seed >> 8);
		unsigned pin = step % VIOAPIC_PINS;
		assert_int_equal(!!(get(low_of(pin)) & OUTSTANDING), pins[pin].outstanding);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_state_after_power_on, setup),
		cmocka_unit_test_setup(test_bits_of_every_register, setup),
		cmocka_unit_test_setup(test_every_width_and_offset, setup),
		cmocka_unit_test_setup(test_pins_of_legacy_interrupts, setup),
		cmocka_unit_test_setup(test_edge_is_one_message, setup),
		cmocka_unit_test_setup(test_edge_on_a_masked_pin_is_lost, setup),
		cmocka_unit_test_setup(test_destinations, setup),
		cmocka_unit_test_setup(test_polarity_has_no_effect, setup),
		cmocka_unit_test_setup(test_every_delivery_mode, setup),
		cmocka_unit_test_setup(test_level_until_its_cause_is_gone, setup),
		cmocka_unit_test_setup(test_level_that_is_unmasked, setup),
		cmocka_unit_test_setup(test_outstanding_is_cleared_by_an_edge, setup),
		cmocka_unit_test_setup(test_eoi_register, setup),
		cmocka_unit_test_setup(test_pins_that_share_a_vector, setup),
		cmocka_unit_test_setup(test_refused_message, setup),
		cmocka_unit_test_setup(test_random_programs_against_a_model, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
