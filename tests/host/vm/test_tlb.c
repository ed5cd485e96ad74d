/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/vm/tlb.c and tlb.h: the flush contract on the processor's side, with a backend that counts
 * its flush instruction. Who is kicked, who is waited for, and who need not be.
 */
#include "fake/panic.h"

#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "base/bits.h"
#include "kernel/vm/tlb.h"
#include "mm/tlb.h"

#define CPUS 4
#define EVENTS_MAX 64

static unsigned cpu_now;
static unsigned flushes[CPUS];
static struct s2 s2;
static struct s2 other;

/* What happened, in order: `k2` is a kick of CPU 2, `p` a step of waiting. */
static char events[EVENTS_MAX];
static unsigned event_count;
static void (*on_pause)(void);
static void (*on_flush)(void);

static void note(char what)
{
	assert_true(event_count < EVENTS_MAX - 1);
	events[event_count++] = what;
	events[event_count] = '\0';
}

unsigned arch_cpu_index(void)
{
	return cpu_now;
}

void arch_cpu_kick(unsigned cpu)
{
	note('k');
	note((char)('0' + cpu));
}

void arch_pause(void)
{
	note('p');
	if (on_pause != NULL) {
		on_pause();
	}
}

static void count_flush(const struct s2 *flushed)
{
	assert_ptr_equal(flushed, &s2);
	flushes[cpu_now]++;
	if (on_flush != NULL) {
		on_flush();
	}
}

static const struct backend counting_backend = {.name = "counting", .flush_s2 = count_flush};
const struct backend *backend = &counting_backend;

/* The fake panic knows it; nothing here takes it. */
struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);

static int setup(void **state)
{
	(void)state;
	memset(&s2, 0, sizeof(s2));
	memset(&other, 0, sizeof(other));
	memset(flushes, 0, sizeof(flushes));
	memset(tlb_cpus, 0, sizeof(struct tlb_cpu) * CPUS_MAX);
	event_count = 0;
	events[0] = '\0';
	on_pause = NULL;
	on_flush = NULL;
	cpu_now = 0;
	return 0;
}

static void enter_on(unsigned cpu)
{
	cpu_now = cpu;
	tlb_run_begin(&s2, cpu);
	tlb_enter(&s2, cpu);
	cpu_now = 0;
}

/* One entry, and the exit from it, on a CPU. */
static void run_on(unsigned cpu)
{
	enter_on(cpu);
	tlb_leave(cpu);
}

static void every_request_is_a_new_epoch(void **state)
{
	(void)state;
	uint64_t first = tlb_epoch_request(&s2);
	uint64_t second = tlb_epoch_request(&s2);
	assert_true(first > 0 && second > first);
}

static void cpu_that_never_ran_needs_no_flush(void **state)
{
	(void)state;
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "");
	assert_int_equal(flushes[0], 0);
}

/* It flushes before it can use anything: nobody has to wait for that. */
static void cpu_outside_the_guest_is_not_kicked(void **state)
{
	(void)state;
	run_on(1);
	run_on(2);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "");
	assert_int_equal(s2.tlb.kick_count, 0);
	run_on(2);
	assert_int_equal(flushes[2], 1);
	run_on(2);
	assert_int_equal(flushes[2], 1);
	assert_int_equal(flushes[1], 0);
}

static void entry_flushes_what_was_requested(void **state)
{
	(void)state;
	run_on(1);
	assert_int_equal(flushes[1], 0);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_true(s2.tlb.seen[1] < epoch);
	enter_on(1);
	assert_int_equal(flushes[1], 1);
	assert_int_equal(s2.tlb.seen[1], epoch);
	assert_true(tlb_epoch_reached(&s2, epoch));
	tlb_leave(1);
	run_on(1);
	assert_int_equal(flushes[1], 1);
}

static void cpu_in_another_guest_is_not_kicked(void **state)
{
	(void)state;
	run_on(1);
	tlb_run_begin(&other, 1);
	tlb_enter(&other, 1);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "");
}

static void leave_one(void)
{
	tlb_leave(1);
}

static void cpu_in_the_guest_is_kicked_and_waited_for(void **state)
{
	(void)state;
	enter_on(1);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_false(tlb_epoch_reached(&s2, epoch));
	on_pause = leave_one;
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "k1p");
	assert_true(tlb_epoch_reached(&s2, epoch));
	assert_int_equal(s2.tlb.kick_count, 1);
	/* The flush is its own business. */
	assert_int_equal(flushes[0] + flushes[1], 0);
	run_on(1);
	assert_int_equal(flushes[1], 1);
}

static void leave_slowly(void)
{
	if (event_count > 20) {
		tlb_leave(2);
	} else if (event_count > 10) {
		tlb_leave(1);
	}
}

/* However long it takes, and whoever is first. */
static void all_are_waited_for(void **state)
{
	(void)state;
	enter_on(1);
	enter_on(2);
	uint64_t epoch = tlb_epoch_request(&s2);
	on_pause = leave_slowly;
	tlb_epoch_enforce(&s2, epoch);
	assert_true(event_count > 20);
	assert_ptr_equal(tlb_cpus[1].guest, NULL);
	assert_ptr_equal(tlb_cpus[2].guest, NULL);
}

static void leave_all(void)
{
	for (unsigned cpu = 1; cpu < CPUS; cpu++) {
		tlb_leave(cpu);
	}
}

/* Waiting for one before the next is told would make the pauses add up. */
static void all_are_kicked_before_the_first_is_waited_for(void **state)
{
	(void)state;
	enter_on(1);
	run_on(2);
	enter_on(3);
	uint64_t epoch = tlb_epoch_request(&s2);
	on_pause = leave_all;
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "k1k3p");
	assert_int_equal(s2.tlb.kick_count, 2);
}

static void leave_and_enter_again(void)
{
	tlb_leave(1);
	enter_on(1);
}

/* It is in the guest when it is looked at again, but has flushed on the way. */
static void cpu_that_came_back_has_flushed(void **state)
{
	(void)state;
	enter_on(1);
	uint64_t epoch = tlb_epoch_request(&s2);
	on_pause = leave_and_enter_again;
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "k1p");
	assert_int_equal(flushes[1], 1);
	assert_ptr_equal(tlb_cpus[1].guest, &s2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	tlb_epoch_enforce(&s2, epoch);
	assert_string_equal(events, "k1p");
}

/* One flush serves all requests before it. */
static void one_flush_for_many_requests(void **state)
{
	(void)state;
	run_on(0);
	(void)tlb_epoch_request(&s2);
	(void)tlb_epoch_request(&s2);
	uint64_t last = tlb_epoch_request(&s2);
	enter_on(0);
	assert_int_equal(flushes[0], 1);
	assert_true(tlb_epoch_reached(&s2, last));
	run_on(0);
	assert_int_equal(flushes[0], 1);
}

static uint64_t late_epoch;

static void request_late(void)
{
	on_flush = NULL;
	late_epoch = tlb_epoch_request(&s2);
}

/* A request that comes while a CPU flushes for the one before is not served by that flush. */
static void request_during_the_flush_is_not_lost(void **state)
{
	(void)state;
	run_on(1);
	uint64_t epoch = tlb_epoch_request(&s2);
	on_flush = request_late;
	enter_on(1);
	assert_true(tlb_epoch_reached(&s2, epoch));
	assert_false(tlb_epoch_reached(&s2, late_epoch));
	on_pause = leave_one;
	tlb_epoch_enforce(&s2, late_epoch);
	assert_string_equal(events, "k1p");
	run_on(1);
	assert_int_equal(flushes[1], 2);
}

/* An entry announces itself before it looks whether it has to flush, and has not flushed before. */
static void look_for_announcement(void)
{
	assert_ptr_equal(tlb_cpus[1].guest, &s2);
	assert_false(tlb_epoch_reached(&s2, s2.tlb.requested));
	on_flush = NULL;
}

static void entry_announces_first(void **state)
{
	(void)state;
	run_on(1);
	(void)tlb_epoch_request(&s2);
	on_flush = look_for_announcement;
	enter_on(1);
	assert_ptr_equal(on_flush, NULL);
	tlb_leave(1);
	assert_ptr_equal(tlb_cpus[1].guest, NULL);
}

/* ---- Two processors ------------------------------------------------------------------------- */

#define MEETINGS 300000
#define MEETINGS_SECONDS 3 /* where the two share one processor each takes long */
#define NO_MORE_MEETINGS UINT64_MAX

/* Which meeting each of the two is to begin with, and CPU 1 has come to the end of. */
static uint64_t meeting_begun;
static uint64_t meeting_over;

static void await_meeting(const uint64_t *word, uint64_t number)
{
	for (unsigned i = 1; __atomic_load_n(word, __ATOMIC_ACQUIRE) < number; i++) {
		if (i % 4096 == 0) {
			sched_yield();
		}
	}
}

static void *enter_at_each_meeting(void *unused)
{
	(void)unused;
	for (uint64_t i = 1; i <= MEETINGS; i++) {
		await_meeting(&meeting_begun, i);
		if (__atomic_load_n(&meeting_begun, __ATOMIC_ACQUIRE) == NO_MORE_MEETINGS) {
			break;
		}
		for (volatile uint64_t delay = i % 16; delay > 0; delay--) {
		}
		tlb_enter(&s2, 1);
		__atomic_store_n(&meeting_over, i, __ATOMIC_RELEASE);
	}
	return NULL;
}

/*
 * CPU 1 announces itself and looks for requests, CPU 0 requests and looks for announcements, both
 * at once: without a fence between the two steps of either, both could look too early.
 */
static void one_of_the_two_sees_the_other(void **state)
{
	pthread_t thread;
	uint64_t missed = 0;
	time_t end = time(NULL) + MEETINGS_SECONDS;
	(void)state;
	cpu_now = 1;
	tlb_run_begin(&s2, 1);
	meeting_begun = 0;
	meeting_over = 0;
	assert_int_equal(pthread_create(&thread, NULL, enter_at_each_meeting, NULL), 0);
	for (uint64_t i = 1; i <= MEETINGS && time(NULL) < end; i++) {
		__atomic_store_n(&meeting_begun, i, __ATOMIC_RELEASE);
		for (volatile uint64_t delay = i / 16 % 32; delay > 0; delay--) {
		}
		uint64_t epoch = tlb_epoch_request(&s2);
		bool reached = tlb_epoch_reached(&s2, epoch);
		await_meeting(&meeting_over, i);
		missed += reached && s2.tlb.seen[1] < epoch ? 1 : 0;
		tlb_leave(1);
	}
	__atomic_store_n(&meeting_begun, NO_MORE_MEETINGS, __ATOMIC_RELEASE);
	assert_int_equal(pthread_join(thread, NULL), 0);
	assert_int_equal(missed, 0);
}

static void every_cpu_counts(void **state)
{
	(void)state;
	enter_on(0);
	enter_on(2);
	enter_on(3);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_false(tlb_epoch_reached(&s2, epoch));
	tlb_leave(0);
	assert_false(tlb_epoch_reached(&s2, epoch));
	tlb_leave(3);
	assert_false(tlb_epoch_reached(&s2, epoch));
	enter_on(2);
	assert_true(tlb_epoch_reached(&s2, epoch));
	assert_int_equal(flushes[0], 0);
	assert_int_equal(flushes[2], 1);
}

static void last_cpu_counts(void **state)
{
	unsigned last = CPUS_MAX - 1;
	(void)state;
	tlb_run_begin(&s2, last);
	tlb_cpus[last].guest = &s2;
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_int_equal(s2.tlb.ran_mask, BIT(63));
	assert_false(tlb_epoch_reached(&s2, epoch));
	s2.tlb.seen[last] = epoch;
	assert_true(tlb_epoch_reached(&s2, epoch));
}

/* A CPU is noted by its own bit, whichever others ran before it. */
static void cpu_below_another_is_noted(void **state)
{
	(void)state;
	run_on(3);
	enter_on(1);
	uint64_t epoch = tlb_epoch_request(&s2);
	assert_false(tlb_epoch_reached(&s2, epoch));
	tlb_leave(1);
	assert_true(tlb_epoch_reached(&s2, epoch));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(every_request_is_a_new_epoch, setup),
		cmocka_unit_test_setup(cpu_that_never_ran_needs_no_flush, setup),
		cmocka_unit_test_setup(cpu_outside_the_guest_is_not_kicked, setup),
		cmocka_unit_test_setup(entry_flushes_what_was_requested, setup),
		cmocka_unit_test_setup(cpu_in_another_guest_is_not_kicked, setup),
		cmocka_unit_test_setup(cpu_in_the_guest_is_kicked_and_waited_for, setup),
		cmocka_unit_test_setup(all_are_waited_for, setup),
		cmocka_unit_test_setup(all_are_kicked_before_the_first_is_waited_for, setup),
		cmocka_unit_test_setup(cpu_that_came_back_has_flushed, setup),
		cmocka_unit_test_setup(one_flush_for_many_requests, setup),
		cmocka_unit_test_setup(request_during_the_flush_is_not_lost, setup),
		cmocka_unit_test_setup(entry_announces_first, setup),
		cmocka_unit_test_setup(one_of_the_two_sees_the_other, setup),
		cmocka_unit_test_setup(every_cpu_counts, setup),
		cmocka_unit_test_setup(last_cpu_counts, setup),
		cmocka_unit_test_setup(cpu_below_another_is_noted, setup),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
