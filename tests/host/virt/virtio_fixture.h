/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The driver's side of a split virtqueue, over the memory of a VM of fake/driver.h: rings that are
 * written as the specification says, and, where a test wants it, otherwise.
 */
#ifndef VIRT_VIRTIO_FIXTURE_H
#define VIRT_VIRTIO_FIXTURE_H

#include <string.h>

#include "fake/driver.h"
#include "drivers/virt/vring.h"

#define NEXT 1u
#define WRITE 2u
#define INDIRECT 4u

/* Three pages for each queue, from here on. */
#define QUEUE_GFN(number) (2000u + (number)*4u)
#define BUFFER_GFN 2100u

struct queue {
	unsigned number;
	uint16_t size;
	uint16_t offered;
	uint16_t seen; /* of the device's ring */
};

struct wire_descriptor {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags;
	uint16_t next;
};

static inline uint64_t address_of(uint64_t gfn)
{
	return gfn * PAGE_BYTES;
}

/* Guest memory, byte by byte as a vCPU reaches it. */
static inline void put(uint64_t address, const void *from, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t *page = kernel_guest_page(driver_vm, (address + i) / PAGE_BYTES);
		page[(address + i) % PAGE_BYTES] = ((const uint8_t *)from)[i];
	}
}

static inline void get(uint64_t address, void *to, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		uint8_t *page = kernel_guest_page(driver_vm, (address + i) / PAGE_BYTES);
		((uint8_t *)to)[i] = page[(address + i) % PAGE_BYTES];
	}
}

static inline uint64_t descriptors_at(const struct queue *queue)
{
	return address_of(QUEUE_GFN(queue->number));
}

static inline uint64_t driver_at(const struct queue *queue)
{
	return address_of(QUEUE_GFN(queue->number) + 1);
}

static inline uint64_t device_at(const struct queue *queue)
{
	return address_of(QUEUE_GFN(queue->number) + 2);
}

static inline void put_word(uint64_t address, uint16_t value)
{
	put(address, &value, sizeof(value));
}

static inline uint16_t get_word(uint64_t address)
{
	uint16_t value;
	get(address, &value, sizeof(value));
	return value;
}

static inline void describe(const struct queue *queue, unsigned number, uint64_t address,
			    uint32_t bytes, uint16_t flags, uint16_t next)
{
	struct wire_descriptor descriptor = {address, bytes, flags, next};
	put(descriptors_at(queue) + number * sizeof(descriptor), &descriptor, sizeof(descriptor));
}

/* Offers the chain that begins at this descriptor. */
static inline void offer(struct queue *queue, uint16_t head)
{
	put_word(driver_at(queue) + 4 + 2 * (queue->offered % queue->size), head);
	queue->offered++;
	put_word(driver_at(queue) + 2, queue->offered);
}

static inline void offer_one(struct queue *queue, uint64_t address, uint32_t bytes, uint16_t flags)
{
	describe(queue, 0, address, bytes, flags, 0);
	offer(queue, 0);
}

/* How many chains have come back and were not seen yet. */
static inline unsigned back(const struct queue *queue)
{
	return (uint16_t)(get_word(device_at(queue) + 2) - queue->seen);
}

/* The next one: its head. */
static inline uint32_t see(struct queue *queue)
{
	uint32_t entry[2];
	assert_true(back(queue) > 0);
	get(device_at(queue) + 4 + 8 * (queue->seen % queue->size), entry, sizeof(entry));
	queue->seen++;
	assert_int_equal(entry[1], 0); /* nothing was written there */
	return entry[0];
}

static inline void suppress(const struct queue *queue, bool on)
{
	put_word(driver_at(queue), on ? 1 : 0);
}

#endif
