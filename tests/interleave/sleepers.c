/* SPDX-License-Identifier: BSD-2-Clause */
/* See sleepers.h. Instrumented, like the sources that it calls. */
#include "interleave/sleepers.h"

#include "arch/arch.h"
#include "arch/backend.h"
#include "interleave/interleave.h"
#include "kernel/sched/background.h"
#include "kernel/sched/pause.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/startup.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/sched/wake.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "mm/alloc.h"

#define VCPUS 2
#define VISITS_MOST 8 /* of a guest that only sleeps and is rung once or twice */

static struct vm vm;
static enum sleep_kind kind;
static bool to_stop_machine;

/* Of each CPU: an interrupt is pending; whose state is in its registers. */
static bool interrupts[INTERLEAVE_CPUS];
static struct vcpu *loaded[INTERLEAVE_CPUS];

/* Of each vCPU. Plain: two CPUs that run it race here. */
static unsigned visits[VCPUS];
static unsigned taken[VCPUS]; /* doorbells, or frames that it was told of */
static bool begun_again[VCPUS];
static unsigned saved[VCPUS]; /* visits, as of when no CPU had its state in registers */

/* ---- The processor ---- */

static unsigned here(void)
{
	unsigned cpu = interleave_cpu();
	return cpu < INTERLEAVE_CPUS ? cpu : 0;
}

unsigned arch_cpu_index(void)
{
	return here();
}

unsigned arch_cpu_count(void)
{
	return 2;
}

uint64_t arch_tsc(void)
{
	return 1000;
}

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

void arch_pause(void)
{
	interleave_pause();
}

void arch_cpu_kick(unsigned cpu)
{
	__atomic_store_n(&interrupts[cpu], true, __ATOMIC_SEQ_CST);
}

static bool is_interrupted(void)
{
	return __atomic_load_n(&interrupts[here()], __ATOMIC_SEQ_CST);
}

static void take_interrupt(void)
{
	(void)__atomic_exchange_n(&interrupts[here()], false, __ATOMIC_SEQ_CST);
}

/* Interrupts are off until it halts, and on in the very instruction behind STI. */
void arch_idle(uint64_t deadline_tsc)
{
	(void)deadline_tsc;
	interleave_wait(is_interrupted, true);
	take_interrupt();
}

uint64_t scrub_step(unsigned order_max)
{
	(void)order_max;
	return 0;
}

void platform_initialize(struct vcpu *vcpu)
{
	(void)vcpu;
}

/* ---- The boot CPU ---- */

bool background_poll(uint64_t now_tsc, bool at_once)
{
	(void)now_tsc;
	(void)at_once;
	if (to_stop_machine) {
		to_stop_machine = false;
		stop_machine();
		for (unsigned i = 0; i < VCPUS; i++) {
			visits[i] += 0; /* nobody else is anywhere near it */
		}
		stop_machine_release();
	}
	return false;
}

uint64_t background_next_tsc(uint64_t now_tsc)
{
	(void)now_tsc;
	return WAKE_NEVER;
}

void background_idle(void)
{
}

/* ---- The guest ---- */

static void sleep_as(struct vcpu *vcpu)
{
	vcpu->doorbell_open = kind != HOLDS_OFF;
	vcpu->wake_tsc = WAKE_NEVER;
	switch (kind) {
	case SLEEPS_IN_HALT:
	case PASSES_ON:
	case STOPS_THE_MACHINE:
		vcpu->wait = WAIT_DOORBELL;
		break;
	case SLEEPS_IN_WAIT:
	case HOLDS_OFF:
		vcpu->wait = WAIT_EVENT;
		break;
	case WAITS_FOR_MEMORY:
		__atomic_store_n(&vcpu->granted, false, __ATOMIC_RELAXED);
		__atomic_store_n(&vcpu->wait, WAIT_MEMORY, __ATOMIC_RELEASE);
		break;
	}
}

static void ring(unsigned index)
{
	if (vcpu_ring(&vm.vcpus[index]) != STATUS_OK) {
		interleave_fail("vCPU %u cannot be rung", index);
	}
}

/* It takes what it lets through, and sleeps again. */
static void visit(struct vcpu *vcpu)
{
	unsigned index = vcpu->index;
	if (++visits[index] > VISITS_MOST) {
		interleave_fail("vCPU %u is woken again and again", index);
	}
	if (kind == WAITS_FOR_MEMORY) {
		taken[index]++;
	} else if (kind != HOLDS_OFF &&
		   __atomic_exchange_n(&vcpu->doorbell_pending, false, __ATOMIC_SEQ_CST)) {
		taken[index]++;
		if (kind == PASSES_ON && index == 0) {
			ring(1);
		}
	}
	sleep_as(vcpu);
}

static void vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	(void)deadline_tsc;
	if (loaded[here()] != NULL && loaded[here()] != vcpu) {
		interleave_fail("vCPU %u runs with another one's registers", vcpu->index);
	}
	if (loaded[here()] == NULL && saved[vcpu->index] != visits[vcpu->index]) {
		interleave_fail("vCPU %u runs with old registers", vcpu->index);
	}
	loaded[here()] = vcpu;
	if (vm_is_paused(&vm) && is_interrupted()) {
		take_interrupt();
		return;
	}
	take_interrupt();
	visit(vcpu);
}

static void vcpu_evict(struct vcpu *vcpu)
{
	if (loaded[here()] == vcpu) {
		saved[vcpu->index] = visits[vcpu->index];
		loaded[here()] = NULL;
	}
}

static void vcpu_reset(struct vcpu *vcpu)
{
	begun_again[vcpu->index] = true;
}

static const struct backend fake_backend = {
	.name = "interleavings",
	.vcpu_run = vcpu_run,
	.vcpu_evict = vcpu_evict,
	.vcpu_reset = vcpu_reset,
};
const struct backend *backend = &fake_backend;

void sleepers_cpu(void)
{
	scheduler_run();
}

/* ---- What another CPU does ---- */

void sleepers_ring_first(void)
{
	ring(0);
}

void sleepers_ring_both(void)
{
	ring(0);
	ring(1);
}

void sleepers_ring_twice(void)
{
	ring(0);
	ring(0);
}

void sleepers_signal(void)
{
	vcpu_signal(&vm.vcpus[0]);
}

void sleepers_grant(void)
{
	vcpu_wake_for_memory(&vm.vcpus[0]);
}

void sleepers_pause_and_ring(void)
{
	pause_begin(&vm);
	ring(0);
	pause_end(&vm);
}

void sleepers_stop_and_start(void)
{
	startup_send_init(&vm.vcpus[0]);
	startup_begin(&vm.vcpus[0], 0x7000);
}

/* ---- Beginning and end ---- */

/* It has run, and sleeps where it belongs. */
static void put_to_sleep(struct vcpu *vcpu)
{
	struct run_queue *queue = &run_queues[vcpu->home];
	__atomic_store_n(&vcpu->state, VCPU_RUNNING, __ATOMIC_RELEASE);
	sleep_as(vcpu);
	run_queue_put(queue, vcpu, 0, arch_tsc());
}

void sleepers_begin(enum sleep_kind how)
{
	kind = how;
	to_stop_machine = how == STOPS_THE_MACHINE;
	vm = (struct vm){.state = VM_RUNNING, .id = 1};
	vm.config.vcpus = VCPUS;
	vm.config.cpu_mask = 3;
	vm.config.weight = 100;
	scheduler_init();
	for (unsigned i = 0; i < INTERLEAVE_CPUS; i++) {
		interrupts[i] = false;
		loaded[i] = NULL;
	}
	for (unsigned i = 0; i < VCPUS; i++) {
		visits[i] = 0;
		taken[i] = 0;
		begun_again[i] = false;
		saved[i] = 0;
		vcpu_init(&vm.vcpus[i], &vm, i);
		vm.vcpus[i].doorbell_vector = 0x40;
		scheduler_place(&vm.vcpus[i]);
		put_to_sleep(&vm.vcpus[i]);
	}
}

void sleepers_check(void)
{
	unsigned members = 0;
	for (unsigned i = 0; i < VCPUS; i++) {
		const struct vcpu *vcpu = &vm.vcpus[i];
		members += run_queues[i].member_count;
		if (vcpu->state != VCPU_ASLEEP) {
			interleave_fail("vCPU %u is in state %u, and no CPU moves", i, vcpu->state);
		}
		if (run_queue_wait_is_over(vcpu, arch_tsc()) || vcpu->stopping) {
			interleave_fail("vCPU %u has not seen what it was woken for", i);
		}
		if (vcpu->doorbell_pending != (kind == HOLDS_OFF && visits[i] > 0)) {
			interleave_fail("vCPU %u sleeps, and its doorbell is not as it should be",
					i);
		}
	}
	if (members != VCPUS) {
		interleave_fail("%u vCPUs are somewhere, of %u", members, VCPUS);
	}
}
