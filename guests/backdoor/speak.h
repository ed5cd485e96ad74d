/* SPDX-License-Identifier: BSD-2-Clause */
/* The two ways in which this guest speaks to its balloon; what they share. */
#ifndef GUESTS_BACKDOOR_SPEAK_H
#define GUESTS_BACKDOOR_SPEAK_H

#include <stdbool.h>
#include <stdint.h>

#define PAGE_BYTES 4096ul
#define LARGE_PAGES 512ul /* pages of 2 MiB */
#define BATCH_MAX 512

/* RAM from here on is the balloon's playground: image, tables and stack lie below. */
#define FIRST_GFN 1024ul

enum command {
	COMMAND_START = 0,
	COMMAND_GET_TARGET = 1,
	COMMAND_LOCK = 2,
	COMMAND_UNLOCK = 3,
	COMMAND_GUEST_ID = 4,
	COMMAND_BATCHED_LOCK = 6,
	COMMAND_BATCHED_UNLOCK = 7,
	COMMAND_BATCHED_2M_LOCK = 8,
	COMMAND_BATCHED_2M_UNLOCK = 9,
	COMMAND_DOORBELL_SET = 10,
};

#define STATUS_OK 0
#define STATUS_START_OK 0x03000000u

extern uint64_t batch_page[BATCH_MAX];

/* One command; answers EAX. */
uint32_t speak(uint64_t command, uint64_t first, uint64_t second);

/* The page's number in the batch page's entry, whose status is 0. */
static inline uint64_t entry_of(uint64_t gfn)
{
	return gfn << 12;
}

static inline uint64_t gfn_of(const void *address)
{
	return (uint64_t)(uintptr_t)address / PAGE_BYTES;
}

/* True: nothing was wrong. */
/* `two`: vCPU 1 speaks, too. */
bool speak_wrongly(uint64_t ram_pages, uint64_t messages, uint64_t seed, bool two);
bool speak_rightly(uint64_t ram_pages);

/* All pages, the code as well, so it does not return. */
void speak_of_everything(uint64_t ram_pages);

#endif
