/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon interface of docs/abi.md as a program: what a VM's pages are to its guest, and which
 * answers a call or a touch may get. It knows no frames, tables or locks, and decides from the
 * arguments of a call and from what it remembers, never from the code that it is compared with
 * (oracle.c). Where the interface leaves a choice (a frame may be missing, the budget of a call is
 * used up sooner or later), it takes what it is shown, if that is allowed.
 *
 * Functions that judge answer NULL, or what is wrong, as constant text.
 */
#ifndef SPEC_SPEC_H
#define SPEC_SPEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "abi/aerostat.h"

/* Of a VM's RAM: 128 MiB; host tests try gigabytes. */
#ifdef AEROSTAT_HOST_TEST
#define SPEC_PAGES_MAX 589824u
#else
#define SPEC_PAGES_MAX 32768u
#endif
#define SPEC_REGION 512u
#define SPEC_REGIONS_MAX (SPEC_PAGES_MAX / SPEC_REGION)
#define SPEC_GIGABYTE 262144u

enum spec_page {
	SPEC_UNTOUCHED,	 /* the next touch finds zeros: never touched, returned, or reported */
	SPEC_HELD,	 /* it has a frame, and holds what the guest wrote */
	SPEC_IN_BALLOON, /* it has neither */
};

enum spec_on_touch { SPEC_TOUCH_ZERO, SPEC_TOUCH_FAULT, SPEC_TOUCH_STOP };

enum spec_operation { SPEC_SURRENDER, SPEC_REPORT, SPEC_RETURN, SPEC_EMERGENCY };

struct spec_vm {
	uint64_t pages; /* RAM is [0, pages) */
	uint64_t min_pages;
	enum spec_on_touch on_touch;
	unsigned vcpus;
	/* Frames that no vCPU waits for and no VM was promised, all the time while it was judged.
	 */
	bool plenty;
	bool started_elsewhere; /* its devices start vCPUs too, or it has ended: that is not known
				 */
	bool by_device;		/* a device's driver is attached: native calls find it so */
	bool attached;
	uint64_t doorbell_attached; /* bit n: the doorbell of vCPU n came with ATTACH */
	uint64_t started;	    /* bit n: vCPU n was */
	uint8_t vector[AEROSTAT_VCPUS_MAX];
	uint64_t balloon_page;
	uint64_t held_pages;
	uint64_t balloon_pages;
	/* Since the start. */
	uint64_t surrendered_pages;
	uint64_t returned_pages;
	uint64_t reported_pages;
	uint64_t touched_pages;
	uint8_t page[SPEC_PAGES_MAX]; /* enum spec_page */
	uint16_t region_held[SPEC_REGIONS_MAX];
	uint16_t region_balloon[SPEC_REGIONS_MAX];
};

/* Of an extent, as far as it is RAM. */
struct spec_counts {
	uint64_t held;
	uint64_t balloon;
	bool whole;  /* a region that is all held is among them: one entry, or 512 */
	bool pieces; /* a region that is held in part is among them */
};

/* What a page of the VM really is: asked only for what EMERGENCY has returned. */
typedef enum spec_page (*spec_look)(const struct spec_vm *vm, uint64_t gfn);

/* `pages` of RAM, all of it untouched; 1 .. SPEC_PAGES_MAX. */
void spec_begin(struct spec_vm *vm, uint64_t pages);

void spec_set_pages(struct spec_vm *vm, uint64_t gfn, uint64_t pages, enum spec_page page);

/* Of `pages` from gfn on: one, or whole regions of SPEC_REGION. */
struct spec_counts spec_count_extent(const struct spec_vm *vm, uint64_t gfn, uint64_t pages);
struct spec_counts spec_count_regions(const struct spec_vm *vm, uint64_t gfn, uint64_t pages);

/* ---- Touches --------------------------------------------------------------------------------- */

/* So many pages around gfn have got frames that read as zeros; 0: it had one already. */
const char *spec_filled(struct spec_vm *vm, uint64_t gfn, uint64_t pages, bool by_touch);

enum spec_outcome {
	SPEC_GOES_ON, /* the touch is done again, and finds the page */
	SPEC_WAITS,   /* for a frame */
	SPEC_PROTECTION_FAULT,
	SPEC_ENDS,
};

/*
 * How the touch of a page ended that was `before` when it began. `lacking`: a frame may be missing
 * even to a VM below its minimum, for the moment. With plenty it never is.
 */
const char *spec_touch(const struct spec_vm *vm, uint64_t gfn, enum spec_page before, bool lacking,
		       enum spec_outcome outcome);

/* ---- Calls ----------------------------------------------------------------------------------- */

struct spec_call {
	uint64_t number;
	uint64_t argument[4]; /* RDI, RSI, RDX, R10 */
	unsigned vcpu;	      /* that calls */
	bool privileged;
};

enum spec_kind {
	SPEC_ERROR,   /* `error`, and nothing has changed */
	SPEC_ZERO,    /* 0, or `error` if that is not 0 */
	SPEC_COUNT,   /* the ranges that are finished, or `error` if that is not 0 */
	SPEC_NOTHING, /* the VM has ended: the guest never sees an answer */
};

struct spec_answer {
	enum spec_kind kind;
	int64_t error;
	bool lacks; /* `error` only where a frame is missing: never with plenty */
};

/* What the call may answer, as everything is before it. */
struct spec_answer spec_expect(const struct spec_vm *vm, const struct spec_call *call);

/* How it ended. `finished`: of balloon_run_ranges() in it, or -1: ranges were not looked at. */
struct spec_end {
	int64_t result;
	int64_t finished;
	bool vm_ended;
};

const char *spec_answered(struct spec_vm *vm, const struct spec_call *call,
			  struct spec_answer expected, struct spec_end end);

/* An array of ranges, in the page `array_gfn`, as it was and as it is; what the call says of it. */
const char *spec_ranges(struct spec_vm *vm, enum spec_operation operation, uint64_t array_gfn,
			const struct aerostat_range *before, const struct aerostat_range *after,
			unsigned count, unsigned finished, spec_look look);

#endif
