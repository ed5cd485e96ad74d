/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Firmware's tables: the input is the BIOS area from 0xf0000 on, after a byte that says whether the
 * checksums are to be made right first (a fuzzer does not find them) and one for the root pointer.
 * Whatever lies there, what comes out is a list of different processors with the one that asks
 * among them, a way to switch the machine off and one to reset it, or an error message.
 */
#include <stdlib.h>

#include "fuzz.h"

#include "drivers/phys/acpi_power.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/processors.h"

const char fuzz_name[] = "processors";

#define PLACE 0xf0000
#define REPAIR 1
#define OWN_ID 2

static uint8_t *memory;
static size_t memory_bytes;

bool physical_read(uint64_t place, void *to, size_t bytes)
{
	if (place >= PLACE && place - PLACE < memory_bytes &&
	    bytes <= memory_bytes - (place - PLACE)) {
		memcpy(to, memory + (place - PLACE), bytes);
		return true;
	}
	/* The rest of the first MiB reads as zeros. */
	memset(to, 0, bytes);
	return place < 0x100000 && bytes <= 0x100000 - place;
}

/* RAM is what lies from 1 MiB to 1 GiB. */
bool physical_is_ram(uint64_t place, size_t bytes)
{
	return place < 0x40000000 && bytes > 0 && place + bytes > 0x100000;
}

static void repair_sum(size_t start, uint64_t bytes, size_t at)
{
	uint8_t sum = 0;
	if (bytes > memory_bytes - start || at >= bytes) {
		return;
	}
	memory[start + at] = 0;
	for (size_t i = 0; i < bytes; i++) {
		sum += memory[start + i];
	}
	memory[start + at] = (uint8_t)-sum;
}

static bool is_at(size_t start, const char *signature)
{
	size_t bytes = strlen(signature);
	return bytes <= memory_bytes - start && memcmp(memory + start, signature, bytes) == 0;
}

static uint32_t length_at(size_t start, unsigned bytes)
{
	uint32_t value = 0;
	if (bytes + 4 <= memory_bytes - start) {
		memcpy(&value, memory + start + 4, bytes);
	}
	return value;
}

/* From the end: what a root covers does not change afterwards, because nothing here overlaps. */
static void repair_sums(void)
{
	for (size_t start = memory_bytes; start-- > 0;) {
		if (is_at(start, "APIC") || is_at(start, "RSDT") || is_at(start, "XSDT") ||
		    is_at(start, "FACP") || is_at(start, "DSDT") || is_at(start, "SSDT")) {
			repair_sum(start, length_at(start, 4), 9);
		} else if (is_at(start, "PCMP")) {
			repair_sum(start, length_at(start, 2), 7);
		} else if (is_at(start, "_MP_")) {
			repair_sum(start, 16, 10);
		} else if (is_at(start, "RSD PTR ")) {
			repair_sum(start, 20, 8);
			repair_sum(start, 36, 32);
		}
	}
}

/* How the machine is switched off and reset: registers that exist, types that fit, or a message. */
static void check_power(uint64_t rsdp)
{
	struct acpi_roots roots;
	struct acpi_sleep sleep;
	struct acpi_reset reset;
	struct error error;
	if (!acpi_find_roots(rsdp, &roots)) {
		return;
	}
	memset(&error, 'x', sizeof(error));
	enum status status = acpi_find_sleep(&roots, &sleep, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	if (status == STATUS_OK) {
		FUZZ_CHECK(sleep.type[0] <= 7 && sleep.type[1] <= 7);
		FUZZ_CHECK(sleep.control[0].place != 0 && sleep.control[0].space <= ACPI_PORT);
		FUZZ_CHECK(sleep.control[1].place == 0 || sleep.control[1].space <= ACPI_PORT);
	}
	memset(&error, 'x', sizeof(error));
	status = acpi_find_reset(&roots, &reset, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	FUZZ_CHECK(status != STATUS_OK ||
		   (reset.where.place != 0 && reset.where.space <= ACPI_PCI));
}

static void check_list(const struct processors *found)
{
	unsigned own = 0;
	for (unsigned i = 0; i < found->count; i++) {
		own += found->apic_ids[i] == OWN_ID ? 1 : 0;
	}
	FUZZ_CHECK(own == 1);
	FUZZ_CHECK(found->count <= PROCESSORS_MAX);
	FUZZ_CHECK(found->left_out == 0 || found->count == PROCESSORS_MAX);
	for (unsigned i = 0; i < found->count; i++) {
		for (unsigned j = 0; j < i; j++) {
			FUZZ_CHECK(found->apic_ids[i] != found->apic_ids[j]);
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct processors found;
	static struct error errors[2];
	struct fuzz_input input = {data, bytes};
	bool repair = fuzz_take(&input, 1) & REPAIR;
	uint64_t hint = fuzz_take(&input, 1) * 16;

	memory = malloc(input.bytes + 1);
	memory_bytes = input.bytes;
	memcpy(memory, input.data, input.bytes);
	if (repair) {
		repair_sums();
	}
	memset(&found, 0xee, sizeof(found));
	memset(errors, 'x', sizeof(errors));
	processors_find(hint != 0 ? PLACE + hint : 0, OWN_ID, &found, &errors[0], &errors[1]);
	check_list(&found);
	FUZZ_CHECK(strnlen(errors[0].text, ERROR_TEXT_BYTES) < ERROR_TEXT_BYTES);
	FUZZ_CHECK(strnlen(errors[1].text, ERROR_TEXT_BYTES) < ERROR_TEXT_BYTES);
	FUZZ_CHECK(found.count == 1 || strcmp(found.source, "none") != 0);
	FUZZ_CHECK(strcmp(found.source, "none") == 0 || errors[1].text[0] == '\0');
	check_power(hint != 0 ? PLACE + hint : 0);
	free(memory);
	return 0;
}
