/* SPDX-License-Identifier: BSD-2-Clause */
/* Multiboot kernels, ELF or by their header's own addresses. */
#include <stdlib.h>

#include "segments.h"

#include "kernel/lib/multiboot1.h"

const char fuzz_name[] = "multiboot1";

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
	enum status status = multiboot1_check(copy, input.bytes, limit, &image, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	FUZZ_CHECK(status != STATUS_OK || multiboot1_is(copy, input.bytes));
	if (status == STATUS_OK) {
		fuzz_check_segments(&image, copy, input.bytes, limit);
	}
	free(copy);
	return 0;
}
