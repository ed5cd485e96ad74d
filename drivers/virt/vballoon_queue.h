/* SPDX-License-Identifier: BSD-2-Clause */
/* The queues of a virtio balloon: from chains of descriptors to calls of the balloon core. */
#ifndef DRIVERS_VIRT_VBALLOON_QUEUE_H
#define DRIVERS_VIRT_VBALLOON_QUEUE_H

#include "drivers/virt/vballoon.h"

enum vballoon_step {
	VBALLOON_IDLE,	/* there is nothing to do */
	VBALLOON_MORE,	/* a part is done */
	VBALLOON_WAIT,	/* there was no frame for it */
	VBALLOON_BROKEN /* *broken says what the driver did */
};

/* What one step has to tell. */
struct vballoon_news {
	bool notify;	    /* a buffer went back, and the driver wants an interrupt */
	unsigned queue;	    /* that it was about */
	const char *broken; /* the rule */
	/* Pages that were skipped, and the first of them, with what the core said of it. */
	unsigned skipped;
	uint64_t skipped_gfn;
	uint8_t skipped_status;
};

/* One bounded step: at most one call of the core. The device runs, and no release is under way. */
MUST_CHECK enum vballoon_step vballoon_queue_step(struct vballoon *balloon, uint64_t now_tsc,
						  struct vballoon_news *news);

/* The driver's buffer for statistics goes back; as above. */
MUST_CHECK enum vballoon_step vballoon_queue_ask(struct vballoon *balloon,
						 struct vballoon_news *news);

#endif
