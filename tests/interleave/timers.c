/* SPDX-License-Identifier: BSD-2-Clause */
/* See timers.h. Instrumented, like drivers/virt/pc_time.c; the devices are one number each. */
#include "interleave/timers.h"

#include "arch/arch.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/vlapic_registers.h"
#include "drivers/virt/vlapic_timer.h"
#include "interleave/interleave.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

#define LAPIC_NEXT_TSC 9000 /* later than the board's; arch_tsc() is 1000 */

static struct vm vm;
static struct platform platform;
static uint64_t pit_next_tsc; /* under the platform's lock */
static uint64_t waits_until_tsc;

/* ---- The devices ---- */

uint64_t vpit_next(const struct vpit *pit, uint64_t now)
{
	(void)pit;
	(void)now;
	return pit_next_tsc;
}

bool vpit_tick(struct vpit *pit, uint64_t now)
{
	(void)pit;
	(void)now;
	return false;
}

uint64_t vrtc_next(const struct vrtc *rtc, uint64_t now)
{
	(void)rtc;
	(void)now;
	return WAKE_NEVER;
}

uint64_t vlapic_tick(struct vlapic *lapic, uint64_t now)
{
	(void)lapic;
	(void)now;
	return LAPIC_NEXT_TSC;
}

uint64_t vlapic_next_tick(const struct vlapic *lapic)
{
	(void)lapic;
	return LAPIC_NEXT_TSC;
}

bool vlapic_timer_rearm(struct vlapic *lapic, uint64_t deadline, uint64_t now)
{
	(void)lapic;
	(void)deadline;
	(void)now;
	return true;
}

bool vlapic_eoi_alone(struct vlapic *lapic)
{
	(void)lapic;
	return false;
}

void pc_look_at_lapic(struct vcpu *vcpu)
{
	(void)vcpu;
}

void pc_pulse_pit(struct platform *board, const struct vcpu *running)
{
	(void)board;
	(void)running;
}

void pc_settle_lines(struct platform *board, const struct vcpu *running)
{
	(void)board;
	(void)running;
}

/* ---- vCPU 0 ---- */

/* The entry behind it: what the run ends at. */
static void enter(void)
{
	waits_until_tsc = __atomic_load_n(&vm.vcpus[0].timer_tsc, __ATOMIC_RELAXED);
}

void timers_arm(void)
{
	pc_arm(&vm.vcpus[0]);
	enter();
}

void timers_write_deadline(void)
{
	if (!platform_msr_write_quick(&vm.vcpus[0], VLAPIC_MSR_TSC_DEADLINE, LAPIC_NEXT_TSC)) {
		interleave_fail("the deadline was not written");
	}
	enter();
}

void timers_tick(void)
{
	(void)platform_tick(&vm.vcpus[0], arch_tsc());
	enter();
}

/* ---- Another vCPU ---- */

void timers_program_board(void)
{
	for (uint64_t next = 5000; next >= 4000; next -= 1000) {
		lock_acquire(&platform.lock);
		pit_next_tsc = next;
		pc_time_changed(&platform, arch_tsc());
		lock_release(&platform.lock);
		pc_arm_board(&platform);
	}
}

/* ---- Beginning and end ---- */

void timers_begin(uint64_t armed_tsc)
{
	vm = (struct vm){.state = VM_RUNNING, .id = 1, .platform = &platform};
	vm.vcpus[0].vm = &vm;
	vm.vcpus[0].timer_tsc = armed_tsc;
	platform.vm = &vm;
	platform.board_next_tsc = WAKE_NEVER;
	pit_next_tsc = WAKE_NEVER;
	waits_until_tsc = 0;
}

void timers_check(void)
{
	/* 0: it was kicked, and looks before it runs on. */
	if (waits_until_tsc > platform.board_next_tsc && vm.vcpus[0].timer_tsc != 0) {
		interleave_fail("vCPU 0 waits until %llu, and the board ticks at %llu",
				(unsigned long long)waits_until_tsc,
				(unsigned long long)platform.board_next_tsc);
	}
}
