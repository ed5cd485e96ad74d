/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See start.h. All is checked before anything is built, and a VM that could not be built leaves
 * nothing behind: a slot counts only when its VM is there.
 */
#include "kernel/lifecycle/start.h"

#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/files.h"
#include "kernel/lifecycle/load.h"
#include "kernel/lifecycle/restart.h"
#include "kernel/vm/vm.h"

static enum status refuse(const struct vm *of, struct error *error)
{
	bool held = files_are_held(of);
	const char *why = vm_is_alive(of)	    ? "runs already"
			  : of->state == VM_REFUSED ? "was refused at boot"
						    : "has ended";
	return error_set(error, STATUS_INVALID, "%s %s%s", vm_name(of), why,
			 held ? ": another VM of its module needs a name of its own, name=NEW"
			      : ", and its module was given back");
}

static bool has_name(const struct word *changes, unsigned count)
{
	bool has = false;
	for (unsigned i = 0; i < count; i++) {
		has = has || (changes[i].length >= 5 && memcmp(changes[i].text, "name=", 5) == 0);
	}
	return has;
}

/* A failure leaves nothing behind but the configuration. */
static enum status build(struct vm *vm, const struct vm_config *config, struct load_plan *plan,
			 struct error *error)
{
	struct load_files files;
	vm->config = *config;
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		vcpu_init(&vm->vcpus[i], vm, i);
	}
	enum status status = vm_check(vm, error);
	if (status == STATUS_OK) {
		files_find(vm, &files);
		status = load_plan(&vm->config, &files, plan, error);
	}
	if (status == STATUS_OK) {
		status = vm_create(vm, &files, plan, error);
	}
	if (status == STATUS_OK) {
		vm_request_flush(vm);
	}
	return status;
}

enum status vm_start(struct vm *of, const struct word *changes, unsigned count, struct error *error)
{
	uint64_t begin_tsc = arch_tsc();
	struct vm_config config;
	struct load_plan plan;
	if (!files_are_held(of) || (of->state != VM_LATER && !has_name(changes, count))) {
		return refuse(of, error);
	}
	enum status status =
		vm_config_parse_changed(files_text(of), changes, count, &config, error);
	if (status != STATUS_OK) {
		return status;
	}
	bool itself = of->state == VM_LATER && strcmp(config.name, vm_name(of)) == 0;
	struct vm *vm = itself ? of : vm_slot();
	if (vm == NULL) {
		return error_set(error, STATUS_NO_MEMORY,
				 "there is place for %d VMs, and all are taken", VMS_MAX);
	}
	vm->files_of = of->files_of;
	const struct vm_config before = vm->config;
	status = build(vm, &config, &plan, error);
	if (status != STATUS_OK) {
		vm->config = before;
		return status;
	}
	vm_count += itself ? 0 : 1;
	(void)vm_note_built(vm, &plan, begin_tsc);
	vm_release(vm);
	return STATUS_OK;
}

void vm_forget(struct vm *vm, const char *reason)
{
	vm->end_reason = reason;
	vm->state = VM_KILLED;
	(void)files_release(vm);
	log_event(vm_name(vm), "killed: %s", reason);
}
