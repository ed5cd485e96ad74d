/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM is made of a module at boot, and of those with of= and its name: strings are parsed, files
 * checked, its minimum promised, its memory, devices and vCPUs created. What is not acceptable
 * leaves a REFUSED slot and nothing else.
 */
#include "kernel/lifecycle/build.h"

#include "base/bits.h"
#include "base/error.h"
#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "arch/boot_info.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/files.h"
#include "kernel/lifecycle/load.h"
#include "kernel/sched/boost.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/phys.h"
#include "mm/tlb.h"

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
		vm->vcpus[i].calls_platform = vm->config.as != AS_PLAIN;
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

/*
 * Memory, files, devices and vCPUs for a VM whose address space exists. One that restarts has its
 * devices already, and keeps them whatever happens here.
 */
static enum status furnish(struct vm *vm, const struct load_files *files,
			   const struct load_plan *plan, struct load_entry *entry,
			   struct error *error)
{
	bool restarts = vm->platform != NULL;
	enum status status = load_run(vm, files, plan, entry, error);
	if (status != STATUS_OK) {
		return status;
	}
	if (vm->config.devices == DEVICES_PC && !restarts) {
		status = platform_create(vm);
	}
	if (status == STATUS_OK) {
		status = create_vcpus(vm);
	}
	if (status != STATUS_OK) {
		if (!restarts) {
			platform_destroy(vm);
		}
		return error_set(error, status,
				 "the host is too small: its image needs %luK, and %luK are free",
				 plan->bytes >> 10, promise_spare() * 4);
	}
	return STATUS_OK;
}

/* An address space with all that belongs to the VM, or none. */
static enum status create_vm(struct vm *vm, const struct load_files *files,
			     const struct load_plan *plan, struct load_entry *entry,
			     struct error *error)
{
	enum status status = s2_create(&vm->s2, backend->s2_format(), vm->id, vm->config.max_pages,
				       vm->config.min_pages);
	if (status != STATUS_OK) {
		return refuse_promise(vm, status, error);
	}
	vm->s2_exists = true;
	status = furnish(vm, files, plan, entry, error);
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

enum status vm_check(const struct vm *vm, struct error *error)
{
	if (name_is_taken(vm)) {
		return error_set(error, STATUS_INVALID, "name=%s is used twice", vm->config.name);
	}
	if (!has_cpu(vm)) {
		return error_set(error, STATUS_INVALID,
				 "cpu= names none of the %u processors that run", arch_cpu_count());
	}
	return STATUS_OK;
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
	return vm_check(vm, error);
}

static void set_entry(struct vcpu *first, const struct load_entry *entry)
{
	first->entry = entry->eip;
	first->regs[GPR_RAX] = entry->eax;
	first->regs[GPR_RBX] = entry->ebx;
	first->regs[GPR_RSI] = entry->esi;
}

enum status vm_create(struct vm *vm, const struct load_files *files, const struct load_plan *plan,
		      struct error *error)
{
	struct load_entry entry = {0};
	enum status status = create_vm(vm, files, plan, &entry, error);
	if (status == STATUS_OK) {
		set_entry(&vm->vcpus[0], &entry);
	}
	return status;
}

static enum status make_vm(struct vm *vm, unsigned index, const struct boot_module *module,
			   struct load_plan *plan, struct error *error)
{
	struct load_files files;
	enum status status = configure_vm(vm, module, error);
	if (status == STATUS_OK) {
		status = files_take(vm, index, &files, error);
	}
	if (status == STATUS_OK) {
		status = load_plan(&vm->config, &files, plan, error);
	}
	if (status == STATUS_OK && !vm->config.later) {
		status = vm_create(vm, &files, plan, error);
	}
	return status;
}

struct vm *vm_slot(void)
{
	if (vm_count == VMS_MAX) {
		return NULL;
	}
	struct vm *vm = &vms[vm_count];
	vm->id = (vm_id_t)(vm_count + 1);
	vm->files_of = vm->id;
	boost_init(vm);
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		vcpu_init(&vm->vcpus[i], vm, i);
	}
	return vm;
}

static struct vm *take_slot(void)
{
	struct vm *vm = vm_slot();
	vm_count += vm != NULL ? 1 : 0;
	return vm;
}

static void refuse(struct vm *vm, const struct error *error)
{
	vm->state = VM_REFUSED;
	vm->end_reason = "refused";
	log_event(vm->config.name, "refused: %s", error->text);
}

static void log_start(const struct vm *vm, const struct load_plan *plan)
{
	bool has_devices = vm->config.devices == DEVICES_PC;
	log_event(vm_name(vm), "started mem=%luK min=%luK max=%luK shares=%lu%s%s%s%s",
		  vm->config.mem_pages * 4, vm->config.min_pages * 4, vm->config.max_pages * 4,
		  vm->config.shares, has_devices ? " devices=pc kernel=" : "",
		  has_devices ? load_kind_name(plan->kind) : "",
		  vm->config.as != AS_PLAIN ? " as=" : "",
		  vm->config.as != AS_PLAIN ? personality_name(vm->config.as) : "");
}

uint64_t vm_note_built(struct vm *vm, const struct load_plan *plan, uint64_t begin_tsc)
{
	vm->held_peak_pages = vm->s2.mapped_pages;
	vm->own_pages = vm->s2.table_pages + (uint64_t)vm->config.vcpus * backend->vcpu_pages +
			(vm->config.devices == DEVICES_PC ? PLATFORM_PAGES : 0);
	vm->begun_tsc = arch_tsc();
	__atomic_store_n(&vm->state, VM_RUNNING, __ATOMIC_RELEASE);
	vm->start_ticks = arch_tsc() - begin_tsc; /* 0 for one that was refused */
	log_start(vm, plan);
	trace_note(TRACE_start, vm_trace_who(vm), vm->config.mem_pages, vm->config.max_pages);
	return vm->config.on_reboot == ON_REBOOT_RESTART ? 0 : files_release(vm);
}

/* Answers how many frames of its files are not needed any more. */
static uint64_t start_vm(unsigned index, const struct boot_module *module)
{
	uint64_t begin_tsc = arch_tsc();
	struct vm *vm = take_slot();
	struct load_plan plan;
	struct error error;
	if (vm == NULL) {
		return files_release_orphan(index); /* kernel/main.c says so */
	}
	if (make_vm(vm, index, module, &plan, &error) != STATUS_OK) {
		refuse(vm, &error);
		return files_release(vm) + files_release_orphan(index);
	}
	if (vm->config.later) {
		vm->state = VM_LATER;
		log_event(vm_name(vm),
			  "loaded mem=%luK min=%luK max=%luK: the command start begins it",
			  vm->config.mem_pages * 4, vm->config.min_pages * 4,
			  vm->config.max_pages * 4);
		return 0;
	}
	return vm_note_built(vm, &plan, begin_tsc);
}

/* A further file that no VM has taken is nobody's fault but its own, and has a slot of its own. */
static uint64_t look_at_orphan(unsigned index)
{
	struct error error;
	if (files_check_orphan(index, &error) != STATUS_OK) {
		struct vm *vm = take_slot();
		if (vm != NULL) {
			snprintf(vm->config.name, sizeof(vm->config.name), "module%u", index + 1);
			refuse(vm, &error);
		} else {
			log_event(NULL, "refused: %s", error.text);
		}
	}
	return files_release_orphan(index);
}

void vms_start(struct boot_module *modules, unsigned count, struct vms_pages *pages)
{
	memset(pages, 0, sizeof(*pages));
	files_init(modules, count);
	for (unsigned i = 0; i < count; i++) {
		if (modules[i].released) {
			continue; /* it was for the hypervisor itself */
		}
		if (!vm_config_is_file(modules[i].text)) {
			pages->freed += start_vm(i, &modules[i]);
		} else if (!files_is_taken(i)) {
			pages->freed += look_at_orphan(i);
		}
	}
	for (unsigned i = 0; i < vm_count; i++) {
		pages->kept += files_pages(&vms[i]);
	}
}

void vm_release(struct vm *vm)
{
	struct vcpu *first = &vm->vcpus[0];
	uint32_t start_info = (uint32_t)first->regs[GPR_RBX];
	CHECK(scheduler_start(first, first->entry, start_info) == STATUS_OK);
}

void vms_release(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING && vms[i].vcpus[0].state == VCPU_OFF) {
			vm_release(&vms[i]);
		}
	}
}
