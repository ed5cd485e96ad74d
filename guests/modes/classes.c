/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The doorbell's vector has a class, its upper four bits; what is not above the class in CR8 is
 * held off until CR8 goes down (Intel SDM volume 3, 11.8.3.1 and 11.8.6.1). Between the ring and
 * the look the vCPU sleeps, so that others run on its CPU: CR8 and what is pending have to outlast
 * that.
 */
#include <stdbool.h>

#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/descriptor.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/layout.h"
#include "guests/lib/runtime.h"
#include "guests/modes/classes.h"

#define CLASSES 16
#define CLASS_FIRST 2 /* vectors below 32 are exceptions */
#define VECTORS 256
#define PAST 1 /* a deadline: WAIT lets others run, and returns */

extern const uint64_t fault_stubs[EXCEPTION_COUNT];

static struct gate gates[VECTORS];
static volatile uint32_t arrived; /* the class of the last doorbell, 0: none */

#define HANDLER(class)                                                                             \
	static __attribute__((interrupt)) void handler_##class(void *frame)                        \
	{                                                                                          \
		(void)frame;                                                                       \
		arrived = class;                                                                   \
	}
HANDLER(2)
HANDLER(3)
HANDLER(4)
HANDLER(5)
HANDLER(6)
HANDLER(7)
HANDLER(8)
HANDLER(9)
HANDLER(10)
HANDLER(11)
HANDLER(12)
HANDLER(13)
HANDLER(14)
HANDLER(15)

static void (*const handlers[CLASSES])(void *) = {
	[2] = handler_2,   [3] = handler_3,   [4] = handler_4,	 [5] = handler_5,
	[6] = handler_6,   [7] = handler_7,   [8] = handler_8,	 [9] = handler_9,
	[10] = handler_10, [11] = handler_11, [12] = handler_12, [13] = handler_13,
	[14] = handler_14, [15] = handler_15,
};

static uint8_t vector_of(unsigned class)
{
	return (uint8_t)(class * 16 + (class * 7 + 3) % 16);
}

static void load_gates(void)
{
	for (unsigned i = 0; i < EXCEPTION_COUNT; i++) {
		gates[i] = gate_to(fault_stubs[i], GUEST_CODE_SELECTOR, GATE_INTERRUPT);
	}
	for (unsigned class = CLASS_FIRST; class < CLASSES; class ++) {
		gates[vector_of(class)] =
			gate_to((uintptr_t)handlers[class], GUEST_CODE_SELECTOR, GATE_INTERRUPT);
	}
	gates_load(gates, sizeof(gates) - 1);
}

static void cr8_write(uint64_t value)
{
	__asm__ volatile("movq %0, %%cr8" : : "r"(value) : "memory");
}

static uint64_t cr8_read(void)
{
	uint64_t value;

	__asm__ volatile("movq %%cr8, %0" : "=r"(value));
	return value;
}

static bool expect(const char *what, unsigned class, unsigned cr8, uint64_t found, uint64_t right)
{
	if (found != right) {
		console_print("class %u, CR8 %u: %s is %lu instead of %lu\n", class, cr8, what,
			      found, right);
	}
	return found == right;
}

/* Interrupts are on. */
static bool try_one(unsigned class, unsigned cr8)
{
	bool right = true;

	arrived = 0;
	cr8_write(cr8);
	right &= expect("DOORBELL", class, cr8,
			(uint64_t)hypercall(AEROSTAT_CALL_VCPU_DOORBELL, vector_of(class), 0, 0, 0),
			0);
	right &= expect("RING", class, cr8,
			(uint64_t)hypercall(AEROSTAT_CALL_VCPU_RING, 0, 0, 0, 0), 0);
	(void)hypercall(AEROSTAT_CALL_WAIT, PAST, 0, 0, 0);
	right &= expect("what arrived", class, cr8, arrived, class > cr8 ? class : 0);
	right &= expect("CR8", class, cr8, cr8_read(), cr8);
	cr8_write(class); /* its own class still holds it off */
	right &= expect("what arrived at its own class", class, cr8, arrived,
			class > cr8 ? class : 0);
	cr8_write(class - 1);
	right &= expect("what arrived in the end", class, cr8, arrived, class);
	return right;
}

int classes_run(uint64_t rounds)
{
	bool right = true;

	cpu_interrupts_off();
	load_gates();
	cpu_interrupts_on();
	for (uint64_t round = 0; right && round < rounds; round++) {
		for (unsigned class = CLASS_FIRST; class < CLASSES; class ++) {
			for (unsigned cr8 = 0; cr8 < CLASSES; cr8++) {
				right &= try_one(class, cr8);
			}
		}
	}
	cr8_write(0);
	(void)hypercall(AEROSTAT_CALL_VCPU_DOORBELL, 0, 0, 0, 0);
	return right ? GUEST_EXIT_SUCCESS : GUEST_EXIT_INTERFACE;
}
