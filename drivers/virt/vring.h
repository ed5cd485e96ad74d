/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device's side of a split virtqueue (virtio 1.2, 2.7): takes chains of descriptors that the
 * driver offers and gives them back. Whatever the driver writes is copied before it is judged, and
 * a chain has at most as many descriptors as the queue.
 *
 * Not offered to drivers: indirect descriptors and event indices.
 *
 * Lock: the VM's address space, held by the caller.
 */
#ifndef DRIVERS_VIRT_VRING_H
#define DRIVERS_VIRT_VRING_H

#include "base/types.h"
#include "mm/stage2/map.h"

#define VRING_SIZE_MAX 64u

struct vring {
	/* As the driver has set them up: guest-physical addresses. */
	uint64_t descriptors;
	uint64_t driver;
	uint64_t device;
	uint16_t size;
	bool ready;

	uint16_t taken; /* index in the driver's ring: so many chains were taken, modulo 2^16 */
	uint16_t given; /* the same in the device's ring */
};

struct vring_piece {
	uint64_t address;
	uint32_t bytes;
	bool for_device; /* the device may write there; else it may read */
};

struct vring_chain {
	uint16_t head;
	uint16_t count;
	struct vring_piece pieces[VRING_SIZE_MAX];
};

enum vring_outcome {
	VRING_DONE,
	VRING_NONE,   /* the driver offers no more */
	VRING_LATER,  /* there is no frame for a page of the ring: nothing has changed */
	VRING_BROKEN, /* the driver has broken a rule: nothing has changed */
};

/* NULL, or why the queue cannot be used as it was set up. */
const char *vring_judge(const struct vring *ring);

/* The next chain. BROKEN: *reason says why. The queue is ready. */
MUST_CHECK enum vring_outcome vring_take(struct vring *ring, struct s2_locked locked,
					 struct vring_chain *chain, const char **reason);

/*
 * Gives a chain back, with `written` bytes in it. *notify: the driver wants an interrupt. Not NONE.
 */
MUST_CHECK enum vring_outcome vring_give(struct vring *ring, struct s2_locked locked, uint16_t head,
					 uint32_t written, bool *notify, const char **reason);

#endif
