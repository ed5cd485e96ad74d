/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads a kernel that is entered by PVH. See the header. */
#include "kernel/lifecycle/load_pvh.h"

#include "base/string.h"
#include "kernel/lib/foreign_elf.h"
#include "kernel/lib/pc_layout.h"
#include "kernel/lifecycle/load_pc.h"

#define START_MAGIC 0x336ec578u
#define START_VERSION 1 /* the first with a map of memory */

struct hvm_start_info {
	uint32_t magic;
	uint32_t version;
	uint32_t flags;
	uint32_t module_count;
	uint64_t modules;
	uint64_t command_line;
	uint64_t rsdp;
	uint64_t map;
	uint32_t map_entries;
	uint32_t reserved;
};

struct hvm_module {
	uint64_t address;
	uint64_t bytes;
	uint64_t command_line;
	uint64_t reserved;
};

struct hvm_map_entry {
	uint64_t start;
	uint64_t bytes;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct hvm_start_info) == 56, "layout of Xen's header");
_Static_assert(sizeof(struct hvm_module) == 32, "layout of Xen's header");
_Static_assert(sizeof(struct hvm_map_entry) == 24, "layout of Xen's header");

enum status load_pvh_plan(const struct vm_config *config, const struct load_files *files,
			  struct load_plan *plan, struct error *error)
{
	const struct load_file *kernel = &files->file[0];
	struct foreign_elf_notes notes;
	uint64_t other_entry; /* that of the boot protocol for which the ELF header was made */
	foreign_elf_notes(kernel->bytes, kernel->size, &notes);
	plan->is_linux = notes.is_linux;
	enum status status =
		foreign_elf_check(kernel->bytes, kernel->size, config->boot_pages << PAGE_SHIFT,
				  &plan->elf, &other_entry, error);
	if (status == STATUS_OK) {
		status = foreign_elf_set_entry(&plan->elf, notes.pvh_entry, error);
	}
	if (status == STATUS_OK) {
		/* Linux uses what is behind it before it looks where its initrd is. */
		status = load_pc_place_files(config, files, notes.is_linux, plan, error);
	}
	if (status == STATUS_OK && load_pc_command_line(kernel->text, notes.is_linux,
							LOAD_PC_COMMAND_LINE_MAX, error) == NULL) {
		status = STATUS_INVALID;
	}
	return status;
}

static uint64_t write_modules(struct load_pc_writer *writer, const struct load_files *files,
			      const struct load_plan *plan)
{
	struct hvm_module modules[LOAD_FILES_MAX] = {0};
	for (unsigned i = 1; i < files->count; i++) {
		modules[i - 1] = (struct hvm_module){
			.address = plan->place[i],
			.bytes = files->file[i].size,
			.command_line = files->file[i].text[0] == '\0'
						? 0
						: load_pc_write_text(writer, files->file[i].text),
		};
	}
	return load_pc_write(writer, modules, (files->count - 1) * sizeof(modules[0]));
}

static uint64_t write_map(struct load_pc_writer *writer, const struct vm_config *config)
{
	struct load_pc_map_entry map[LOAD_PC_MAP_ENTRIES];
	struct hvm_map_entry entries[LOAD_PC_MAP_ENTRIES] = {0};
	load_pc_map(config, map);
	for (unsigned i = 0; i < LOAD_PC_MAP_ENTRIES; i++) {
		entries[i].start = map[i].start;
		entries[i].bytes = map[i].bytes;
		entries[i].type = map[i].type;
	}
	return load_pc_write(writer, entries, sizeof(entries));
}

enum status load_pvh_run(struct vm *vm, const struct load_files *files,
			 const struct load_plan *plan, struct load_entry *entry,
			 struct error *error)
{
	const char *line = load_pc_command_line(files->file[0].text, plan->is_linux,
						LOAD_PC_COMMAND_LINE_MAX, error);
	if (line == NULL) {
		return STATUS_INVALID;
	}
	struct load_pc_writer writer = {
		.locked = s2_lock(&vm->s2),
		.at = PC_TABLES,
		.end = PC_LOW_RAM_END,
	};
	load_pc_write_bios(&writer);
	load_pc_write_image(&writer, files, plan);
	load_pc_write_files(&writer, files, plan);
	struct hvm_start_info info = {
		.magic = START_MAGIC,
		.version = START_VERSION,
		.module_count = files->count - 1,
		.rsdp = PC_ACPI,
		.map_entries = LOAD_PC_MAP_ENTRIES,
	};
	info.command_line = load_pc_write_text(&writer, line);
	info.modules = files->count > 1 ? write_modules(&writer, files, plan) : 0;
	info.map = write_map(&writer, &vm->config);
	entry->eip = plan->elf.entry;
	entry->ebx = load_pc_write(&writer, &info, sizeof(info));
	load_pc_write_firmware(&writer, vm);
	s2_unlock(writer.locked);
	return writer.status;
}
