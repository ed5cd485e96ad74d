/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vlapic_message.c: which local APICs a destination addresses in each mode and model,
 * shorthands, lowest priority, and what becomes of each kind of message.
 */
#include "vlapic_fixture.h"

static void test_physical_destination(void **state)
{
	(void)state;
	for (uint32_t index = 0; index < 64; index++) {
		struct vlapic xapic = make_lapic(index);
		struct vlapic x2apic = make_x2apic(index);
		for (uint32_t destination = 0; destination < 0x200; destination++) {
			assert_int_equal(vlapic_matches(&xapic, destination, false),
					 destination == index);
			assert_int_equal(vlapic_matches(&x2apic, destination, false),
					 destination == index);
		}
		assert_true(vlapic_matches(&xapic, APIC_BROADCAST, false));
		assert_true(vlapic_matches(&x2apic, APIC_BROADCAST, false));
		assert_false(vlapic_matches(&x2apic, index | 0x80000000, false));
	}
}

/* 11.6.2.2: every identifier against every destination, in both models. */
static void test_logical_destination_of_xapic(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	for (uint32_t id = 0; id < 256; id++) {
		poke(&lapic, REG_LDR, id << 24);
		for (uint32_t to = 0; to < 256; to++) {
			bool same_cluster = id / 16 == to / 16;
			bool member = false;
			bool flat = false;
			for (unsigned bit = 0; bit < 8; bit++) {
				bool both = (id >> bit & 1) && (to >> bit & 1);
				flat = flat || both;
				member = member || (both && bit < 4);
			}
			poke(&lapic, REG_DFR, 0xffffffff);
			assert_int_equal(vlapic_matches(&lapic, to, true), flat);
			poke(&lapic, REG_DFR, 0x0fffffff);
			assert_int_equal(vlapic_matches(&lapic, to, true),
					 to == 0xff || (same_cluster && member));
			poke(&lapic, REG_DFR, 0x7fffffff);
			assert_false(vlapic_matches(&lapic, to, true));
		}
	}
	/* Sent in x2APIC mode: more than 8 bits are for others, all ones are for all. */
	poke(&lapic, REG_LDR, 0xff000000);
	poke(&lapic, REG_DFR, 0xffffffff);
	assert_false(vlapic_matches(&lapic, 0x101, true));
	assert_false(vlapic_matches(&lapic, 0x10001, true));
	assert_true(vlapic_matches(&lapic, APIC_BROADCAST, true));
}

/* 11.12.10.2: cluster and bit follow from the identifier. */
static void test_logical_destination_of_x2apic(void **state)
{
	(void)state;
	for (uint32_t index = 0; index < 64; index++) {
		struct vlapic lapic = make_x2apic(index);
		assert_true(vlapic_matches(&lapic, (uint32_t)rdmsr(&lapic, msr_of(REG_LDR)), true));
		for (uint32_t cluster = 0; cluster < 6; cluster++) {
			for (unsigned bit = 0; bit < 16; bit++) {
				assert_int_equal(
					vlapic_matches(&lapic, cluster << 16 | 1u << bit, true),
					cluster == index / 16 && bit == index % 16);
			}
			assert_false(vlapic_matches(&lapic, cluster << 16, true));
			assert_int_equal(vlapic_matches(&lapic, cluster << 16 | 0xffff, true),
					 cluster == index / 16);
		}
		assert_true(vlapic_matches(&lapic, APIC_BROADCAST, true));
	}
}

static void test_shorthands(void **state)
{
	(void)state;
	struct vlapic lapics[3] = {make_lapic(0), make_x2apic(1), make_lapic(2)};
	wrmsr(&lapics[2], VLAPIC_MSR_BASE, VLAPIC_PAGE);
	for (unsigned sender = 0; sender < 2; sender++) {
		for (unsigned i = 0; i < 3; i++) {
			struct apic_message message = {.destination = 1, .vector = 0x41};
			bool on = i != 2;
			assert_int_equal(vlapic_is_target(&lapics[i], &message, &lapics[sender]),
					 i == 1);
			assert_int_equal(vlapic_is_target(&lapics[i], &message, NULL), i == 1);
			message.shorthand = APIC_SELF;
			assert_int_equal(vlapic_is_target(&lapics[i], &message, &lapics[sender]),
					 i == sender);
			message.shorthand = APIC_ALL;
			assert_int_equal(vlapic_is_target(&lapics[i], &message, &lapics[sender]),
					 on);
			message.shorthand = APIC_OTHERS;
			assert_int_equal(vlapic_is_target(&lapics[i], &message, &lapics[sender]),
					 on && i != sender);
		}
	}
}

/* Switched off by IA32_APIC_BASE it is not on the bus. */
static void test_nothing_reaches_one_that_is_off(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(1);
	wrmsr(&lapic, VLAPIC_MSR_BASE, VLAPIC_PAGE);
	assert_false(vlapic_matches(&lapic, 1, false));
	assert_false(vlapic_matches(&lapic, APIC_BROADCAST, false));
	assert_false(vlapic_matches(&lapic, APIC_BROADCAST, true));
	for (uint8_t delivery = 0; delivery < 8; delivery++) {
		struct apic_message message = {.vector = 0x41, .delivery = delivery};
		assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_REFUSED);
	}
	assert_false(vlapic_nmi_pending(&lapic));
}

static void test_what_becomes_of_messages(void **state)
{
	(void)state;
	static const enum vlapic_accepted first[8] = {
		VLAPIC_PENDING, VLAPIC_PENDING, VLAPIC_REFUSED,	 VLAPIC_REFUSED,
		VLAPIC_PENDING, VLAPIC_RESET,	VLAPIC_STARTING, VLAPIC_PIC};
	for (uint8_t delivery = 0; delivery < 8; delivery++) {
		struct vlapic lapic = make_lapic(0);
		struct vlapic before = lapic;
		struct apic_message message = {.vector = 0x41, .delivery = delivery, .level = true};
		enum vlapic_accepted expected = first[delivery];
		assert_int_equal(vlapic_accept(&lapic, &message), expected);
		assert_int_equal(vlapic_ready(&lapic), delivery <= 1 ? 0x41 : 0);
		assert_int_equal(vlapic_nmi_pending(&lapic), delivery == APIC_NMI);
		if (expected != VLAPIC_PENDING) {
			assert_memory_equal(&before, &lapic, sizeof(lapic));
			continue;
		}
		assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_MERGED);
		if (delivery <= 1) {
			vlapic_take(&lapic, 0x41);
			assert_int_equal(vlapic_eoi(&lapic), 0x41);
		}
	}
}

/* 11.4.7.2: switched off by software it still hears NMI, INIT and the start-up message. */
static void test_messages_to_one_that_is_switched_off(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	poke(&lapic, REG_SVR, 0xff);
	struct apic_message message = {.vector = 0x41};
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_REFUSED);
	message.delivery = APIC_LOWEST_PRIORITY;
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_REFUSED);
	message.delivery = APIC_NMI;
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_PENDING);
	message.delivery = APIC_INIT;
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_RESET);
	message.delivery = APIC_STARTUP;
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_STARTING);
}

/* Refused, so that an IOAPIC's pin does not wait for its end; the error's own interrupt is news. */
static void test_message_with_a_vector_of_the_processor(void **state)
{
	(void)state;
	struct vlapic lapic = make_lapic(0);
	struct apic_message message = {.vector = 0x0f, .level = true};
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_REFUSED);
	poke(&lapic, REG_ESR, 0);
	assert_int_equal(peek(&lapic, REG_ESR), VLAPIC_ERROR_RECEIVE_VECTOR);
	poke(&lapic, REG_ERROR, 0x77);
	assert_int_equal(vlapic_accept(&lapic, &message), VLAPIC_PENDING);
	assert_int_equal(vlapic_ready(&lapic), 0x77);
	assert_int_equal(peek(&lapic, REG_TMR), 0);
}

/* ---- lowest priority ---- */

#define CANDIDATES 5

static unsigned naive_choice(struct vlapic *lapics, unsigned count, unsigned turn)
{
	unsigned best = count;
	for (unsigned place = turn % count, i = 0; i < count; i++, place = (place + 1) % count) {
		bool on = (peek(&lapics[place], REG_SVR) & 0x100) != 0;
		if (on && (best == count ||
			   peek(&lapics[place], REG_APR) < peek(&lapics[best], REG_APR))) {
			best = place;
		}
	}
	return best;
}

static void test_lowest_priority(void **state)
{
	(void)state;
	uint64_t seed = 77;
	for (unsigned round = 0; round < 2000; round++) {
		struct vlapic lapics[CANDIDATES];
		const struct vlapic *candidates[CANDIDATES];
		unsigned count = 1 + (unsigned)(next_random(&seed) % CANDIDATES);
		unsigned turn = (unsigned)(next_random(&seed) >> 32);
		for (unsigned i = 0; i < count; i++) {
			lapics[i] = make_lapic(i);
			candidates[i] = &lapics[i];
			poke(&lapics[i], REG_TPR, (uint32_t)(next_random(&seed) % 4) << 4);
			if (next_random(&seed) % 4 == 0) {
				(void)vlapic_request(&lapics[i], 0x25, false);
			}
			if (next_random(&seed) % 4 == 0) {
				poke(&lapics[i], REG_SVR, 0xff);
			}
		}
		assert_int_equal(vlapic_arbitrate(candidates, count, turn),
				 naive_choice(lapics, count, turn));
	}
	assert_int_equal(vlapic_arbitrate(NULL, 0, 5), 0);
}

/* Among equals each has its turn. */
static void test_turns_of_equals(void **state)
{
	(void)state;
	struct vlapic lapics[4] = {make_lapic(0), make_lapic(1), make_lapic(2), make_lapic(3)};
	const struct vlapic *candidates[4] = {&lapics[0], &lapics[1], &lapics[2], &lapics[3]};
	for (unsigned turn = 0; turn < 12; turn++) {
		assert_int_equal(vlapic_arbitrate(candidates, 4, turn), turn % 4);
	}
	poke(&lapics[2], REG_SVR, 0xff);
	assert_int_equal(vlapic_arbitrate(candidates, 4, 2), 3);
	wrmsr(&lapics[3], VLAPIC_MSR_BASE, VLAPIC_PAGE);
	assert_int_equal(vlapic_arbitrate(candidates, 4, 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_physical_destination),
		cmocka_unit_test(test_logical_destination_of_xapic),
		cmocka_unit_test(test_logical_destination_of_x2apic),
		cmocka_unit_test(test_shorthands),
		cmocka_unit_test(test_nothing_reaches_one_that_is_off),
		cmocka_unit_test(test_what_becomes_of_messages),
		cmocka_unit_test(test_messages_to_one_that_is_switched_off),
		cmocka_unit_test(test_message_with_a_vector_of_the_processor),
		cmocka_unit_test(test_lowest_priority),
		cmocka_unit_test(test_turns_of_equals),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
