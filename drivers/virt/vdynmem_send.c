/* SPDX-License-Identifier: BSD-2-Clause */
/* See vdynmem_send.h. */
#include "drivers/virt/vdynmem_send.h"

#include "base/time.h"

#define RETRY_MS 20u /* a full ring, a page without a frame */

void vdynmem_send_stop(struct vdynmem *memory, const struct vdynmem_place *place,
		       const char *reason)
{
	vm_log(place->guest.vm, "Dynamic Memory has stopped: %s", reason);
	memory->state = VDYNMEM_STOPPED;
	memory->answer_is_there = false;
	memory->reply_bytes = 0;
}

void vdynmem_send_later(struct vdynmem *memory, const struct vdynmem_place *place)
{
	memory->next_tsc = place->now_tsc + ticks_from_ms(RETRY_MS);
}

bool vdynmem_send_done(struct vdynmem *memory, struct vdynmem_place *place,
		       enum vvmring_result result)
{
	if (result == VVMRING_BROKEN) {
		vdynmem_send_stop(memory, place, "the ring to the guest is broken");
	} else if (result != VVMRING_DONE) {
		vdynmem_send_later(memory, place);
	}
	return result == VVMRING_DONE;
}

bool vdynmem_send(struct vdynmem *memory, struct vdynmem_place *place, const void *message,
		  size_t bytes)
{
	bool signal = false;
	enum vvmring_result result =
		vvmring_write(place->to_guest, &place->guest, message, bytes, &signal);

	place->signal = place->signal || signal;
	return vdynmem_send_done(memory, place, result);
}
