/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader told us, in our own words. Filled by arch/x86/boot from multiboot2 tags. All
 * of it is copied, because the loader's boot information may lie in a page that is given back; but
 * not the map of memory, which is as long as firmware likes. The contents of modules stay where the
 * loader put them (their frames are HYPERVISOR) until arch_module_release().
 */
#ifndef ARCH_BOOT_INFO_H
#define ARCH_BOOT_INFO_H

#include "base/types.h"
#include "arch/screen.h"

#define BOOT_MODULES_MAX 128	 /* VMs, and further files of VMs */
#define BOOT_TEXTS_BYTES 0x10000 /* of all texts together; one of them may take it all */
#define BOOT_RSDP_BYTES 128

struct boot_module {
	uint64_t start; /* bytes [start, end), host-physical; an empty one is anywhere, or at 0 */
	uint64_t end;
	const char *text; /* the module's string, without the loader's quotes */
	bool text_truncated;
	bool released; /* arch_module_release() was called */
};

/* Firmware's map of memory where the loader put it, until arch/x86/boot/memory.c has read it. */
struct boot_map {
	const void *entries;
	uint32_t entry_bytes;
	unsigned count;
	unsigned senseless; /* of them, RAM beyond the last of all addresses; they are ignored */
};

struct boot_info {
	const char *command_line;
	bool command_line_truncated; /* behind a whole word */
	char loader_name[64];
	unsigned module_count;
	unsigned modules_left_out; /* behind the last place of the table */
	struct boot_module modules[BOOT_MODULES_MAX];
	struct boot_map map;
	struct screen screen;	    /* SCREEN_NONE: there is none, or: */
	const char *screen_message; /* why it cannot be used, if there is one */
	unsigned rsdp_bytes; /* of the loader's copy of ACPI's root pointer, 0 if there is none */
	uint8_t rsdp[BOOT_RSDP_BYTES] __attribute__((aligned(8)));
	uint64_t acpi_rsdp;  /* host-physical address of `rsdp`, 0 if there is none */
	unsigned text_bytes; /* used, of: */
	char texts[BOOT_TEXTS_BYTES];
};

#endif
