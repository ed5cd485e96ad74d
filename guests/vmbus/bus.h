/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a driver of Hyper-V's Dynamic Memory has, for a VM with as=hyper-v: hypercalls, messages of
 * VMBus, and the two rings of its channel. Interrupts stay off: nothing is waited for.
 */
#ifndef GUESTS_VMBUS_BUS_H
#define GUESTS_VMBUS_BUS_H

#include <stdint.h>

#define PAGE_BYTES 4096ul

#define MSR_GUEST_ID 0x40000000u
#define MSR_HYPERCALL 0x40000001u
#define MSR_REFERENCE_TSC 0x40000021u
#define MSR_ASSIST 0x40000073u
#define MSR_CONTROL 0x40000080u
#define MSR_EVENT_FLAGS 0x40000082u
#define MSR_MESSAGES 0x40000083u
#define MSR_END 0x40000084u
#define MSR_SOURCE 0x40000090u
#define MSR_TSC_INVARIANT 0x40000118u

#define CALL_POST_MESSAGE 0x5cu
#define CALL_SIGNAL_EVENT 0x5du
#define CALL_CAPABILITIES 0x8001u
#define CALL_MEMORY_HINT 0x8003u
#define CALL_FAST (1ul << 16)

#define MESSAGE_MAX 240u
#define CONNECTION 1u
#define CHANNEL 1u
#define CHANNEL_CONNECTION 2u
#define GPADL 7u

/* Messages of Dynamic Memory. */
#define MEMORY_VERSION 1u
#define MEMORY_CAPABILITIES 3u
#define MEMORY_STATUS 5u
#define MEMORY_BALLOON 6u
#define MEMORY_BALLOON_RESPONSE 7u
#define MEMORY_UNBALLOON_RESPONSE 9u
#define MEMORY_HOT_ADD_RESPONSE 11u
#define MEMORY_MESSAGE_MAX 4096u

#define RING_PAGES 5u /* of each direction, with that of its indices */
#define RING_BYTES ((RING_PAGES - 1) * (uint32_t)PAGE_BYTES)

/* Pages of both rings: to the host, and from it. */
extern uint8_t ring_pages[2 * RING_PAGES][PAGE_BYTES];
/* The input of hypercalls; that of hints alone, because any other word would name pages; and a page
 * that the host may write to. */
extern uint8_t call_input[PAGE_BYTES];
extern uint8_t hint_input[PAGE_BYTES];
extern uint8_t scratch_page[PAGE_BYTES];

/* Which word of a ring's first page. */
#define RING_WRITE_INDEX 0u
#define RING_READ_INDEX 1u
static inline volatile uint32_t *ring_indices(unsigned first_page)
{
	return (volatile uint32_t *)ring_pages[first_page];
}
#define RING_OUT 0u
#define RING_IN RING_PAGES

static inline uint64_t gfn_of(const void *page)
{
	return (uint64_t)page / PAGE_BYTES;
}

static inline void msr_write(uint32_t msr, uint64_t value)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
			 : "memory");
}

/* By the page that the host has written the instruction to. */
uint64_t bus_call(uint64_t control, uint64_t input, uint64_t output);

/* From the first MSR to an open channel and a driver that is attached, or as far as that goes. */
void bus_connect(void);

/* The host forgets all of it. */
void bus_leave(void);

/* A message of VMBus, whatever it is; at most MESSAGE_MAX bytes. */
void bus_post(const void *payload, uint32_t bytes);

/* A packet with a header as it should be goes into the ring; the host is told. */
void bus_say(const void *payload, uint32_t bytes);

/* Takes all that the host has sent out of the ring; answers a set of the types (bit: type). */
uint32_t bus_listen(void);

#endif
