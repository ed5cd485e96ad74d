/* SPDX-License-Identifier: BSD-2-Clause */
/* See firmware.h. */
#include "fake/firmware.h"

#include <string.h>

#include "drivers/phys/physical.h"

#define HEADER_BYTES 36
#define MP_HEADER_BYTES 44

uint8_t firmware_memory[FIRMWARE_BYTES];

bool physical_read(uint64_t place, void *to, size_t bytes)
{
	if (place >= FIRMWARE_BYTES || bytes > FIRMWARE_BYTES - place) {
		return false;
	}
	memcpy(to, firmware_memory + place, bytes);
	return true;
}

uint64_t firmware_ram_start;
uint64_t firmware_ram_end;

bool physical_is_ram(uint64_t place, size_t bytes)
{
	return place < firmware_ram_end && place + bytes > firmware_ram_start;
}

void firmware_clear(void)
{
	firmware_ram_start = firmware_ram_end = 0;
	memset(firmware_memory, 0, sizeof(firmware_memory));
}

void firmware_put(uint64_t place, const void *from, size_t bytes)
{
	if (bytes > 0) {
		memcpy(firmware_memory + place, from, bytes);
	}
}

void firmware_put_16(uint64_t place, uint16_t value)
{
	firmware_put(place, &value, sizeof(value));
}

void firmware_put_32(uint64_t place, uint32_t value)
{
	firmware_put(place, &value, sizeof(value));
}

void firmware_put_64(uint64_t place, uint64_t value)
{
	firmware_put(place, &value, sizeof(value));
}

void firmware_sum(uint64_t place, size_t bytes, size_t at)
{
	uint8_t sum = 0;

	firmware_memory[place + at] = 0;
	for (size_t i = 0; i < bytes; i++) {
		sum += firmware_memory[place + i];
	}
	firmware_memory[place + at] = (uint8_t)-sum;
}

void firmware_root(uint64_t place, unsigned revision, uint32_t rsdt, uint64_t xsdt)
{
	firmware_put(place, "RSD PTR ", 8);
	firmware_put(place + 9, "AERONT", 6);
	firmware_memory[place + 15] = (uint8_t)revision;
	firmware_put_32(place + 16, rsdt);
	if (revision >= 2) {
		firmware_put_32(place + 20, 36);
		firmware_put_64(place + 24, xsdt);
	}
	firmware_sum(place, 20, 8);
	if (revision >= 2) {
		firmware_sum(place, 36, 32);
	}
}

void firmware_table_sum(uint64_t place)
{
	uint32_t bytes;

	memcpy(&bytes, firmware_memory + place + 4, sizeof(bytes));
	firmware_sum(place, bytes, 9);
}

void firmware_table(uint64_t place, const char *signature, const void *contents, size_t bytes)
{
	firmware_put(place, signature, 4);
	firmware_put_32(place + 4, (uint32_t)(HEADER_BYTES + bytes));
	firmware_memory[place + 8] = 1;
	firmware_put(place + HEADER_BYTES, contents, bytes);
	firmware_table_sum(place);
}

void firmware_root_table(uint64_t place, const char *signature, const uint64_t *tables,
			 unsigned count)
{
	size_t pointer_bytes = signature[0] == 'X' ? 8 : 4;
	uint8_t contents[256];

	for (unsigned i = 0; i < count; i++) {
		memcpy(contents + i * pointer_bytes, &tables[i], pointer_bytes);
	}
	firmware_table(place, signature, contents, count * pointer_bytes);
}

void firmware_mp_pointer(uint64_t place, uint32_t table, uint8_t configuration)
{
	firmware_put(place, "_MP_", 4);
	firmware_put_32(place + 4, table);
	firmware_memory[place + 8] = 1;
	firmware_memory[place + 9] = 4;
	firmware_memory[place + 11] = configuration;
	firmware_sum(place, 16, 10);
}

void firmware_mp_table(uint64_t place, const void *entries, size_t bytes, uint16_t count)
{
	firmware_put(place, "PCMP", 4);
	firmware_put_16(place + 4, (uint16_t)(MP_HEADER_BYTES + bytes));
	firmware_memory[place + 6] = 4;
	firmware_put_16(place + 34, count);
	firmware_put_32(place + 36, 0xfee00000);
	firmware_put(place + MP_HEADER_BYTES, entries, bytes);
	firmware_sum(place, MP_HEADER_BYTES + bytes, 7);
}
