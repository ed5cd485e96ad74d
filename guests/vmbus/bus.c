/* SPDX-License-Identifier: BSD-2-Clause */
/* See bus.h. */
#include "guests/vmbus/bus.h"

#include <stddef.h>

#include "guests/lib/memory.h"

#define LINUX_GUEST 0x8100000000000000ul
#define ENABLED 1ul
#define VMBUS_SOURCE 2u
#define VECTOR 0xf3u
#define VERSION_4 0x40000u
#define UNIT 8u
#define PACKET_HEADER_UNITS 2u
#define IN_BAND 6u
#define WALK_MAX 1024u /* packets of a ring */

#define TYPE_OPEN 5u
#define TYPE_GPADL_HEADER 8u
#define TYPE_INITIATE_CONTACT 14u

uint8_t ring_pages[2 * RING_PAGES][PAGE_BYTES] __attribute__((aligned(4096)));
uint8_t call_input[PAGE_BYTES] __attribute__((aligned(4096)));
uint8_t hint_input[PAGE_BYTES] __attribute__((aligned(4096)));
uint8_t scratch_page[PAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t call_page[PAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t messages[PAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t event_flags[PAGE_BYTES] __attribute__((aligned(4096)));

uint64_t bus_call(uint64_t control, uint64_t input, uint64_t output)
{
	register uint64_t third __asm__("r8") = output;
	uint64_t result = (uint64_t)call_page;

	__asm__ volatile("call *%%rax"
			 : "+a"(result), "+c"(control), "+d"(input), "+r"(third)
			 :
			 : "memory", "r9", "r10", "r11", "cc");
	return result;
}

/* The slot is emptied at once, so the host's next message has a place. */
static void empty_slot(void)
{
	*(volatile uint32_t *)(messages + VMBUS_SOURCE * 256) = 0;
	msr_write(MSR_END, 0);
}

void bus_post(const void *payload, uint32_t bytes)
{
	uint32_t *head = (uint32_t *)call_input;

	head[0] = CONNECTION;
	head[1] = 0;
	head[2] = 1;
	head[3] = bytes;
	memcpy(call_input + 16, payload, bytes);
	(void)bus_call(CALL_POST_MESSAGE, (uint64_t)call_input, 0);
	empty_slot();
}

static void enable(void)
{
	msr_write(MSR_GUEST_ID, LINUX_GUEST);
	msr_write(MSR_HYPERCALL, (uint64_t)call_page | ENABLED);
	msr_write(MSR_MESSAGES, (uint64_t)messages | ENABLED);
	msr_write(MSR_EVENT_FLAGS, (uint64_t)event_flags | ENABLED);
	msr_write(MSR_SOURCE + VMBUS_SOURCE, VECTOR);
	msr_write(MSR_CONTROL, ENABLED);
	empty_slot();
}

static void open_channel(void)
{
	static const uint32_t contact[10] = {TYPE_INITIATE_CONTACT, 0, VERSION_4};
	static const uint32_t open[7] = {TYPE_OPEN, 0, CHANNEL, 1, GPADL, 0, RING_PAGES};
	struct __attribute__((packed)) {
		uint32_t type, padding, channel, id;
		uint16_t bytes, ranges;
		uint32_t range_bytes, offset;
		uint64_t gfns[2 * RING_PAGES];
	} list = {
		.type = TYPE_GPADL_HEADER,
		.channel = CHANNEL,
		.id = GPADL,
		.ranges = 1,
		.range_bytes = sizeof(ring_pages),
	};

	for (unsigned i = 0; i < 2 * RING_PAGES; i++) {
		list.gfns[i] = gfn_of(ring_pages[i]);
	}
	memset(ring_pages, 0, sizeof(ring_pages));
	bus_post(contact, sizeof(contact));
	bus_post(&list, sizeof(list));
	bus_post(open, sizeof(open));
}

void bus_connect(void)
{
	static const uint64_t version[2] = {MEMORY_VERSION | 16 << 16, 0x20000};
	static const uint64_t capabilities[4] = {MEMORY_CAPABILITIES | 32 << 16, 3};

	enable();
	open_channel();
	bus_say(version, sizeof(version));
	(void)bus_listen();
	bus_say(capabilities, sizeof(capabilities));
	(void)bus_listen();
}

void bus_leave(void)
{
	msr_write(MSR_GUEST_ID, 0);
}

static volatile uint64_t *ring_unit(unsigned first_page, uint32_t at)
{
	return (volatile uint64_t *)(ring_pages[first_page + 1] + at % RING_BYTES / UNIT * UNIT);
}

void bus_say(const void *payload, uint32_t bytes)
{
	volatile uint32_t *indices = ring_indices(RING_OUT);
	uint32_t at = indices[RING_WRITE_INDEX] % RING_BYTES / UNIT * UNIT;
	uint32_t units = PACKET_HEADER_UNITS + (bytes + UNIT - 1) / UNIT;
	const uint8_t *from = payload;

	*ring_unit(RING_OUT, at) = IN_BAND | PACKET_HEADER_UNITS << 16 | (uint64_t)units << 32;
	*ring_unit(RING_OUT, at + UNIT) = 0;
	for (uint32_t i = 0; i < units - PACKET_HEADER_UNITS; i++) {
		uint64_t word = 0;
		uint32_t rest = bytes - i * UNIT;
		memcpy(&word, from + (size_t)i * UNIT, rest < UNIT ? rest : UNIT);
		*ring_unit(RING_OUT, at + (PACKET_HEADER_UNITS + i) * UNIT) = word;
	}
	indices[RING_WRITE_INDEX] = (at + (units + 1) * UNIT) % RING_BYTES;
	(void)bus_call(CALL_SIGNAL_EVENT | CALL_FAST, CHANNEL_CONNECTION, 0);
}

uint32_t bus_listen(void)
{
	volatile uint32_t *indices = ring_indices(RING_IN);
	uint32_t end = indices[RING_WRITE_INDEX];
	uint32_t at = indices[RING_READ_INDEX];
	uint32_t types = 0;

	for (unsigned i = 0; i < WALK_MAX && at != end; i++) {
		uint64_t header = *ring_unit(RING_IN, at);
		uint32_t units = (uint32_t)(header >> 32 & 0xffff);
		types |= 1u << (*ring_unit(RING_IN, at + PACKET_HEADER_UNITS * UNIT) & 31);
		at = (at + (units + 1) * UNIT) % RING_BYTES;
	}
	indices[RING_READ_INDEX] = end;
	return types;
}
