/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the boot loader told us, in our own words. Filled by arch/x86/boot from multiboot2 tags; the
 * text is copied, module contents stay where the loader put them (their frames are HYPERVISOR).
 */
#ifndef KERNEL_BOOT_INFO_H
#define KERNEL_BOOT_INFO_H

#include "base/types.h"

#define BOOT_MODULES_MAX 64
#define BOOT_TEXT_BYTES 1024
#define BOOT_REGIONS_MAX 256

struct boot_module {
	uint64_t start; /* bytes [start, end), host-physical */
	uint64_t end;
	char text[BOOT_TEXT_BYTES]; /* the module's string; see text_truncated */
	bool text_truncated;
};

struct boot_region {
	uint64_t start; /* bytes [start, end), as firmware gave them: unsorted, may overlap */
	uint64_t end;
	bool available;
};

struct boot_info {
	char command_line[BOOT_TEXT_BYTES];
	char loader_name[64];
	unsigned module_count;
	struct boot_module modules[BOOT_MODULES_MAX];
	unsigned region_count;
	struct boot_region regions[BOOT_REGIONS_MAX];
	uint64_t acpi_rsdp; /* host-physical address of the tag's copy of the RSDP, 0 if none */
};

#endif
