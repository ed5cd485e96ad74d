/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/vlapic.c with another CPU in the middle: behind each atomic step of one CPU's call
 * the other one makes a whole call of its own. Whatever the place, no request is lost or doubled,
 * and the summary of the words does not hide one. The source is included, so that its steps can be
 * counted.
 */
#include "vlapic_fixture.h"

static void step(void);

/* A name inside its own macro is the compiler's again. */
#define __atomic_load_n(place, order)                                                              \
	({                                                                                         \
		__typeof__(*(place) + 0) loaded_ = __atomic_load_n(place, order);                  \
		step();                                                                            \
		loaded_;                                                                           \
	})
#define __atomic_fetch_or(place, value, order)                                                     \
	({                                                                                         \
		__typeof__(*(place) + 0) before_ = __atomic_fetch_or(place, value, order);         \
		step();                                                                            \
		before_;                                                                           \
	})
#define __atomic_fetch_and(place, value, order)                                                    \
	({                                                                                         \
		__typeof__(*(place) + 0) before_ = __atomic_fetch_and(place, value, order);        \
		step();                                                                            \
		before_;                                                                           \
	})
#define __atomic_and_fetch(place, value, order)                                                    \
	({                                                                                         \
		__typeof__(*(place) + 0) after_ = __atomic_and_fetch(place, value, order);         \
		step();                                                                            \
		after_;                                                                            \
	})
#define __atomic_store_n(place, value, order)                                                      \
	do {                                                                                       \
		__atomic_store_n(place, value, order);                                             \
		step();                                                                            \
	} while (0)
#define peek peek_field

#include "drivers/virt/vlapic.c"

#undef peek

static struct vlapic lapic;
static int steps_left; /* until the other CPU comes; negative: it does not */
static void (*other)(void);
static bool news; /* what the other CPU's request answered */

static void step(void)
{
	if (steps_left > 0 && --steps_left == 0) {
		steps_left = -1;
		other();
	}
}

/* Switched on, and 0x45 is requested. */
static void begin(int place, void (*call)(void))
{
	vlapic_reset(&lapic, 0, true);
	lapic.spurious |= VLAPIC_SPURIOUS_ENABLED;
	steps_left = -1;
	assert_true(vlapic_request(&lapic, 0x45, false));
	news = false;
	other = call;
	steps_left = place;
}

/* Was the place beyond the end of the call? Then all have been tried. */
static bool end(void)
{
	bool over = steps_left > 0;
	steps_left = -1;
	return over;
}

static bool pending(unsigned vector)
{
	return lapic.requested[vector / 32] >> vector % 32 & 1;
}

static void check_summary(void)
{
	for (unsigned word = 0; word < VLAPIC_WORDS; word++) {
		assert_true(lapic.requested[word] == 0 || (lapic.requested_words >> word & 1));
	}
}

static void request_neighbour(void)
{
	news = vlapic_request(&lapic, 0x46, true);
}

static void request_same(void)
{
	news = vlapic_request(&lapic, 0x45, false);
}

static void test_request_while_one_is_taken(void **state)
{
	(void)state;
	unsigned places = 0;
	for (bool over = false; !over; places++) {
		begin((int)places + 1, request_neighbour);
		vlapic_take(&lapic, 0x45);
		over = end();
		if (!over) {
			assert_true(news);
			assert_true(pending(0x46));
		}
		assert_false(pending(0x45));
		check_summary();
		assert_int_equal(vlapic_eoi(&lapic), 0);
		assert_int_equal(vlapic_ready(&lapic), over ? 0 : 0x46);
	}
	assert_true(places > 3);
}

/* It finds the old request, or it is a new one behind it; never neither. */
static void test_same_request_while_it_is_taken(void **state)
{
	(void)state;
	for (int place = 1;; place++) {
		begin(place, request_same);
		vlapic_take(&lapic, 0x45);
		if (end()) {
			break;
		}
		assert_int_equal(pending(0x45), news);
		check_summary();
	}
}

static void test_request_while_one_is_put_back(void **state)
{
	(void)state;
	for (int place = 1;; place++) {
		begin(0, request_neighbour);
		vlapic_take(&lapic, 0x45);
		steps_left = place;
		vlapic_put_back(&lapic, 0x45);
		bool over = end();
		assert_true(pending(0x45));
		assert_int_equal(pending(0x46), !over);
		check_summary();
		if (over) {
			break;
		}
	}
}

/* An end of interrupt changes nothing that others request. */
static void test_request_while_one_ends(void **state)
{
	(void)state;
	for (int place = 1;; place++) {
		begin(0, request_same);
		vlapic_take(&lapic, 0x45);
		steps_left = place;
		assert_int_equal(vlapic_eoi(&lapic), 0);
		bool over = end();
		assert_int_equal(vlapic_ready(&lapic), over ? 0 : 0x45);
		if (over) {
			break;
		}
	}
}

/* A request that INIT meets is lost or not; it is not half there. */
static void test_request_during_init(void **state)
{
	(void)state;
	for (int place = 1;; place++) {
		begin(place, request_neighbour);
		vlapic_init(&lapic);
		if (end()) {
			break;
		}
		check_summary();
	}
}

static void take_all(void)
{
	uint8_t vector;
	while ((vector = vlapic_ready(&lapic)) != 0) {
		vlapic_take(&lapic, vector);
		assert_int_equal(vlapic_eoi(&lapic), 0);
	}
}

/* The vCPU looks and takes while another CPU requests: what it did not get, it gets next. */
static void test_taking_during_a_request(void **state)
{
	(void)state;
	for (int place = 1;; place++) {
		begin(place, take_all);
		bool answer = vlapic_request(&lapic, 0x46, false);
		if (end()) {
			break;
		}
		assert_true(answer);
		check_summary();
		take_all();
		assert_false(pending(0x46));
		assert_int_equal(lapic.requested[2], 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request_while_one_is_taken),
		cmocka_unit_test(test_same_request_while_it_is_taken),
		cmocka_unit_test(test_request_while_one_is_put_back),
		cmocka_unit_test(test_request_while_one_ends),
		cmocka_unit_test(test_request_during_init),
		cmocka_unit_test(test_taking_during_a_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
