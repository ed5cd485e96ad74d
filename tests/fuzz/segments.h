/* SPDX-License-Identifier: BSD-2-Clause */
/* What holds for the segments of every kernel that was accepted (kernel/lib/foreign_elf.h). */
#ifndef FUZZ_SEGMENTS_H
#define FUZZ_SEGMENTS_H

#include "fuzz.h"

#include "base/bits.h"
#include "kernel/lib/elf.h"
#include "kernel/lib/pc_layout.h"

static inline void fuzz_check_segments(const struct elf_image *image, const uint8_t *file,
				       uint64_t bytes, uint64_t limit)
{
	bool entry_inside = false;
	uint64_t end = 0;
	uint8_t sum = 0;
	FUZZ_CHECK(image->segment_count > 0 && image->segment_count <= ELF_SEGMENTS_MAX);
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];
		uint64_t segment_end = segment->address + segment->memory_bytes;
		FUZZ_CHECK(segment_end >= segment->address && segment_end <= limit);
		FUZZ_CHECK(segment_end <= PC_TABLES || segment->address >= PC_HIGH_RAM);
		FUZZ_CHECK(segment->file_bytes <= segment->memory_bytes);
		FUZZ_CHECK(segment->file_offset <= bytes &&
			   segment->file_bytes <= bytes - segment->file_offset);
		for (uint64_t at = 0; at < segment->file_bytes; at++) {
			sum ^= file[segment->file_offset + at];
		}
		for (unsigned j = 0; j < i; j++) {
			const struct elf_segment *other = &image->segments[j];
			FUZZ_CHECK(segment_end <= other->address ||
				   other->address + other->memory_bytes <= segment->address);
		}
		entry_inside = entry_inside ||
			       (image->entry >= segment->address && image->entry < segment_end);
		end = max_u64(end, segment_end);
	}
	FUZZ_CHECK(entry_inside && image->end == end);
	(void)*(volatile uint8_t *)&sum;
}

#endif
