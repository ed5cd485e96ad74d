/* SPDX-License-Identifier: BSD-2-Clause */
/* Sleeping without missing a doorbell: the last look at the flag is with interrupts off. */
#include "guests/lib/balloon.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vcpu.h"
#include "guests/lib/wait.h"

void wait_until(uint64_t tsc)
{
	for (;;) {
		balloon_work();
		if (cpu_read_tsc() >= tsc) {
			return;
		}
		cpu_interrupts_off();
		if (*vcpu_doorbell_note()) {
			cpu_interrupts_on();
		} else {
			hypercall_wait(tsc);
		}
	}
}

void wait_ms(uint64_t milliseconds)
{
	wait_until(cpu_read_tsc() + milliseconds * runtime_tsc_khz);
}

void wait_ms_quietly(uint64_t milliseconds)
{
	uint64_t tsc = cpu_read_tsc() + milliseconds * runtime_tsc_khz;

	while (cpu_read_tsc() < tsc) {
		cpu_interrupts_off();
		hypercall_wait(tsc);
	}
}
