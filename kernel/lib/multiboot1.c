/* SPDX-License-Identifier: BSD-2-Clause */
/* The multiboot header: what it wants, and where the kernel goes. See the header. */
#include "kernel/lib/multiboot1.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/lib/foreign_elf.h"

#define SEARCH_BYTES 8192 /* the header is all in them */
#define SEARCH_STEP 4
#define MAGIC 0x1badb002u

/* What the kernel wants. A loader that does not know one of the lower 16 must not load it. */
#define FLAG_PAGE_ALIGN 0x1u
#define FLAG_MEMORY 0x2u
#define FLAG_VIDEO 0x4u
#define FLAGS_KNOWN (FLAG_PAGE_ALIGN | FLAG_MEMORY)
#define FLAGS_REQUIRED 0xffffu
#define FLAG_ADDRESSES 0x10000u /* the header says what goes where; the file need not be ELF */

struct basic_header {
	uint32_t magic;
	uint32_t flags;
	uint32_t checksum; /* makes the sum of the three 0 */
};

struct addresses {
	uint32_t header;   /* of the header itself, */
	uint32_t load;	   /* of the first byte to load, */
	uint32_t load_end; /* behind the last one (0: all of the file), */
	uint32_t bss_end;  /* behind the zeros that follow (0: none) */
	uint32_t entry;
};

/* Where the header is, or `bytes`. */
static uint64_t find(const uint8_t *file, uint64_t bytes, struct basic_header *header)
{
	uint64_t end = min_u64(bytes, SEARCH_BYTES);
	if (end < sizeof(*header)) {
		return bytes;
	}
	/* Native guests are searched, too: a few instructions for each word. */
	const uint8_t *last = file + end - sizeof(*header);
#pragma GCC unroll 8
	for (const uint8_t *place = file; place <= last; place += SEARCH_STEP) {
		uint32_t word;
		__builtin_memcpy(&word, place, sizeof(word)); /* a load, not a call */
		if (__builtin_expect(word == MAGIC, 0)) {
			memcpy(header, place, sizeof(*header));
			if (header->magic + header->flags + header->checksum == 0) {
				return (uint64_t)(place - file);
			}
		}
	}
	return bytes;
}

bool multiboot1_is(const void *file, uint64_t bytes)
{
	struct basic_header header;
	return find(file, bytes, &header) < bytes;
}

/* What is loaded by the header's own addresses: one segment. */
static enum status take_addresses(const uint8_t *file, uint64_t bytes, uint64_t at,
				  struct elf_segment *segment, uint64_t *entry, struct error *error)
{
	struct addresses addresses;
	uint64_t place = at + sizeof(struct basic_header);
	if (place + sizeof(addresses) > min_u64(bytes, SEARCH_BYTES)) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: its multiboot header lies beyond its end");
	}
	memcpy(&addresses, file + place, sizeof(addresses));
	uint64_t before = (uint64_t)addresses.header - addresses.load;
	if (addresses.header < addresses.load || before > at) {
		return error_set(error, STATUS_INVALID,
				 "its multiboot header is at 0x%x, and what is loaded begins at "
				 "0x%x, which is not in the file",
				 addresses.header, addresses.load);
	}
	uint64_t offset = at - before;
	uint64_t load_end =
		addresses.load_end != 0 ? addresses.load_end : addresses.load + (bytes - offset);
	uint64_t end = addresses.bss_end != 0 ? addresses.bss_end : load_end;
	if (load_end <= addresses.load || end < load_end) {
		return error_set(error, STATUS_INVALID,
				 "its multiboot header has ends before starts: 0x%x, 0x%lx, 0x%lx",
				 addresses.load, load_end, end);
	}
	if (load_end - addresses.load > bytes - offset) {
		return error_set(error, STATUS_INVALID,
				 "it is truncated: its multiboot header says that 0x%lx bytes are "
				 "loaded",
				 load_end - addresses.load);
	}
	*segment = (struct elf_segment){
		.address = addresses.load,
		.memory_bytes = end - addresses.load,
		.file_offset = offset,
		.file_bytes = load_end - addresses.load,
	};
	*entry = addresses.entry;
	return STATUS_OK;
}

enum status multiboot1_check(const void *file, uint64_t bytes, uint64_t limit_bytes,
			     struct elf_image *image, struct error *error)
{
	struct basic_header header;
	uint64_t entry = 0;
	memset(image, 0, sizeof(*image));
	error->text[0] = '\0';
	uint64_t at = find(file, bytes, &header);
	if (at == bytes) {
		return error_set(error, STATUS_INVALID, "it has no multiboot header");
	}
	uint32_t unknown = header.flags & FLAGS_REQUIRED & ~FLAGS_KNOWN;
	if (unknown != 0) {
		return error_set(error, STATUS_INVALID,
				 "its multiboot header demands %s (flags 0x%x)",
				 unknown == FLAG_VIDEO ? "a video mode, and a VM has no screen"
						       : "what no loader knows",
				 header.flags);
	}
	enum status status;
	if ((header.flags & FLAG_ADDRESSES) != 0) {
		struct elf_segment segment;
		status = take_addresses(file, bytes, at, &segment, &entry, error);
		if (status == STATUS_OK) {
			status = foreign_elf_add(image, &segment, limit_bytes, error);
		}
	} else {
		status = foreign_elf_check(file, bytes, limit_bytes, image, &entry, error);
	}
	return status != STATUS_OK ? status : foreign_elf_set_entry(image, entry, error);
}
