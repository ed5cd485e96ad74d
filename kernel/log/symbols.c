/* SPDX-License-Identifier: BSD-2-Clause */
/* Binary search in the table of functions that the last step of the build links into the image. */
#include "kernel/log/symbols.h"

#include "base/string.h"

extern const uint32_t symbol_count;
extern const uint32_t symbol_offsets[]; /* from text_start, rising */
extern const char symbol_names[];	/* one behind the other, each ended by a zero */
extern const char text_start[], text_end[];

/* Walks all names before it: only what has failed asks. */
static const char *name_of(uint32_t index)
{
	const char *name = symbol_names;
	for (uint32_t i = 0; i < index; i++) {
		name += strlen(name) + 1;
	}
	return name;
}

const char *symbol_find(uintptr_t address, uint64_t *offset)
{
	uintptr_t start = (uintptr_t)text_start;

	if (address < start || address >= (uintptr_t)text_end) {
		return NULL;
	}
	uint64_t wanted = address - start;
	uint32_t low = 0;
	uint32_t high = symbol_count;

	/* The first entry behind `wanted` lies in [low, high]. */
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (symbol_offsets[middle] <= wanted) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	if (low == 0) {
		return NULL;
	}
	*offset = wanted - symbol_offsets[low - 1];
	return name_of(low - 1);
}
