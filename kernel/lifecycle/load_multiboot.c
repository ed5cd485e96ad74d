/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads a multiboot kernel. See the header. */
#include "kernel/lifecycle/load_multiboot.h"

#include "base/string.h"
#include "kernel/lib/multiboot1.h"
#include "kernel/lib/pc_layout.h"
#include "kernel/lifecycle/load_pc.h"

#define LOADER_MAGIC 0x2badb002u /* in EAX */

#define HAS_MEMORY 0x001u
#define HAS_COMMAND_LINE 0x004u
#define HAS_MODULES 0x008u
#define HAS_MAP 0x040u
#define HAS_LOADER_NAME 0x200u

struct multiboot_info {
	uint32_t flags;
	uint32_t lower_kib; /* RAM from 0, */
	uint32_t upper_kib; /* and from 1 MiB */
	uint32_t boot_device;
	uint32_t command_line;
	uint32_t module_count;
	uint32_t modules;
	uint32_t symbols[4];
	uint32_t map_bytes;
	uint32_t map;
	uint32_t drives[2];
	uint32_t bios_table;
	uint32_t loader_name;
	uint32_t rest[13]; /* APM, VBE and framebuffer, which are not there */
};

struct multiboot_module {
	uint32_t start;
	uint32_t end;
	uint32_t text;
	uint32_t reserved;
};

struct multiboot_map_entry {
	uint32_t bytes_that_follow;
	uint32_t start[2]; /* low half first: at a multiple of 4 only */
	uint32_t bytes[2];
	uint32_t type;
};

_Static_assert(sizeof(struct multiboot_info) == 120, "layout of the specification");
_Static_assert(sizeof(struct multiboot_module) == 16, "layout of the specification");
_Static_assert(sizeof(struct multiboot_map_entry) == 24, "layout of the specification");

enum status load_multiboot_plan(const struct vm_config *config, const struct load_files *files,
				struct load_plan *plan, struct error *error)
{
	const struct load_file *kernel = &files->file[0];
	enum status status = multiboot1_check(kernel->bytes, kernel->size,
					      config->boot_pages << PAGE_SHIFT, &plan->elf, error);
	if (status == STATUS_OK) {
		/* Where every loader puts them: kernels rely on their being within reach. */
		status = load_pc_place_files(config, files, false, plan, error);
	}
	if (status == STATUS_OK &&
	    load_pc_command_line(kernel->text, false, LOAD_PC_COMMAND_LINE_MAX, error) == NULL) {
		status = STATUS_INVALID;
	}
	return status;
}

static uint32_t write_modules(struct load_pc_writer *writer, const struct load_files *files,
			      const struct load_plan *plan)
{
	struct multiboot_module modules[LOAD_FILES_MAX] = {0};
	for (unsigned i = 1; i < files->count; i++) {
		modules[i - 1] = (struct multiboot_module){
			.start = plan->place[i],
			.end = plan->place[i] + (uint32_t)files->file[i].size,
			.text = load_pc_write_text(writer, files->file[i].text),
		};
	}
	return load_pc_write(writer, modules, (files->count - 1) * sizeof(modules[0]));
}

static uint32_t write_map(struct load_pc_writer *writer, const struct vm_config *config)
{
	struct load_pc_map_entry map[LOAD_PC_MAP_ENTRIES];
	struct multiboot_map_entry entries[LOAD_PC_MAP_ENTRIES];
	load_pc_map(config, map);
	for (unsigned i = 0; i < LOAD_PC_MAP_ENTRIES; i++) {
		entries[i] = (struct multiboot_map_entry){
			.bytes_that_follow = sizeof(entries[i]) - sizeof(uint32_t),
			.start = {(uint32_t)map[i].start, (uint32_t)(map[i].start >> 32)},
			.bytes = {(uint32_t)map[i].bytes, (uint32_t)(map[i].bytes >> 32)},
			.type = map[i].type,
		};
	}
	return load_pc_write(writer, entries, sizeof(entries));
}

enum status load_multiboot_run(struct vm *vm, const struct load_files *files,
			       const struct load_plan *plan, struct load_entry *entry,
			       struct error *error)
{
	const char *line =
		load_pc_command_line(files->file[0].text, false, LOAD_PC_COMMAND_LINE_MAX, error);
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
	struct multiboot_info info = {
		.flags = HAS_MEMORY | HAS_COMMAND_LINE | HAS_MODULES | HAS_MAP | HAS_LOADER_NAME,
		.lower_kib = PC_LOW_RAM_END >> 10,
		.upper_kib =
			(uint32_t)(((vm->config.boot_pages << PAGE_SHIFT) - PC_HIGH_RAM) >> 10),
		.module_count = files->count - 1,
		.map_bytes = LOAD_PC_MAP_ENTRIES * sizeof(struct multiboot_map_entry),
	};
	info.command_line = load_pc_write_text(&writer, line);
	info.loader_name = load_pc_write_text(&writer, "Aerostat");
	info.modules = files->count > 1 ? write_modules(&writer, files, plan) : 0;
	info.map = write_map(&writer, &vm->config);
	entry->eip = plan->elf.entry;
	entry->eax = LOADER_MAGIC;
	entry->ebx = load_pc_write(&writer, &info, sizeof(info));
	load_pc_write_firmware(&writer, vm);
	s2_unlock(writer.locked);
	return writer.status;
}
