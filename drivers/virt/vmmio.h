/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a virtio device in memory (virtio 1.2, 4.2: version 2), all but those of its
 * configuration: discovery, features, queues, status and interrupts. One plain struct and pure
 * functions: the caller holds the lock of the VM's devices, does what a write asks for, and drives
 * the interrupt line.
 *
 * A driver that breaks the rules of the status machine gets nowhere: features that were not
 * offered, or without VERSION_1, do not become FEATURES_OK, and without that there is no DRIVER_OK.
 * Bits of the status stay set until the driver resets the device.
 */
#ifndef DRIVERS_VIRT_VMMIO_H
#define DRIVERS_VIRT_VMMIO_H

#include "drivers/virt/vring.h"

#define VMMIO_BYTES 0x200u
#define VMMIO_CONFIG 0x100u /* from here on the registers are the device's own */
#define VMMIO_QUEUES_MAX 4u

#define VMMIO_VERSION_1 (1ull << 32) /* a feature: not the device of before 1.0 */

/* Bits of the status. */
#define VMMIO_FEATURES_OK 0x08u
#define VMMIO_DRIVER_OK 0x04u
#define VMMIO_NEEDS_RESET 0x40u
#define VMMIO_FAILED 0x80u

/* Bits of the interrupt status. */
#define VMMIO_INTERRUPT_USED 1u
#define VMMIO_INTERRUPT_CONFIG 2u

struct vmmio {
	/* Of the device; a reset leaves them. */
	uint32_t id;
	uint64_t offered;

	uint64_t features; /* that the driver has accepted */
	uint32_t device_select;
	uint32_t driver_select;
	uint32_t queue_select;
	uint32_t generation; /* of the configuration */
	uint8_t status;
	uint8_t interrupt;
	uint8_t queue_count; /* the device sets it, by the features */
	struct vring queues[VMMIO_QUEUES_MAX];
};

/* What a write leaves to do. */
enum vmmio_effect {
	VMMIO_NOTHING,
	VMMIO_RESET,	/* the registers are reset already */
	VMMIO_FEATURES, /* `features` are final: which queues are there is up to the device now */
	VMMIO_STARTED,	/* DRIVER_OK is set */
	VMMIO_STOPPED,	/* the driver has given up */
	VMMIO_NOTIFY,	/* *queue, which is less than queue_count, has news */
	VMMIO_BAD_QUEUE /* *queue was made ready, and cannot be used */
};

/* As after power-on. `offered` has VERSION_1. */
void vmmio_reset(struct vmmio *mmio, uint32_t id, uint64_t offered);

/* Accesses of 4 bytes, aligned, below VMMIO_CONFIG. What is not there reads as 0. */
uint32_t vmmio_read(const struct vmmio *mmio, uint32_t offset);
enum vmmio_effect vmmio_write(struct vmmio *mmio, uint32_t offset, uint32_t value, unsigned *queue);

/* The driver has broken a rule: it is told so, and nothing works until it resets the device. */
void vmmio_break(struct vmmio *mmio);

/* The configuration has changed. */
void vmmio_config_changed(struct vmmio *mmio);

/* The device may look at its queues. */
bool vmmio_runs(const struct vmmio *mmio);

#endif
