/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM is made of a module at boot: its string is parsed, its image checked, its minimum promised,
 * its memory and vCPUs created. A module that is not acceptable leaves a REFUSED slot and nothing
 * else.
 */
#include "kernel/lifecycle/build.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "arch/boot_info.h"
#include "kernel/lib/elf.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/load_native.h"
#include "kernel/sched/boost.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"
#include "mm/phys.h"

static bool name_is_taken(const struct vm *vm)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (&vms[i] != vm && strcmp(vms[i].config.name, vm->config.name) == 0) {
			return true;
		}
	}
	return false;
}

/* The arithmetic of a promise that cannot be made. */
static enum status refuse_promise(const struct vm *vm, enum status status, struct error *error)
{
	uint64_t tables = s2_table_pages_worst(vm->config.max_pages);
	return error_set(error, status,
			 "min=%luK and %luK for its page tables are more than the %luK that are "
			 "not promised to others",
			 vm->config.min_pages * 4, tables * 4, promise_spare() * 4);
}

/* All of them; those but the first are OFF until the guest starts them. */
static enum status create_vcpus(struct vm *vm)
{
	enum status status = STATUS_OK;
	for (unsigned i = 0; i < vm->config.vcpus; i++) {
		scheduler_place(&vm->vcpus[i]);
	}
	for (unsigned i = 0; i < vm->config.vcpus && status == STATUS_OK; i++) {
		status = backend->vcpu_create(&vm->vcpus[i], &vm->s2);
	}
	if (status != STATUS_OK) {
		CHECK(scheduler_retire(vm));
		vm_destroy_vcpus(vm);
	}
	return status;
}

/* Memory, image and vCPU for a VM whose address space exists. */
static enum status furnish(struct vm *vm, const void *file, const struct elf_image *image,
			   uint32_t *start_info, struct error *error)
{
	enum status status = loader_load(vm, file, image, start_info);
	if (status == STATUS_OUTSIDE) {
		return error_set(error, status,
				 "max=%luK leaves no page for the start information behind its "
				 "image",
				 vm->config.max_pages * 4);
	}
	if (status == STATUS_OK) {
		status = create_vcpus(vm);
	}
	if (status != STATUS_OK) {
		return error_set(error, status,
				 "the host is too small: its image needs %luK, and %luK are free",
				 (image->end + KIB(64)) >> 10, promise_spare() * 4);
	}
	return STATUS_OK;
}

/* An address space with the image and vCPUs, or none. */
static enum status create_vm(struct vm *vm, const void *file, const struct elf_image *image,
			     uint32_t *start_info, struct error *error)
{
	enum status status = s2_create(&vm->s2, backend->s2_format(), vm->id, vm->config.max_pages,
				       vm->config.min_pages);
	if (status != STATUS_OK) {
		return refuse_promise(vm, status, error);
	}
	vm->s2_exists = true;
	status = furnish(vm, file, image, start_info, error);
	if (status != STATUS_OK) {
		while (!s2_destroy_step(&vm->s2, TEARDOWN_ENTRIES_PER_STEP)) {
		}
		vm->s2_exists = false;
	}
	return status;
}

/* It must be able to run somewhere. */
static bool has_cpu(const struct vm *vm)
{
	uint64_t all = ~0ull >> (64 - arch_cpu_count());
	return (vm->config.cpu_mask & all) != 0;
}

/* The module's string, parsed into the VM's configuration, and what it must not collide with. */
static enum status configure_vm(struct vm *vm, const struct boot_module *module,
				struct error *error)
{
	enum status status = vm_config_parse(module->text, &vm->config, error);
	if (vm->config.name[0] == '\0') {
		snprintf(vm->config.name, sizeof(vm->config.name), "module%u", vm_count);
	}
	if (module->text_truncated) {
		return error_set(error, STATUS_INVALID,
				 "its command line is longer than the hypervisor keeps");
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (name_is_taken(vm)) {
		return error_set(error, STATUS_INVALID, "name=%s is used twice", vm->config.name);
	}
	if (!has_cpu(vm)) {
		return error_set(error, STATUS_INVALID,
				 "cpu= names none of the %u processors that run", arch_cpu_count());
	}
	return STATUS_OK;
}

/* On success the first vCPU's state holds the entry and the address of the start information. */
static enum status start_module(struct vm *vm, const struct boot_module *module,
				struct error *error)
{
	enum status status = configure_vm(vm, module, error);
	if (status != STATUS_OK) {
		return status;
	}
	const void *file = phys_to_virt((hpa_t){module->start});
	struct elf_image image;
	status = elf_check(file, module->end - module->start, vm->config.max_pages << PAGE_SHIFT,
			   &image, error);
	if (status != STATUS_OK) {
		return status;
	}
	uint32_t start_info;
	status = create_vm(vm, file, &image, &start_info, error);
	if (status != STATUS_OK) {
		return status;
	}
	vm->vcpus[0].entry = image.entry;
	vm->vcpus[0].regs[GPR_RBX] = start_info;
	return STATUS_OK;
}

void vm_start(const struct boot_module *module)
{
	if (vm_count == VMS_MAX) {
		log_event(NULL, "refused: there are more than %d modules", VMS_MAX);
		return;
	}
	uint64_t begin_tsc = arch_tsc();
	struct vm *vm = &vms[vm_count++];
	vm->id = (vm_id_t)vm_count;
	boost_init(vm);
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		vcpu_init(&vm->vcpus[i], vm, i);
	}
	struct error error;
	if (start_module(vm, module, &error) != STATUS_OK) {
		vm->state = VM_REFUSED;
		vm->end_reason = "refused";
		log_event(vm->config.name, "refused: %s", error.text);
		return;
	}
	vm->held_peak_pages = vm->s2.mapped_pages;
	__atomic_store_n(&vm->state, VM_RUNNING, __ATOMIC_RELEASE);
	vm->start_ticks = arch_tsc() - begin_tsc; /* 0 for one that was refused */
	log_event(vm_name(vm), "started mem=%luK min=%luK max=%luK shares=%lu",
		  vm->config.mem_pages * 4, vm->config.min_pages * 4, vm->config.max_pages * 4,
		  vm->config.shares);
}

void vms_release(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		struct vcpu *first = &vms[i].vcpus[0];
		if (vms[i].state == VM_RUNNING && first->state == VCPU_OFF) {
			uint32_t start_info = (uint32_t)first->regs[GPR_RBX];
			CHECK(scheduler_start(first, first->entry, start_info) == STATUS_OK);
		}
	}
}
