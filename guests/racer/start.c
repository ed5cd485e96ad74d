/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Misuse of the calls for vCPUs: what does not exist, what runs already, entries outside RAM, rings
 * before the start, and two who start the same vCPU at once. The last vCPU of the VM is spent on
 * it.
 */
#include <stddef.h>

#include "guests/racer/race.h"

#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define START AEROSTAT_CALL_VCPU_START
#define DOORBELL AEROSTAT_CALL_VCPU_DOORBELL
#define RING AEROSTAT_CALL_VCPU_RING
#define STARTED_MS 2000

extern const char start_counted[];

static uint32_t started_count __attribute__((aligned(64)));
static uint32_t go;
static uint32_t successes;
static uint32_t refusals;

static unsigned victim(void)
{
	return vcpu_count() - 1;
}

static bool expect(const char *what, int64_t found, int64_t expected)
{
	if (found != expected) {
		console_print("%s: %ld instead of %ld\n", what, found, expected);
	}
	return found == expected;
}

static bool misuse(void)
{
	static const uint64_t nobody[] = {AEROSTAT_VCPUS_MAX, 1ull << 32, 1ull << 63, UINT64_MAX};
	uint64_t entry = (uintptr_t)start_counted;
	uint64_t behind = runtime_ram_pages * 4096;
	bool right = true;

	for (unsigned i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		right &= expect("start of nobody", hypercall(START, nobody[i], entry, 0, 0),
				AEROSTAT_ERROR_VCPU);
		right &= expect("ring for nobody", hypercall(RING, nobody[i], 0, 0, 0),
				AEROSTAT_ERROR_VCPU);
	}
	right &= expect("start of itself", hypercall(START, 0, entry, 0, 0), AEROSTAT_ERROR_STATE);
	right &= expect("entry behind RAM", hypercall(START, victim(), behind, 0, 0),
			AEROSTAT_ERROR_ADDRESS);
	right &= expect("entry above 4 GiB", hypercall(START, victim(), 1ull << 32 | entry, 0, 0),
			AEROSTAT_ERROR_ADDRESS);
	right &= expect("long argument", hypercall(START, victim(), entry, 1ull << 32, 0),
			AEROSTAT_ERROR_RESERVED);
	right &= expect("a fourth argument", hypercall(START, victim(), entry, 0, 1),
			AEROSTAT_ERROR_RESERVED);
	right &= expect("ring before the start", hypercall(RING, victim(), 0, 0, 0),
			AEROSTAT_ERROR_STATE);
	right &= expect("vector 31", hypercall(DOORBELL, 31, 0, 0, 0), AEROSTAT_ERROR_VECTOR);
	right &= expect("vector 256", hypercall(DOORBELL, 256, 0, 0, 0), AEROSTAT_ERROR_VECTOR);
	right &= expect("vector 2^63", hypercall(DOORBELL, 1ull << 63, 0, 0, 0),
			AEROSTAT_ERROR_VECTOR);
	right &= expect("a second argument", hypercall(RING, 0, 1, 0, 0), AEROSTAT_ERROR_RESERVED);
	right &= expect("ring without a doorbell", hypercall(RING, 0, 0, 0, 0),
			AEROSTAT_ERROR_STATE);
	right &= expect("a doorbell", hypercall(DOORBELL, DOORBELL_VECTOR, 0, 0, 0), 0);
	right &= expect("ring for itself", hypercall(RING, 0, 0, 0, 0), 0);
	/* An interrupt that is due comes before the next instruction but one. */
	right &= expect("its doorbell", (int64_t)*vcpu_doorbell_note(), 1);
	right &= expect("no doorbell", hypercall(DOORBELL, 0, 0, 0, 0), 0);
	return right;
}

/* On vCPUs 0 and 1, as near to each other as can be. */
static void start_victim(void *unused)
{
	int64_t answer;

	(void)unused;
	if (vcpu_index() > 1) {
		return;
	}
	__atomic_fetch_add(&go, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&go, __ATOMIC_ACQUIRE) < 2) {
		__asm__ volatile("pause");
	}
	if (vcpu_index() == 0) {
		race_delay(race_arguments.offset);
	}
	answer = hypercall(START, victim(), (uintptr_t)start_counted, (uintptr_t)&started_count, 0);
	__atomic_fetch_add(answer == 0 ? &successes : &refusals, 1, __ATOMIC_ACQ_REL);
	if (answer != 0) {
		race_note(vcpu_index());
		(void)expect("start of a vCPU that runs", answer, AEROSTAT_ERROR_STATE);
	}
}

static bool victim_runs_once(void)
{
	uint64_t end = cpu_read_tsc() + STARTED_MS * runtime_tsc_khz;

	while (__atomic_load_n(&started_count, __ATOMIC_ACQUIRE) == 0 && cpu_read_tsc() < end) {
		hypercall(AEROSTAT_CALL_WAIT, 1, 0, 0, 0);
	}
	return expect("runs of the vCPU that was started", started_count, 1);
}

bool race_start(void)
{
	bool right = misuse();

	if (vcpu_count() < 3 || !vcpu_start(1, start_victim, NULL)) {
		console_print("two that start a third take three vCPUs\n");
		return false;
	}
	start_victim(NULL);
	vcpu_wait(1);
	right &= expect("starts that succeeded", successes, 1);
	right &= expect("starts that were refused", refusals, 1);
	right &= victim_runs_once();
	right &= expect("start of a vCPU that has run",
			hypercall(START, victim(), (uintptr_t)start_counted, 0, 0),
			AEROSTAT_ERROR_STATE);
	right &= expect("ring for one without a doorbell", hypercall(RING, victim(), 0, 0, 0),
			AEROSTAT_ERROR_STATE);
	return right;
}
