/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finding and checking firmware's tables (ACPI 6.4, 5.2.5.1; MultiProcessor Specification 1.4,
 * chapter 4). Pure, but for physical_read(). Firmware is believed no more than a file is: every
 * number is checked before it is used.
 */
#include "drivers/phys/firmware.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/physical.h"

/* BIOS data area */
#define EBDA_SEGMENT 0x40e
#define BASE_MEMORY_KIB 0x413

#define BASE_MEMORY_LEAST 0x10000 /* a word that says less was never set */
#define BASE_MEMORY_MOST 0xa0000
#define CHUNK_BYTES 256
#define SIGNATURE_BYTES_MAX 8

static uint64_t base_memory_place(uint64_t place)
{
	return place >= BASE_MEMORY_LEAST && place < BASE_MEMORY_MOST ? place : 0;
}

uint64_t firmware_ebda(void)
{
	uint16_t segment;

	if (!physical_read(EBDA_SEGMENT, &segment, sizeof(segment))) {
		return 0;
	}
	return base_memory_place((uint64_t)segment << 4);
}

uint64_t firmware_base_memory_end(void)
{
	uint16_t kib;

	if (!physical_read(BASE_MEMORY_KIB, &kib, sizeof(kib))) {
		return 0;
	}
	uint64_t end = (uint64_t)kib << 10;
	return end == BASE_MEMORY_MOST ? end : base_memory_place(end);
}

uint64_t firmware_search(uint64_t start, uint64_t end, const char *signature, size_t bytes)
{
	char found[SIGNATURE_BYTES_MAX];

	for (uint64_t place = start; place < end; place += FIRMWARE_SEARCH_STEP) {
		if (physical_read(place, found, bytes) && memcmp(found, signature, bytes) == 0) {
			return place;
		}
	}
	return 0;
}

bool firmware_checksum_is_right(uint64_t place, uint64_t bytes)
{
	uint8_t chunk[CHUNK_BYTES];
	uint8_t sum = 0;

	for (uint64_t done = 0; done < bytes; done += CHUNK_BYTES) {
		size_t count = min_u64(bytes - done, CHUNK_BYTES);

		if (!physical_read(place + done, chunk, count)) {
			return false;
		}
		for (size_t i = 0; i < count; i++) {
			sum += chunk[i];
		}
	}
	return sum == 0;
}
