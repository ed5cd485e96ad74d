/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot information: whatever it says, what comes out is well-formed, and so is the map of RAM. */
#include <stdlib.h>

#include "fuzz.h"

#include "arch/x86/boot/multiboot2.h"
#include "arch/x86/boot/ram.h"

const char fuzz_name[] = "multiboot2";

static void check_ram(const struct boot_info *info)
{
	static struct memmap ram;
	if (ram_find(info, 39, &ram) != STATUS_OK) {
		return;
	}
	uint64_t previous = RAM_FLOOR;
	for (unsigned i = 0; i < ram.count; i++) {
		const struct memmap_region *region = &ram.regions[i];
		FUZZ_CHECK(region->start >= previous && region->start < region->end);
		FUZZ_CHECK(region->end <= BIT(39));
		FUZZ_CHECK((region->start | region->end) % PAGE_BYTES == 0);
		for (unsigned j = 0; j < info->region_count; j++) {
			const struct boot_region *forbids = &info->regions[j];
			FUZZ_CHECK(forbids->available || forbids->end <= region->start ||
				   forbids->start >= region->end);
		}
		previous = region->end + 1;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct boot_info info;
	static char sentence[MULTIBOOT2_SENTENCE_BYTES];
	/* A block of exactly this size, so that the sanitizer sees its end. */
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
	memcpy(copy, data, bytes);
	memset(sentence, 'x', sizeof(sentence));
	enum status status = multiboot2_parse(copy, bytes, (hpa_t){0x10000}, &info, sentence);
	fuzz_check_sentence(sentence, sizeof(sentence), status != STATUS_OK);
	FUZZ_CHECK(info.module_count <= BOOT_MODULES_MAX && info.region_count <= BOOT_REGIONS_MAX);
	FUZZ_CHECK(strnlen(info.command_line, BOOT_TEXT_BYTES) < BOOT_TEXT_BYTES);
	FUZZ_CHECK(strnlen(info.loader_name, sizeof(info.loader_name)) < sizeof(info.loader_name));
	for (unsigned i = 0; i < info.module_count; i++) {
		const struct boot_module *module = &info.modules[i];
		FUZZ_CHECK(module->start <= module->end);
		FUZZ_CHECK(strnlen(module->text, BOOT_TEXT_BYTES) < BOOT_TEXT_BYTES);
	}
	for (unsigned i = 0; i < info.region_count; i++) {
		FUZZ_CHECK(info.regions[i].start < info.regions[i].end);
	}
	check_ram(&info);
	free(copy);
	return 0;
}
