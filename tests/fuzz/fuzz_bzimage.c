/* SPDX-License-Identifier: BSD-2-Clause */
/* Linux setup headers: what is accepted lies in the file, in RAM, and apart from its initrd. */
#include <stdlib.h>

#include "fuzz.h"

#include "base/bits.h"
#include "kernel/lib/bzimage.h"

const char fuzz_name[] = "bzimage";

static void check_image(const struct bzimage *image, uint64_t bytes)
{
	FUZZ_CHECK(image->version >= 0x20c);
	FUZZ_CHECK(image->header_end > BZIMAGE_HEADER_START &&
		   image->header_end <= BZIMAGE_HEADER_END_MAX &&
		   image->header_end <= image->kernel_offset);
	FUZZ_CHECK(image->kernel_bytes > 0 && image->kernel_offset <= bytes &&
		   image->kernel_bytes <= bytes - image->kernel_offset);
	FUZZ_CHECK(image->load >= MIB(1) && image->end <= GIB(4));
	FUZZ_CHECK(image->load + (uint64_t)image->kernel_bytes <= image->end);
	FUZZ_CHECK(image->entry >= image->load &&
		   image->entry < image->load + (uint64_t)image->kernel_bytes);
	FUZZ_CHECK(image->initrd_end_max > 0);
}

/* Two bytes: MiB of RAM; three: bytes of an initrd; the rest is the file. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	struct bzimage image;
	struct error error;
	uint64_t ram = fuzz_take(&input, 2) << 20;
	uint64_t initrd_bytes = fuzz_take(&input, 3);
	uint8_t *copy = malloc(input.bytes > 0 ? input.bytes : 1);
	memcpy(copy, input.data, input.bytes);
	memset(&error, 'x', sizeof(error));
	enum status status = bzimage_check(copy, input.bytes, &image, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	FUZZ_CHECK(status != STATUS_OK || bzimage_is(copy, input.bytes));
	if (status == STATUS_OK) {
		uint64_t initrd;
		check_image(&image, input.bytes);
		memset(&error, 'x', sizeof(error));
		status = bzimage_place(&image, ram, initrd_bytes, &initrd, &error);
		fuzz_check_error(&error, status != STATUS_OK);
		if (status == STATUS_OK) {
			FUZZ_CHECK(image.end <= ram);
			FUZZ_CHECK(initrd_bytes == 0 ||
				   (initrd >= image.end && initrd + initrd_bytes <= ram &&
				    initrd + initrd_bytes <= image.initrd_end_max));
		}
	}
	free(copy);
	return 0;
}
