/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rings of VMBus channels. Real: drivers/virt/vvmring.c. Stubbed: guest memory, which gives any
 * contents at each look, and proves that only the pages of the ring are asked for.
 */
#include "tests/proofs/proof.h"

#include "drivers/virt/vvmring.c"

#define DATA_PAGES 2u

static const uint64_t ring_gfns[1 + DATA_PAGES] = {5, 6, 7};
static uint32_t indices[4];
static const struct vguest guest;

static enum status any_status(void)
{
	return any_bool() ? STATUS_OK : any_bool() ? STATUS_NO_MEMORY : STATUS_SURRENDERED;
}

static void prove_inside(uint64_t address, size_t bytes)
{
	uint64_t gfn = address >> PAGE_SHIFT;
	PROVE(gfn == 6 || gfn == 7);
	PROVE(address % PAGE_BYTES + bytes <= PAGE_BYTES);
}

enum status vguest_find(const struct vguest *from, uint64_t address, size_t bytes, uint8_t **start)
{
	(void)from;
	PROVE(address == 5 << PAGE_SHIFT && bytes == INDICES_BYTES);
	indices[0] = any_u32();
	indices[1] = any_u32();
	*start = (uint8_t *)indices;
	return any_status();
}

enum status vguest_read(const struct vguest *from, uint64_t address, void *to, size_t bytes)
{
	uint8_t *at = to;
	(void)from;
	prove_inside(address, bytes);
	at[0] = any_u8();
	at[bytes - 1] = any_u8();
	return any_status();
}

enum status vguest_write(const struct vguest *to, uint64_t address, const void *from, size_t bytes)
{
	const uint8_t *at = from;
	(void)to;
	prove_inside(address, bytes);
	PROVE(at[0] == at[0] && at[bytes - 1] == at[bytes - 1]);
	return any_status();
}

static struct vvmring any_ring(void)
{
	struct vvmring ring = {ring_gfns, DATA_PAGES * (uint32_t)PAGE_BYTES, any_u32()};
	ASSUME(is_index(&ring, ring.index));
	return ring;
}

/*
 * PROOF vmbus_distance_is_below_the_ring
 * Shows: whatever index the guest writes, what is said to be there is less than the ring, and an
 * index that is none is refused
 * Bound: rings of two pages, all indices
 * Assumes: the index of our own side is one
 * Classes: H4 H13
 * Sources: drivers/virt/vvmring.c
 * Mutants: hyperv-ring-index-of-any-byte
 */
void vmbus_distance_is_below_the_ring(void)
{
	struct vvmring ring = any_ring();
	uint32_t bytes;
	if (distance(&ring, &guest, WRITE_INDEX, &bytes) == VVMRING_DONE) {
		PROVE(bytes < ring.bytes && bytes % UNIT == 0);
		PROVE(is_index(&ring, indices[0]));
		PROVE((ring.index + bytes) % ring.bytes == indices[0]);
	}
}

/*
 * PROOF vmbus_header_is_believed_in_bounds
 * Shows: a packet is taken only when its payload fits what the receiver has room for and all of it
 * lies between the indices
 * Bound: all headers, all distances, all rooms
 * Assumes: nothing
 * Classes: H4 H13
 * Sources: drivers/virt/vvmring.c
 * Mutants: hyperv-ring-packet-longer-than-written
 */
void vmbus_header_is_believed_in_bounds(void)
{
	struct packet_header header;
	HAVOC(header);
	uint32_t there = any_u32();
	size_t room = any_u64();
	if (header_is_good(&header, there, room)) {
		uint32_t head = header.header_units * UNIT;
		uint32_t total = header.units * UNIT;
		PROVE(head >= sizeof(header) && head <= total);
		PROVE(total - head <= room && (uint64_t)total + TRAILER_BYTES <= there);
	}
}

/*
 * PROOF vmbus_copy_stays_in_the_ring
 * Shows: bytes of a ring are read and written in its own data pages only, never across the end of
 * one, and nothing behind the caller's buffer
 * Bound: rings of two pages, any place, up to 24 bytes
 * Assumes: nothing
 * Classes: H4 H13
 * Sources: drivers/virt/vvmring.c
 * Options: --unwind 4
 * Fault: drivers/virt/vvmring.c | size_t part = (size_t)min_u64(bytes, PAGE_BYTES - offset %
 * PAGE_BYTES); | size_t part = (size_t)min_u64(bytes, ring->bytes - offset);
 */
void vmbus_copy_stays_in_the_ring(void)
{
	uint8_t data[24] = {0};
	struct vvmring ring = any_ring();
	uint32_t at = any_u32();
	ASSUME(at < 2 * ring.bytes);
	size_t bytes = any_below(sizeof(data) + 1);
	(void)copy(&ring, &guest, at, data, bytes, any_bool());
}
