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
	(void)ram_find(&info->map, 39, RAM_FLOOR, &ram);
	FUZZ_CHECK(ram.count <= RAM_PIECES_MAX);
	uint64_t previous = RAM_FLOOR;
	for (unsigned i = 0; i < ram.count; i++) {
		const struct memmap_region *region = &ram.regions[i];
		FUZZ_CHECK(region->start >= previous && region->start < region->end);
		FUZZ_CHECK(region->end <= BIT(39));
		FUZZ_CHECK((region->start | region->end) % PAGE_BYTES == 0);
		for (unsigned j = 0; j < info->map.count; j++) {
			struct boot_region forbids;
			FUZZ_CHECK(!multiboot2_region(&info->map, j, &forbids) ||
				   forbids.available || forbids.end <= region->start ||
				   forbids.start >= region->end);
		}
		previous = region->end + 1;
	}
}

/* Module after module goes: no frame twice, none of the image, none that is not RAM. */
static void check_releases(struct boot_info *info)
{
	static struct memmap ram;
	static struct memmap freed;
	static struct memmap all;
	struct loaded loaded = {info, 0x200000, 0x300000, 0x10000, 0x11000, false};
	(void)ram_find(&info->map, 39, 0, &ram);
	memmap_init(&all);
	for (unsigned i = 0; i < info->module_count; i++) {
		info->modules[i].released = true;
		if (ram_find_released(&loaded, i, &ram, &freed) != STATUS_OK) {
			return;
		}
		uint64_t bytes = memmap_bytes(&all) + memmap_bytes(&freed);
		for (unsigned j = 0; j < freed.count; j++) {
			const struct memmap_region *region = &freed.regions[j];
			FUZZ_CHECK(region->end <= 0x200000 || region->start >= 0x300000);
			FUZZ_CHECK(region->end <= 0x10000 || region->start >= 0x11000);
			if (memmap_add(&all, region->start, region->end) != STATUS_OK) {
				return;
			}
		}
		FUZZ_CHECK(memmap_bytes(&all) == bytes);
	}
}

/* Whatever a tag says, who draws may rely on what include/arch/screen.h promises. */
static void check_screen(const struct boot_info *info)
{
	const struct screen *screen = &info->screen;
	FUZZ_CHECK(screen->kind == SCREEN_NONE || info->screen_message == NULL);
	if (screen->kind == SCREEN_NONE) {
		return;
	}
	FUZZ_CHECK(screen->width >= 1 && screen->width <= SCREEN_SIDE_MOST);
	FUZZ_CHECK(screen->height >= 1 && screen->height <= SCREEN_SIDE_MOST);
	FUZZ_CHECK(screen->pixel_bytes >= 2 && screen->pixel_bytes <= 4);
	FUZZ_CHECK(screen->pitch >= screen->width * screen->pixel_bytes);
	FUZZ_CHECK(screen->bytes == (size_t)screen->pitch * screen->height);
	FUZZ_CHECK(screen->bytes <= SCREEN_BYTES_MOST && screen->place % 8 == 0);
	FUZZ_CHECK(screen->place != 0 && screen->place <= UINT64_MAX - screen->bytes);
	for (unsigned i = 0; i < info->map.count; i++) {
		struct boot_region region;
		FUZZ_CHECK(!multiboot2_region(&info->map, i, &region) || !region.available ||
			   region.end <= screen->place ||
			   region.start >= screen->place + screen->bytes);
	}
}

static void check_text(const struct boot_info *info, const char *text)
{
	FUZZ_CHECK(text >= info->texts && text < info->texts + sizeof(info->texts));
	size_t room = (size_t)(info->texts + sizeof(info->texts) - text);
	FUZZ_CHECK(strnlen(text, room) < room);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	static struct boot_info info;
	static struct error error;
	/* A block of exactly this size, so that the sanitizer sees its end. */
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
	memcpy(copy, data, bytes);
	memset(&error, 'x', sizeof(error));
	enum status status = multiboot2_parse(copy, bytes, &info, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	FUZZ_CHECK(info.module_count <= BOOT_MODULES_MAX);
	FUZZ_CHECK(info.text_bytes > 0 && info.text_bytes < sizeof(info.texts));
	FUZZ_CHECK(info.rsdp_bytes <= sizeof(info.rsdp));
	check_text(&info, info.command_line);
	FUZZ_CHECK(strnlen(info.loader_name, sizeof(info.loader_name)) < sizeof(info.loader_name));
	for (unsigned i = 0; i < info.module_count; i++) {
		const struct boot_module *module = &info.modules[i];
		FUZZ_CHECK(module->start <= module->end);
		check_text(&info, module->text);
	}
	for (unsigned i = 0; i < info.map.count; i++) {
		struct boot_region region;
		FUZZ_CHECK(!multiboot2_region(&info.map, i, &region) || region.start < region.end);
	}
	if (status == STATUS_OK) {
		check_screen(&info);
	}
	check_ram(&info);
	check_releases(&info);
	free(copy);
	return 0;
}
