/* SPDX-License-Identifier: BSD-2-Clause */
/* Registers of the CRT controller, by index and data port (IBM PS/2 hardware reference, video). */
#include "drivers/phys/vga_text.h"

#include "drivers/phys/port.h"

#define CRT_INDEX 0x3d4 /* of a colour screen, as every loader sets it */
#define CRT_DATA 0x3d5
#define CURSOR_START 0x0a
#define CURSOR_OFF 0x20

void vga_text_hide_cursor(void)
{
	port_write_8(CRT_INDEX, CURSOR_START);
	port_write_8(CRT_DATA, CURSOR_OFF);
}
