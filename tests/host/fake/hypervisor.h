/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hypervisor for the guests' library: answers hypercall() as docs/abi.md says, keeps one bit per
 * page that says "in the balloon", and fails the test when the guest does what no guest should. The
 * vCPUs of the guest are threads; calls are atomic, and with several vCPUs each is followed by
 * others' turn.
 */
#ifndef FAKE_HYPERVISOR_H
#define FAKE_HYPERVISOR_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"

/* The calls over ranges, in the order of their numbers. */
enum fake_call { FAKE_SURRENDER, FAKE_RETURN, FAKE_REPORT, FAKE_EMERGENCY };

struct fake_hypervisor {
	/* RAM is [first_page, first_page + pages). */
	uint64_t first_page;
	uint64_t pages;
	bool *ballooned;
	uint64_t size_pages;

	/* How it behaves; set by tests. */
	uint64_t work_max;	/* extents per call */
	int64_t error;		/* answer to every balloon call, if not 0 */
	uint64_t refused_page;	/* an extent with it is refused ... */
	uint8_t refused_status; /* ... with this */
	bool zero_promised;	/* RANGE_FLAG_ZERO after a return */
	bool backed;	/* RANGE_FLAG_BACKED after an emergency return, of 512 pages a call */
	bool old;	/* knows neither reports nor emergency returns */
	unsigned vcpus; /* what vcpu_count() answers */
	void (*meanwhile)(
		void); /* once, before the next balloon call is answered: what others do */

	/* What it has seen. */
	uint64_t calls[AEROSTAT_CALL_COUNT];
	uint64_t extents[4][19]; /* by enum fake_call and order */
	uint64_t returned_pages; /* emergency returns included */
	uint64_t refusals;	 /* ranges that did not end with OK */
	uint64_t ranges;	 /* address of those of the last call */
	char console[1024];
	volatile struct aerostat_balloon_page *page;
	uint64_t vector; /* of the doorbell, as ATTACH has named it */
};

extern struct fake_hypervisor fake_hypervisor;

/* RAM of `pages` pages of real memory, zero, aligned to its size and to 2 MiB. */
void fake_hypervisor_start(uint64_t pages);
void fake_hypervisor_stop(void);

/* This thread is that vCPU from now on; threads are vCPU 0 at first. */
void fake_hypervisor_be_vcpu(unsigned index);

void fake_hypervisor_set_target(uint64_t pages);

/* What a touch of a surrendered page does: it comes back. */
void fake_hypervisor_touch(uint64_t page);

bool fake_hypervisor_holds(uint64_t page);

#endif
