/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. Boot CPU only: command line and tables go through buffers that are static. */
#include "kernel/lifecycle/load_pc.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/lib/pc_layout.h"
#include "kernel/vm/platform.h"

#define ACPI_BYTES_MAX 4096

void load_pc_map(const struct vm_config *config, struct load_pc_map_entry map[LOAD_PC_MAP_ENTRIES])
{
	uint64_t ram_bytes = config->boot_pages << PAGE_SHIFT;
	map[0] = (struct load_pc_map_entry){0, PC_LOW_RAM_END, LOAD_PC_MAP_RAM};
	map[1] = (struct load_pc_map_entry){PC_LOW_RAM_END, PC_HIGH_RAM - PC_LOW_RAM_END,
					    LOAD_PC_MAP_RESERVED};
	map[2] = (struct load_pc_map_entry){PC_HIGH_RAM, ram_bytes - PC_HIGH_RAM, LOAD_PC_MAP_RAM};
}

/* ---- Writing --------------------------------------------------------------------------------- */

void load_pc_write_at(struct load_pc_writer *writer, uint64_t address, const void *from,
		      uint64_t bytes)
{
	if (writer->status == STATUS_OK) {
		writer->status = guest_copy_out(writer->locked, (gpa_t){address}, from, bytes);
	}
}

uint32_t load_pc_write(struct load_pc_writer *writer, const void *from, uint64_t bytes)
{
	uint32_t place = writer->at;
	if (bytes > writer->end - writer->at) {
		writer->status = writer->status == STATUS_OK ? STATUS_OUTSIDE : writer->status;
		return place;
	}
	load_pc_write_at(writer, place, from, bytes);
	writer->at = (uint32_t)min_u64(align_up_u64(place + bytes, 8), writer->end);
	return place;
}

uint32_t load_pc_write_text(struct load_pc_writer *writer, const char *text)
{
	return load_pc_write(writer, text, strlen(text) + 1);
}

void load_pc_write_bios(struct load_pc_writer *writer)
{
	static const struct {
		uint32_t address;
		uint16_t value;
	} words[] = {
		{0x400, 0x3f8},		       /* port of the first serial port */
		{0x40e, PC_LOW_RAM_END >> 4},  /* segment of the extended data area */
		{0x410, 1 << 9},	       /* equipment: one serial port */
		{0x413, PC_LOW_RAM_END >> 10}, /* KiB of conventional memory */
	};
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		load_pc_write_at(writer, words[i].address, &words[i].value, sizeof(words[i].value));
	}
}

void load_pc_write_image(struct load_pc_writer *writer, const struct load_files *files,
			 const struct load_plan *plan)
{
	for (unsigned i = 0; i < plan->elf.segment_count; i++) {
		const struct elf_segment *segment = &plan->elf.segments[i];
		load_pc_write_at(writer, segment->address,
				 files->file[0].bytes + segment->file_offset, segment->file_bytes);
	}
}

void load_pc_write_files(struct load_pc_writer *writer, const struct load_files *files,
			 const struct load_plan *plan)
{
	for (unsigned i = 1; i < files->count; i++) {
		load_pc_write_at(writer, plan->place[i], files->file[i].bytes, files->file[i].size);
	}
}

static void write_acpi(struct load_pc_writer *writer, const struct vm *vm)
{
	static uint8_t tables[ACPI_BYTES_MAX];
	size_t bytes = platform_tables(vm, tables, sizeof(tables), PC_ACPI);
	CHECK(bytes > 0 && bytes <= sizeof(tables));
	load_pc_write_at(writer, PC_ACPI, tables, bytes);
}

/*
 * There is no BIOS, but kernels that want a reset jump to where it would begin: Linux does where
 * ACPI is hardware-reduced and there is no EFI, and never looks at the reset register. So the code
 * there does what a BIOS would not survive, a write to the PCI bridge's reset register.
 */
static void write_reset_vector(struct load_pc_writer *writer)
{
	static const uint8_t code[] = {
		0xb0, 0x06,	  /* mov $6, %al */
		0xba, 0xf9, 0x0c, /* mov $0xcf9, %dx */
		0xee,		  /* out %al, %dx */
		0xf4,		  /* hlt */
		0xeb, 0xfd,	  /* jmp to the hlt */
	};
	_Static_assert(sizeof(code) <= PC_ACPI_END - PC_RESET_VECTOR, "it ends at 1 MiB");
	load_pc_write_at(writer, PC_RESET_VECTOR, code, sizeof(code));
}

void load_pc_write_firmware(struct load_pc_writer *writer, const struct vm *vm)
{
	write_acpi(writer, vm);
	write_reset_vector(writer);
}

/* ---- What kernels are told ------------------------------------------------------------------- */

/* A word of the text begins with `key`. */
static bool has_key(const char *text, const char *key)
{
	size_t length = strlen(key);
	bool begins = true;
	for (; *text != '\0'; text++) {
		if (begins && strncmp(text, key, length) == 0) {
			return true;
		}
		begins = *text == ' ';
	}
	return false;
}

const char *load_pc_command_line(const char *arguments, bool is_linux, uint64_t most,
				 struct error *error)
{
	static char line[LOAD_PC_COMMAND_LINE_MAX + 1];
	static const char key[] = "tsc_early_khz=";
	char clock[40] = "";
	if (is_linux && !has_key(arguments, key)) {
		snprintf(clock, sizeof(clock), "%s%s%lu", arguments[0] != '\0' ? " " : "", key,
			 arch_tsc_khz());
	}
	uint64_t length = strlen(arguments) + strlen(clock);
	uint64_t room = min_u64(most, LOAD_PC_COMMAND_LINE_MAX);
	if (length > room) {
		(void)(error_set(error, STATUS_INVALID,
				 "its command line is %lu characters long, and its kernel takes "
				 "%lu",
				 length, room) == STATUS_OK);
		return NULL;
	}
	snprintf(line, sizeof(line), "%s%s", arguments, clock);
	return line;
}

enum status load_pc_place_files(const struct vm_config *config, const struct load_files *files,
				bool high, struct load_plan *plan, struct error *error)
{
	uint64_t ram_bytes = config->boot_pages << PAGE_SHIFT;
	uint64_t kernel_end = align_up_u64(max_u64(plan->elf.end, PC_HIGH_RAM), PAGE_BYTES);
	uint64_t bytes = 0;
	for (unsigned i = 1; i < files->count; i++) {
		bytes += align_up_u64(files->file[i].size, PAGE_BYTES);
	}
	if (bytes > sub_floor_u64(ram_bytes, kernel_end)) {
		return error_set(error, STATUS_INVALID,
				 "max=%luK is too small: its kernel needs %luK, its further files "
				 "%luK",
				 ram_bytes >> 10, kernel_end >> 10, bytes >> 10);
	}
	uint64_t place = high ? ram_bytes - bytes : kernel_end;
	for (unsigned i = 1; i < files->count; i++) {
		plan->place[i] = (uint32_t)place;
		place += align_up_u64(files->file[i].size, PAGE_BYTES);
	}
	plan->bytes = plan->elf.end + bytes;
	return STATUS_OK;
}
