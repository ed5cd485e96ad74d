/* SPDX-License-Identifier: BSD-2-Clause */
/* The setup header of a Linux kernel, field by field. See the header. */
#include "kernel/lib/bzimage.h"

#include "base/bits.h"
#include "base/string.h"

/* Offsets in the file (boot.rst, "Details of Header Fields"). */
#define AT_SETUP_SECTORS 0x1f1
#define AT_KERNEL_PARAGRAPHS 0x1f4
#define AT_BOOT_FLAG 0x1fe
#define AT_JUMP 0x200
#define AT_MAGIC 0x202
#define AT_VERSION 0x206
#define AT_LOAD_FLAGS 0x211
#define AT_CODE32_START 0x214
#define AT_INITRD_MAX 0x22c
#define AT_ALIGNMENT 0x230
#define AT_RELOCATABLE 0x234
#define AT_COMMAND_LINE_MAX 0x238
#define AT_PREFERRED 0x258
#define AT_INIT_BYTES 0x260
#define FIELDS_END 0x264

#define BOOT_FLAG 0xaa55
#define JUMP_SHORT 0xeb
#define SETUP_SECTORS_DEFAULT 4
#define SECTOR_BYTES 512
#define PARAGRAPH_BYTES 16
#define VERSION_LEAST 0x20c
#define LOADED_HIGH 0x01
#define LOAD_DEFAULT 0x100000u /* what code32_start counts from */
#define ALIGNMENT_MAX 0x40000000u

static const char magic[] = "HdrS";
#define MAGIC_BYTES 4

static uint64_t field(const uint8_t *file, unsigned offset, unsigned bytes)
{
	uint64_t value = 0;
	memcpy(&value, file + offset, bytes);
	return value;
}

bool bzimage_is(const void *file, uint64_t bytes)
{
	return bytes >= AT_MAGIC + MAGIC_BYTES && field(file, AT_BOOT_FLAG, 2) == BOOT_FLAG &&
	       memcmp((const uint8_t *)file + AT_MAGIC, magic, MAGIC_BYTES) == 0;
}

/* What says that the other fields mean what the protocol says. */
static enum status check_form(const uint8_t *file, uint64_t bytes, struct bzimage *image,
			      struct error *error)
{
	if (!bzimage_is(file, bytes)) {
		return error_set(error, STATUS_INVALID, "it is not a Linux bzImage");
	}
	if (bytes < FIELDS_END) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: its Linux setup header lies beyond its end");
	}
	image->version = (uint16_t)field(file, AT_VERSION, 2);
	if (image->version < VERSION_LEAST) {
		return error_set(error, STATUS_INVALID,
				 "its Linux boot protocol is %u.%02u, older than 2.12: it does not "
				 "say how much memory it needs",
				 image->version >> 8, image->version & 0xffu);
	}
	unsigned end = AT_MAGIC + (unsigned)field(file, AT_JUMP + 1, 1);
	if (field(file, AT_JUMP, 1) != JUMP_SHORT || end < FIELDS_END ||
	    end > BZIMAGE_HEADER_END_MAX) {
		return error_set(error, STATUS_INVALID,
				 "its Linux setup header has an impossible length");
	}
	image->header_end = (uint16_t)end;
	if ((field(file, AT_LOAD_FLAGS, 1) & LOADED_HIGH) == 0) {
		return error_set(error, STATUS_INVALID,
				 "it is a zImage, which is loaded below 1M; a bzImage is needed");
	}
	return STATUS_OK;
}

/* Which bytes of the file are loaded: all behind the setup code. What syssize does not count, the
   signature of a distribution for example, does no harm. */
static enum status check_parts(const uint8_t *file, uint64_t bytes, struct bzimage *image,
			       struct error *error)
{
	uint64_t sectors = field(file, AT_SETUP_SECTORS, 1);
	uint64_t offset = ((sectors == 0 ? SETUP_SECTORS_DEFAULT : sectors) + 1) * SECTOR_BYTES;
	uint64_t kernel = field(file, AT_KERNEL_PARAGRAPHS, 4) * PARAGRAPH_BYTES;
	uint64_t needed = field(file, AT_INIT_BYTES, 4);
	if (offset < image->header_end || kernel == 0) {
		return error_set(error, STATUS_INVALID,
				 "its Linux setup header says that there is no %s",
				 kernel == 0 ? "kernel behind it" : "room for itself");
	}
	/* syssize counts paragraphs: the last one need not be full (memtest86+ 6.10). */
	if (offset > bytes || kernel >= bytes - offset + PARAGRAPH_BYTES) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: it has %lu bytes, and its Linux setup header "
				 "says %lu",
				 bytes, offset + kernel);
	}
	if (kernel > needed) {
		return error_set(error, STATUS_INVALID,
				 "its Linux setup header says that it needs %lu bytes of memory, "
				 "less than its own %lu",
				 needed, kernel);
	}
	image->kernel_offset = (uint32_t)offset;
	image->kernel_bytes = (uint32_t)min_u64(bytes - offset, needed);
	return STATUS_OK;
}

static bool is_power_of_two(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

static enum status check_places(const uint8_t *file, struct bzimage *image, struct error *error)
{
	uint64_t alignment = field(file, AT_ALIGNMENT, 4);
	uint64_t preferred = field(file, AT_PREFERRED, 8);
	uint64_t start = field(file, AT_CODE32_START, 4);
	bool relocatable = field(file, AT_RELOCATABLE, 1) != 0;
	if (relocatable && (!is_power_of_two(alignment) || alignment > ALIGNMENT_MAX)) {
		return error_set(error, STATUS_INVALID,
				 "its Linux setup header wants the impossible alignment 0x%lx",
				 alignment);
	}
	if (start < LOAD_DEFAULT || start - LOAD_DEFAULT >= image->kernel_bytes) {
		return error_set(error, STATUS_INVALID,
				 "its Linux entry 0x%lx is not in the kernel, which is at 0x%x",
				 start, LOAD_DEFAULT);
	}
	/* One that is not relocatable is loaded at 1M and moves itself to where it runs. */
	uint64_t runs = max_u64(preferred, LOAD_DEFAULT);
	runs = relocatable && runs <= UINT32_MAX ? align_up_u64(runs, alignment) : runs;
	uint64_t load = relocatable ? runs : LOAD_DEFAULT;
	uint64_t needed = field(file, AT_INIT_BYTES, 4);
	if (runs > UINT32_MAX || runs + needed > UINT32_MAX) {
		return error_set(error, STATUS_INVALID,
				 "its Linux setup header wants it at 0x%lx, beyond 4G", runs);
	}
	image->load = (uint32_t)load;
	image->entry = (uint32_t)(load + (start - LOAD_DEFAULT));
	image->end = max_u64(runs + needed, load + image->kernel_bytes);
	return STATUS_OK;
}

enum status bzimage_check(const void *file, uint64_t bytes, struct bzimage *image,
			  struct error *error)
{
	memset(image, 0, sizeof(*image));
	error->text[0] = '\0';
	enum status status = check_form(file, bytes, image, error);
	if (status == STATUS_OK) {
		status = check_parts(file, bytes, image, error);
	}
	if (status == STATUS_OK) {
		status = check_places(file, image, error);
	}
	if (status == STATUS_OK) {
		image->initrd_end_max = field(file, AT_INITRD_MAX, 4) + 1;
		image->command_line_max = (uint32_t)field(file, AT_COMMAND_LINE_MAX, 4);
	}
	return status;
}

enum status bzimage_place(const struct bzimage *image, uint64_t ram_bytes, uint64_t initrd_bytes,
			  uint64_t *initrd, struct error *error)
{
	uint64_t low = align_up_u64(image->end, PAGE_BYTES);
	uint64_t needed = low + align_up_u64(initrd_bytes, PAGE_BYTES);
	uint64_t top = align_down_u64(min_u64(ram_bytes, image->initrd_end_max), PAGE_BYTES);
	*initrd = 0;
	error->text[0] = '\0';
	if (needed > ram_bytes) {
		return error_set(error, STATUS_INVALID,
				 "max=%luK is too small: its kernel needs %luK, its initrd %luK",
				 ram_bytes >> 10, low >> 10, (needed - low) >> 10);
	}
	if (initrd_bytes == 0) {
		return STATUS_OK;
	}
	if (needed > top) {
		return error_set(error, STATUS_INVALID,
				 "its initrd of %luK has no place behind the kernel and below "
				 "0x%lx, where the kernel wants it",
				 (needed - low) >> 10, image->initrd_end_max);
	}
	*initrd = align_down_u64(top - initrd_bytes, PAGE_BYTES);
	return STATUS_OK;
}
