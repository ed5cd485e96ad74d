/* SPDX-License-Identifier: BSD-2-Clause */
/* Between the files of vdynmem.h: requests to the driver, and the pages that it gives. */
#ifndef DRIVERS_VIRT_VDYNMEM_REQUEST_H
#define DRIVERS_VIRT_VDYNMEM_REQUEST_H

#include "drivers/virt/vdynmem.h"

/* Sends what the core's target asks for, if the driver is ready for it. */
void vdynmem_request(struct vdynmem *memory, struct vdynmem_place *place);

/* memory->packet holds pages that the driver gives. */
void vdynmem_answer_begin(struct vdynmem *memory, const struct vdynmem_place *place);

/* Puts some of them into the balloon. True: none is left. False: next_tsc says when to go on. */
MUST_CHECK bool vdynmem_answer_step(struct vdynmem *memory, const struct vdynmem_place *place);

/* The device speaks no more until the channel is closed; one line of the log says why. */
void vdynmem_stop(struct vdynmem *memory, const struct vdynmem_place *place, const char *reason);

/* The step goes on in a while. */
void vdynmem_later(struct vdynmem *memory, const struct vdynmem_place *place);

/* Sends a message. False: it was not sent, and next_tsc says when to try again, if ever. */
MUST_CHECK bool vdynmem_send(struct vdynmem *memory, struct vdynmem_place *place,
			     const void *message, size_t bytes);

/* What becomes of the device after such a result of the ring to the guest. True: DONE. */
MUST_CHECK bool vdynmem_is_sent(struct vdynmem *memory, struct vdynmem_place *place,
				enum vvmring_result result);

/* Writes the statistics as they follow from what the driver said last. */
void vdynmem_publish(const struct vdynmem *memory, const struct vdynmem_place *place);

#endif
