/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world of a dozen frames and two or three VMs over the real kernel/ and mm/, for
 * test_small_balloon.c: what is expected of each page, the checks after every step, and what makes
 * one state different from another.
 */
#ifndef FAKE_SMALL_BALLOON_H
#define FAKE_SMALL_BALLOON_H

#include "fake/kernel.h"

#define SMALL_PAGES_MAX 5
#define SMALL_RANGES_MAX 9
#define SMALL_PAGE_WORDS 32 /* that a guest's page may hold something in, and the last */

/* What one VM starts with; `pages` of RAM is the same for all. */
struct small_vm {
	uint64_t mem_pages;
	uint64_t min_pages;
	enum on_touch on_touch;
	unsigned vcpus;
};

struct small_world {
	const char *name;
	unsigned frames;
	unsigned pages;
	unsigned vms;
	unsigned vms_at_start; /* the rest is created on the way */
	uint64_t reserve_pages;
	struct small_vm vm[VMS_MAX];
};

/* What a guest knows of its own memory, from the answers that it got. */
struct small_guest {
	uint8_t pages[SMALL_PAGES_MAX]; /* enum s2_kind */
	bool attached;
	uint64_t page_gfn;
	uint64_t target_pages;
	uint64_t driver_debt_pages;
};

extern const struct small_world *small_world;
extern struct small_guest small_guests[VMS_MAX];
extern uint64_t small_host_frame; /* taken by the hypervisor for itself, 0: none */

void small_start(const struct small_world *world);
void small_stop(void);

/* Creates the next VM of the world; false: its promise cannot be made. */
bool small_create(void);

/* The page as its VM writes it. */
uint64_t small_pattern(const struct vm *vm);
void small_write(const struct vm *vm, uint64_t *page);

/* Frames that are neither used nor promised; the reserve is the last of them. */
uint64_t small_slack(void);

/*
 * What a call does to the guest's pages, and what it says of each range; EMERGENCY leaves pages
 * EMPTY here, whether they have got frames is seen later.
 */
void small_predict(const struct vm *vm, enum balloon_operation operation,
		   struct aerostat_range *ranges, unsigned count, uint64_t array_gfn);

/* One decision of the governor, or a look at who waits. */
void small_governor(bool decide);

/* Auditor, fake TLB, every page and every word about it. */
void small_check(void);
void small_hash(void);

#endif
