/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind vdynmem.h: messages to the driver, and how the device stops. */
#ifndef DRIVERS_VIRT_VDYNMEM_SEND_H
#define DRIVERS_VIRT_VDYNMEM_SEND_H

#include "drivers/virt/vdynmem.h"

/* The device speaks no more until the channel is closed; one line of the log says why. */
void vdynmem_send_stop(struct vdynmem *memory, const struct vdynmem_place *place,
		       const char *reason);

/* The step goes on in a while. */
void vdynmem_send_later(struct vdynmem *memory, const struct vdynmem_place *place);

/* Sends a message. False: it was not sent, and next_tsc says when to try again, if ever. */
MUST_CHECK bool vdynmem_send(struct vdynmem *memory, struct vdynmem_place *place,
			     const void *message, size_t bytes);

/* What becomes of the device after such a result of the ring to the guest. True: DONE. */
MUST_CHECK bool vdynmem_send_done(struct vdynmem *memory, struct vdynmem_place *place,
				  enum vvmring_result result);

#endif
