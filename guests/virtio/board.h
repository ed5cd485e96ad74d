/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VM with as=kvm has besides guests/lib/bare.h: its balloon's registers, and a reset. */
#ifndef GUESTS_VIRTIO_BOARD_H
#define GUESTS_VIRTIO_BOARD_H

#include <stdint.h>

#define PAGE_BYTES 4096ul
#define WINDOW 0xd0000000ul
#define WINDOW_BYTES 0x200u

/* Makes the registers accessible: start.S maps RAM alone. */
void board_map(void);

static inline uint32_t board_read(uint32_t offset)
{
	return *(volatile uint32_t *)(WINDOW + offset);
}

static inline void board_write(uint32_t offset, uint32_t value)
{
	__asm__ volatile("movl %0, (%1)" : : "r"(value), "r"(WINDOW + offset) : "memory");
}

static inline void board_write_byte(uint32_t offset, uint8_t value)
{
	__asm__ volatile("movb %0, (%1)" : : "q"(value), "r"(WINDOW + offset) : "memory");
}

/* Resets the VM by the keyboard controller. */
_Noreturn void board_reset(void);

#endif
