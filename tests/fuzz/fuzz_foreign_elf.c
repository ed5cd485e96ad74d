/* SPDX-License-Identifier: BSD-2-Clause */
/* ELF kernels of others, and their notes: nothing beyond the file is read, nothing else loaded. */
#include <stdlib.h>

#include "segments.h"

#include "kernel/lib/foreign_elf.h"
#include "kernel/lib/image.h"

const char fuzz_name[] = "foreign_elf";

/* Two bytes choose the size of RAM in pages, the rest is the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	struct elf_image image;
	struct error error;
	struct foreign_elf_notes notes;
	uint64_t entry;
	uint64_t limit = fuzz_take(&input, 2) << PAGE_SHIFT;
	uint8_t *copy = malloc(input.bytes > 0 ? input.bytes : 1);
	memcpy(copy, input.data, input.bytes);
	enum image_kind kind = image_kind(copy, input.bytes);
	memset(&notes, 'x', sizeof(notes));
	foreign_elf_notes(copy, input.bytes, &notes);
	FUZZ_CHECK(!notes.has_pvh_entry || kind == IMAGE_PVH || kind == IMAGE_LINUX);
	memset(&error, 'x', sizeof(error));
	enum status status = foreign_elf_check(copy, input.bytes, limit, &image, &entry, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	if (status == STATUS_OK) {
		if (notes.has_pvh_entry) {
			entry = notes.pvh_entry;
		}
		if (foreign_elf_set_entry(&image, entry, &error) == STATUS_OK) {
			fuzz_check_segments(&image, copy, input.bytes, limit);
		}
	}
	free(copy);
	return 0;
}
