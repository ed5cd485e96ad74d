/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a virtio device. Real: drivers/virt/vmmio.c. Stubbed: the judge of a queue
 * (ring.c is about it), which may answer anything.
 */
#include "tests/proofs/proof.h"

#include "drivers/virt/vmmio.c"

static struct vmmio mmio;
static bool judged_good;

const char *vring_judge(const struct vring *ring)
{
	PROVE(ring >= mmio.queues && ring < mmio.queues + VMMIO_QUEUES_MAX);
	judged_good = any_bool();
	return judged_good ? NULL : "?";
}

static bool is_sound(void)
{
	bool features_good = (mmio.features & VMMIO_VERSION_1) && !(mmio.features & ~mmio.offered);
	return mmio.queue_count <= VMMIO_QUEUES_MAX &&
	       (!(mmio.status & VMMIO_DRIVER_OK) || (mmio.status & VMMIO_FEATURES_OK)) &&
	       (!(mmio.status & VMMIO_FEATURES_OK) || features_good);
}

static void make_any(void)
{
	HAVOC(mmio);
	for (unsigned i = 0; i < VMMIO_QUEUES_MAX; i++) {
		mmio.queues[i].ready = any_bool();
	}
	ASSUME(is_sound());
}

/*
 * PROOF virtio_reads_are_inside
 * Shows: a read at any offset looks at queues that there are only; a device that is broken does not
 * run until it is reset
 * Bound: all states and offsets
 * Assumes: the state is sound
 * Classes: H13
 * Sources: drivers/virt/vmmio.c
 * Options: --unwind 6
 * Fault: drivers/virt/vmmio.c | bool queue = mmio->queue_select < mmio->queue_count; | bool queue =
 * mmio->queue_select <= mmio->queue_count;
 */
void virtio_reads_are_inside(void)
{
	make_any();
	uint32_t offset = any_u32();
	(void)vmmio_read(&mmio, offset);
	vmmio_break(&mmio);
	PROVE(!vmmio_runs(&mmio));
	unsigned queue;
	uint32_t value = any_u32();
	ASSUME(offset != REG_STATUS || value != 0);
	(void)vmmio_write(&mmio, offset, value, &queue);
	PROVE(!vmmio_runs(&mmio));
}
