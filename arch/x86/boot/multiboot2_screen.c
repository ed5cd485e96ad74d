/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The framebuffer tag. Nothing in it is trusted: a machine without a screen is better than one that
 * draws over its own memory. Pure and without state, so that host tests and fuzzers run it.
 */
#include "arch/x86/boot/multiboot2_screen.h"

#include "base/string.h"

#define TYPE_RGB 1
#define TYPE_TEXT 2

#define TEXT_BITS 16 /* of a letter */
#define CHANNEL_BITS_MOST 16
#define PLACE_ALIGN 8

struct screen_tag {
	uint32_t type;
	uint32_t size;
	uint64_t place;
	uint32_t pitch;
	uint32_t width;
	uint32_t height;
	uint8_t bits;
	uint8_t kind;
	uint16_t reserved;
};

/* Behind it, with TYPE_RGB. */
struct channels {
	uint8_t red_at, red_bits;
	uint8_t green_at, green_bits;
	uint8_t blue_at, blue_bits;
};

_Static_assert(sizeof(struct screen_tag) == 32, "layout of the specification");
_Static_assert(sizeof(struct channels) == 6, "layout of the specification");

static uint64_t mask_of(struct screen_channel channel)
{
	return ((1ull << channel.bits) - 1) << channel.at;
}

static bool is_inside(struct screen_channel channel, unsigned bits)
{
	return channel.bits > 0 && channel.bits <= CHANNEL_BITS_MOST &&
	       (unsigned)channel.at + channel.bits <= bits;
}

static const char *read_channels(const struct channels *from, unsigned bits, struct screen *screen)
{
	const struct screen_channel red = {from->red_at, from->red_bits};
	const struct screen_channel green = {from->green_at, from->green_bits};
	const struct screen_channel blue = {from->blue_at, from->blue_bits};

	if (!is_inside(red, bits) || !is_inside(green, bits) || !is_inside(blue, bits)) {
		return "its colours are not inside of a pixel";
	}
	if ((mask_of(red) & mask_of(green)) != 0 || (mask_of(red) & mask_of(blue)) != 0 ||
	    (mask_of(green) & mask_of(blue)) != 0) {
		return "its colours overlap";
	}
	screen->red = red;
	screen->green = green;
	screen->blue = blue;
	return NULL;
}

static const char *read_pixels(const struct screen_tag *tag, size_t bytes, struct screen *screen)
{
	if (tag->bits != 15 && tag->bits != 16 && tag->bits != 24 && tag->bits != 32) {
		return "its pixels have another size than 15, 16, 24 or 32 bits";
	}
	if (bytes < sizeof(*tag) + sizeof(struct channels)) {
		return "the boot loader's record of it is too short for its colours";
	}
	screen->kind = SCREEN_PIXELS;
	screen->pixel_bytes = (uint8_t)((tag->bits + 7u) / 8);
	return read_channels((const struct channels *)(tag + 1), tag->bits, screen);
}

static const char *read_text(const struct screen_tag *tag, struct screen *screen)
{
	if (tag->bits != TEXT_BITS) {
		return "its letters have another size than 16 bits";
	}
	screen->kind = SCREEN_TEXT;
	screen->pixel_bytes = TEXT_BITS / 8;
	return NULL;
}

static bool is_side(uint32_t pixels)
{
	return pixels >= 1 && pixels <= SCREEN_SIDE_MOST;
}

/* The kind and the colours are read; now what they make of sizes. */
static const char *read_sizes(const struct screen_tag *tag, struct screen *screen)
{
	if (!is_side(tag->width) || !is_side(tag->height)) {
		return "it has an impossible size";
	}
	if (tag->pitch < tag->width * screen->pixel_bytes) {
		return "its lines are shorter than it is wide";
	}
	if (screen->pixel_bytes != 3 && tag->pitch % screen->pixel_bytes != 0) {
		return "its lines are no whole number of pixels apart";
	}
	uint64_t all = (uint64_t)tag->pitch * tag->height;
	if (all > SCREEN_BYTES_MOST) {
		return "it has more than 256 MiB";
	}
	if (tag->place == 0 || tag->place % PLACE_ALIGN != 0 || tag->place > UINT64_MAX - all) {
		return "it lies at an impossible address";
	}
	screen->place = tag->place;
	screen->bytes = all;
	screen->pitch = tag->pitch;
	screen->width = tag->width;
	screen->height = tag->height;
	return NULL;
}

const char *multiboot2_read_screen(const void *tag, size_t bytes, struct screen *screen)
{
	const struct screen_tag *from = tag;
	const char *message;

	memset(screen, 0, sizeof(*screen));
	if (bytes < sizeof(*from)) {
		return "the boot loader's record of it is too short";
	}
	if (from->kind == TYPE_RGB) {
		message = read_pixels(from, bytes, screen);
	} else if (from->kind == TYPE_TEXT) {
		message = read_text(from, screen);
	} else {
		message = "it has neither pixels of three colours nor letters";
	}
	if (message == NULL) {
		message = read_sizes(from, screen);
	}
	if (message != NULL) {
		memset(screen, 0, sizeof(*screen));
	}
	return message;
}
