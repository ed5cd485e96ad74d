/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See pc.h: the timers of a virtual PC. Each vCPU runs its own local APIC's; vCPU 0 also those of
 * the board. Nothing interrupts a CPU for a timer but the end of the run that vcpu->timer_tsc sets.
 */
#include "drivers/virt/pc.h"

#include "arch/arch.h"
#include "base/bits.h"
#include "base/time.h"
#include "drivers/virt/vlapic_registers.h"
#include "drivers/virt/vlapic_timer.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"

_Static_assert(PLATFORM_TSC_TICKS_PER_CLOCK == 1u << VLAPIC_CLOCK_SHIFT, "CPUID tells it");

/* A guest may ask for ticks that are closer together than the work for one. */
#define TICKS_APART_US 20

/* Ticks of the PIT for one look: more are left to the next one. */
#define PIT_TICKS_PER_LOOK 4

void pc_time_changed(struct platform *platform, uint64_t now_tsc)
{
	const struct pc_dialect *dialect = platform->dialect;
	uint64_t next =
		min_u64(vpit_next(&platform->pit, now_tsc), vrtc_next(&platform->rtc, now_tsc));
	if (dialect != NULL && dialect->next_tsc != NULL) {
		next = min_u64(next, dialect->next_tsc(platform));
	}

	/* Before the look at vCPU 0's timer_tsc (pc_arm_board). */
	__atomic_store_n(&platform->board_next_tsc, next, __ATOMIC_SEQ_CST);
}

static void run_board(struct platform *platform, const struct vcpu *running, uint64_t now_tsc)
{
	lock_acquire(&platform->lock);
	for (unsigned i = 0; i < PIT_TICKS_PER_LOOK && vpit_tick(&platform->pit, now_tsc); i++) {
		pc_pulse_pit(platform, running);
	}
	const struct pc_dialect *dialect = platform->dialect;
	if (dialect != NULL && dialect->tick != NULL && dialect->next_tsc(platform) <= now_tsc) {
		dialect->tick(platform, now_tsc);
	}
	pc_settle_lines(platform, running);
	pc_time_changed(platform, now_tsc);
	lock_release(&platform->lock);
}

static uint64_t board_next(const struct vcpu *vcpu)
{
	return vcpu->index != 0
		       ? WAKE_NEVER
		       : __atomic_load_n(&vcpu->vm->platform->board_next_tsc, __ATOMIC_SEQ_CST);
}

/*
 * vCPU 0 is told of what others program by what they read and store in its timer_tsc; a deadline
 * that was made of an older board_next_tsc would hide it. So that is read once more behind the
 * store: either they see the deadline, or it is made of what they have programmed.
 */
static uint64_t set_timer(struct vcpu *vcpu, uint64_t lapic_next, uint64_t soonest)
{
	uint64_t board = board_next(vcpu);
	uint64_t next = max_u64(min_u64(lapic_next, board), soonest);

	if (vcpu->index != 0) {
		vcpu->timer_tsc = next; /* nobody else writes it */
		return next;
	}
	for (;;) {
		uint64_t before = board;

		__atomic_store_n(&vcpu->timer_tsc, next, __ATOMIC_SEQ_CST);
		board = board_next(vcpu);
		if (__builtin_expect(board >= before, 1)) {
			return next;
		}
		next = max_u64(min_u64(lapic_next, board), soonest);
	}
}

uint64_t platform_tick(struct vcpu *vcpu, uint64_t now_tsc)
{
	struct platform *platform = vcpu->vm->platform;
	uint64_t next = vlapic_tick(pc_lapic(vcpu), now_tsc);

	if (board_next(vcpu) <= now_tsc) {
		run_board(platform, vcpu, now_tsc);
	}
	pc_look_at_lapic(vcpu);
	return set_timer(vcpu, next, now_tsc + ticks_from_us(TICKS_APART_US));
}

bool platform_msr_write_quick(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	struct vlapic *lapic = pc_lapic(vcpu);

	if (index != VLAPIC_MSR_TSC_DEADLINE) {
		return index == VLAPIC_MSR_EOI && value == 0 && vlapic_is_x2apic(lapic) &&
		       vlapic_eoi_alone(lapic);
	}
	if (!vlapic_timer_rearm(lapic, value, arch_tsc())) {
		return false;
	}
	(void)set_timer(vcpu, vlapic_next_tick(lapic), 0);
	return true;
}

/*
 * A vCPU that programs the board's timers may not be the one that runs them: vCPU 0 then leaves the
 * guest, and the scheduler ticks it before it runs again.
 */
void pc_arm_board(struct platform *platform)
{
	struct vcpu *first = &platform->vm->vcpus[0];

	if (board_next(first) < __atomic_load_n(&first->timer_tsc, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(&first->timer_tsc, 0, __ATOMIC_SEQ_CST);
		scheduler_kick(__atomic_load_n(&first->home, __ATOMIC_RELAXED));
	}
}

void pc_arm(struct vcpu *vcpu)
{
	if (vcpu->index != 0) {
		pc_arm_board(vcpu->vm->platform);
	}
	(void)set_timer(vcpu, vlapic_next_tick(pc_lapic(vcpu)), 0);
}
