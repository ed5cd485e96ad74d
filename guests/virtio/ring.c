/* SPDX-License-Identifier: BSD-2-Clause */
/* See ring.h. */
#include "guests/virtio/ring.h"

struct ring rings[QUEUES] __attribute__((aligned(4096)));
uint32_t numbers[NUMBERS_MAX] __attribute__((aligned(4096)));
uint8_t statistics[PAGE_BYTES] __attribute__((aligned(4096)));

static uint16_t offered[QUEUES];

static void set_up(unsigned queue)
{
	struct ring *ring = &rings[queue];

	for (unsigned i = 0; i < PAGE_BYTES / 2; i++) {
		((volatile uint16_t *)ring->driver)[i] = 0;
		((volatile uint16_t *)ring->device)[i] = 0;
	}
	offered[queue] = 0;
	board_write(REG_QUEUE_SELECT, queue);
	board_write(REG_QUEUE_SIZE, QUEUE_SIZE);
	board_write(REG_DESCRIPTORS, (uint32_t)(uint64_t)ring->descriptors);
	board_write(REG_DESCRIPTORS + 4, 0);
	board_write(REG_DRIVER, (uint32_t)(uint64_t)ring->driver);
	board_write(REG_DRIVER + 4, 0);
	board_write(REG_DEVICE, (uint32_t)(uint64_t)ring->device);
	board_write(REG_DEVICE + 4, 0);
	board_write(REG_QUEUE_READY, 1);
}

void ring_connect(uint32_t features)
{
	board_write(REG_STATUS, 0);
	board_write(REG_STATUS, 3);
	board_write(REG_FEATURES_SELECT, 1);
	board_write(REG_FEATURES, 1);
	board_write(REG_FEATURES_SELECT, 0);
	board_write(REG_FEATURES, features);
	board_write(REG_STATUS, 0xb);
	for (unsigned i = 0; i < QUEUES; i++) {
		set_up(i);
	}
	board_write(REG_STATUS, 0xf);
}

void ring_offer(unsigned queue, uint16_t head)
{
	volatile uint16_t *driver = rings[queue].driver;

	driver[2 + offered[queue] % QUEUE_SIZE] = head;
	offered[queue]++;
	__atomic_store_n(&rings[queue].driver[1], offered[queue], __ATOMIC_SEQ_CST);
	board_write(REG_NOTIFY, queue);
}

void ring_offer_buffer(unsigned queue, uint64_t address, uint32_t bytes, uint16_t flags)
{
	volatile struct descriptor *descriptor = &rings[queue].descriptors[0];

	descriptor->address = address;
	descriptor->bytes = bytes;
	descriptor->flags = flags;
	descriptor->next = 0;
	ring_offer(queue, 0);
}

bool ring_is_idle(unsigned queue)
{
	return __atomic_load_n(&rings[queue].device[1], __ATOMIC_ACQUIRE) == offered[queue];
}
