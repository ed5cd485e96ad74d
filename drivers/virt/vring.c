/* SPDX-License-Identifier: BSD-2-Clause */
/* See vring.h. The layouts are those of virtio 1.2, 2.7.5 to 2.7.8; all is little-endian. */
#include "drivers/virt/vring.h"

#include "base/bits.h"
#include "mm/guest_copy.h"

#define DESCRIPTOR_BYTES 16u
#define FLAG_NEXT 1u
#define FLAG_WRITE 2u
#define FLAG_INDIRECT 4u

/* Of the driver's ring: flags, index, entries of 2 bytes. */
#define DRIVER_INDEX 2u
#define DRIVER_ENTRIES 4u
#define DRIVER_NO_INTERRUPT 1u

/* Of the device's ring: flags, index, entries of 8 bytes. */
#define DEVICE_INDEX 2u
#define DEVICE_ENTRIES 4u
#define DEVICE_ENTRY_BYTES 8u

struct descriptor {
	uint64_t address;
	uint32_t bytes;
	uint16_t flags;
	uint16_t next;
};

_Static_assert(sizeof(struct descriptor) == DESCRIPTOR_BYTES, "virtio 1.2, 2.7.5");

const char *vring_judge(const struct vring *ring)
{
	if (ring->size == 0 || ring->size > VRING_SIZE_MAX || (ring->size & (ring->size - 1))) {
		return "its size is no power of 2 up to 64";
	}
	if (ring->descriptors % DESCRIPTOR_BYTES || ring->driver % 2 || ring->device % 4) {
		return "a part of it is not aligned";
	}
	return NULL;
}

static enum vring_outcome outcome_of(enum status status, const char **reason)
{
	switch (status) {
	case STATUS_OK:
		return VRING_DONE;
	case STATUS_NO_MEMORY:
		return VRING_LATER;
	case STATUS_SURRENDERED:
		*reason = "a part of it is in the balloon";
		return VRING_BROKEN;
	default:
		*reason = "a part of it is not in RAM";
		return VRING_BROKEN;
	}
}

/*
 * One aligned word of 2 bytes, whole, while another vCPU may write to it. A page that was never
 * touched reads as zeros.
 */
static enum vring_outcome read_word(struct s2_locked locked, uint64_t address, uint16_t *value,
				    const char **reason)
{
	const uint8_t *start;
	enum status status = guest_copy_find(locked, (gpa_t){address}, sizeof(*value), &start);

	*value = 0;
	if (status == STATUS_INVALID) {
		return VRING_DONE;
	}
	if (status == STATUS_OK) {
		*value = __atomic_load_n((const uint16_t *)(const void *)start, __ATOMIC_ACQUIRE);
	}
	return outcome_of(status, reason);
}

static enum vring_outcome read_descriptor(const struct vring *ring, struct s2_locked locked,
					  uint16_t number, struct descriptor *descriptor,
					  const char **reason)
{
	gpa_t address = {ring->descriptors + (uint64_t)number * DESCRIPTOR_BYTES};

	return outcome_of(guest_copy_in(locked, address, descriptor, sizeof(*descriptor)), reason);
}

/* NULL: it may follow what the chain has already. `total`: bytes of that. */
static const char *judge_descriptor(const struct vring_chain *chain,
				    const struct descriptor *descriptor, uint64_t total)
{
	if (descriptor->flags & FLAG_INDIRECT) {
		return "it has an indirect descriptor";
	}
	if (descriptor->bytes > UINT64_MAX - descriptor->address) {
		return "a descriptor wraps";
	}
	if (total + descriptor->bytes > (uint64_t)UINT32_MAX + 1) {
		return "a chain is longer than 2^32 bytes";
	}
	if (chain->count > 0 && chain->pieces[chain->count - 1].for_device &&
	    !(descriptor->flags & FLAG_WRITE)) {
		return "a descriptor to be read follows one to be written";
	}
	return NULL;
}

/* Follows the chain from its head on: at most one step for each descriptor of the queue. */
static enum vring_outcome follow(const struct vring *ring, struct s2_locked locked,
				 struct vring_chain *chain, const char **reason)
{
	struct descriptor descriptor = {.next = chain->head};
	uint64_t total = 0;

	chain->count = 0;
	while (chain->count < ring->size) {
		if (descriptor.next >= ring->size) {
			*reason = "there is no such descriptor";
			return VRING_BROKEN;
		}
		enum vring_outcome outcome =
			read_descriptor(ring, locked, descriptor.next, &descriptor, reason);
		if (outcome != VRING_DONE) {
			return outcome;
		}
		*reason = judge_descriptor(chain, &descriptor, total);
		if (*reason != NULL) {
			return VRING_BROKEN;
		}
		total += descriptor.bytes;
		chain->pieces[chain->count++] = (struct vring_piece){
			.address = descriptor.address,
			.bytes = descriptor.bytes,
			.for_device = descriptor.flags & FLAG_WRITE,
		};
		if (!(descriptor.flags & FLAG_NEXT)) {
			return VRING_DONE;
		}
	}
	*reason = "a chain is longer than the queue";
	return VRING_BROKEN;
}

enum vring_outcome vring_take(struct vring *ring, struct s2_locked locked,
			      struct vring_chain *chain, const char **reason)
{
	uint16_t index;
	enum vring_outcome outcome = read_word(locked, ring->driver + DRIVER_INDEX, &index, reason);

	if (outcome != VRING_DONE) {
		return outcome;
	}
	uint16_t offered = (uint16_t)(index - ring->taken);
	if (offered == 0) {
		return VRING_NONE;
	}
	if (offered > ring->size) {
		*reason = "more is offered than it has descriptors";
		return VRING_BROKEN;
	}
	uint64_t place = ring->taken & (ring->size - 1u);
	outcome =
		read_word(locked, ring->driver + DRIVER_ENTRIES + place * 2, &chain->head, reason);
	if (outcome == VRING_DONE) {
		outcome = follow(ring, locked, chain, reason);
	}
	if (outcome == VRING_DONE) {
		ring->taken++;
	}
	return outcome;
}

static enum vring_outcome write_index(struct vring *ring, struct s2_locked locked, uint16_t index,
				      const char **reason)
{
	struct guest_window window;
	gpa_t address = {ring->device + DEVICE_INDEX};
	enum status status = guest_window_open(locked, address, sizeof(index), &window);

	if (status == STATUS_OK) {
		/* Before the look at the driver's flags, and behind the entry. */
		__atomic_store_n((uint16_t *)(void *)window.start, index, __ATOMIC_SEQ_CST);
	}
	return outcome_of(status, reason);
}

enum vring_outcome vring_give(struct vring *ring, struct s2_locked locked, uint16_t head,
			      uint32_t written, bool *notify, const char **reason)
{
	uint32_t entry[2] = {head, written};
	uint64_t place = ring->given & (ring->size - 1u);
	uint16_t flags;
	gpa_t address = {ring->device + DEVICE_ENTRIES + place * DEVICE_ENTRY_BYTES};
	enum vring_outcome outcome =
		outcome_of(guest_copy_out(locked, address, entry, sizeof(entry)), reason);

	*notify = false;
	if (outcome == VRING_DONE) {
		outcome = write_index(ring, locked, (uint16_t)(ring->given + 1), reason);
	}
	if (outcome != VRING_DONE) {
		return outcome;
	}
	ring->given++;
	outcome = read_word(locked, ring->driver, &flags, reason);
	*notify = outcome == VRING_DONE && !(flags & DRIVER_NO_INTERRUPT);
	return outcome;
}
