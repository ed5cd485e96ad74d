/* SPDX-License-Identifier: BSD-2-Clause */
/* Pixels of a linear framebuffer. Whoever draws is alone: see screen.h. */
#ifndef DRIVERS_PHYS_FRAMEBUFFER_H
#define DRIVERS_PHYS_FRAMEBUFFER_H

#include "base/types.h"
#include "arch/screen.h"

/* Where it is mapped, and how large a pixel of ours is on it. */
struct framebuffer {
	volatile uint8_t *memory;
	struct screen screen;
	unsigned scale; /* one pixel of ours is a square of so many of the screen's */
	unsigned width; /* in pixels of ours */
	unsigned height;
};

/* `screen` is SCREEN_PIXELS. Pixels of ours are so large that at most `columns` letters stand side
 * by side, and at most `rows` one below the other. */
void framebuffer_init(struct framebuffer *at, const struct screen *screen, volatile void *memory,
		      unsigned columns, unsigned rows);

/* Pure: 0xRRGGBB as this screen has it. */
uint32_t framebuffer_pixel(const struct screen *screen, uint32_t rgb);

/* A rectangle in one colour (a pixel of framebuffer_pixel()); what is outside of the screen is
 * left out. */
void framebuffer_fill(const struct framebuffer *at, unsigned x, unsigned y, unsigned width,
		      unsigned height, uint32_t pixel);

/* One letter of drivers/phys/font.h; x and y are pixels of ours. */
void framebuffer_letter(const struct framebuffer *at, unsigned x, unsigned y, uint8_t letter,
			uint32_t pixel, uint32_t ground);

#endif
