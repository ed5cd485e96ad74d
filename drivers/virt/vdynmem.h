/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hyper-V's Dynamic Memory: the protocol of Linux's hv_balloon over the two rings of its channel.
 *
 *	CLOSED ──channel opened──▶ VERSION ──agreed──▶ CAPABILITIES ──agreed──▶ READY
 *	READY ──request──▶ BALLOON, UNBALLOON or HOT_ADD ──last answer──▶ READY
 *	any of them ──wrong word──▶ STOPPED          any of them ──channel closed──▶ CLOSED
 *
 * One request is under way at a time. What the guest has said is a copy here, and is worked on in
 * bounded steps: as long as something is left, nothing more is read, and next_tsc says when to go
 * on. Whatever ends the channel empties the balloon, in steps too: the driver has forgotten it.
 *
 * Plain state under the platform's lock. No policy: which VM gives how much is the core's.
 */
#ifndef DRIVERS_VIRT_VDYNMEM_H
#define DRIVERS_VIRT_VDYNMEM_H

#include "abi/aerostat.h"
#include "drivers/virt/vvmring.h"

#define VDYNMEM_PAYLOAD_MAX 4096u

enum vdynmem_state {
	VDYNMEM_CLOSED,
	VDYNMEM_VERSION,
	VDYNMEM_CAPABILITIES,
	VDYNMEM_READY,
	VDYNMEM_BALLOON,
	VDYNMEM_UNBALLOON,
	VDYNMEM_HOT_ADD,
	VDYNMEM_STOPPED,
};

struct vdynmem {
	enum vdynmem_state state;
	uint64_t next_tsc; /* when there is something to do; WAKE_NEVER */
	uint32_t transaction;

	/* The balloon is being emptied, from this page on. */
	bool releasing;
	uint64_t release_next;

	/* An answer for which the ring has had no room. */
	unsigned reply_bytes;
	uint64_t reply[3];

	/* BALLOON: what was asked for, what has come; the answer that is being worked on. */
	uint64_t asked_pages;
	uint64_t given_pages;
	bool answer_is_there;
	bool answer_is_last;
	unsigned range_count;
	unsigned range_at;
	uint64_t range_done; /* pages of that range */
	unsigned tries;	     /* that have found no memory */

	/* UNBALLOON: where to look for pages that are in the balloon. */
	uint64_t find_next;

	/* What the driver said last, in pages, and what it keeps for itself, as it turned out. */
	uint64_t available_pages;
	uint64_t committed_pages;
	uint64_t floor_pages;
	bool floor_is_fresh; /* the next report may show that it is less */

	/* Hot add. The guest's RAM is [0, ram_end) with a hole that alignment leaves. */
	bool may_add;
	uint64_t boot_pages; /* RAM that it was told of at boot */
	uint64_t added_pages;
	uint64_t align_pages;
	uint64_t add_gfn; /* where the next one begins, at least */
	uint64_t add_tsc; /* not before */

	/* A packet of the guest; the ranges of an answer stay here. */
	uint64_t packet[VDYNMEM_PAYLOAD_MAX / sizeof(uint64_t)];
};

/* The channel, and where the core writes its target and the device the statistics. */
struct vdynmem_place {
	struct vguest guest;
	struct vvmring *from_guest; /* NULL: it is closed */
	struct vvmring *to_guest;
	struct aerostat_balloon_page *page;
	bool attached; /* the core's target is for this driver */
	uint64_t now_tsc;
	bool signal; /* out: the guest is to be told */
};

/* After power-on; the balloon of the new address space is empty. */
void vdynmem_reset(struct vdynmem *memory, uint64_t boot_pages);

void vdynmem_opened(struct vdynmem *memory);

/* The channel has been closed, whatever the state: the balloon is emptied. */
void vdynmem_closed(struct vdynmem *memory);

/* The driver is there and speaks rightly: the balloon is to be attached. */
static inline bool vdynmem_is_attached(const struct vdynmem *memory)
{
	return memory->state >= VDYNMEM_READY && memory->state != VDYNMEM_STOPPED;
}

/* Goes on with whatever there is to do: a bounded step. */
void vdynmem_step(struct vdynmem *memory, struct vdynmem_place *place);

/* Writes the statistics as they follow from what the driver said last, and from the core's target.
 */
void vdynmem_publish(const struct vdynmem *memory, const struct vdynmem_place *place);

#endif
