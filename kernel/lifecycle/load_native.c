/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Fills a new guest's memory. Bytes of a segment that are not in the file are left alone: memory
 * that was never written reads as zero. Boot CPU, before the guest runs.
 */
#include "kernel/lifecycle/load_native.h"

#include "base/bits.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "mm/guest_copy.h"

static void fill_start_info(const struct vm *vm, uint64_t kernel_end,
			    struct aerostat_start_info *info)
{
	memset(info, 0, sizeof(*info));
	info->magic = AEROSTAT_START_MAGIC;
	info->version = AEROSTAT_ABI_VERSION;
	info->ram_pages = vm->config.max_pages;
	info->mem_pages = vm->config.mem_pages;
	info->min_pages = vm->config.min_pages;
	info->tsc_khz = arch_tsc_khz();
	info->kernel_end = kernel_end;
	memcpy(info->name, vm->config.name, sizeof(vm->config.name));
	memcpy(info->command_line, vm->config.arguments, strlen(vm->config.arguments) + 1);
}

_Static_assert(AEROSTAT_NAME_BYTES == VM_NAME_BYTES, "the ABI carries the whole name");

enum status load_native_plan(const struct vm_config *config, const struct load_files *files,
			     struct load_plan *plan, struct error *error)
{
	size_t length = strlen(config->arguments);
	if (files->count > 1) {
		return error_set(error, STATUS_INVALID,
				 "a native guest takes no further file, and there is one with "
				 "of=%s",
				 config->name);
	}
	if (length >= AEROSTAT_COMMAND_LINE_BYTES) {
		return error_set(error, STATUS_INVALID,
				 "the guest's arguments are %lu bytes long, more than %d", length,
				 AEROSTAT_COMMAND_LINE_BYTES - 1);
	}
	enum status status = elf_check(files->file[0].bytes, files->file[0].size,
				       config->max_pages << PAGE_SHIFT, &plan->elf, error);
	plan->bytes = plan->elf.end + KIB(64); /* its tables and its vCPUs, about */
	return status;
}

enum status load_native_run(struct vm *vm, const struct load_files *files,
			    const struct load_plan *plan, struct load_entry *entry,
			    struct error *error)
{
	const struct elf_image *image = &plan->elf;
	struct s2_locked locked = s2_lock(&vm->s2);
	enum status status = STATUS_OK;
	for (unsigned i = 0; status == STATUS_OK && i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];
		status = guest_copy_out(locked, (gpa_t){segment->address},
					files->file[0].bytes + segment->file_offset,
					segment->file_bytes);
	}
	gpa_t place = {align_up_u64(image->end, PAGE_BYTES)};
	if (status == STATUS_OK && place.v > UINT32_MAX) {
		status = STATUS_OUTSIDE;
	}
	if (status == STATUS_OK) {
		struct aerostat_start_info info;
		fill_start_info(vm, place.v + PAGE_BYTES, &info);
		*entry = (struct load_entry){.eip = image->entry, .ebx = (uint32_t)place.v};
		status = guest_copy_out(locked, place, &info, sizeof(info));
	}
	s2_unlock(locked);
	if (status == STATUS_OUTSIDE) {
		return error_set(error, status,
				 "max=%luK leaves no page for the start information behind its "
				 "image",
				 vm->config.max_pages * 4);
	}
	return status;
}
