/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot CPU raises the barrier and kicks all others; each CPU that comes to its loop
 * counts itself in and waits until the barrier is down again. A CPU that waits for a lock or for a
 * flush gets there by itself, because the boot CPU holds no lock.
 */
#include "kernel/sched/stop_machine.h"

#include "base/types.h"
#include "arch/arch.h"
#include "kernel/sched/scheduler.h"

static bool barrier;
static unsigned parked_count;

void stop_machine(void)
{
	__atomic_store_n(&barrier, true, __ATOMIC_SEQ_CST);
	for (unsigned cpu = 0; cpu < arch_cpu_count(); cpu++) {
		if (cpu != arch_cpu_index()) {
			scheduler_kick(cpu);
		}
	}
	while (__atomic_load_n(&parked_count, __ATOMIC_ACQUIRE) + 1 < arch_cpu_count()) {
		arch_pause();
	}
}

void stop_machine_release(void)
{
	__atomic_store_n(&barrier, false, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&parked_count, __ATOMIC_ACQUIRE) != 0) {
		arch_pause();
	}
}

void stop_machine_here(void)
{
	if (!__atomic_load_n(&barrier, __ATOMIC_SEQ_CST)) {
		return;
	}
	__atomic_fetch_add(&parked_count, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&barrier, __ATOMIC_ACQUIRE)) {
		arch_pause();
	}
	__atomic_fetch_sub(&parked_count, 1, __ATOMIC_SEQ_CST);
}
