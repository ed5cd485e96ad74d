/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VMBus, version 4.0 (of Windows 10 and Server 2016): a guest asks over messages which devices
 * there are, names pages for the rings of a channel, and opens it. There is one device, Dynamic
 * Memory.
 *
 * The guest's messages are copies by the time they come here; answers go to its synthetic interrupt
 * controller. A message that does not fit the state is passed over, but where guests wait for an
 * answer they get one.
 */
#ifndef DRIVERS_VIRT_VVMBUS_H
#define DRIVERS_VIRT_VVMBUS_H

#include "drivers/virt/vsynic.h"
#include "drivers/virt/vvmring.h"

#define VVMBUS_CONNECTION 1u	     /* where messages are posted, below version 5.0 */
#define VVMBUS_CHANNEL_CONNECTION 2u /* what the guest signals when its ring has something */
#define VVMBUS_CHANNEL 1u	     /* the channel's number, and its event flag */
#define VVMBUS_GPADL_PAGES 26u	     /* as many as one message names */

struct vvmbus {
	bool connected;
	struct {
		bool exists;
		uint32_t id;
		unsigned pages;
		uint64_t gfns[VVMBUS_GPADL_PAGES];
	} gpadl; /* the pages of both rings */
	bool open;
	unsigned target; /* the processor that hears of the channel */
	struct vvmring from_guest;
	struct vvmring to_guest;
};

/* What a message means to the device behind the channel. */
enum vvmbus_event {
	VVMBUS_NOTHING,
	VVMBUS_OPENED,
	VVMBUS_CLOSED, /* or all was reset */
};

void vvmbus_reset(struct vvmbus *bus);

/* Answers are not more than this. */
#define VVMBUS_ANSWERS 2u

/*
 * A message of the guest. At least VVMBUS_ANSWERS can be posted to `synic`. False: a version that
 * is not to be talked about; the guest then tries a lower one.
 */
MUST_CHECK bool vvmbus_message(struct vvmbus *bus, struct vsynic *synic, const struct vguest *guest,
			       const void *message, size_t bytes, enum vvmbus_event *event);

#endif
