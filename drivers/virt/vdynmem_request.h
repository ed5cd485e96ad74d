/* SPDX-License-Identifier: BSD-2-Clause */
/* Behind vdynmem.h: requests to the driver, and the pages that it gives. */
#ifndef DRIVERS_VIRT_VDYNMEM_REQUEST_H
#define DRIVERS_VIRT_VDYNMEM_REQUEST_H

#include "drivers/virt/vdynmem.h"

/* Sends what the core's target asks for, if the driver is ready for it. */
void vdynmem_request(struct vdynmem *memory, struct vdynmem_place *place);

/* memory->packet holds pages that the driver gives. */
void vdynmem_answer_begin(struct vdynmem *memory, const struct vdynmem_place *place);

/* Puts some of them into the balloon. True: none is left. False: next_tsc says when to go on. */
MUST_CHECK bool vdynmem_answer_step(struct vdynmem *memory, const struct vdynmem_place *place);

#endif
