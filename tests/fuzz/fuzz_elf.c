/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest images: what is accepted can be loaded byte by byte without leaving file or RAM. */
#include <stdlib.h>

#include "fuzz.h"

#include "base/bits.h"
#include "kernel/lib/elf.h"

const char fuzz_name[] = "elf";

static void check_image(const struct elf_image *image, const uint8_t *file, uint64_t bytes,
			uint64_t limit)
{
	bool entry_inside = false;
	uint64_t end = 0;
	uint8_t sum = 0;
	FUZZ_CHECK(image->segment_count > 0 && image->segment_count <= ELF_SEGMENTS_MAX);
	for (unsigned i = 0; i < image->segment_count; i++) {
		const struct elf_segment *segment = &image->segments[i];
		uint64_t segment_end = segment->address + segment->memory_bytes;
		FUZZ_CHECK(segment->memory_bytes > 0 && segment_end > segment->address);
		FUZZ_CHECK(segment_end <= limit && segment->file_bytes <= segment->memory_bytes);
		FUZZ_CHECK(segment->file_offset + segment->file_bytes <= bytes);
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

/* Two bytes choose the size of RAM in pages, the rest is the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	struct elf_image image;
	struct error error;
	uint64_t limit = fuzz_take(&input, 2) << PAGE_SHIFT;
	uint8_t *copy = malloc(input.bytes > 0 ? input.bytes : 1);
	memcpy(copy, input.data, input.bytes);
	memset(&error, 'x', sizeof(error));
	enum status status = elf_check(copy, input.bytes, limit, &image, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	if (status == STATUS_OK) {
		check_image(&image, copy, input.bytes, limit);
	}
	free(copy);
	return 0;
}
