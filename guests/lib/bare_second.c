/* SPDX-License-Identifier: BSD-2-Clause */
/* See bare.h: the second vCPU, which INIT and a startup IPI start as on any PC. */
#include "guests/lib/bare.h"
#include "guests/lib/layout.h"
#include "guests/lib/memory.h"

#define REAL_PAGE 0x60000ul
#define MSR_APIC_BASE 0x1b
#define MSR_COMMAND 0x830
#define APIC_BASE_X2APIC 0xc00u
#define SECOND 1u
#define SEND_INIT 0x4500u
#define SEND_STARTUP 0x4600u

extern const char bare_real_start[], bare_real_end[];

/* What start.S and bare_second.S go by: the stack's end is at VCPU_STACK_END. */
struct {
	uint64_t unused;
	uint64_t stack_end;
	void (*run)(void);
} bare_second;
_Static_assert(VCPU_STACK_END == 8, "the layout of bare_second");

static uint64_t runs;
static uint8_t stack[GUEST_STACK_BYTES] __attribute__((aligned(16)));

_Noreturn void vcpu_main(void *vcpu);

void vcpu_main(void *vcpu)
{
	(void)vcpu;
	for (;;) {
		bare_second.run();
		__atomic_store_n(&runs, runs + 1, __ATOMIC_RELAXED);
	}
}

uint64_t bare_second_runs(void)
{
	return __atomic_load_n(&runs, __ATOMIC_RELAXED);
}

static void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

static void enable_x2apic(void)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(MSR_APIC_BASE));
	msr_write(MSR_APIC_BASE, (uint64_t)high << 32 | low | APIC_BASE_X2APIC);
}

void bare_start_second(void (*run)(void))
{
	bare_second.run = run;
	bare_second.stack_end = (uint64_t)(stack + sizeof(stack));
	memcpy((void *)REAL_PAGE, bare_real_start, (uint64_t)(bare_real_end - bare_real_start));
	enable_x2apic();
	msr_write(MSR_COMMAND, (uint64_t)SECOND << 32 | SEND_INIT);
	msr_write(MSR_COMMAND, (uint64_t)SECOND << 32 | SEND_STARTUP | REAL_PAGE >> 12);
}
