/* SPDX-License-Identifier: BSD-2-Clause */
/* See vvmring.h. */
#include "drivers/virt/vvmring.h"

#include "base/bits.h"
#include "base/string.h"

/* The page of the indices. */
#define WRITE_INDEX 0u
#define READ_INDEX 4u
#define INTERRUPT_MASK 8u /* the receiver wants no signal */
#define INDICES_BYTES 16u

#define UNIT 8u /* packets begin and end at multiples */
#define TYPE_IN_BAND 6u
#define TRAILER_BYTES 8u

struct packet_header {
	uint16_t type;
	uint16_t header_units;
	uint16_t units; /* with the header */
	uint16_t flags;
	uint64_t transaction;
};

_Static_assert(sizeof(struct packet_header) == 16, "layout of VMBus");

static enum vvmring_result result_of(enum status status)
{
	if (status == STATUS_OK) {
		return VVMRING_DONE;
	}
	return status == STATUS_NO_MEMORY ? VVMRING_LATER : VVMRING_BROKEN;
}

static enum status find_indices(const struct vvmring *ring, const struct vguest *guest,
				uint8_t **indices)
{
	return vguest_find(guest, ring->gfns[0] << PAGE_SHIFT, INDICES_BYTES, indices);
}

static bool is_index(const struct vvmring *ring, uint32_t index)
{
	return index < ring->bytes && index % UNIT == 0;
}

/* The guest's index and how many bytes lie from `from` on, around the end, up to it. */
static enum vvmring_result distance(const struct vvmring *ring, const struct vguest *guest,
				    unsigned which, uint32_t *bytes)
{
	uint8_t *indices;
	enum status status = find_indices(ring, guest, &indices);

	if (status != STATUS_OK) {
		return result_of(status);
	}
	uint32_t theirs = vguest_load_32(indices + which);
	if (!is_index(ring, theirs)) {
		return VVMRING_BROKEN;
	}
	*bytes = (theirs >= ring->index ? 0 : ring->bytes) + theirs - ring->index;
	return VVMRING_DONE;
}

/* Bytes of the ring from `at` on, which may be beyond the end once, in or out. */
static enum status copy(const struct vvmring *ring, const struct vguest *guest, uint32_t at,
			uint8_t *data, size_t bytes, bool out)
{
	enum status status = STATUS_OK;

	while (bytes > 0 && status == STATUS_OK) {
		uint32_t offset = at % ring->bytes;
		size_t part = (size_t)min_u64(bytes, PAGE_BYTES - offset % PAGE_BYTES);
		uint64_t address =
			(ring->gfns[1 + offset / PAGE_BYTES] << PAGE_SHIFT) + offset % PAGE_BYTES;
		status = out ? vguest_write(guest, address, data, part)
			     : vguest_read(guest, address, data, part);
		at += (uint32_t)part;
		data += part;
		bytes -= part;
	}
	return status;
}

enum vvmring_result vvmring_open(struct vvmring *ring, const struct vguest *guest,
				 const uint64_t *gfns, unsigned pages, bool sends)
{
	uint8_t *indices;

	*ring = (struct vvmring){.gfns = gfns, .bytes = (pages - 1) * (uint32_t)PAGE_BYTES};
	enum status status = find_indices(ring, guest, &indices);
	if (status != STATUS_OK) {
		return result_of(status);
	}
	ring->index = vguest_load_32(indices + (sends ? WRITE_INDEX : READ_INDEX));
	return is_index(ring, ring->index) ? VVMRING_DONE : VVMRING_BROKEN;
}

/* Our index moves on: with the packet when we send, behind it when we receive. */
static enum vvmring_result move(struct vvmring *ring, const struct vguest *guest, unsigned which,
				uint32_t bytes)
{
	uint8_t *indices;
	enum status status = find_indices(ring, guest, &indices);

	if (status == STATUS_OK) {
		ring->index = (ring->index + bytes) % ring->bytes;
		vguest_store_32(indices + which, ring->index);
	}
	return result_of(status);
}

static bool header_is_good(const struct packet_header *header, uint32_t there, size_t room)
{
	uint32_t total = header->units * UNIT;
	uint32_t head = header->header_units * UNIT;

	return header->type == TYPE_IN_BAND && head >= sizeof(*header) && head <= total &&
	       total - head <= room && total + TRAILER_BYTES <= there;
}

enum vvmring_result vvmring_read(struct vvmring *ring, const struct vguest *guest, void *payload,
				 size_t room, size_t *bytes)
{
	struct packet_header header;
	uint32_t there;
	enum vvmring_result result = distance(ring, guest, WRITE_INDEX, &there);

	if (result != VVMRING_DONE) {
		return result;
	}
	if (there == 0) {
		return VVMRING_NOTHING;
	}
	if (there < sizeof(header) + TRAILER_BYTES) {
		return VVMRING_BROKEN;
	}
	enum status status =
		copy(ring, guest, ring->index, (uint8_t *)&header, sizeof(header), false);
	if (status != STATUS_OK || !header_is_good(&header, there, room)) {
		return VVMRING_BROKEN;
	}
	uint32_t head = header.header_units * UNIT;
	*bytes = header.units * UNIT - head;
	status = copy(ring, guest, ring->index + head, payload, *bytes, false);
	if (status != STATUS_OK) {
		return VVMRING_BROKEN;
	}
	return move(ring, guest, READ_INDEX, header.units * UNIT + TRAILER_BYTES);
}

static uint32_t packet_bytes(size_t payload)
{
	return (uint32_t)(sizeof(struct packet_header) + align_up_u64(payload, UNIT));
}

enum vvmring_result vvmring_room(const struct vvmring *ring, const struct vguest *guest,
				 size_t bytes)
{
	uint32_t room;
	enum vvmring_result result = distance(ring, guest, READ_INDEX, &room);

	if (result != VVMRING_DONE) {
		return result;
	}
	/* Indices that are equal mean that it is empty: it is never filled to the last byte. */
	room = room == 0 ? ring->bytes : room;
	return room > packet_bytes(bytes) + TRAILER_BYTES ? VVMRING_DONE : VVMRING_NOTHING;
}

enum vvmring_result vvmring_write(struct vvmring *ring, const struct vguest *guest,
				  const void *payload, size_t bytes, bool *signal)
{
	uint32_t total = packet_bytes(bytes);
	struct packet_header header = {
		.type = TYPE_IN_BAND,
		.header_units = sizeof(header) / UNIT,
		.units = (uint16_t)(total / UNIT),
	};
	uint8_t rest[UNIT] = {0}; /* what fills up the last unit */
	uint64_t trailer = (uint64_t)ring->index << 32;
	uint32_t at = ring->index + (uint32_t)sizeof(header);
	uint8_t *indices;
	enum vvmring_result result = vvmring_room(ring, guest, bytes);
	enum status status;

	if (result != VVMRING_DONE) {
		return result;
	}
	status = copy(ring, guest, ring->index, (uint8_t *)&header, sizeof(header), true);
	if (status == STATUS_OK && bytes > 0) {
		/* Only read where it goes out. */
		status = copy(ring, guest, at, (uint8_t *)(uintptr_t)payload, bytes, true);
	}
	if (status == STATUS_OK && bytes % UNIT != 0) {
		status = copy(ring, guest, at + (uint32_t)bytes, rest, UNIT - bytes % UNIT, true);
	}
	if (status == STATUS_OK) {
		status = copy(ring, guest, ring->index + total, (uint8_t *)&trailer, TRAILER_BYTES,
			      true);
	}
	if (status == STATUS_OK) {
		status = find_indices(ring, guest, &indices);
	}
	if (status != STATUS_OK) {
		return result_of(status);
	}
	result = move(ring, guest, WRITE_INDEX, total + TRAILER_BYTES);
	*signal = vguest_load_32(indices + INTERRUPT_MASK) == 0;
	return result;
}
