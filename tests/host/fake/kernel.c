/* SPDX-License-Identifier: BSD-2-Clause */
/* See kernel.h. */
#include "fake/kernel.h"

#include "fake/platform.h"

#include <stdio.h>
#include <string.h>

#include "base/bits.h"
#include "arch/backend.h"
#include "kernel/sched/boost.h"
#include "kernel/overcommit/governor.h"
#include "kernel/exit/hypercall.h"
#include "kernel/lib/tunables.h"
#include "kernel/sched/run_queue.h"
#include "kernel/sched/scheduler.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/files.h"

#define ENTRY 0x2000

static const struct s2_format *format(void)
{
	return &fake_format;
}

bool fake_vcpu_fails;
unsigned fake_vcpu_resets;

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2)
{
	assert_ptr_equal(s2, &vcpu->vm->s2);
	if (fake_vcpu_fails) {
		return STATUS_NO_MEMORY;
	}
	vcpu->arch = (struct arch_vcpu *)vcpu;
	return STATUS_OK;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	assert_non_null(vcpu->arch);
}

static void vcpu_reset(struct vcpu *vcpu)
{
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	fake_vcpu_resets++;
}

static void vcpu_dump(const struct vcpu *vcpu)
{
	(void)vcpu;
}

static const struct backend fake_backend = {
	.name = "fake",
	.hypercall = {0x0f, 0x01, 0xc1},
	.s2_format = format,
	.vcpu_pages = FAKE_VCPU_PAGES,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_reset = vcpu_reset,
	.vcpu_dump = vcpu_dump,
};

const struct backend *backend = &fake_backend;

void kernel_start(uint64_t frames, unsigned max_leaf_level)
{
	memset(vms, 0, sizeof(vms));
	vm_count = 0;
	fake_cpus_reset(1);
	fake_platform_reset();
	files_init(NULL, 0);
	world_start(512, frames, max_leaf_level);
	governor_init();
	world_scrub_all();
	world_check_zeroed();
}

int kernel_teardown(void **state)
{
	tunables_reset();
	return world_teardown(state);
}

void kernel_pick(struct vcpu *vcpu)
{
	struct vcpu *others[VMS_MAX * AEROSTAT_VCPUS_MAX];
	unsigned count = 0;
	struct run_queue *queue = &run_queues[vcpu->home];
	if (vcpu->state == VCPU_RUNNING) {
		return;
	}
	assert_int_equal(vcpu->state, VCPU_QUEUED);
	queue->wanted = false;
	lock_acquire(&queue->lock);
	struct vcpu *taken = run_queue_take(queue);
	while (taken != vcpu) {
		assert_non_null(taken);
		others[count++] = taken;
		taken = run_queue_take(queue);
	}
	while (count > 0) {
		run_queue_add(queue, others[--count]);
	}
	lock_release(&queue->lock);
}

void kernel_settle(struct vcpu *vcpu)
{
	struct run_queue *queue = &run_queues[vcpu->home];
	assert_int_equal(vcpu->state, VCPU_RUNNING);
	lock_acquire(&queue->lock);
	run_queue_put(queue, vcpu, 0, fake_tsc);
	lock_release(&queue->lock);
}

struct vm *kernel_vm_with(unsigned vcpus, const char *name, uint64_t max_pages, uint64_t mem_pages,
			  uint64_t min_pages)
{
	struct vm *vm = &vms[vm_count++];
	vm->id = (vm_id_t)vm_count;
	snprintf(vm->config.name, sizeof(vm->config.name), "%s", name);
	vm->config.max_pages = max_pages;
	vm->config.boot_pages = max_pages;
	vm->config.mem_pages = mem_pages;
	vm->config.min_pages = min_pages;
	vm->config.shares = 100;
	vm->config.vcpus = vcpus;
	vm->config.cpu_mask = ~0ull;
	vm->config.weight = 100;
	boost_init(vm);
	assert_int_equal(s2_create(&vm->s2, &fake_format, vm->id, max_pages, min_pages), STATUS_OK);
	vm->s2_exists = true;
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		vcpu_init(&vm->vcpus[i], vm, i);
		vm->vcpus[i].doorbell_open = true;
	}
	for (unsigned i = 0; i < vcpus; i++) {
		scheduler_place(&vm->vcpus[i]);
	}
	vm->state = VM_RUNNING;
	world_adopt(&vm->s2);
	assert_int_equal(scheduler_start(&vm->vcpus[0], ENTRY, 0), STATUS_OK);
	kernel_pick(&vm->vcpus[0]);
	world_check();
	return vm;
}

struct vm *kernel_vm(const char *name, uint64_t max_pages, uint64_t mem_pages, uint64_t min_pages)
{
	return kernel_vm_with(1, name, max_pages, mem_pages, min_pages);
}

void kernel_vm_end(struct vm *vm)
{
	if (vm->state == VM_RUNNING) {
		vm_finish(vm, 0, 0);
	}
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		if (vm->vcpus[i].state == VCPU_RUNNING) {
			kernel_settle(&vm->vcpus[i]);
		}
	}
	assert_true(scheduler_retire(vm));
	while (!vm_teardown_step(vm)) {
		world_check();
	}
	world_forget(&vm->s2);
	world_check();
}

int64_t kernel_vcpu_call(struct vcpu *vcpu, uint64_t number, uint64_t rdi, uint64_t rsi,
			 uint64_t rdx)
{
	kernel_pick(vcpu);
	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[GPR_RAX] = number;
	vcpu->regs[GPR_RDI] = rdi;
	vcpu->regs[GPR_RSI] = rsi;
	vcpu->regs[GPR_RDX] = rdx;
	enum exit_action action = hypercall_handle(vcpu, true);
	assert_true(action == EXIT_ADVANCE || action == EXIT_WAIT || action == EXIT_KILL);
	if (action != EXIT_ADVANCE) {
		kernel_settle(vcpu);
	}
	world_check();
	return (int64_t)vcpu->regs[GPR_RAX];
}

int64_t kernel_call(struct vm *vm, uint64_t number, uint64_t rdi, uint64_t rsi)
{
	return kernel_vcpu_call(&vm->vcpus[0], number, rdi, rsi, 0);
}

enum exit_action kernel_touch(struct vm *vm, uint64_t gfn)
{
	struct vcpu *vcpu = &vm->vcpus[0];
	kernel_pick(vcpu);
	vcpu->fault_count++;
	enum exit_action action = demand_fault(vcpu, (gfn_t){gfn});
	if (action == EXIT_BLOCK || action == EXIT_KILL) {
		kernel_settle(vcpu);
	}
	return action;
}

unsigned kernel_ranges(struct vm *vm, enum balloon_operation operation,
		       struct aerostat_range *ranges, unsigned count, uint64_t array_gfn)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	unsigned finished =
		balloon_run_ranges(locked, vm, operation, ranges, count, (gfn_t){array_gfn});
	s2_unlock(locked);
	return finished;
}

void *kernel_guest_page(struct vm *vm, uint64_t gfn)
{
	uint8_t *page = fake_tlb_access(&vm->s2, 0, (gfn_t){gfn});
	if (page == NULL) {
		assert_int_equal(kernel_touch(vm, gfn), EXIT_RESUME);
		page = fake_tlb_access(&vm->s2, 0, (gfn_t){gfn});
	}
	assert_non_null(page);
	return page;
}

void kernel_periods(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		fake_tsc += 10 * 1000;
		governor_poll(fake_tsc);
		world_check();
	}
}

struct aerostat_balloon_page *kernel_attach(struct vm *vm)
{
	assert_int_equal(kernel_call(vm, AEROSTAT_CALL_BALLOON_ATTACH, KERNEL_BALLOON_GFN, 0), 0);
	return kernel_guest_page(vm, KERNEL_BALLOON_GFN);
}

bool kernel_waits(const struct vm *vm)
{
	bool asleep = vm->vcpus[0].state == VCPU_ASLEEP;
	assert_int_equal(asleep, vm_waits_for_memory(vm));
	return asleep;
}

uint64_t kernel_touch_pages(struct vm *vm, uint64_t gfn, uint64_t count)
{
	for (uint64_t i = 0; i < count; i++) {
		if (kernel_touch(vm, gfn + i) != EXIT_RESUME) {
			assert_true(kernel_waits(vm));
			return i;
		}
	}
	return count;
}

void kernel_give(struct vm *vm, uint64_t gfn, uint32_t count)
{
	struct aerostat_range range = {.gfn = gfn, .count = count};
	while (kernel_ranges(vm, BALLOON_SURRENDER, &range, 1, 1) == 0) {
	}
	assert_int_equal(range.status, AEROSTAT_RANGE_OK);
	world_check();
}

void kernel_exhaust(struct vm *vm)
{
	uint64_t gfn = 200;
	while (kernel_touch_pages(vm, gfn, 1) == 1) {
		gfn++;
	}
	assert_int_equal(promise_spare(), 0);
}

uint64_t kernel_drain(struct vm *greedy)
{
	uint64_t taken = 0;
	while (greedy->vcpus[0].state == VCPU_RUNNING) {
		taken += kernel_touch(greedy, taken) == EXIT_RESUME;
		world_check();
	}
	return taken;
}
