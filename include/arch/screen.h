/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen that the boot loader has left us: letters of VGA's text mode, or pixels in a row. What
 * the loader says is checked once, in arch/x86/boot/multiboot2_screen.c; users of a struct screen
 * may rely on what is said here.
 */
#ifndef ARCH_SCREEN_H
#define ARCH_SCREEN_H

#include "base/types.h"

enum screen_kind {
	SCREEN_NONE,
	SCREEN_TEXT,   /* two bytes per letter: ASCII, attributes of a VGA */
	SCREEN_PIXELS, /* a linear framebuffer */
};

#define SCREEN_SIDE_MOST 16384 /* pixels or letters */
#define SCREEN_BYTES_MOST 0x10000000

/* A colour is `bits` (1 to 16) bits of a pixel, from bit `at` on. */
struct screen_channel {
	uint8_t at;
	uint8_t bits;
};

struct screen {
	enum screen_kind kind;
	uint64_t place; /* host-physical, a multiple of 8; with `bytes` behind it below 2^64 */
	size_t bytes;	/* pitch * height, SCREEN_BYTES_MOST at most */
	uint32_t
		pitch; /* from a line to the next: whole pixels (not of 3 bytes), a line at least */
	uint32_t width; /* pixels or letters: 1 to SCREEN_SIDE_MOST, as is the height */
	uint32_t height;
	uint8_t pixel_bytes; /* SCREEN_PIXELS: 2, 3 or 4; SCREEN_TEXT: 2 */
	struct screen_channel red, green, blue;
};

/* What shall be on it, as the option `screen=` says. */
enum screen_use {
	SCREEN_USE_AUTO, /* the console, if there is no serial port; else how the run failed */
	SCREEN_USE_NO,	 /* nothing, ever */
	SCREEN_USE_TEXT, /* the console */
	SCREEN_USE_MAP,	 /* the console, and above it the map of frames */
};

#endif
