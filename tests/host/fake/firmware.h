/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine's firmware: two MiB of memory that physical_read() shows, and helpers that write ACPI
 * and MP tables into it the way BIOSes do.
 */
#ifndef FAKE_FIRMWARE_H
#define FAKE_FIRMWARE_H

#include <stddef.h>
#include <stdint.h>

#define FIRMWARE_BYTES 0x200000

extern uint8_t firmware_memory[FIRMWARE_BYTES];

/* What physical_is_ram() calls RAM: [start, end). Nothing after firmware_clear(). */
extern uint64_t firmware_ram_start, firmware_ram_end;

void firmware_clear(void);
void firmware_put(uint64_t place, const void *from, size_t bytes);
void firmware_put_16(uint64_t place, uint16_t value);
void firmware_put_32(uint64_t place, uint32_t value);
void firmware_put_64(uint64_t place, uint64_t value);

/* Makes the bytes [place, place + bytes) add up to 0 by the one at place + `at`. */
void firmware_sum(uint64_t place, size_t bytes, size_t at);

/* ACPI's root pointer; xsdt is written where revision is 2 or more. */
void firmware_root(uint64_t place, unsigned revision, uint32_t rsdt, uint64_t xsdt);

/* An ACPI table: header, then `bytes` bytes of contents, and the right sum. */
void firmware_table(uint64_t place, const char *signature, const void *contents, size_t bytes);

/* A root table of that signature with `count` pointers. */
void firmware_root_table(uint64_t place, const char *signature, const uint64_t *tables,
			 unsigned count);

/* Repairs the sum of the table at `place`, whose length says how long it is. */
void firmware_table_sum(uint64_t place);

/* The MP floating pointer, and the configuration table with `bytes` bytes of entries. */
void firmware_mp_pointer(uint64_t place, uint32_t table, uint8_t configuration);
void firmware_mp_table(uint64_t place, const void *entries, size_t bytes, uint16_t count);

#endif
