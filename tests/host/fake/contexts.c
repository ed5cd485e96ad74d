/* SPDX-License-Identifier: BSD-2-Clause */
/* See contexts.h. */
#include "fake/contexts.h"

#include <stdlib.h>
#include <string.h>

#include "arch/backend.h"
#include "kernel/sched/scheduler.h"
#include "kernel/sched/wake.h"

#define STACK_BYTES (256 * 1024)

struct context contexts[CONTEXTS];
static ucontext_t test_context;
unsigned context_me;
unsigned context_running;
struct vm context_vms[CONTEXT_VMS];
bool context_more_to_do;
uint64_t context_house_ticks;
uint64_t context_dirty_frames;
unsigned context_windows;

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);

uint64_t scrub_step(unsigned order_max)
{
	(void)order_max;
	uint64_t step = context_dirty_frames > 0 ? 1 : 0;
	context_dirty_frames -= step;
	return step;
}

void context_stop_at(enum place place)
{
	unsigned cpu = context_running;
	assert_true(cpu < CONTEXTS);
	fake_locks_check();
	contexts[cpu].place = place;
	contexts[cpu].kicks = fake_kicks[cpu];
	context_running = CONTEXTS;
	assert_int_equal(swapcontext(&contexts[cpu].context, &test_context), 0);
	context_running = cpu;
	fake_cpu = cpu;
}

static void vcpu_run(struct vcpu *vcpu, uint64_t deadline_tsc)
{
	struct context *cpu = &contexts[context_running];
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	assert_int_equal(vcpu->home, context_running);
	assert_int_equal(vcpu->resident, context_running);
	assert_int_equal(vcpu->wait, WAIT_NOTHING);
	assert_true((vcpu->vm->config.cpu_mask >> context_running & 1) != 0);
	assert_true(cpu->loaded == NULL || cpu->loaded == vcpu);
	for (unsigned i = 0; i < CONTEXTS; i++) {
		assert_true(i == context_running || contexts[i].loaded != vcpu);
	}
	cpu->loaded = vcpu;
	cpu->guest = vcpu;
	cpu->deadline = deadline_tsc;
	context_stop_at(IN_GUEST);
	cpu->guest = NULL;
}

/* Nothing to do for one that was picked and did not run, because its VM had ended. */
static void vcpu_evict(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->resident, fake_cpu);
	for (unsigned i = 0; i < CONTEXTS; i++) {
		assert_true(i == fake_cpu || contexts[i].loaded != vcpu);
	}
	if (contexts[fake_cpu].loaded == vcpu) {
		contexts[fake_cpu].loaded = NULL;
		contexts[fake_cpu].evictions++;
	}
}

unsigned context_resets;

static void vcpu_reset(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	assert_int_equal(vcpu->resident, CPU_NONE);
	context_resets++;
}

static const struct backend fake_backend = {
	.name = "fake",
	.vcpu_run = vcpu_run,
	.vcpu_evict = vcpu_evict,
	.vcpu_reset = vcpu_reset,
};
const struct backend *backend = &fake_backend;

static void on_idle(uint64_t deadline_tsc)
{
	if (deadline_tsc == 0) {
		context_windows++; /* interrupts are taken, and on it goes */
		return;
	}
	contexts[context_running].deadline = deadline_tsc;
	context_stop_at(ASLEEP);
}

void context_on_pause(void)
{
	if (context_running < CONTEXTS) {
		context_stop_at(WAITING);
	}
}

static bool on_house(uint64_t now_tsc)
{
	assert_int_equal(context_running, 0);
	assert_int_equal(now_tsc, fake_tsc);
	contexts[0].rounds++;
	fake_tsc += context_house_ticks;
	bool more = context_more_to_do;
	context_more_to_do = false;
	return more;
}

static void cpu_main(void)
{
	/* Not called as what never returns: the sanitizer would look for the thread's stack then */
	void (*volatile run)(void) = scheduler_run;
	run();
}

int context_teardown(void **state)
{
	(void)state;
	for (unsigned i = 0; i < CONTEXTS; i++) {
		free(contexts[i].stack);
	}
	memset(contexts, 0, sizeof(contexts));
	return 0;
}

void context_start(unsigned count)
{
	fake_locks_reset();
	fake_cpus_reset(count);
	context_me = 0;
	memset(context_vms, 0, sizeof(context_vms));
	context_more_to_do = false;
	context_house_ticks = 0;
	context_dirty_frames = 0;
	context_running = CONTEXTS;
	fake_on_idle = on_idle;
	fake_on_pause = context_on_pause;
	fake_on_background = on_house;
	for (unsigned i = 0; i < count; i++) {
		contexts[i].stack = malloc(STACK_BYTES);
		assert_int_equal(getcontext(&contexts[i].context), 0);
		contexts[i].context.uc_stack.ss_sp = contexts[i].stack;
		contexts[i].context.uc_stack.ss_size = STACK_BYTES;
		contexts[i].context.uc_link = NULL;
		makecontext(&contexts[i].context, cpu_main, 0);
	}
}

enum place context_go(unsigned cpu)
{
	unsigned before = context_running;
	assert_int_equal(before, CONTEXTS);
	context_running = cpu;
	fake_cpu = cpu;
	assert_int_equal(swapcontext(&test_context, &contexts[cpu].context), 0);
	context_running = before;
	fake_cpu = context_me;
	return contexts[cpu].place;
}

void context_act_as(unsigned cpu)
{
	context_me = cpu;
	fake_cpu = cpu;
}

struct vcpu *context_guest(unsigned cpu)
{
	assert_int_equal(contexts[cpu].place, IN_GUEST);
	return contexts[cpu].guest;
}

struct vm *context_vm(unsigned i, unsigned vcpus, uint64_t mask)
{
	struct vm *vm = &context_vms[i];
	vm->config.vcpus = vcpus;
	vm->config.cpu_mask = mask;
	vm->config.weight = 100;
	vm->state = VM_RUNNING;
	for (unsigned j = 0; j < vcpus; j++) {
		vcpu_init(&vm->vcpus[j], vm, j);
		vm->vcpus[j].doorbell_open = true;
		scheduler_place(&vm->vcpus[j]);
	}
	return vm;
}

struct vcpu *context_vcpu(unsigned i, uint64_t mask)
{
	struct vcpu *vcpu = &context_vm(i, 1, mask)->vcpus[0];
	assert_int_equal(scheduler_start(vcpu, 0x1000, 0), STATUS_OK);
	return vcpu;
}

enum place context_run_slice(unsigned cpu)
{
	fake_tsc += SLICE;
	return context_go(cpu);
}

enum place context_halt_guest(unsigned cpu)
{
	context_guest(cpu)->wait = WAIT_DOORBELL;
	return context_go(cpu);
}

void context_ring(struct vcpu *vcpu)
{
	vcpu->doorbell_vector = 0x40;
	assert_int_equal(vcpu_ring(vcpu), STATUS_OK);
}
