/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Draws into a linear framebuffer. It is only written: reading it back crosses a bus and takes a
 * microsecond on a real machine. Pixels of 32 bits go two at a time.
 */
#include "drivers/phys/framebuffer.h"

#include "base/bits.h"
#include "drivers/phys/font.h"

/* The upper bits of a colour of 8, or as many as there are. */
static uint32_t channel_pixel(struct screen_channel channel, uint32_t value)
{
	uint32_t bits = channel.bits;
	uint32_t scaled = bits <= 8 ? value >> (8 - bits) : value << (bits - 8);

	return scaled << channel.at;
}

uint32_t framebuffer_pixel(const struct screen *screen, uint32_t rgb)
{
	return channel_pixel(screen->red, rgb >> 16 & 0xff) |
	       channel_pixel(screen->green, rgb >> 8 & 0xff) |
	       channel_pixel(screen->blue, rgb & 0xff);
}

/* So large must a pixel of ours be for the screen to have at most `most` letters in a line. */
static unsigned least_scale(unsigned pixels, unsigned most)
{
	return (pixels - 1) / most + 1;
}

void framebuffer_init(struct framebuffer *at, const struct screen *screen, volatile void *memory,
		      unsigned columns, unsigned rows)
{
	unsigned across = least_scale(screen->width, columns * FONT_WIDTH);
	unsigned down = least_scale(screen->height, rows * FONT_HEIGHT);

	at->memory = memory;
	at->screen = *screen;
	at->scale = across > down ? across : down;
	at->width = screen->width / at->scale;
	at->height = screen->height / at->scale;
}

static volatile uint8_t *place_of(const struct framebuffer *at, unsigned x, unsigned y)
{
	size_t row = (size_t)y * at->scale * at->screen.pitch;

	return at->memory + row + (size_t)x * at->scale * at->screen.pixel_bytes;
}

/* `count` pixels of the screen in a row. */
static void fill_row(const struct framebuffer *at, volatile uint8_t *to, unsigned count,
		     uint32_t pixel)
{
	if (at->screen.pixel_bytes == 4) {
		for (unsigned i = 0; i < count; i++) {
			((volatile uint32_t *)to)[i] = pixel;
		}
	} else if (at->screen.pixel_bytes == 2) {
		for (unsigned i = 0; i < count; i++) {
			((volatile uint16_t *)to)[i] = (uint16_t)pixel;
		}
	} else {
		for (unsigned i = 0; i < count; i++) {
			to[3 * i] = (uint8_t)pixel;
			to[3 * i + 1] = (uint8_t)(pixel >> 8);
			to[3 * i + 2] = (uint8_t)(pixel >> 16);
		}
	}
}

void framebuffer_fill(const struct framebuffer *at, unsigned x, unsigned y, unsigned width,
		      unsigned height, uint32_t pixel)
{
	if (x >= at->width || y >= at->height) {
		return;
	}
	unsigned across = (unsigned)min_u64(width, at->width - x) * at->scale;
	unsigned down = (unsigned)min_u64(height, at->height - y) * at->scale;
	volatile uint8_t *to = place_of(at, x, y);

	for (unsigned i = 0; i < down; i++, to += at->screen.pitch) {
		fill_row(at, to, across, pixel);
	}
}

/* One line of a letter on a screen of 32-bit pixels, each of ours one of the screen's. */
static void draw_line_32(volatile uint8_t *to, uint8_t line, uint32_t pixel, uint32_t ground)
{
	volatile uint64_t *pairs = (volatile uint64_t *)to;

	for (unsigned i = 0; i < FONT_WIDTH / 2; i++, line = (uint8_t)(line << 2)) {
		uint64_t left = line & 0x80 ? pixel : ground;
		uint64_t right = line & 0x40 ? pixel : ground;
		pairs[i] = left | right << 32;
	}
}

static void draw_line(const struct framebuffer *at, unsigned x, unsigned y, uint8_t line,
		      uint32_t pixel, uint32_t ground)
{
	for (unsigned i = 0; i < FONT_WIDTH; i++, line = (uint8_t)(line << 1)) {
		framebuffer_fill(at, x + i, y, 1, 1, line & 0x80 ? pixel : ground);
	}
}

void framebuffer_letter(const struct framebuffer *at, unsigned x, unsigned y, uint8_t letter,
			uint32_t pixel, uint32_t ground)
{
	if (x + FONT_WIDTH > at->width || y + FONT_HEIGHT > at->height) {
		return;
	}
	volatile uint8_t *to = place_of(at, x, y);
	bool plain = at->scale == 1 && at->screen.pixel_bytes == 4 && at->screen.pitch % 8 == 0;

	for (unsigned i = 0; i < FONT_HEIGHT; i++, to += at->screen.pitch) {
		uint8_t line = font_line(letter, i);

		if (plain) {
			draw_line_32(to, line, pixel, ground);
		} else {
			draw_line(at, x, y + i, line, pixel, ground);
		}
	}
}
