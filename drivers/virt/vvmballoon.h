/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon device that VMware's driver speaks to, command by command; docs/dialects-vmware.md
 * has the table. It translates to the balloon core (kernel/balloon) and decides nothing.
 *
 * A command that works on many pages is done in several steps: its answer says `again`, and the
 * guest issues it once more. What it was about is kept here from the first step on, so that a
 * guest that rewrites its batch page meanwhile changes nothing.
 *
 * Lock: the VM's LOCK_PLATFORM, held by the caller.
 */
#ifndef DRIVERS_VIRT_VVMBALLOON_H
#define DRIVERS_VIRT_VVMBALLOON_H

#include "base/types.h"
#include "kernel/balloon/page_list.h"

struct aerostat_balloon_page;
struct vm;

enum vvmballoon_command {
	VVMBALLOON_START = 0,
	VVMBALLOON_GET_TARGET = 1,
	VVMBALLOON_LOCK = 2,
	VVMBALLOON_UNLOCK = 3,
	VVMBALLOON_GUEST_ID = 4,
	VVMBALLOON_BATCHED_LOCK = 6,
	VVMBALLOON_BATCHED_UNLOCK = 7,
	VVMBALLOON_BATCHED_2M_LOCK = 8,
	VVMBALLOON_BATCHED_2M_UNLOCK = 9,
	VVMBALLOON_DOORBELL_SET = 10, /* needs a device for messages (VMCI), which there is not */
};

enum vvmballoon_status {
	VVMBALLOON_OK = 0,
	VVMBALLOON_CMD_INVALID = 1,
	VVMBALLOON_PPN_INVALID = 2,
	VVMBALLOON_PPN_LOCKED = 3,
	VVMBALLOON_PPN_UNLOCKED = 4,
	VVMBALLOON_PPN_PINNED = 5,
	/* 6, "not needed", is never said: how much is needed is for the policy to say. */
	VVMBALLOON_RESET = 7, /* the driver is to START */
	VVMBALLOON_BUSY = 8,
	VVMBALLOON_OK_WITH_CAPABILITIES = 0x03000000,
};

/* Capabilities, as START negotiates them. */
#define VVMBALLOON_BASIC 0x02u
#define VVMBALLOON_BATCHED 0x04u
#define VVMBALLOON_BATCHED_2M 0x08u
#define VVMBALLOON_64_BIT 0x20u
#define VVMBALLOON_CAPABILITIES                                                                    \
	(VVMBALLOON_BASIC | VVMBALLOON_BATCHED | VVMBALLOON_BATCHED_2M | VVMBALLOON_64_BIT)

/* An entry of a batch page: the page's number above, its status below. */
#define VVMBALLOON_ENTRY_SHIFT 12
#define VVMBALLOON_BATCH_MAX PAGE_LIST_MAX

struct vvmballoon_call {
	uint32_t command;
	uint64_t arguments[2];
};

struct vvmballoon_answer {
	uint32_t status; /* enum vvmballoon_status */
	bool again;	 /* a part is done; nothing else is valid */
	bool has_target;
	uint64_t target_pages;
	bool has_capabilities;
	uint32_t capabilities;
};

struct vvmballoon {
	struct vm *vm;
	struct aerostat_balloon_page *page; /* the core's, of this VM */
	bool started;
	uint32_t capabilities;
	uint64_t release_next; /* where START goes on */
	/* The batch that is under way. */
	struct {
		bool begun;
		struct vvmballoon_call call;
		uint64_t page_gfn; /* UINT64_MAX: a single page, that has come in a register */
		unsigned count;
		unsigned piece; /* of a 2 MiB page that was in pieces: where to go on */
		uint8_t statuses[VVMBALLOON_BATCH_MAX]; /* AEROSTAT_RANGE_* */
		uint64_t gfns[VVMBALLOON_BATCH_MAX];
	} batch;
};

/* As after power-on: not started. The frames that are in the balloon are not touched. */
void vvmballoon_reset(struct vvmballoon *balloon, struct vm *vm,
		      struct aerostat_balloon_page *page);

/* One command. Takes the lock of the VM's address space; bounded work. */
struct vvmballoon_answer vvmballoon_call(struct vvmballoon *balloon,
					 const struct vvmballoon_call *call);

#endif
