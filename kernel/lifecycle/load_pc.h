/* SPDX-License-Identifier: BSD-2-Clause */
/* What loaders of kernels for a PC have in common. kernel/lib/pc_layout.h says what lies where. */
#ifndef KERNEL_LIFECYCLE_LOAD_PC_H
#define KERNEL_LIFECYCLE_LOAD_PC_H

#include "kernel/lifecycle/load.h"
#include "mm/guest_copy.h"

/* A place in guest memory that is filled from low to high addresses; the first error stays. */
struct load_pc_writer {
	struct s2_locked locked;
	uint32_t at; /* guest-physical */
	uint32_t end;
	enum status status;
};

/* Its RAM as kernels are told. */
#define LOAD_PC_MAP_ENTRIES 3u
struct load_pc_map_entry {
	uint64_t start;
	uint64_t bytes;
	uint32_t type; /* as in the map that a BIOS answers with */
};
#define LOAD_PC_MAP_RAM 1u
#define LOAD_PC_MAP_RESERVED 2u
void load_pc_map(const struct vm_config *config, struct load_pc_map_entry map[LOAD_PC_MAP_ENTRIES]);

/* Writes bytes at an address, whatever the writer's place and end are. */
void load_pc_write_at(struct load_pc_writer *writer, uint64_t address, const void *from,
		      uint64_t bytes);

/*
 * Writes bytes, or a text with its zero, at the writer's place, and answers their address. The
 * place moves behind it, to the next multiple of 8. Beyond its end: OUTSIDE.
 */
uint32_t load_pc_write(struct load_pc_writer *writer, const void *from, uint64_t bytes);
uint32_t load_pc_write_text(struct load_pc_writer *writer, const char *text);

/*
 * What a BIOS leaves below 1 MiB: its data area says where the first serial port is and where RAM
 * ends. Before the kernel is written, which may lie over it. Xen's own boot code reads it.
 */
void load_pc_write_bios(struct load_pc_writer *writer);

/* The segments of an ELF image, and the further files at their places. */
void load_pc_write_image(struct load_pc_writer *writer, const struct load_files *files,
			 const struct load_plan *plan);
void load_pc_write_files(struct load_pc_writer *writer, const struct load_files *files,
			 const struct load_plan *plan);

/* ACPI's tables (kernel/vm/platform.h); its root pointer is at PC_ACPI. */
void load_pc_write_acpi(struct load_pc_writer *writer, const struct vm *vm);

#define LOAD_PC_COMMAND_LINE_MAX 4095u /* characters; no kernel takes more */

/*
 * The command line, in a buffer that the next call uses again: the VM's arguments, and for a Linux
 * the rate of its clock behind them, unless it is there: kernels that find no timer to measure it
 * by take it from there. NULL, with *error: it is longer than `most` characters.
 */
const char *load_pc_command_line(const char *arguments, bool is_linux, uint64_t most,
				 struct error *error);

/*
 * Places the further files one behind the other, each on a page of its own: behind the kernel, or
 * where `high` so that the last one ends at max. INVALID, with *error: RAM is too small.
 */
MUST_CHECK enum status load_pc_place_files(const struct vm_config *config,
					   const struct load_files *files, bool high,
					   struct load_plan *plan, struct error *error);

#endif
