/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM is made of a module at boot: its string is parsed, its image checked, its minimum promised,
 * its memory and vCPUs created. A module that is not acceptable leaves a REFUSED slot and nothing
 * else.
 */
#include "kernel/lifecycle/build.h"

#include "base/bits.h"
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

static void refuse(struct vm *vm, const char *sentence)
{
	vm->state = VM_REFUSED;
	vm->end_reason = "refused";
	log_event(vm->config.name, "refused: %s", sentence);
}

/* The arithmetic of a promise that cannot be made. */
static void refuse_promise(struct vm *vm)
{
	char sentence[VM_SENTENCE_BYTES];
	uint64_t tables = s2_table_pages_worst(vm->config.max_pages);
	snprintf(sentence, sizeof(sentence),
		 "min=%lluK and %lluK for its page tables are more than the %lluK that are not "
		 "promised to others",
		 (unsigned long long)vm->config.min_pages * 4, (unsigned long long)tables * 4,
		 (unsigned long long)promise_spare() * 4);
	refuse(vm, sentence);
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
			   uint32_t *start_info, char *sentence)
{
	enum status status = loader_load(vm, file, image, start_info);
	if (status == STATUS_OUTSIDE) {
		snprintf(sentence, VM_SENTENCE_BYTES,
			 "max=%lluK leaves no page for the start information behind its image",
			 (unsigned long long)vm->config.max_pages * 4);
		return status;
	}
	if (status == STATUS_OK) {
		status = create_vcpus(vm);
	}
	if (status != STATUS_OK) {
		snprintf(sentence, VM_SENTENCE_BYTES,
			 "the host is too small: its image needs %lluK, and %lluK are free",
			 (unsigned long long)(image->end + KIB(64)) >> 10,
			 (unsigned long long)promise_spare() * 4);
	}
	return status;
}

/* `begin_tsc` is when its start began: only one that runs has taken any time to. */
static void start_checked(struct vm *vm, const void *file, const struct elf_image *image,
			  uint64_t begin_tsc)
{
	char sentence[VM_SENTENCE_BYTES];
	uint32_t start_info;
	enum status status = s2_create(&vm->s2, backend->s2_format(), vm->id, vm->config.max_pages,
				       vm->config.min_pages);
	if (status != STATUS_OK) {
		refuse_promise(vm);
		return;
	}
	vm->s2_exists = true;
	status = furnish(vm, file, image, &start_info, sentence);
	if (status != STATUS_OK) {
		while (!s2_destroy_step(&vm->s2, TEARDOWN_ENTRIES_PER_STEP)) {
		}
		vm->s2_exists = false;
		refuse(vm, sentence);
		return;
	}
	vm->held_peak_pages = vm->s2.mapped_pages;
	__atomic_store_n(&vm->state, VM_RUNNING, __ATOMIC_RELEASE);
	vm->start_ticks = arch_tsc() - begin_tsc;
	log_event(vm_name(vm), "started mem=%lluK min=%lluK max=%lluK shares=%llu",
		  (unsigned long long)vm->config.mem_pages * 4,
		  (unsigned long long)vm->config.min_pages * 4,
		  (unsigned long long)vm->config.max_pages * 4,
		  (unsigned long long)vm->config.shares);
	vm->vcpus[0].entry = image->entry;
	vm->vcpus[0].regs[GPR_RBX] = start_info;
}

/* It must be able to run somewhere. */
static bool has_cpu(const struct vm *vm)
{
	uint64_t all = ~0ull >> (64 - arch_cpu_count());
	return (vm->config.cpu_mask & all) != 0;
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
	char sentence[VM_SENTENCE_BYTES];
	enum status status = vm_config_parse(module->text, &vm->config, sentence);
	if (vm->config.name[0] == '\0') {
		snprintf(vm->config.name, sizeof(vm->config.name), "module%u", vm_count);
	}
	if (module->text_truncated) {
		refuse(vm, "its command line is longer than the hypervisor keeps");
		return;
	}
	if (status != STATUS_OK) {
		refuse(vm, sentence);
		return;
	}
	if (name_is_taken(vm)) {
		snprintf(sentence, sizeof(sentence), "name=%s is used twice", vm->config.name);
		refuse(vm, sentence);
		return;
	}
	if (!has_cpu(vm)) {
		snprintf(sentence, sizeof(sentence),
			 "cpu= names none of the %u processors that run", arch_cpu_count());
		refuse(vm, sentence);
		return;
	}
	const void *file = phys_to_virt((hpa_t){module->start});
	struct elf_image image;
	status = elf_check(file, module->end - module->start, vm->config.max_pages << PAGE_SHIFT,
			   &image, sentence);
	if (status != STATUS_OK) {
		refuse(vm, sentence);
		return;
	}
	start_checked(vm, file, &image, begin_tsc);
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
