/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Kernels of others: bzImage. Real: kernel/lib/bzimage.c, kernel/lib/string.c. Stubbed: error
 * messages. The file ends where its array ends: a read beyond is a failed bounds check.
 */
#include "tests/proofs/proof.h"

#include "kernel/lib/bzimage.c"

static uint8_t file[FIELDS_END];

/*
 * PROOF bzimage_check_reads_inside
 * Shows: no byte beyond the end of a file is read, however short it is; a kernel that is accepted
 * lies inside its file, and has its memory behind its place
 * Bound: files of 0 to 612 bytes of any content; and what such a header says of longer ones
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/lib/bzimage.c kernel/lib/string.c
 * Options: --unwind 6
 * Fault: kernel/lib/bzimage.c | if (bytes < FIELDS_END) { | if (bytes < AT_INIT_BYTES) {
 */
void bzimage_check_reads_inside(void)
{
	struct bzimage image;
	struct error error;
	HAVOC(file);
	uint64_t bytes = any_below(1ull << 40);
	uint64_t there = min_u64(bytes, sizeof(file));
	const uint8_t *start = file + sizeof(file) - there;
	if (bzimage_check(start, bytes, &image, &error) == STATUS_OK) {
		PROVE(image.kernel_offset <= bytes &&
		      image.kernel_bytes <= bytes - image.kernel_offset);
		PROVE(image.end >= (uint64_t)image.load &&
		      image.header_end <= BZIMAGE_HEADER_END_MAX);
	}
}

/*
 * PROOF bzimage_initrd_has_its_place
 * Shows: an initrd lies in RAM, behind the kernel, below where the kernel wants it, on a page of
 * its own; no sum wraps
 * Bound: RAM and initrds below 2^44 bytes
 * Assumes: the kernel ends below 2^34, as bzimage_check() sees to
 * Classes: files
 * Sources: kernel/lib/bzimage.c
 * Options: --unsigned-overflow-check
 * Fault: kernel/lib/bzimage.c | if (needed > top) { | if (needed > ram_bytes) {
 */
void bzimage_initrd_has_its_place(void)
{
	struct error error;
	struct bzimage image = {.end = any_below(1ull << 34),
				.initrd_end_max = any_below(1ull << 33)};
	uint64_t ram = any_below(1ull << 44);
	uint64_t bytes = any_below(1ull << 44);
	uint64_t initrd;
	if (bzimage_place(&image, ram, bytes, &initrd, &error) != STATUS_OK) {
		return;
	}
	PROVE(image.end <= ram);
	if (bytes > 0) {
		PROVE(initrd >= image.end && initrd % PAGE_BYTES == 0);
		PROVE(initrd + bytes <= ram && initrd + bytes <= image.initrd_end_max);
	}
}
