/* SPDX-License-Identifier: BSD-2-Clause */
/* The letters of the screen's console: printable ASCII, 8 x 16 pixels each. Pure. */
#ifndef DRIVERS_PHYS_FONT_H
#define DRIVERS_PHYS_FONT_H

#include "base/types.h"

#define FONT_WIDTH 8
#define FONT_HEIGHT 16
#define FONT_FIRST 0x20 /* blank */
#define FONT_LAST 0x7e

/*
 * Line `y` (0 is the uppermost, below FONT_HEIGHT) of the letter `c`: bit 7 is the leftmost pixel.
 * What is not printable ASCII has the form of a filled box.
 */
uint8_t font_line(uint8_t c, unsigned y);

#endif
