/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One direction of a VMBus channel: a ring of bytes in pages of the guest, behind a page with the
 * two indices. The sender moves the write index, the receiver the read index. Our own index is kept
 * here; the guest's is copied once and judged on the copy.
 */
#ifndef DRIVERS_VIRT_VVMRING_H
#define DRIVERS_VIRT_VVMRING_H

#include "drivers/virt/vguest.h"

struct vvmring {
	const uint64_t *gfns; /* the page of the indices, then those of the data */
	uint32_t bytes;	      /* of data; a multiple of PAGE_BYTES */
	uint32_t index;	      /* ours, a multiple of 8 below `bytes` */
};

enum vvmring_result {
	VVMRING_DONE,
	VVMRING_NOTHING, /* no packet, or no room for one */
	VVMRING_LATER,	 /* a page has no frame at the moment */
	VVMRING_BROKEN,	 /* what the guest wrote there, or where, is no ring */
};

/* Begins at the index of our side that is in the ring. `pages` is 2 at least. */
MUST_CHECK enum vvmring_result vvmring_open(struct vvmring *ring, const struct vguest *guest,
					    const uint64_t *gfns, unsigned pages, bool sends);

/*
 * Takes the next packet out. A payload that is longer than `room` is BROKEN. Until NOTHING has been
 * answered the guest does not signal.
 */
MUST_CHECK enum vvmring_result vvmring_read(struct vvmring *ring, const struct vguest *guest,
					    void *payload, size_t room, size_t *bytes);

/* DONE: there is room for a packet with so much payload. */
MUST_CHECK enum vvmring_result vvmring_room(const struct vvmring *ring, const struct vguest *guest,
					    size_t bytes);

/* Puts a packet in. *signal: the guest is to be told. Anything but DONE: nothing was sent. */
MUST_CHECK enum vvmring_result vvmring_write(struct vvmring *ring, const struct vguest *guest,
					     const void *payload, size_t bytes, bool *signal);

#endif
