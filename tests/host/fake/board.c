/* SPDX-License-Identifier: BSD-2-Clause */
/* See board.h. */
#include "fake/board.h"

#include "drivers/phys/port.h"

void port_write_8(uint16_t port, uint8_t value)
{
	board_write(port, 1, value);
}

void port_write_16(uint16_t port, uint16_t value)
{
	board_write(port, 2, value);
}

void port_write_32(uint16_t port, uint32_t value)
{
	board_write(port, 4, value);
}

uint8_t port_read_8(uint16_t port)
{
	return (uint8_t)board_read(port, 1);
}

uint16_t port_read_16(uint16_t port)
{
	return (uint16_t)board_read(port, 2);
}

uint32_t port_read_32(uint16_t port)
{
	return board_read(port, 4);
}
