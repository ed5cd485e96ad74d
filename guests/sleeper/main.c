/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * sleeper: every sleep with a doorbell that has rung already. What the vCPU holds off (IF is clear,
 * or CR8 is too high) must not end a HLT, and ends one WAIT; what it lets through ends either at
 * once and arrives.
 *
 *	end=exit|halt
 *
 * end=halt: in the end all vCPUs hold off a doorbell that has rung, and halt. Nothing can wake the
 * VM then.
 */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define WAIT AEROSTAT_CALL_WAIT
#define SLEEP_MS 50
#define CR8_HIGHEST 15 /* holds off every vector */

enum end { END_EXIT, END_HALT };

static bool all_right = true;
static uint32_t wakes; /* of the vCPU that holds off its doorbell in HLT */
static uint32_t halts; /* vCPUs that are about to halt */

static void expect(const char *what, bool right, uint64_t found)
{
	if (!right) {
		console_print("%s: %lu\n", what, found);
		all_right = false;
	}
}

static void write_cr8(uint64_t value)
{
	__asm__ volatile("movq %0, %%cr8" : : "r"(value) : "memory");
}

static void ring_oneself(void)
{
	expect("ring", hypercall(AEROSTAT_CALL_VCPU_RING, vcpu_index(), 0, 0, 0) == 0, 0);
}

static void set_doorbell(uint64_t vector)
{
	expect("doorbell", hypercall(AEROSTAT_CALL_VCPU_DOORBELL, vector, 0, 0, 0) == 0, vector);
}

/* How often WAIT returns until the time is up. */
static uint64_t count_waits(uint64_t milliseconds)
{
	uint64_t end = cpu_read_tsc() + milliseconds * runtime_tsc_khz;
	uint64_t count = 0;

	while (cpu_read_tsc() < end) {
		(void)hypercall(WAIT, end, 0, 0, 0);
		count++;
	}
	return count;
}

/* The doorbell is held off: each ring ends one WAIT, and then there is the deadline. */
static void wait_held_off(const char *what)
{
	ring_oneself();
	uint64_t first = count_waits(SLEEP_MS);
	uint64_t again = count_waits(SLEEP_MS);
	ring_oneself();
	uint64_t rung = count_waits(SLEEP_MS);

	expect(what, first == 2, first);
	expect(what, again == 1, again);
	expect(what, rung == 2, rung);
	expect("held off", *vcpu_doorbell_note() == 0, 0);
}

static void test_interrupts_off(void)
{
	cpu_interrupts_off();
	*vcpu_doorbell_note() = 0;
	wait_held_off("WAITs with interrupts off");
	cpu_interrupts_on();
	cpu_interrupts_off();
	cpu_interrupts_on();
	(void)hypercall(AEROSTAT_CALL_NULL, 0, 0, 0, 0);
	expect("it arrives when interrupts go on", *vcpu_doorbell_note() == 1, 0);
}

static void test_cr8(void)
{
	*vcpu_doorbell_note() = 0;
	write_cr8(CR8_HIGHEST);
	wait_held_off("WAITs with a high CR8");
	write_cr8(0);
	(void)hypercall(AEROSTAT_CALL_NULL, 0, 0, 0, 0);
	expect("it arrives when CR8 goes down", *vcpu_doorbell_note() == 1, 0);
}

static void test_no_doorbell(void)
{
	set_doorbell(0);
	expect("WAITs without a doorbell", count_waits(SLEEP_MS) == 1, 0);
	set_doorbell(DOORBELL_VECTOR);
}

/* It comes between the last look and the sleep, as docs/abi.md tells drivers to do it. */
static void test_let_through(void)
{
	uint64_t end = cpu_read_tsc() + 1000 * runtime_tsc_khz;

	cpu_interrupts_off();
	*vcpu_doorbell_note() = 0;
	ring_oneself();
	(void)hypercall_wait(end);
	expect("WAIT ends at once", cpu_read_tsc() < end, 0);
	expect("before it the doorbell arrives", *vcpu_doorbell_note() == 1, 0);
	cpu_interrupts_off();
	*vcpu_doorbell_note() = 0;
	ring_oneself();
	cpu_halt();
	expect("HLT ends, and the doorbell arrives", *vcpu_doorbell_note() == 1, 0);
	/* What has arrived is known. */
	uint64_t waits = count_waits(SLEEP_MS);

	expect("WAITs after it", waits == 1, waits);
}

static void halt_held_off(void *with_cr8)
{
	if (with_cr8 != NULL) {
		write_cr8(CR8_HIGHEST);
	} else {
		cpu_interrupts_off();
	}
	set_doorbell(DOORBELL_VECTOR);
	ring_oneself();
	__atomic_fetch_add(&halts, 1, __ATOMIC_ACQ_REL);
	for (;;) {
		__asm__ volatile("hlt");
		__atomic_fetch_add(&wakes, 1, __ATOMIC_ACQ_REL);
	}
}

/* The others halt for good; this one looks how they sleep. */
static bool test_halts(void)
{
	static int yes;

	for (unsigned i = 1; i < vcpu_count(); i++) {
		if (!vcpu_start(i, halt_held_off, i % 2 == 0 ? &yes : NULL)) {
			return false;
		}
	}
	while (__atomic_load_n(&halts, __ATOMIC_ACQUIRE) < vcpu_count() - 1) {
		(void)count_waits(1);
	}
	(void)count_waits(SLEEP_MS);
	for (unsigned i = 1; i < vcpu_count(); i++) {
		(void)hypercall(AEROSTAT_CALL_VCPU_RING, i, 0, 0, 0);
	}
	(void)count_waits(SLEEP_MS);
	expect("HLTs that ended", wakes == 0, wakes);
	return true;
}

int guest_main(const struct guest_arguments *arguments)
{
	static const char *const end_words[] = {"exit", "halt", NULL};
	uint64_t end = END_EXIT;
	const struct argument known[] = {
		{"end", ARGUMENT_WORD, false, &end, end_words},
	};

	if (!arguments_parse(arguments->text, known, sizeof(known) / sizeof(known[0]))) {
		return GUEST_EXIT_ARGUMENTS;
	}
	if (!balloon_attach()) {
		return GUEST_EXIT_INTERFACE;
	}
	test_interrupts_off();
	test_cr8();
	test_no_doorbell();
	test_let_through();
	if (!test_halts() || !all_right) {
		return GUEST_EXIT_INTERFACE;
	}
	console_print("slept well\n");
	if (end == END_HALT) {
		halt_held_off(NULL);
	}
	return GUEST_EXIT_SUCCESS;
}
