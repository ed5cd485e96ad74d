/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The synthetic interrupt controller of Hyper-V (Top-Level Functional Specification, chapter 11):
 * of each virtual processor the registers, and of its sixteen sources the one that VMBus uses.
 * Messages go into the source's slot of the page that SIMP names, one at a time; the others wait
 * here. Events are bits of the page that SIEFP names.
 *
 * Plain state under the platform's lock. What is to interrupt a processor is kept as a bit until
 * vsynic_take_interrupt(): the caller delivers it.
 */
#ifndef DRIVERS_VIRT_VSYNIC_H
#define DRIVERS_VIRT_VSYNIC_H

#include "abi/aerostat.h"
#include "drivers/virt/vguest.h"

#define VSYNIC_SOURCES 16u
#define VSYNIC_VMBUS_SOURCE 2u
#define VSYNIC_PAYLOAD_MAX 240u
#define VSYNIC_QUEUE 16u /* messages that wait for their slot */

/* MSRs */
#define VSYNIC_MSR_CONTROL 0x40000080u
#define VSYNIC_MSR_VERSION 0x40000081u
#define VSYNIC_MSR_EVENT_FLAGS 0x40000082u /* SIEFP */
#define VSYNIC_MSR_MESSAGES 0x40000083u	   /* SIMP */
#define VSYNIC_MSR_END 0x40000084u	   /* EOM */
#define VSYNIC_MSR_SOURCE 0x40000090u	   /* SINT0 */

#define VSYNIC_ENABLED 1u /* of control, messages and event flags */
#define VSYNIC_SOURCE_MASKED 0x10000u
#define VSYNIC_SOURCE_AUTO_EOI 0x20000u

struct vsynic_processor {
	uint64_t control;
	uint64_t event_flags;
	uint64_t messages;
	uint64_t sources[VSYNIC_SOURCES];
};

struct vsynic_message {
	uint32_t bytes;
	uint8_t payload[VSYNIC_PAYLOAD_MAX];
};

struct vsynic {
	struct vsynic_processor processors[AEROSTAT_VCPUS_MAX];
	/* For the source of VMBus, all to one processor. */
	unsigned target;
	unsigned first, count;
	struct vsynic_message queue[VSYNIC_QUEUE];
	uint32_t interrupts; /* bit n: processor n */
};

void vsynic_reset(struct vsynic *synic);

/* False: it is no MSR of this one. *fault: #GP, and nothing has changed. */
MUST_CHECK bool vsynic_msr_read(const struct vsynic *synic, unsigned index, uint32_t msr,
				uint64_t *value, bool *fault);
MUST_CHECK bool vsynic_msr_write(struct vsynic *synic, unsigned index, uint32_t msr, uint64_t value,
				 bool *fault);

/* Which processor gets messages from now on; those that wait are forgotten. Below VCPUS_MAX. */
void vsynic_set_target(struct vsynic *synic, unsigned index);

/* So many messages can be posted. */
static inline unsigned vsynic_room(const struct vsynic *synic)
{
	return VSYNIC_QUEUE - synic->count;
}

/* A message of VMBus; there is room, and it is not longer than VSYNIC_PAYLOAD_MAX. */
void vsynic_post(struct vsynic *synic, const void *payload, size_t bytes);

/*
 * Puts the next message into the slot if that is free, which the guest may tell by EOM. False: the
 * page has no frame at the moment; to be called again.
 */
MUST_CHECK bool vsynic_flush(struct vsynic *synic, const struct vguest *guest);

/* Sets event flag `flag`, below 2048. False: as above. */
MUST_CHECK bool vsynic_signal(struct vsynic *synic, const struct vguest *guest, unsigned index,
			      unsigned flag);

/*
 * The vector that interrupts processor `index` for VMBus, and the interrupt is not to be delivered
 * any more; 0: none is.
 */
uint8_t vsynic_take_interrupt(struct vsynic *synic, unsigned index);

#endif
