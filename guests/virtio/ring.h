/* SPDX-License-Identifier: BSD-2-Clause */
/* The driver's side of the balloon's queues, in static memory of the guest. */
#ifndef GUESTS_VIRTIO_RING_H
#define GUESTS_VIRTIO_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "guests/virtio/board.h"

#define QUEUES 4u
#define QUEUE_SIZE 64u
#define NUMBERS_MAX 1024u

enum queue { INFLATE, DEFLATE, STATISTICS, REPORTS };

#define FEATURES_ALL 0x37u

/* Registers. */
#define REG_FEATURES 0x020u
#define REG_FEATURES_SELECT 0x024u
#define REG_QUEUE_SELECT 0x030u
#define REG_QUEUE_SIZE 0x038u
#define REG_QUEUE_READY 0x044u
#define REG_NOTIFY 0x050u
#define REG_INTERRUPT_STATUS 0x060u
#define REG_INTERRUPT_ACK 0x064u
#define REG_STATUS 0x070u
#define REG_DESCRIPTORS 0x080u
#define REG_DRIVER 0x090u
#define REG_DEVICE 0x0a0u
#define REG_ACTUAL 0x104u

struct descriptor {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags;
	uint16_t next;
};

#define FLAG_NEXT 1u
#define FLAG_WRITE 2u

/* Each of the three in a page of its own, so that a page can be given away alone. */
struct ring {
	struct descriptor descriptors[PAGE_BYTES / sizeof(struct descriptor)];
	uint16_t driver[PAGE_BYTES / 2]; /* flags, index, entries */
	uint16_t device[PAGE_BYTES / 2]; /* flags, index, entries of four of these */
};

extern struct ring rings[QUEUES];
extern uint32_t numbers[NUMBERS_MAX]; /* buffer of page numbers, a page */
extern uint8_t statistics[PAGE_BYTES];

static inline uint64_t gfn_of(const volatile void *at)
{
	return (uint64_t)at / PAGE_BYTES;
}

/* All that a good driver does until DRIVER_OK. */
void ring_connect(uint32_t features);

/* Offers the chain from this descriptor on, and notifies. */
void ring_offer(unsigned queue, uint16_t head);

/* The same with one descriptor. */
void ring_offer_buffer(unsigned queue, uint64_t address, uint32_t bytes, uint16_t flags);

/* All that was offered has come back. */
bool ring_is_idle(unsigned queue);

#endif
