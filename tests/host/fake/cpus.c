/* SPDX-License-Identifier: BSD-2-Clause */
/* See cpus.h. One thread. */
#include "fake/cpus.h"

#include "fake/panic.h"

#include <string.h>

#include "kernel/sched/background.h"
#include "kernel/sched/scheduler.h"

#define PAUSES_MAX 1000000

uint64_t fake_tsc;
unsigned fake_cpu;
unsigned fake_cpu_count = 1;
unsigned fake_kicks[CPUS_MAX];
unsigned fake_kick_count;
bool fake_interrupts_on;
enum arch_device fake_device;
unsigned fake_timer_updates;
bool fake_slice_is_over;
unsigned fake_device_accesses;
uint64_t fake_device_address;
bool fake_single_steps;
bool fake_nmi_is_handled;
void (*fake_on_kick)(unsigned cpu);
void (*fake_on_pause)(void);
void (*fake_on_idle)(uint64_t deadline_tsc);
bool (*fake_on_background)(uint64_t now_tsc);
static unsigned pauses;

void fake_cpus_reset(unsigned count)
{
	fake_tsc = 1000000000;
	fake_cpu = 0;
	fake_cpu_count = count;
	memset(fake_kicks, 0, sizeof(fake_kicks));
	fake_kick_count = 0;
	fake_interrupts_on = true;
	fake_single_steps = false;
	fake_nmi_is_handled = false;
	fake_on_kick = NULL;
	fake_on_pause = NULL;
	fake_on_idle = NULL;
	fake_on_background = NULL;
	pauses = 0;
	scheduler_init();
}

unsigned arch_cpu_index(void)
{
	return fake_cpu;
}

unsigned arch_cpu_count(void)
{
	return fake_cpu_count;
}

void arch_cpu_kick(unsigned cpu)
{
	if (cpu >= fake_cpu_count || cpu == fake_cpu) {
		fail_msg("CPU %u kicks CPU %u of %u", fake_cpu, cpu, fake_cpu_count);
	}
	fake_kicks[cpu]++;
	fake_kick_count++;
	if (fake_on_kick != NULL) {
		fake_on_kick(cpu);
	}
}

void arch_pause(void)
{
	if (++pauses > PAUSES_MAX) {
		fail_msg("CPU %u waits for ever", fake_cpu);
	}
	if (fake_on_pause != NULL) {
		fake_on_pause();
	}
}

struct guest_openness arch_guest_openness(const struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	return (struct guest_openness){vector != 0 && fake_interrupts_on, fake_single_steps};
}

bool arch_guest_takes_nmi(const struct vcpu *vcpu)
{
	(void)vcpu;
	return !fake_nmi_is_handled;
}

enum arch_device arch_device_access(struct vcpu *vcpu, gpa_t address)
{
	(void)vcpu;
	fake_device_accesses++;
	fake_device_address = address.v;
	return fake_device;
}

bool arch_timer_update(struct vcpu *vcpu)
{
	(void)vcpu;
	fake_timer_updates++;
	return !fake_slice_is_over;
}

uint64_t arch_tsc(void)
{
	return fake_tsc;
}

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

void arch_idle(uint64_t deadline_tsc)
{
	if (fake_on_idle != NULL) {
		fake_on_idle(deadline_tsc);
	}
}

/* The test of kernel/housekeeping.c brings the real ones. */
__attribute__((weak)) bool background_poll(uint64_t now_tsc, bool at_once)
{
	(void)at_once;
	return fake_on_background != NULL && fake_on_background(now_tsc);
}

__attribute__((weak)) uint64_t background_next_tsc(uint64_t now_tsc)
{
	return now_tsc + 5000;
}

__attribute__((weak)) void background_idle(void)
{
}
