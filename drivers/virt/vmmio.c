/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmmio.h. */
#include "drivers/virt/vmmio.h"

#include "base/string.h"

/* Offsets (4.2.2). */
#define REG_MAGIC 0x000u
#define REG_VERSION 0x004u
#define REG_DEVICE_ID 0x008u
#define REG_VENDOR_ID 0x00cu
#define REG_DEVICE_FEATURES 0x010u
#define REG_DEVICE_SELECT 0x014u
#define REG_DRIVER_FEATURES 0x020u
#define REG_DRIVER_SELECT 0x024u
#define REG_QUEUE_SELECT 0x030u
#define REG_QUEUE_SIZE_MAX 0x034u
#define REG_QUEUE_SIZE 0x038u
#define REG_QUEUE_READY 0x044u
#define REG_QUEUE_NOTIFY 0x050u
#define REG_INTERRUPT_STATUS 0x060u
#define REG_INTERRUPT_ACK 0x064u
#define REG_STATUS 0x070u
#define REG_QUEUE_DESCRIPTORS 0x080u
#define REG_QUEUE_DRIVER 0x090u
#define REG_QUEUE_DEVICE 0x0a0u
#define REG_SHARED_LENGTH 0x0b0u
#define REG_GENERATION 0x0fcu

#define MAGIC 0x74726976u  /* "virt" */
#define VENDOR 0x4f524541u /* "AERO" */
#define VERSION 2u

/* The driver may set these. */
#define STATUS_BITS 0x8fu

void vmmio_reset(struct vmmio *mmio, uint32_t id, uint64_t offered)
{
	memset(mmio, 0, sizeof(*mmio));
	mmio->id = id;
	mmio->offered = offered;
}

/* NULL: there is none at this place. */
static struct vring *selected(struct vmmio *mmio)
{
	return mmio->queue_select < mmio->queue_count ? &mmio->queues[mmio->queue_select] : NULL;
}

/* The 32 bits that `select` chooses. */
static uint32_t feature_word(uint64_t features, uint32_t select)
{
	return select < 2 ? (uint32_t)(features >> 32 * select) : 0;
}

uint32_t vmmio_read(const struct vmmio *mmio, uint32_t offset)
{
	bool queue = mmio->queue_select < mmio->queue_count;

	switch (offset) {
	case REG_MAGIC:
		return MAGIC;
	case REG_VERSION:
		return VERSION;
	case REG_DEVICE_ID:
		return mmio->id;
	case REG_VENDOR_ID:
		return VENDOR;
	case REG_DEVICE_FEATURES:
		return feature_word(mmio->offered, mmio->device_select);
	case REG_QUEUE_SIZE_MAX:
		return queue ? VRING_SIZE_MAX : 0;
	case REG_QUEUE_READY:
		return queue && mmio->queues[mmio->queue_select].ready;
	case REG_INTERRUPT_STATUS:
		return mmio->interrupt;
	case REG_STATUS:
		return mmio->status;
	case REG_SHARED_LENGTH:
	case REG_SHARED_LENGTH + 4:
		return UINT32_MAX; /* there is no such region */
	case REG_GENERATION:
		return mmio->generation;
	}
	return 0;
}

static void set_word(uint64_t *value, uint32_t offset, uint32_t word)
{
	unsigned shift = offset & 4 ? 32 : 0;

	*value = (*value & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)word << shift;
}

static void write_features(struct vmmio *mmio, uint32_t value)
{
	if (mmio->driver_select < 2 && !(mmio->status & VMMIO_FEATURES_OK)) {
		set_word(&mmio->features, mmio->driver_select * 4, value);
	}
}

static enum vmmio_effect write_status(struct vmmio *mmio, uint32_t value)
{
	uint8_t added = (uint8_t)(value & STATUS_BITS & ~mmio->status);

	if (value == 0) {
		vmmio_reset(mmio, mmio->id, mmio->offered);
		return VMMIO_RESET;
	}
	if ((added & VMMIO_FEATURES_OK) &&
	    (!(mmio->features & VMMIO_VERSION_1) || (mmio->features & ~mmio->offered) != 0)) {
		added &= (uint8_t)~VMMIO_FEATURES_OK;
	}
	/* Not in one step with FEATURES_OK: the driver has to look whether that was accepted. */
	if (!(mmio->status & VMMIO_FEATURES_OK)) {
		added &= (uint8_t)~VMMIO_DRIVER_OK;
	}
	mmio->status |= added;
	if (added & VMMIO_FAILED) {
		return VMMIO_STOPPED;
	}
	if (added & VMMIO_FEATURES_OK) {
		return VMMIO_FEATURES;
	}
	return added & VMMIO_DRIVER_OK ? VMMIO_STARTED : VMMIO_NOTHING;
}

static enum vmmio_effect write_ready(struct vmmio *mmio, struct vring *ring, uint32_t value,
				     unsigned *queue)
{
	if (!(value & 1)) {
		memset(ring, 0, sizeof(*ring));
		return VMMIO_NOTHING;
	}
	if (!ring->ready && vring_judge(ring) != NULL) {
		*queue = mmio->queue_select;
		return VMMIO_BAD_QUEUE;
	}
	ring->ready = true;
	return VMMIO_NOTHING;
}

/* Registers of the queue that is selected. One that is ready stays as it is. */
static enum vmmio_effect write_queue(struct vmmio *mmio, uint32_t offset, uint32_t value,
				     unsigned *queue)
{
	struct vring *ring = selected(mmio);

	if (ring == NULL) {
		return VMMIO_NOTHING;
	}
	if (offset == REG_QUEUE_READY) {
		return write_ready(mmio, ring, value, queue);
	}
	if (ring->ready) {
		return VMMIO_NOTHING;
	}
	switch (offset) {
	case REG_QUEUE_SIZE:
		ring->size = value <= VRING_SIZE_MAX ? (uint16_t)value : 0;
		break;
	case REG_QUEUE_DESCRIPTORS ... REG_QUEUE_DESCRIPTORS + 4:
		set_word(&ring->descriptors, offset, value);
		break;
	case REG_QUEUE_DRIVER ... REG_QUEUE_DRIVER + 4:
		set_word(&ring->driver, offset, value);
		break;
	case REG_QUEUE_DEVICE ... REG_QUEUE_DEVICE + 4:
		set_word(&ring->device, offset, value);
		break;
	}
	return VMMIO_NOTHING;
}

enum vmmio_effect vmmio_write(struct vmmio *mmio, uint32_t offset, uint32_t value, unsigned *queue)
{
	switch (offset) {
	case REG_DEVICE_SELECT:
		mmio->device_select = value;
		return VMMIO_NOTHING;
	case REG_DRIVER_SELECT:
		mmio->driver_select = value;
		return VMMIO_NOTHING;
	case REG_DRIVER_FEATURES:
		write_features(mmio, value);
		return VMMIO_NOTHING;
	case REG_QUEUE_SELECT:
		mmio->queue_select = value;
		return VMMIO_NOTHING;
	case REG_QUEUE_NOTIFY:
		*queue = value;
		return value < mmio->queue_count ? VMMIO_NOTIFY : VMMIO_NOTHING;
	case REG_INTERRUPT_ACK:
		mmio->interrupt &= (uint8_t)~value;
		return VMMIO_NOTHING;
	case REG_STATUS:
		return write_status(mmio, value);
	}
	return write_queue(mmio, offset, value, queue);
}

void vmmio_break(struct vmmio *mmio)
{
	mmio->status |= VMMIO_NEEDS_RESET;
	if (mmio->status & VMMIO_DRIVER_OK) {
		vmmio_config_changed(mmio);
	}
}

void vmmio_config_changed(struct vmmio *mmio)
{
	mmio->generation++;
	mmio->interrupt |= VMMIO_INTERRUPT_CONFIG;
}

bool vmmio_runs(const struct vmmio *mmio)
{
	return (mmio->status & (VMMIO_DRIVER_OK | VMMIO_NEEDS_RESET | VMMIO_FAILED)) ==
	       VMMIO_DRIVER_OK;
}
