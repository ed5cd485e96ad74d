/* SPDX-License-Identifier: BSD-2-Clause */
/* See console_screen.h. Boot CPU, or the last one that runs. */
#include "arch/x86/cpu/console_screen.h"

#include "base/bits.h"
#include "drivers/phys/physical.h"
#include "drivers/phys/screen.h"

/* Where there are no page tables for all of it, so many lines less are tried each time. */
#define LATE_TRIES 16

static struct {
	const struct screen *screen; /* NULL: there is none, or it is not to be used */
	bool wanted;
	bool identity; /* host-physical addresses below identity_end are mapped as they are */
	uint64_t identity_end;
} console;

static volatile void *identity_place(void)
{
	const struct screen *screen = console.screen;
	bool mapped = console.identity && screen->place + screen->bytes <= console.identity_end;

	return mapped ? (volatile void *)(uintptr_t)screen->place : NULL;
}

void console_screen_choose(const struct screen *screen, enum screen_use use, bool silent,
			   uint64_t identity_end)
{
	console.screen = screen->kind == SCREEN_NONE || use == SCREEN_USE_NO ? NULL : screen;
	console.identity = true;
	console.identity_end = identity_end;
	console.wanted = console.screen != NULL && (use != SCREEN_USE_AUTO || silent);
	if (console.wanted) {
		(void)screen_open(console.screen, identity_place());
	}
}

const struct screen *console_screen_wanted(void)
{
	return console.wanted ? console.screen : NULL;
}

void console_screen_mapped(volatile void *memory)
{
	console.identity = false;
	if (screen_is_open()) {
		screen_move(memory);
	} else if (console.wanted && memory != NULL) {
		(void)screen_open(console.screen, memory);
	}
}

/* The upper part of it, as much as device mappings have room for; *part says what. */
static volatile void *map_part(struct screen *part)
{
	volatile void *memory = NULL;

	*part = *console.screen;
	for (unsigned i = 0; memory == NULL && i < LATE_TRIES; i++) {
		memory = physical_map_device(part->place, part->bytes);
		if (memory == NULL) {
			part->height -= part->height / 4;
			part->bytes = (size_t)part->pitch * part->height;
		}
	}
	return memory;
}

void console_screen_open_late(void)
{
	struct screen part;

	if (console.screen == NULL || screen_is_open()) {
		return;
	}
	if (console.identity) {
		(void)screen_open(console.screen, identity_place());
		return;
	}
	volatile void *memory = map_part(&part);
	(void)screen_open(&part, memory);
}

bool console_screen_is_on(void)
{
	return screen_is_open();
}
