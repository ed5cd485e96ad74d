/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doorbell as an interrupt: not before IF, CR8 and the shadow of STI let it through, and as
 * soon as they do (docs/abi.md).
 */
#include "guests/lib/hypercall.h"
#include "guests/probe/probe.h"

#define CLASS (TRAP_SOFTWARE_VECTOR >> 4)
#define SHADOW_ROUNDS 16

/* Interrupts are off. */
static void ring(void)
{
	trap_vector = TRAP_NONE;
	trap_rip = 0;
	expect("a ring", (uint64_t)hypercall(AEROSTAT_CALL_VCPU_RING, 0, 0, 0, 0), 0);
	expect("doorbell while IF is clear", trap_vector, TRAP_NONE);
}

/* It comes behind the instruction that STI shadows. */
static void probe_doorbell_behind_sti(void)
{
	uint64_t behind;

	ring();
	__asm__ volatile("sti\n"
			 "nop\n"
			 "8: leaq 8b(%%rip), %0\n"
			 "cli"
			 : "=r"(behind)
			 :
			 : "memory");
	expect("doorbell behind STI", trap_vector, TRAP_SOFTWARE_VECTOR);
	expect("doorbell behind STI: RIP", trap_rip, behind);
}

/* One of the class that CR8 names is held off, and comes with the write that lowers CR8. */
static void probe_doorbell_class(void)
{
	uint64_t behind;

	for (uint64_t cr8 = CLASS; cr8 < 16; cr8++) {
		expect("CR8 of the class", WRITE_CR(8, cr8), TRAP_NONE);
		ring();
		__asm__ volatile("sti\n"
				 "nop\n"
				 "nop\n"
				 "cli"
				 :
				 :
				 : "memory");
		expect("doorbell held off by CR8", trap_vector, TRAP_NONE);
		__asm__ volatile("sti\n"
				 "nop\n"
				 "movq %1, %%cr8\n"
				 "8: leaq 8b(%%rip), %0\n"
				 "nop\n"
				 "cli"
				 : "=&r"(behind)
				 : "r"(CLASS - 1ull)
				 : "memory");
		expect("doorbell let through by CR8", trap_vector, TRAP_SOFTWARE_VECTOR);
		expect("doorbell let through by CR8: RIP", trap_rip, behind);
	}
	expect("CR8 of 0", WRITE_CR(8, 0), TRAP_NONE);
}

/* The instruction in the shadow exits, and is tried again: the doorbell must not wait for long. */
static void probe_doorbell_behind_touch(uint64_t spins_max)
{
	for (unsigned round = 0; round < SHADOW_ROUNDS; round++) {
		const uint64_t *word = (const uint64_t *)fresh_address();
		uint64_t spins = 0, touched, behind;

		ring();
		__asm__ volatile("sti\n"
				 "movq (%2), %0\n"
				 "8: leaq 8b(%%rip), %1"
				 : "=&r"(touched), "=&r"(behind)
				 : "r"(word)
				 : "memory");
		while (*(volatile uint64_t *)&trap_vector == TRAP_NONE && spins < 100 * spins_max) {
			spins++;
		}
		__asm__ volatile("cli" : : : "memory");
		expect("doorbell behind STI and a touch", trap_vector, TRAP_SOFTWARE_VECTOR);
		if (trap_rip < behind) {
			expect("doorbell in front of a touch in the shadow", trap_rip, behind);
		}
		if (spins > spins_max) {
			expect("turns until the doorbell came", spins, spins_max);
		}
	}
}

void probe_doorbell(uint64_t spins_max)
{
	expect("a doorbell",
	       (uint64_t)hypercall(AEROSTAT_CALL_VCPU_DOORBELL, TRAP_SOFTWARE_VECTOR, 0, 0, 0), 0);
	probe_doorbell_behind_sti();
	probe_doorbell_class();
	probe_doorbell_behind_touch(spins_max);
	expect("no doorbell", (uint64_t)hypercall(AEROSTAT_CALL_VCPU_DOORBELL, 0, 0, 0, 0), 0);
}
