/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Port input and output, one instruction each (Intel SDM volume 1, chapter 19). Host tests put a
 * board of their own behind the ports (tests/host/fake/board.c).
 */
#ifndef DRIVERS_PHYS_PORT_H
#define DRIVERS_PHYS_PORT_H

#include "base/types.h"

#ifdef AEROSTAT_HOST_TEST

void port_write_8(uint16_t port, uint8_t value);
void port_write_16(uint16_t port, uint16_t value);
void port_write_32(uint16_t port, uint32_t value);
uint8_t port_read_8(uint16_t port);
uint16_t port_read_16(uint16_t port);
uint32_t port_read_32(uint16_t port);

#else

static inline void port_write_8(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void port_write_16(uint16_t port, uint16_t value)
{
	__asm__ volatile("outw %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline void port_write_32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "Nd"(port) : "memory");
}

static inline uint8_t port_read_8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint16_t port_read_16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

static inline uint32_t port_read_32(uint16_t port)
{
	uint32_t value;

	__asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"(port) : "memory");
	return value;
}

#endif

#endif
