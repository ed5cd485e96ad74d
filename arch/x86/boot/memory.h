/* SPDX-License-Identifier: BSD-2-Clause */
/* From the loader's memory map to final page tables and a frame table. */
#ifndef ARCH_X86_BOOT_MEMORY_H
#define ARCH_X86_BOOT_MEMORY_H

#include "base/types.h"
#include "kernel/boot_info.h"

#define MEMORY_SENTENCE_BYTES 200

/*
 * `information` is where the loader's boot information lies. False: `sentence`
 * (MEMORY_SENTENCE_BYTES) says why this machine's memory is not enough.
 */
bool memory_init(const struct boot_info *info, hpa_t information, size_t information_bytes,
		 char *sentence);

/* Bytes of RAM that the machine has for us, and of those the frame table takes. */
uint64_t memory_ram_bytes(void);
uint64_t memory_table_bytes(void);

#endif
