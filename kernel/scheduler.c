/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Round robin over the vCPUs that can run, and what is done when none can: tearing down what has
 * ended, scrubbing, joining pages, sleeping. One CPU; interrupts are off except while it sleeps.
 */
#include "kernel/scheduler.h"

#include "base/bits.h"
#include "kernel/arch.h"
#include "kernel/backend.h"
#include "kernel/governor.h"
#include "kernel/monitor.h"
#include "kernel/report.h"
#include "kernel/vm.h"
#include "mm/alloc.h"
#include "mm/audit.h"
#include "mm/reclaim.h"

#define SLICE_MS 2
#define POLL_MS 5     /* how long the CPU may sleep without looking at the operator's keys */
#define SCRUB_ORDER 6 /* 256 KiB at a time: short enough not to be noticed */

#define OVERDRAWN_SLICES_MAX 64

static unsigned last_index; /* slot that ran last */

static uint64_t slice_ticks(void)
{
	return SLICE_MS * arch_tsc_khz();
}

static void wake_sleepers(uint64_t now)
{
	for (unsigned i = 0; i < vm_count; i++) {
		struct vcpu *vcpu = &vms[i].vcpu;
		if (vcpu->state == VCPU_WAITING &&
		    (vcpu->wake_tsc <= now || vcpu->doorbell_pending)) {
			vcpu->state = VCPU_RUNNABLE;
		}
	}
}

/*
 * The next in the round. A vCPU whose calls took longer than its slice (a line on a slow console,
 * memory to be scrubbed) is passed over until others have had as much, if there are others.
 */
static struct vcpu *next_runnable(void)
{
	struct vcpu *passed_over = NULL;
	unsigned passed_index = 0;
	for (unsigned i = 1; i <= vm_count; i++) {
		unsigned index = (last_index + i) % vm_count;
		struct vcpu *vcpu = &vms[index].vcpu;
		if (vms[index].state != VM_RUNNING || vcpu->state != VCPU_RUNNABLE) {
			continue;
		}
		if (vcpu->overdrawn_ticks == 0) {
			last_index = index;
			return vcpu;
		}
		vcpu->overdrawn_ticks = sub_floor_u64(vcpu->overdrawn_ticks, slice_ticks());
		if (passed_over == NULL) {
			passed_over = vcpu;
			passed_index = index;
		}
	}
	last_index = passed_over != NULL ? passed_index : last_index;
	return passed_over;
}

static void run(struct vcpu *vcpu, uint64_t now)
{
	backend->vcpu_run(vcpu, now + slice_ticks());
	uint64_t beyond = sub_floor_u64(arch_tsc() - now, 2 * slice_ticks());
	vcpu->overdrawn_ticks =
		min_u64(vcpu->overdrawn_ticks + beyond, OVERDRAWN_SLICES_MAX * slice_ticks());
}

/* Until when nothing can happen by itself. */
static uint64_t idle_deadline(uint64_t now)
{
	uint64_t deadline = min_u64(governor_next_tsc(), now + POLL_MS * arch_tsc_khz());
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].vcpu.state == VCPU_WAITING) {
			deadline = min_u64(deadline, vms[i].vcpu.wake_tsc);
		}
	}
	return deadline;
}

/* One step for one ended VM; false when there is none. */
static bool teardown_one(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vm_is_over(&vms[i]) && vms[i].s2_exists) {
			(void)vm_teardown_step(&vms[i]);
			return true;
		}
	}
	return false;
}

/* Looks at one 2 MiB region of one VM each time it is called and joins what is whole. */
static void join_one(void)
{
	static unsigned index;
	static uint64_t gfn;
	if (index >= vm_count) {
		index = 0;
	}
	struct vm *vm = &vms[index];
	if (!vm->s2_exists || vm_is_over(vm) || gfn >= vm->s2.limit_pages ||
	    vm->balloon.target_pages != 0) {
		index++;
		gfn = 0;
		return;
	}
	struct s2_locked locked = s2_lock(&vm->s2);
	bool large = s2_lookup(locked, (gfn_t){gfn}).order > ORDER_4K;
	/* A gigabyte is looked at once, from its first region. */
	if ((!large || is_aligned_u64(gfn, order_pages(ORDER_1G))) &&
	    s2_join(locked, (gfn_t){gfn}) == STATUS_OK) {
		reclaim_flush(locked);
	}
	s2_unlock(locked);
	gfn += order_pages(ORDER_2M);
}

static void idle(uint64_t now)
{
	if (scrub_step(SCRUB_ORDER) > 0) {
		return;
	}
	if (governor_is_plentiful()) {
		join_one();
	}
	arch_idle(idle_deadline(now));
}

static bool all_ended(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING || vms[i].s2_exists) {
			return false;
		}
	}
	return true;
}

/* Batch: the verdict once all have ended, or when time is up. Interactive: the results once. */
static void check_end(const struct options *options, uint64_t now, uint64_t start)
{
	static bool reported;
	if (all_ended() && !reported) {
		reported = true;
		bool pass = report_results(options->batch);
		if (options->batch) {
			arch_power_off(pass);
		}
		monitor_finish();
	}
	uint64_t limit = options->timeout_seconds * 1000 * arch_tsc_khz();
	if (options->batch && limit > 0 && now - start > limit) {
		report_timeout(options->timeout_seconds);
		(void)report_results(true);
		arch_power_off(false);
	}
}

/* audit=MS: an error stops the machine at once, as near to its cause as can be. */
static void audit_poll(const struct options *options, uint64_t now)
{
	static uint64_t next_tsc;
	static struct audit_report report;
	if (options->audit_ms == 0 || now < next_tsc) {
		return;
	}
	next_tsc = now + options->audit_ms * arch_tsc_khz();
	vms_audit(&report);
	if (report.error_count != 0) {
		panic("audit: %llu errors, the first is: %s",
		      (unsigned long long)report.error_count, report.first_error);
	}
}

void scheduler_run(const struct options *options)
{
	uint64_t start = arch_tsc();
	for (;;) {
		uint64_t now = arch_tsc();
		monitor_poll(options, now);
		governor_poll(now);
		audit_poll(options, now);
		check_end(options, now, start);
		wake_sleepers(now);
		bool tearing = teardown_one();
		struct vcpu *vcpu = next_runnable();
		if (vcpu != NULL) {
			run(vcpu, now);
		} else if (!tearing) {
			idle(now);
		}
	}
}
