/* SPDX-License-Identifier: BSD-2-Clause */
/* Loads a Linux kernel. See the header. */
#include "kernel/lifecycle/load_linux.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/lib/pc_layout.h"
#include "kernel/lifecycle/load_pc.h"

/* Offsets in the zero page. What is not written is zero, as it must be. */
#define ZERO_PAGE_RSDP 0x070
#define ZERO_PAGE_MAP_COUNT 0x1e8
#define ZERO_PAGE_LOADER 0x210
#define ZERO_PAGE_LOAD_FLAGS 0x211
#define ZERO_PAGE_CODE32_START 0x214
#define ZERO_PAGE_INITRD 0x218
#define ZERO_PAGE_INITRD_BYTES 0x21c
#define ZERO_PAGE_COMMAND_LINE 0x228
#define ZERO_PAGE_SETUP_DATA 0x250
#define ZERO_PAGE_MAP 0x2d0
#define ZERO_PAGE_MAP_ENTRY_BYTES 20
#define ZERO_PAGE_BYTES 4096

#define LOADER_UNKNOWN 0xff  /* no number was ever given to us */
#define LOAD_FLAGS_KEPT 0x3f /* neither KEEP_SEGMENTS nor CAN_USE_HEAP */
#define INITRD_ALIGN 4

static uint64_t initrd_bytes(const struct load_files *files)
{
	uint64_t bytes = 0;
	for (unsigned i = 1; i < files->count; i++) {
		bytes = align_up_u64(bytes, INITRD_ALIGN) + files->file[i].size;
	}
	return bytes;
}

enum status load_linux_plan(const struct vm_config *config, const struct load_files *files,
			    struct load_plan *plan, struct error *error)
{
	uint64_t initrd;
	plan->is_linux = true;
	for (unsigned i = 1; i < files->count; i++) {
		if (files->file[i].text[0] != '\0') {
			return error_set(error, STATUS_INVALID,
					 "its initrd takes no text, and behind of=%s -- there is "
					 "some",
					 config->name);
		}
	}
	enum status status =
		bzimage_check(files->file[0].bytes, files->file[0].size, &plan->bzimage, error);
	if (status == STATUS_OK) {
		status = bzimage_place(&plan->bzimage, config->boot_pages << PAGE_SHIFT,
				       initrd_bytes(files), &initrd, error);
	}
	if (status != STATUS_OK) {
		return status;
	}
	if (load_pc_command_line(files->file[0].text, true, plan->bzimage.command_line_max,
				 error) == NULL) {
		return STATUS_INVALID;
	}
	uint64_t at = initrd;
	for (unsigned i = 1; i < files->count; i++) {
		at = align_up_u64(at, INITRD_ALIGN);
		plan->place[i] = (uint32_t)at;
		at += files->file[i].size;
	}
	plan->bytes = plan->bzimage.end + initrd_bytes(files);
	return STATUS_OK;
}

static void write_8(struct load_pc_writer *writer, uint32_t offset, uint8_t value)
{
	load_pc_write_at(writer, PC_TABLES + offset, &value, sizeof(value));
}

static void write_32(struct load_pc_writer *writer, uint32_t offset, uint32_t value)
{
	load_pc_write_at(writer, PC_TABLES + offset, &value, sizeof(value));
}

static void write_64(struct load_pc_writer *writer, uint32_t offset, uint64_t value)
{
	load_pc_write_at(writer, PC_TABLES + offset, &value, sizeof(value));
}

static void write_map(struct load_pc_writer *writer, const struct vm_config *config)
{
	struct load_pc_map_entry map[LOAD_PC_MAP_ENTRIES];
	load_pc_map(config, map);
	write_8(writer, ZERO_PAGE_MAP_COUNT, LOAD_PC_MAP_ENTRIES);
	for (unsigned i = 0; i < LOAD_PC_MAP_ENTRIES; i++) {
		uint32_t at = ZERO_PAGE_MAP + i * ZERO_PAGE_MAP_ENTRY_BYTES;
		write_64(writer, at, map[i].start);
		write_64(writer, at + 8, map[i].bytes);
		write_32(writer, at + 16, map[i].type);
	}
}

/* The kernel's own setup header, with what a boot loader fills in. */
static void write_header(struct load_pc_writer *writer, const struct load_files *files,
			 const struct load_plan *plan, uint32_t command_line)
{
	const struct bzimage *image = &plan->bzimage;
	const uint8_t *file = files->file[0].bytes;
	load_pc_write_at(writer, PC_TABLES + BZIMAGE_HEADER_START, file + BZIMAGE_HEADER_START,
			 image->header_end - BZIMAGE_HEADER_START);
	write_8(writer, ZERO_PAGE_LOADER, LOADER_UNKNOWN);
	write_8(writer, ZERO_PAGE_LOAD_FLAGS, file[ZERO_PAGE_LOAD_FLAGS] & LOAD_FLAGS_KEPT);
	write_32(writer, ZERO_PAGE_CODE32_START, image->entry);
	write_32(writer, ZERO_PAGE_INITRD, files->count > 1 ? plan->place[1] : 0);
	write_32(writer, ZERO_PAGE_INITRD_BYTES, (uint32_t)initrd_bytes(files));
	write_32(writer, ZERO_PAGE_COMMAND_LINE, command_line);
	write_64(writer, ZERO_PAGE_SETUP_DATA, 0);
}

enum status load_linux_run(struct vm *vm, const struct load_files *files,
			   const struct load_plan *plan, struct load_entry *entry,
			   struct error *error)
{
	const struct bzimage *image = &plan->bzimage;
	const char *line =
		load_pc_command_line(files->file[0].text, true, image->command_line_max, error);
	if (line == NULL) {
		return STATUS_INVALID;
	}
	struct load_pc_writer writer = {
		.locked = s2_lock(&vm->s2),
		.at = PC_TABLES + ZERO_PAGE_BYTES,
		.end = PC_LOW_RAM_END,
	};
	load_pc_write_bios(&writer);
	load_pc_write_at(&writer, image->load, files->file[0].bytes + image->kernel_offset,
			 image->kernel_bytes);
	load_pc_write_files(&writer, files, plan);
	write_header(&writer, files, plan, load_pc_write_text(&writer, line));
	write_64(&writer, ZERO_PAGE_RSDP, PC_ACPI);
	write_map(&writer, &vm->config);
	load_pc_write_firmware(&writer, vm);
	s2_unlock(writer.locked);
	*entry = (struct load_entry){.eip = image->entry, .esi = PC_TABLES};
	return writer.status;
}
