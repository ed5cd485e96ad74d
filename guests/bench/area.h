/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of RAM that probes use as raw material, from AREA_START up: never the allocator's, and
 * it was not touched before. Everything here is about gfns.
 */
#ifndef GUESTS_BENCH_AREA_H
#define GUESTS_BENCH_AREA_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/aerostat.h"

#define AREA_START_GFN 0x2000 /* 32 MiB */
#define AREA_EXTENT_PAGES 512

extern struct aerostat_range area_ranges[AEROSTAT_RANGES_MAX];

/* Attaches a balloon page of our own, with this doorbell vector. Ends the guest on refusal. */
volatile struct aerostat_balloon_page *area_attach(uint8_t vector);

/* The next `count` extents of 2 MiB that were not used. Ends the guest when RAM is too small. */
uint64_t area_take_extents(uint64_t count);

/* The same, aligned to 1 GiB. */
uint64_t area_take_gigabyte(void);

/*
 * Two such extents whose memory comes in single pages, whatever the host would like: the first and
 * the last page are in the balloon and stay there, so that neither extent is ever whole again.
 */
uint64_t area_take_field(void);
#define AREA_FIELD_PAGES 1022 /* usable, from 1 on */

/* Stores to a page; answers the ticks of the store alone. */
int64_t area_touch(uint64_t gfn);

/* One range, PENDING. */
void area_range(struct aerostat_range *range, uint64_t gfn, uint32_t count, uint8_t order);

/*
 * Issues area_ranges[0, count) until they are finished; answers the ticks of it all, and how many
 * calls it took (unless NULL). Ends the guest when a range is not OK.
 */
int64_t area_issue(uint64_t call, unsigned count, unsigned *calls);

/* Sleeps until the host has certainly zeroed all that is free. */
void area_rest(uint64_t milliseconds);

/* The hypervisor did not do what docs/abi.md says. */
_Noreturn void area_fail(const char *what);

#endif
