/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A world of a dozen frames and two or three address spaces of a few pages over mm/ alone, for
 * test_small_world.c: what is expected of each page, what processors may have cached, the checks
 * after every step, and states to go back to.
 */
#ifndef FAKE_SMALL_MM_H
#define FAKE_SMALL_MM_H

#include "fake/panic.h"

#include "mm/frame.h"
#include "mm/stage2/map.h"

#define SMALL_VMS_MAX 3
#define SMALL_PAGES_MAX 7
#define SMALL_FRAMES_MAX 16

struct small_mm {
	const char *name;
	unsigned frames;
	unsigned vms;
	unsigned pages; /* of RAM, per VM */
	uint64_t min[SMALL_VMS_MAX];
	uint64_t reserve;
	bool exact; /* states that differ in which frame is which are different ones */
};

struct small_slot {
	uint8_t kind; /* enum s2_kind */
	bool pinned;
};

struct small_machine {
	bool exists;
	struct small_slot slots[SMALL_PAGES_MAX];
};

struct small_snapshot;

extern const struct s2_format small_mm_format;
extern const struct small_mm *small_mm;
extern struct s2 small_spaces[SMALL_VMS_MAX];
extern struct small_machine small_machines[SMALL_VMS_MAX];
extern uint64_t small_host_frame; /* taken by the hypervisor for itself, 0: none */

/* A world without VMs, all of its frames dirty. */
void small_mm_start(const struct small_mm *wanted);
void small_mm_stop(void);

/*
 * Before an operation: processors may have cached what is linked, and what has been taken out and
 * not been flushed.
 */
void small_mm_note_reachable(void);

/* A guest has got a page: it must be zero, and is written. */
void small_mm_fill(unsigned vm, unsigned gfn, uint64_t pfn);
void small_mm_expect_zero(uint64_t pfn, const char *what);

/* After each step: auditor, caches, every page and every sum. */
void small_mm_check(void);

/* The state as it is, to be freed; and back to it. */
struct small_snapshot *small_mm_save(void);
void small_mm_restore(const struct small_snapshot *from);

/* Two states with the same key are one: per VM the slots and sums, and who has which frames. */
uint64_t small_mm_key(void);

#endif
