/* SPDX-License-Identifier: BSD-2-Clause */
/* See vsynic.h. */
#include "drivers/virt/vsynic.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/string.h"

#define VERSION 1u
#define VECTOR_MIN 16u
#define SOURCE_VECTOR 0xffu
#define PAGE_MASK (~(uint64_t)(PAGE_BYTES - 1))

/* Both pages have one slot of 256 bytes for each source. */
#define SLOT_BYTES 256u
#define SLOT_VMBUS (VSYNIC_VMBUS_SOURCE * SLOT_BYTES)
#define FLAGS_MAX (SLOT_BYTES * 8)

/* A message in its slot (11.8.3). */
#define MESSAGE_TYPE 0u
#define MESSAGE_BYTES 4u
#define MESSAGE_FLAGS 5u
#define MESSAGE_PAYLOAD 16u
#define MESSAGE_TYPE_VMBUS 1u
#define MESSAGE_PENDING 1u

void vsynic_reset(struct vsynic *synic)
{
	memset(synic, 0, sizeof(*synic));
	for (unsigned i = 0; i < AEROSTAT_VCPUS_MAX; i++) {
		for (unsigned source = 0; source < VSYNIC_SOURCES; source++) {
			synic->processors[i].sources[source] = VSYNIC_SOURCE_MASKED;
		}
	}
}

bool vsynic_msr_read(const struct vsynic *synic, unsigned index, uint32_t msr, uint64_t *value,
		     bool *fault)
{
	const struct vsynic_processor *processor = &synic->processors[index];

	(void)fault;
	switch (msr) {
	case VSYNIC_MSR_CONTROL:
		*value = processor->control;
		return true;
	case VSYNIC_MSR_VERSION:
		*value = VERSION;
		return true;
	case VSYNIC_MSR_EVENT_FLAGS:
		*value = processor->event_flags;
		return true;
	case VSYNIC_MSR_MESSAGES:
		*value = processor->messages;
		return true;
	case VSYNIC_MSR_END:
		*value = 0;
		return true;
	case VSYNIC_MSR_SOURCE ... VSYNIC_MSR_SOURCE + VSYNIC_SOURCES - 1:
		*value = processor->sources[msr - VSYNIC_MSR_SOURCE];
		return true;
	}
	return false;
}

bool vsynic_msr_write(struct vsynic *synic, unsigned index, uint32_t msr, uint64_t value,
		      bool *fault)
{
	struct vsynic_processor *processor = &synic->processors[index];

	switch (msr) {
	case VSYNIC_MSR_CONTROL:
		processor->control = value;
		return true;
	case VSYNIC_MSR_VERSION:
		*fault = true;
		return true;
	case VSYNIC_MSR_EVENT_FLAGS:
		processor->event_flags = value;
		return true;
	case VSYNIC_MSR_MESSAGES:
		processor->messages = value;
		return true;
	case VSYNIC_MSR_END:
		return true; /* the caller flushes after each write */
	case VSYNIC_MSR_SOURCE ... VSYNIC_MSR_SOURCE + VSYNIC_SOURCES - 1:
		if (!(value & VSYNIC_SOURCE_MASKED) && (value & SOURCE_VECTOR) < VECTOR_MIN) {
			*fault = true;
		} else {
			processor->sources[msr - VSYNIC_MSR_SOURCE] = value;
		}
		return true;
	}
	return false;
}

void vsynic_set_target(struct vsynic *synic, unsigned index)
{
	CHECK(index < AEROSTAT_VCPUS_MAX);
	synic->target = index;
	synic->first = 0;
	synic->count = 0;
}

void vsynic_post(struct vsynic *synic, const void *payload, size_t bytes)
{
	CHECK(synic->count < VSYNIC_QUEUE && bytes <= VSYNIC_PAYLOAD_MAX);
	struct vsynic_message *message =
		&synic->queue[(synic->first + synic->count) % VSYNIC_QUEUE];
	memset(message, 0, sizeof(*message));
	message->bytes = (uint32_t)bytes;
	memcpy(message->payload, payload, bytes);
	synic->count++;
}

static bool is_open(const struct vsynic_processor *processor, uint64_t page)
{
	return (processor->control & VSYNIC_ENABLED) && (page & VSYNIC_ENABLED) &&
	       !(processor->sources[VSYNIC_VMBUS_SOURCE] & VSYNIC_SOURCE_MASKED);
}

/*
 * The guest empties the slot first and reads the flag then. So the flag is set first and the slot
 * looked at then: one of the two sees the other.
 */
static bool slot_is_free(uint8_t *slot)
{
	if (vguest_load_32(slot + MESSAGE_TYPE) == 0) {
		return true;
	}
	__atomic_fetch_or(slot + MESSAGE_FLAGS, MESSAGE_PENDING, __ATOMIC_SEQ_CST);
	return vguest_load_32(slot + MESSAGE_TYPE) == 0;
}

static void fill_slot(uint8_t *slot, const struct vsynic_message *message, bool more)
{
	memset(slot + MESSAGE_BYTES, 0, MESSAGE_PAYLOAD - MESSAGE_BYTES);
	slot[MESSAGE_BYTES] = (uint8_t)message->bytes;
	slot[MESSAGE_FLAGS] = more ? MESSAGE_PENDING : 0;
	memcpy(slot + MESSAGE_PAYLOAD, message->payload, VSYNIC_PAYLOAD_MAX);
	vguest_store_32(slot + MESSAGE_TYPE, MESSAGE_TYPE_VMBUS);
}

bool vsynic_flush(struct vsynic *synic, const struct vguest *guest)
{
	const struct vsynic_processor *processor = &synic->processors[synic->target];
	uint8_t *slot;

	if (synic->count == 0 || !is_open(processor, processor->messages)) {
		return true;
	}
	enum status status = vguest_find(guest, (processor->messages & PAGE_MASK) + SLOT_VMBUS,
					 SLOT_BYTES, &slot);
	if (status != STATUS_OK) {
		return status !=
		       STATUS_NO_MEMORY; /* where there is no RAM, it is the guest's loss */
	}
	if (slot_is_free(slot)) {
		fill_slot(slot, &synic->queue[synic->first], synic->count > 1);
		synic->first = (synic->first + 1) % VSYNIC_QUEUE;
		synic->count--;
		synic->interrupts |= 1u << synic->target;
	}
	return true;
}

bool vsynic_signal(struct vsynic *synic, const struct vguest *guest, unsigned index, unsigned flag)
{
	const struct vsynic_processor *processor = &synic->processors[index];
	uint8_t *slot;

	CHECK(index < AEROSTAT_VCPUS_MAX && flag < FLAGS_MAX);
	if (!is_open(processor, processor->event_flags)) {
		return true;
	}
	enum status status = vguest_find(guest, (processor->event_flags & PAGE_MASK) + SLOT_VMBUS,
					 SLOT_BYTES, &slot);
	if (status == STATUS_OK) {
		__atomic_fetch_or(slot + flag / 8, (uint8_t)(1u << flag % 8), __ATOMIC_SEQ_CST);
		synic->interrupts |= 1u << index;
	}
	return status != STATUS_NO_MEMORY;
}

uint8_t vsynic_take_interrupt(struct vsynic *synic, unsigned index)
{
	uint64_t source = synic->processors[index].sources[VSYNIC_VMBUS_SOURCE];

	if (!(synic->interrupts >> index & 1)) {
		return 0;
	}
	synic->interrupts &= ~(1u << index);
	return source & VSYNIC_SOURCE_MASKED ? 0 : (uint8_t)(source & SOURCE_VECTOR);
}
