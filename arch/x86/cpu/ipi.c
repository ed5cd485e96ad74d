/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interrupts between processors (Intel SDM volume 3, 11.6): kicks, which carry no message (the CPU
 * that is kicked looks at its own flags), and the NMI that halts all others for good. There is no
 * lock here: a kick changes nothing in memory, and the halt must work whatever locks are held.
 */
#include "arch/x86/cpu/ipi.h"

#include "base/time.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/arch.h"

#define HALT_WAIT_MS 100
#define NOBODY CPUS_MAX

static uint32_t halter = NOBODY; /* the CPU that goes on alone; set once */
static uint32_t halted_count;
static bool leave_vmx; /* written before halter */

void arch_cpu_kick(unsigned cpu)
{
	lapic_command(cpus[cpu].apic_id, LAPIC_FIXED(VECTOR_KICK));
}

void ipi_halt_if_asked(void)
{
	if (__atomic_load_n(&halter, __ATOMIC_ACQUIRE) == NOBODY) {
		return;
	}
	if (__atomic_load_n(&leave_vmx, __ATOMIC_RELAXED)) {
		cpu_leave_vmx();
	}
	__atomic_fetch_add(&halted_count, 1, __ATOMIC_RELEASE);
	arch_halt();
}

void ipi_leave_vmx_at_halt(void)
{
	__atomic_store_n(&leave_vmx, true, __ATOMIC_RELAXED);
}

static uint32_t send_halts(unsigned self)
{
	uint32_t sent = 0;

	for (unsigned i = 0; i < CPUS_MAX; i++) {
		if (i != self && __atomic_load_n(&cpus[i].reachable, __ATOMIC_ACQUIRE)) {
			lapic_command(cpus[i].apic_id, LAPIC_NMI);
			sent++;
		}
	}
	return sent;
}

void arch_cpus_halt_others(void)
{
	uint32_t self = arch_cpu_index();
	uint32_t found = NOBODY;

	if (!__atomic_compare_exchange_n(&halter, &found, self, false, __ATOMIC_ACQ_REL,
					 __ATOMIC_ACQUIRE)) {
		if (found == self) {
			return; /* they are halted already */
		}
		arch_halt(); /* another CPU was first, and its NMI is on the way */
	}
	uint32_t sent = send_halts(self);
	uint64_t start = arch_tsc();
	while (__atomic_load_n(&halted_count, __ATOMIC_ACQUIRE) < sent &&
	       arch_tsc() - start < ticks_from_ms(HALT_WAIT_MS)) {
		arch_pause();
	}
}
