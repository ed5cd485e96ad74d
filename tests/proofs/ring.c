/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Virtqueues. Real: drivers/virt/vring.c. Stubbed: mm/guest_copy.c (proved in copy.c), which gives
 * any contents, other ones at each read.
 */
#include "tests/proofs/proof.h"

#include "drivers/virt/vring.c"

static uint16_t word;
static struct s2 space;

enum status guest_copy_in(struct s2_locked locked, gpa_t from, void *to, size_t bytes)
{
	struct descriptor *descriptor = to;
	(void)locked;
	(void)from;
	PROVE(bytes == sizeof(*descriptor));
	descriptor->address = any_u64();
	descriptor->bytes = any_u32();
	descriptor->flags = any_u16();
	descriptor->next = any_u16();
	return any_bool() ? STATUS_OK : any_bool() ? STATUS_SURRENDERED : STATUS_OUTSIDE;
}

enum status guest_copy_find(struct s2_locked locked, gpa_t at, size_t bytes, const uint8_t **start)
{
	(void)locked;
	(void)at;
	PROVE(bytes == sizeof(word));
	word = any_u16();
	*start = (const uint8_t *)&word;
	return any_bool() ? STATUS_OK : any_bool() ? STATUS_INVALID : STATUS_SURRENDERED;
}

static struct vring any_ring(void)
{
	struct vring ring = {
		.descriptors = any_u64(),
		.driver = any_u64(),
		.device = any_u64(),
		.size = any_u16(),
		.taken = any_u16(),
		.given = any_u16(),
	};
	return ring;
}

/*
 * PROOF ring_judged_good_is_usable
 * Shows: a queue that is accepted has a size that is a power of 2 up to 64, and aligned parts
 * Bound: all addresses and sizes
 * Assumes: nothing
 * Classes: H13
 * Sources: drivers/virt/vring.c
 * Fault: drivers/virt/vring.c | if (ring->size == 0 || ring->size > VRING_SIZE_MAX || (ring->size
 * & (ring->size - 1))) { | if (ring->size == 0 || ring->size > VRING_SIZE_MAX) {
 */
void ring_judged_good_is_usable(void)
{
	struct vring ring = any_ring();
	if (vring_judge(&ring) == NULL) {
		PROVE(ring.size > 0 && ring.size <= VRING_SIZE_MAX);
		PROVE((ring.size & (ring.size - 1)) == 0);
		PROVE(ring.descriptors % 16 == 0 && ring.driver % 2 == 0 && ring.device % 4 == 0);
	}
}

/*
 * PROOF ring_chain_is_bounded
 * Shows: whatever the driver writes, and rewrites meanwhile, a chain that is taken has at most as
 * many pieces as the queue, none of them wraps, all of them together at most 2^32 bytes, and none
 * to be read behind one to be written; anything else takes nothing
 * Bound: queues of up to 4 descriptors, any contents at each read
 * Assumes: the queue was judged usable
 * Classes: F4 F5 H4 H13
 * Sources: drivers/virt/vring.c
 * Options: --unwind 6
 * Mutants: virtio-chain-without-end virtio-head-not-judged
 */
void ring_chain_is_bounded(void)
{
	static struct vring_chain chain;
	const char *reason;
	struct vring ring = any_ring();
	ASSUME(vring_judge(&ring) == NULL && ring.size <= 4);
	uint16_t taken = ring.taken;
	enum vring_outcome outcome = vring_take(&ring, (struct s2_locked){&space}, &chain, &reason);
	if (outcome != VRING_DONE) {
		PROVE(ring.taken == taken);
		return;
	}
	PROVE(ring.taken == (uint16_t)(taken + 1));
	PROVE(chain.count >= 1 && chain.count <= ring.size && chain.head < ring.size);
	uint64_t total = 0;
	for (unsigned i = 0; i < 4 && i < chain.count; i++) {
		const struct vring_piece *piece = &chain.pieces[i];
		PROVE(piece->bytes <= UINT64_MAX - piece->address);
		PROVE(i == 0 || piece->for_device || !chain.pieces[i - 1].for_device);
		total += piece->bytes;
	}
	PROVE(total <= 1ull << 32);
}
