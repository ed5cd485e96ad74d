/* SPDX-License-Identifier: BSD-2-Clause */
/* See board.h. */
#include "guests/virtio/board.h"

#include "guests/lib/bare.h"

#define KEYBOARD_COMMAND 0x64
#define KEYBOARD_RESET 0xfe
#define ENTRY_PRESENT 0x1ul
#define ENTRY_WRITABLE 0x2ul
#define ENTRY_LARGE 0x80ul
#define ENTRY_ADDRESS 0xffffffffff000ul

static uint64_t window_directory[512] __attribute__((aligned(4096)));

void board_map(void)
{
	uint64_t cr3;

	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	uint64_t *top = (uint64_t *)(cr3 & ENTRY_ADDRESS);
	uint64_t *gigabytes = (uint64_t *)(top[0] & ENTRY_ADDRESS);
	window_directory[(WINDOW >> 21) & 511] =
		WINDOW | ENTRY_PRESENT | ENTRY_WRITABLE | ENTRY_LARGE;
	gigabytes[WINDOW >> 30] = (uint64_t)window_directory | ENTRY_PRESENT | ENTRY_WRITABLE;
	__asm__ volatile("movq %0, %%cr3" : : "r"(cr3) : "memory");
}

void board_reset(void)
{
	for (;;) {
		bare_port_write(KEYBOARD_COMMAND, KEYBOARD_RESET);
	}
}
