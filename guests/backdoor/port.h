/* SPDX-License-Identifier: BSD-2-Clause */
/* Ports, and the calls of VMware's backdoor. */
#ifndef GUESTS_BACKDOOR_PORT_H
#define GUESTS_BACKDOOR_PORT_H

#include <stdint.h>

#define QUESTION_PORT 0x5658
#define QUESTION_MAGIC 0x564d5868
#define BALLOON_PORT 0x5670
#define BALLOON_MAGIC 0x456c6d6f

static inline void port_write32(uint16_t port, uint32_t value)
{
	__asm__ volatile("outl %0, %1" : : "a"(value), "d"(port));
}

static inline uint8_t port_read8(uint16_t port)
{
	uint8_t value;

	__asm__ volatile("inb %1, %0" : "=a"(value) : "d"(port));
	return value;
}

static inline uint16_t port_read16(uint16_t port)
{
	uint16_t value;

	__asm__ volatile("inw %1, %0" : "=a"(value) : "d"(port));
	return value;
}

/* Registers before and after the IN. */
struct call {
	uint64_t rax;
	uint64_t rbx;
	uint64_t rcx;
	uint64_t rsi;
};

static inline void port_call(uint16_t port, struct call *call)
{
	__asm__ volatile("inl %%dx, %%eax"
			 : "+a"(call->rax), "+b"(call->rbx), "+c"(call->rcx), "+S"(call->rsi)
			 : "d"(port)
			 : "memory");
}

#endif
