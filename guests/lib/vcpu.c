/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting vCPUs and handing work to them (docs/abi.md, "vCPUs"). No lock: `function` is set by the
 * giver of the work and cleared by its worker, and everything else of a struct vcpu is written by
 * one of the two while the other does not look.
 */
#include <stddef.h>

#include "guests/lib/balloon.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/fault.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"

#define STACK_BYTES 4096

/* Of a cache line each. */
struct vcpu {
	uint32_t index;
	volatile uint32_t doorbell_rung;
	uint64_t stack_end; /* 0: it has not been started; not used by vCPU 0 */
	uint64_t attempt;   /* vectors.S: the stack pointer to go back to, or 0 */
	void (*function)(void *);
	void *argument;
	uint64_t unused[3];
};

_Static_assert(sizeof(struct vcpu) == 64, "a cache line");
_Static_assert(offsetof(struct vcpu, index) == VCPU_INDEX, "layout.h");
_Static_assert(offsetof(struct vcpu, doorbell_rung) == VCPU_DOORBELL_RUNG, "layout.h");
_Static_assert(offsetof(struct vcpu, stack_end) == VCPU_STACK_END, "layout.h");
_Static_assert(offsetof(struct vcpu, attempt) == VCPU_ATTEMPT, "layout.h");

/* start.S sets the base of GS of vCPU 0 to the first of them. */
struct vcpu vcpus[AEROSTAT_VCPUS_MAX] __attribute__((aligned(64)));
static unsigned count;

extern const char start_secondary[]; /* start.S; EBX points to the struct vcpu */
_Noreturn void vcpu_main(struct vcpu *vcpu);

void vcpu_init(void)
{
	struct cpuid leaf = cpu_identify(AEROSTAT_CPUID_INTERFACE);

	count = leaf.ebx & AEROSTAT_FEATURE_VCPUS ? leaf.ecx : 1;
	if (count > AEROSTAT_VCPUS_MAX) {
		count = AEROSTAT_VCPUS_MAX;
	}
	for (unsigned i = 0; i < count; i++) {
		vcpus[i].index = i;
	}
}

unsigned vcpu_count(void)
{
	return count;
}

unsigned vcpu_index(void)
{
	uint32_t index;

	__asm__("movl %%gs:%c1, %0" : "=r"(index) : "i"(VCPU_INDEX));
	return index;
}

volatile uint32_t *vcpu_doorbell_note(void)
{
	return &vcpus[vcpu_index()].doorbell_rung;
}

static bool is_busy(const struct vcpu *vcpu)
{
	return __atomic_load_n(&vcpu->function, __ATOMIC_ACQUIRE) != NULL;
}

/* From start.S, on a vCPU that has just been started. Interrupts are off. */
_Noreturn void vcpu_main(struct vcpu *vcpu)
{
	fault_load();
	hypercall(AEROSTAT_CALL_VCPU_DOORBELL, DOORBELL_VECTOR, 0, 0, 0);
	for (;;) {
		if (!is_busy(vcpu)) {
			cpu_halt();
			cpu_interrupts_off();
			continue;
		}
		cpu_interrupts_on();
		vcpu->function(vcpu->argument);
		cpu_interrupts_off();
		__atomic_store_n(&vcpu->function, NULL, __ATOMIC_RELEASE);
		/* vCPU 0 may be waiting for this. Without a doorbell it looks by itself. */
		hypercall(AEROSTAT_CALL_VCPU_RING, 0, 0, 0, 0);
	}
}

static int64_t start_first_time(struct vcpu *vcpu)
{
	uint64_t stack = palloc_page(NULL);

	if (stack == PALLOC_NONE) {
		return AEROSTAT_ERROR_ADDRESS;
	}
	vcpu->stack_end = stack * 4096 + STACK_BYTES;
	return hypercall(AEROSTAT_CALL_VCPU_START, vcpu->index, (uintptr_t)start_secondary,
			 (uintptr_t)vcpu, 0);
}

bool vcpu_start(unsigned index, void (*function)(void *), void *argument)
{
	struct vcpu *vcpu = &vcpus[index];
	int64_t answer;

	vcpu->argument = argument;
	__atomic_store_n(&vcpu->function, function, __ATOMIC_RELEASE);
	answer = vcpu->stack_end == 0 ? start_first_time(vcpu)
				      : hypercall(AEROSTAT_CALL_VCPU_RING, index, 0, 0, 0);
	if (answer != 0) {
		console_print("vCPU %u does not start: %ld\n", index, answer);
	}
	return answer == 0;
}

void vcpu_wait(unsigned index)
{
	const struct vcpu *vcpu = &vcpus[index];

	while (is_busy(vcpu)) {
		balloon_work();
		cpu_interrupts_off();
		if (is_busy(vcpu) && !*vcpu_doorbell_note()) {
			hypercall_wait(cpu_read_tsc() + runtime_tsc_khz);
		} else {
			cpu_interrupts_on();
			*vcpu_doorbell_note() = 0;
		}
	}
}

bool vcpu_run_all(void (*function)(void *), void *argument)
{
	for (unsigned i = 1; i < count; i++) {
		if (!vcpu_start(i, function, argument)) {
			return false;
		}
	}
	function(argument);
	for (unsigned i = 1; i < count; i++) {
		vcpu_wait(i);
	}
	return true;
}
