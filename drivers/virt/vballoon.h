/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A virtio memory balloon (virtio 1.2, 5.5) behind the registers of vmmio.h: translates what its
 * driver says to calls of the balloon core, and what the core wants to the driver's configuration.
 *
 * Queues are numbered as Linux does it: those of the accepted features follow each other without
 * gaps. Of the features FREE_PAGE_HINT is not offered: a hint races with the guest, which may use
 * the page again before the hint is looked at, so that a page could be lost that is in use; a
 * report waits for the device.
 *
 * Work is done in bounded steps, two within the driver's notification, the others by ticks. Pages
 * that the core refuses are skipped, and the log says so; a driver that breaks a rule of the
 * transport has its device stopped (NEEDS_RESET) until it resets it. A reset empties the balloon.
 *
 * Lock: the caller holds the lock of the VM's devices; the one of the address space is taken here.
 */
#ifndef DRIVERS_VIRT_VBALLOON_H
#define DRIVERS_VIRT_VBALLOON_H

#include "abi/aerostat.h"
#include "drivers/virt/vballoon_statistics.h"
#include "drivers/virt/vmmio.h"
#include "kernel/balloon/ranges.h"
#include "kernel/vm/vm.h"

/* Features. */
#define VBALLOON_MUST_TELL_HOST (1u << 0)
#define VBALLOON_STATS_VQ (1u << 1)
#define VBALLOON_DEFLATE_ON_OOM (1u << 2)
#define VBALLOON_PAGE_POISON (1u << 4)
#define VBALLOON_REPORTING (1u << 5)

#define VBALLOON_ID 5u		  /* virtio 1.2, 5: memory balloon */
#define VBALLOON_BATCH_PAGES 256u /* what Linux offers at once */
#define VBALLOON_BATCH_RANGES 32u

enum vballoon_role {
	VBALLOON_INFLATE,
	VBALLOON_DEFLATE,
	VBALLOON_ASK, /* statistics: a buffer of the driver's that is given back to ask again */
	VBALLOON_REPORT,
};

/* The chain that is being worked on. */
struct vballoon_job {
	bool active;
	uint8_t queue;
	uint16_t piece;	 /* what of the chain was not looked at yet: from this piece on, */
	uint32_t offset; /* and from here on in it */
	uint16_t count;	 /* of what is below; 0: nothing is under way */
	uint16_t first;	 /* of the ranges: the first that is not finished */
	uint16_t tries;
	struct vring_chain chain;
	union {
		struct {
			uint64_t gfns[VBALLOON_BATCH_PAGES];
			uint8_t statuses[VBALLOON_BATCH_PAGES];
		};
		struct aerostat_range ranges[VBALLOON_BATCH_RANGES];
	};
};

struct vballoon {
	struct vm *vm;
	struct aerostat_balloon_page *page;
	struct vmmio mmio;
	uint8_t roles[VMMIO_QUEUES_MAX]; /* enum vballoon_role */
	uint8_t kicked;			 /* bit of each queue that may have something */

	/* The configuration; the first is the device's, the others are what the driver writes. */
	uint32_t num_pages;
	uint32_t actual;
	uint32_t poison;

	bool attached; /* to the core */
	bool busy;     /* there is work that can be done now */
	/* What an earlier driver has left in the balloon goes out of it, from this page on. */
	bool releasing;
	uint64_t release_next;

	uint64_t retry_tsc; /* no step before: there was no frame for it; 0: no reason to wait */
	uint64_t interrupt_tsc; /* an interrupt that waits for more to come; 0: none */
	uint64_t interrupt_end; /* it does not wait longer than that */

	/* Statistics: the driver's buffer, and when it goes back. */
	bool asked;
	uint16_t ask_head;
	uint64_t ask_tsc;
	struct vballoon_statistics statistics;
	uint64_t refaults;

	struct vballoon_job job;
};

/* As after power-on, of a VM whose balloon is empty. `page` is what the core reads and writes. */
void vballoon_init(struct vballoon *balloon, struct vm *vm, struct aerostat_balloon_page *page);

/* Accesses of 1, 2 or 4 bytes within VMMIO_BYTES; others read as 0 and do nothing. */
uint32_t vballoon_read(const struct vballoon *balloon, uint32_t offset, unsigned bytes);
void vballoon_write(struct vballoon *balloon, uint32_t offset, unsigned bytes, uint32_t value,
		    uint64_t now_tsc);

/* The core has written another target to the page. */
void vballoon_target_changed(struct vballoon *balloon);

/* When vballoon_tick() is to be called; UINT64_MAX: not before another call. */
uint64_t vballoon_next(const struct vballoon *balloon);
void vballoon_tick(struct vballoon *balloon, uint64_t now_tsc);

/* Level of its interrupt line. */
bool vballoon_interrupt(const struct vballoon *balloon);

#endif
