/* SPDX-License-Identifier: BSD-2-Clause */
/* See kernel.h. */
#include "fake/kernel.h"

#include <stdio.h>
#include <string.h>

#include "kernel/arch.h"
#include "kernel/backend.h"
#include "kernel/balloon.h"
#include "kernel/governor.h"
#include "kernel/hypercall.h"

uint64_t fake_tsc;

uint64_t arch_tsc(void)
{
	return fake_tsc;
}

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

unsigned arch_cpu_count(void)
{
	return 1;
}

void arch_pause(void)
{
}

unsigned fake_kicks;

void arch_cpu_kick(unsigned cpu)
{
	(void)cpu;
	fake_kicks++;
}

static const struct s2_format *format(void)
{
	return &fake_format;
}

static enum status vcpu_create(struct vcpu *vcpu, struct s2 *s2, uint32_t entry,
			       uint32_t start_info)
{
	assert_ptr_equal(s2, &vcpu->vm->s2);
	(void)entry;
	vcpu->regs[GPR_RBX] = start_info;
	vcpu->arch = (struct arch_vcpu *)vcpu;
	return STATUS_OK;
}

static void vcpu_destroy(struct vcpu *vcpu)
{
	assert_non_null(vcpu->arch);
}

static void vcpu_dump(const struct vcpu *vcpu)
{
	(void)vcpu;
}

static const struct backend fake_backend = {
	.name = "fake",
	.s2_format = format,
	.vcpu_create = vcpu_create,
	.vcpu_destroy = vcpu_destroy,
	.vcpu_dump = vcpu_dump,
};

const struct backend *backend = &fake_backend;

void kernel_start(uint64_t frames, unsigned max_leaf_level)
{
	fake_tsc = 1000000000;
	memset(vms, 0, sizeof(vms));
	vm_count = 0;
	world_start(512, frames, max_leaf_level);
	governor_init();
	world_scrub_all();
	world_check_zeroed();
}

int kernel_teardown(void **state)
{
	return world_teardown(state);
}

struct vm *kernel_vm(const char *name, uint64_t max_pages, uint64_t mem_pages, uint64_t min_pages)
{
	struct vm *vm = &vms[vm_count++];
	vm->id = (vm_id_t)vm_count;
	snprintf(vm->config.name, sizeof(vm->config.name), "%s", name);
	vm->config.max_pages = max_pages;
	vm->config.mem_pages = mem_pages;
	vm->config.min_pages = min_pages;
	vm->config.shares = 100;
	assert_int_equal(s2_create(&vm->s2, &fake_format, vm->id, max_pages, min_pages), STATUS_OK);
	vm->s2_exists = true;
	vm->vcpu.vm = vm;
	vm->vcpu.state = VCPU_RUNNABLE;
	vm->state = VM_RUNNING;
	world_adopt(&vm->s2);
	world_check();
	return vm;
}

void kernel_vm_end(struct vm *vm)
{
	if (vm->state == VM_RUNNING) {
		vm_finish(vm, 0, 0);
	}
	while (!vm_teardown_step(vm)) {
		world_check();
	}
	world_forget(&vm->s2);
	world_check();
}

int64_t kernel_call(struct vm *vm, uint64_t number, uint64_t rdi, uint64_t rsi)
{
	memset(vm->vcpu.regs, 0, sizeof(vm->vcpu.regs));
	vm->vcpu.regs[GPR_RAX] = number;
	vm->vcpu.regs[GPR_RDI] = rdi;
	vm->vcpu.regs[GPR_RSI] = rsi;
	enum exit_action action = hypercall_handle(&vm->vcpu, true);
	assert_true(action == EXIT_ADVANCE || action == EXIT_WAIT || action == EXIT_KILL);
	world_check();
	return (int64_t)vm->vcpu.regs[GPR_RAX];
}

void *kernel_guest_page(struct vm *vm, uint64_t gfn)
{
	uint8_t *page = fake_tlb_access(&vm->s2, 0, (gfn_t){gfn});
	if (page == NULL) {
		assert_int_equal(balloon_touch(&vm->vcpu, (gfn_t){gfn}), EXIT_RESUME);
		page = fake_tlb_access(&vm->s2, 0, (gfn_t){gfn});
	}
	assert_non_null(page);
	return page;
}
