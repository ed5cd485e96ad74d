/* SPDX-License-Identifier: BSD-2-Clause */
/* From the loader's memory map to final page tables and a frame table. */
#ifndef ARCH_X86_BOOT_MEMORY_H
#define ARCH_X86_BOOT_MEMORY_H

#include "base/error.h"
#include "base/types.h"
#include "arch/boot_info.h"

/*
 * `info` is kept: it says what arch_module_release() gives back. `information` is where the
 * loader's boot information lies. NO_MEMORY: *error says why this machine's memory is not enough.
 */
MUST_CHECK enum status memory_init(const struct boot_info *info, hpa_t information,
				   size_t information_bytes, struct error *error);

/*
 * A page below 640 KiB in which other processors can start, 0 if there is none. *borrowed: it holds
 * something of the loader's, which the caller puts back afterwards.
 */
uint64_t memory_find_low_page(bool *borrowed);

/* Gives the frames of the loader's boot information back: all of it has been copied. Once. */
void memory_release_information(void);

/* Bytes of RAM that the machine has for us, and of those the frame table takes. */
uint64_t memory_ram_bytes(void);
uint64_t memory_table_bytes(void);

#endif
