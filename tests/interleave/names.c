/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of addresses, for a schedule that is shown: from the program's own symbol table. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "interleave/cpus.h"
#include "mm/frame.h"
#include "mm/phys.h"

static const Elf64_Sym *symbols;
static size_t symbol_count;
static const char *strings;
static uintptr_t moved_by; /* the program is loaded so far above what it was linked for */

static void read_symbols(void)
{
	static bool done;
	struct stat status;
	int file = done ? -1 : open("/proc/self/exe", O_RDONLY);
	done = true;
	if (file < 0 || fstat(file, &status) != 0) {
		return;
	}
	const char *image = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	close(file);
	if (image == MAP_FAILED) {
		return;
	}
	const Elf64_Ehdr *header = (const void *)image;
	const Elf64_Shdr *sections = (const void *)(image + header->e_shoff);
	for (unsigned i = 0; i < header->e_shnum; i++) {
		if (sections[i].sh_type == SHT_SYMTAB) {
			symbols = (const void *)(image + sections[i].sh_offset);
			symbol_count = sections[i].sh_size / sizeof(*symbols);
			strings = image + sections[sections[i].sh_link].sh_offset;
		}
	}
	for (size_t i = 0; i < symbol_count; i++) {
		if (strcmp(strings + symbols[i].st_name, "name_of") == 0) {
			moved_by = (uintptr_t)name_of - symbols[i].st_value;
		}
	}
}

static const char *name_in_memory(uintptr_t at, char *text, size_t room)
{
	uintptr_t table = (uintptr_t)frame_table;
	if (at - table < frame_table_count * sizeof(struct frame)) {
		snprintf(text, room, "the record of frame %#lx, byte %lu",
			 (unsigned long)((at - table) / sizeof(struct frame)),
			 (unsigned long)((at - table) % sizeof(struct frame)));
	} else if (at - direct_map_base < frame_table_count * PAGE_BYTES) {
		snprintf(text, room, "frame %#lx, word %lu",
			 (unsigned long)((at - direct_map_base) / PAGE_BYTES),
			 (unsigned long)((at - direct_map_base) % PAGE_BYTES / 8));
	} else {
		snprintf(text, room, "%#lx", (unsigned long)at);
	}
	return text;
}

const char *name_of(uintptr_t at)
{
	static char text[128];
	read_symbols();
	for (size_t i = 0; i < symbol_count; i++) {
		uintptr_t offset = at - moved_by - symbols[i].st_value;
		unsigned type = ELF64_ST_TYPE(symbols[i].st_info);
		if ((type == STT_FUNC || type == STT_OBJECT) && offset < symbols[i].st_size) {
			const char *name = strings + symbols[i].st_name;
			if (type == STT_FUNC || offset == 0) {
				return name;
			}
			snprintf(text, sizeof(text), "%s+%lu", name, (unsigned long)offset);
			return text;
		}
	}
	return name_in_memory(at, text, sizeof(text));
}
