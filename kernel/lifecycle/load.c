/* SPDX-License-Identifier: BSD-2-Clause */
/* Which loader is for which kind of kernel, and what kinds have in common. See the header. */
#include "kernel/lifecycle/load.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/lifecycle/load_linux.h"
#include "kernel/lifecycle/load_multiboot.h"
#include "kernel/lifecycle/load_native.h"
#include "kernel/lifecycle/load_pvh.h"
#include "kernel/lib/pc_layout.h"
#include "kernel/vm/platform.h"
#include "mm/promise.h"

/* Its tables lie below 1 MiB, and a kernel needs some memory besides. */
#define PC_RAM_BYTES_MIN MIB(2)

static const char *const kind_names[] = {
	[IMAGE_NATIVE] = "native",
	[IMAGE_LINUX] = "Linux",
	[IMAGE_PVH] = "PVH",
	[IMAGE_MULTIBOOT] = "multiboot",
};

const char *load_kind_name(enum image_kind kind)
{
	return kind_names[kind];
}

/* devices= and on-reboot= as the kind of kernel has them where they are not given. */
static enum status settle_devices(struct vm_config *config, enum image_kind kind,
				  struct error *error)
{
	if (config->devices == DEVICES_BY_IMAGE) {
		config->devices = kind == IMAGE_NATIVE ? DEVICES_NONE : DEVICES_PC;
	}
	if (config->devices == DEVICES_NONE) {
		if (kind != IMAGE_NATIVE) {
			return error_set(error, STATUS_INVALID,
					 "devices=none is not for its %s kernel, which needs a PC",
					 load_kind_name(kind));
		}
		if (config->on_reboot != ON_REBOOT_DEFAULT) {
			return error_set(error, STATUS_INVALID,
					 "on-reboot= is for VMs with devices=pc: without devices "
					 "it cannot reset itself");
		}
		if (config->as != AS_PLAIN) {
			return error_set(
				error, STATUS_INVALID,
				"as=%s is for VMs with devices=pc: its balloon is a device",
				personality_name(config->as));
		}
		return STATUS_OK;
	}
	uint64_t ram_bytes = config->max_pages << PAGE_SHIFT;
	if (ram_bytes < PC_RAM_BYTES_MIN || ram_bytes > PLATFORM_RAM_END_MAX) {
		return error_set(
			error, STATUS_INVALID,
			"max=%luK is not what a VM with devices=pc can have: %luK to %lluK",
			ram_bytes >> 10, PC_RAM_BYTES_MIN >> 10, PLATFORM_RAM_END_MAX >> 10);
	}
	if (config->boot_pages << PAGE_SHIFT < PC_RAM_BYTES_MIN) {
		return error_set(error, STATUS_INVALID,
				 "startup=%luK is less than the %luK that devices=pc needs",
				 config->boot_pages * 4, PC_RAM_BYTES_MIN >> 10);
	}
	if (config->on_reboot == ON_REBOOT_DEFAULT) {
		config->on_reboot = ON_REBOOT_RESTART;
	}
	return STATUS_OK;
}

enum status load_plan(struct vm_config *config, const struct load_files *files,
		      struct load_plan *plan, struct error *error)
{
	const struct load_file *kernel = &files->file[0];
	memset(plan, 0, sizeof(*plan));
	error->text[0] = '\0';
	plan->kind = image_kind(kernel->bytes, kernel->size);
	if (config->devices == DEVICES_NONE && image_may_be_native(kernel->bytes, kernel->size)) {
		plan->kind = IMAGE_NATIVE;
	}
	enum status status = settle_devices(config, plan->kind, error);
	if (status != STATUS_OK) {
		return status;
	}
	switch (plan->kind) {
	case IMAGE_NATIVE:
		break;
	case IMAGE_LINUX:
		return load_linux_plan(config, files, plan, error);
	case IMAGE_PVH:
		return load_pvh_plan(config, files, plan, error);
	case IMAGE_MULTIBOOT:
		return load_multiboot_plan(config, files, plan, error);
	}
	return load_native_plan(config, files, plan, error);
}

static enum status run_loader(struct vm *vm, const struct load_files *files,
			      const struct load_plan *plan, struct load_entry *entry,
			      struct error *error)
{
	switch (plan->kind) {
	case IMAGE_NATIVE:
		break;
	case IMAGE_LINUX:
		return load_linux_run(vm, files, plan, entry, error);
	case IMAGE_PVH:
		return load_pvh_run(vm, files, plan, entry, error);
	case IMAGE_MULTIBOOT:
		return load_multiboot_run(vm, files, plan, entry, error);
	}
	return load_native_run(vm, files, plan, entry, error);
}

enum status load_run(struct vm *vm, const struct load_files *files, const struct load_plan *plan,
		     struct load_entry *entry, struct error *error)
{
	memset(entry, 0, sizeof(*entry));
	error->text[0] = '\0';
	enum status status = run_loader(vm, files, plan, entry, error);
	if (status == STATUS_NO_MEMORY) {
		return error_set(error, status,
				 "the host is too small: its image needs %luK, and %luK are free",
				 plan->bytes >> 10, promise_spare() * 4);
	}
	if (status == STATUS_OUTSIDE && error->text[0] == '\0') {
		return error_set(error, status,
				 "its command line and the texts of its files take more than the "
				 "%uK that are kept for them",
				 (PC_LOW_RAM_END - PC_TABLES) >> 10);
	}
	return status;
}
