/* SPDX-License-Identifier: BSD-2-Clause */
/* See console_screen.h. Boot CPU, or the last one that runs. */
#include "arch/x86/cpu/console_screen.h"

#include "base/log.h"
#include "drivers/phys/screen.h"

static struct {
	const struct screen *screen; /* NULL: there is none, or it is not to be used */
	bool wanted;
	bool identity; /* host-physical addresses below identity_end are mapped as they are */
	uint64_t identity_end;
	volatile void *memory; /* behind the identity map: where it is mapped; NULL: nowhere */
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

void console_screen_give_up(void)
{
	screen_move(NULL);
	console.screen = NULL;
	console.wanted = false;
}

const struct screen *console_screen_to_map(unsigned physical_bits)
{
	const struct screen *screen = console.screen;

	if (screen != NULL && physical_bits < 64 &&
	    (screen->place + screen->bytes - 1) >> physical_bits != 0) {
		console_screen_give_up();
		log_event(NULL, "screen: not used: it lies beyond the %u bits of an address",
			  physical_bits);
	}
	return console.screen;
}

void console_screen_mapped(volatile void *memory)
{
	console.identity = false;
	console.memory = memory;
	if (screen_is_open()) {
		screen_move(memory);
	} else if (console.wanted && memory != NULL) {
		(void)screen_open(console.screen, memory);
	}
}

void console_screen_open_late(void)
{
	if (console.screen == NULL || screen_is_open()) {
		return;
	}
	/* What stands first says why: nobody can look back at what has scrolled away. */
	if (screen_open(console.screen, console.identity ? identity_place() : console.memory)) {
		screen_hold();
	}
}

void console_screen_urgent(void)
{
	if (screen_is_drawing()) {
		console_screen_give_up();
	} else {
		console_screen_open_late();
		screen_defer(false);
	}
}

bool console_screen_is_on(void)
{
	return screen_is_open();
}
