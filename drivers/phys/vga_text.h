/* SPDX-License-Identifier: BSD-2-Clause */
/* The text mode of a VGA: letters with attributes in memory, and a cursor of its own. */
#ifndef DRIVERS_PHYS_VGA_TEXT_H
#define DRIVERS_PHYS_VGA_TEXT_H

#include "base/types.h"

/* Lights: four bits each, red 4, green 2, blue 1, bright 8. */
static inline uint16_t vga_text_cell(uint8_t letter, unsigned light, unsigned ground)
{
	return (uint16_t)(letter | (ground << 4 | light) << 8);
}

/* The hardware's cursor goes away: the console shows one of its own. */
void vga_text_hide_cursor(void);

#endif
