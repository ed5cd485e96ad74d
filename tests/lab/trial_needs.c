/* SPDX-License-Identifier: BSD-2-Clause */
/* See trial.h: who needs how much, and when. Numbers in MiB, MiB/s and ms. */
#include "tests/lab/trial.h"

#include <stddef.h>

#include "base/bits.h"

#define EACH (-1)
#define AT_ONCE 1000000

/* One takes memory gradually while the others idle, then it frees all of that. */
static const struct trial_need one_grows[] = {
	{.at_ms = 0, .vm = EACH, .mib = 480, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 1, .mib = 96, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 2, .mib = 96, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 3, .mib = 96, .mib_per_s = 400},
	{.at_ms = 4000, .vm = 0, .mib = 736, .mib_per_s = 60},
	{.at_ms = 10000, .vm = 0, .mib = 100, .mib_per_s = 400, .reports = true},
	{.at_ms = 18000, .vm = 1, .mib = 480, .mib_per_s = 60},
};

/* All take together, but not as much; then the others are those that need more. */
static const struct trial_need all_grow[] = {
	{.at_ms = 0, .vm = EACH, .mib = 480, .mib_per_s = 400},
	{.at_ms = 2500, .vm = EACH, .mib = 150, .mib_per_s = 400},
	{.at_ms = 4000, .vm = 0, .mib = 620, .mib_per_s = 60},
	{.at_ms = 4000, .vm = 1, .mib = 620, .mib_per_s = 50},
	{.at_ms = 4000, .vm = 2, .mib = 300, .mib_per_s = 40},
	{.at_ms = 4000, .vm = 3, .mib = 300, .mib_per_s = 30},
	{.at_ms = 16000, .vm = 0, .mib = 260, .mib_per_s = 200},
	{.at_ms = 16000, .vm = 1, .mib = 260, .mib_per_s = 200},
	{.at_ms = 18000, .vm = 2, .mib = 660, .mib_per_s = 50},
	{.at_ms = 18000, .vm = 3, .mib = 660, .mib_per_s = 40},
};

/* All take, then two stop while the others go on; then the two come back. */
static const struct trial_need two_stop[] = {
	{.at_ms = 0, .vm = EACH, .mib = 480, .mib_per_s = 300},
	{.at_ms = 3000, .vm = 0, .mib = 64, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 1, .mib = 64, .mib_per_s = 400},
	{.at_ms = 4000, .vm = 2, .mib = 740, .mib_per_s = 50},
	{.at_ms = 4000, .vm = 3, .mib = 740, .mib_per_s = 50},
	{.at_ms = 12000, .vm = 2, .mib = 300, .mib_per_s = 200},
	{.at_ms = 12000, .vm = 3, .mib = 300, .mib_per_s = 200},
	{.at_ms = 14500, .vm = 0, .mib = 580, .mib_per_s = 60},
	{.at_ms = 14500, .vm = 1, .mib = 580, .mib_per_s = 60},
};

/* One has given nearly all that it had, and needs it back at once; the host has plenty by then. */
static const struct trial_need pinned[] = {
	{.at_ms = 0, .vm = 0, .mib = 3072, .mib_per_s = 2000},
	{.at_ms = 2000, .vm = 0, .mib = 512, .mib_per_s = AT_ONCE},
	{.at_ms = 4000, .vm = 1, .mib = 4000, .mib_per_s = 250},
	{.at_ms = 22000, .vm = 1, .mib = 512, .mib_per_s = AT_ONCE, .reports = true},
	{.at_ms = 22100, .vm = 0, .mib = 3072, .mib_per_s = AT_ONCE},
};

/* The statistics of VM 0 stand still while it begins to use its memory again. */
static const struct trial_need stale[] = {
	{.at_ms = 0, .vm = 0, .mib = 640, .mib_per_s = 400},
	{.at_ms = 0, .vm = 1, .mib = 640, .mib_per_s = 400},
	{.at_ms = 0, .vm = 2, .mib = 200, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 0, .mib = 200, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 1, .mib = 200, .mib_per_s = 400},
	{.at_ms = 4500, .vm = 0, .mib = 600, .mib_per_s = 400, .freezes = true},
	{.at_ms = 8000, .vm = 2, .mib = 740, .mib_per_s = 60},
	{.at_ms = 8000, .vm = 3, .mib = 200, .mib_per_s = 40},
};

/* The pressure ends, and what is to spare then is more than plenty, but no quarter of the host. */
static const struct trial_need never_left[] = {
	{.at_ms = 0, .vm = 0, .mib = 600, .mib_per_s = 400},
	{.at_ms = 0, .vm = 1, .mib = 600, .mib_per_s = 400},
	{.at_ms = 0, .vm = 2, .mib = 600, .mib_per_s = 400},
	{.at_ms = 3000, .vm = 1, .mib = 200, .mib_per_s = 400},
	{.at_ms = 4500, .vm = 0, .mib = 740, .mib_per_s = 60},
	{.at_ms = 4500, .vm = 2, .mib = 740, .mib_per_s = 60},
	{.at_ms = 11000, .vm = 0, .mib = 480, .mib_per_s = 400, .reports = true},
};

#define NEEDS(table) .needs = (table), .needs_count = ARRAY_COUNT(table)

static const struct trial trials[] = {
	{"one_grows", .host_mib = 2048, .vms = 4, .max_mib = 768, .speed = 512, .end_ms = 25000,
	 .empty_from_ms = 11000, .empty_ms = 6000, NEEDS(one_grows)},
	{"all_grow", .host_mib = 2048, .vms = 4, .max_mib = 768, .speed = 512, .end_ms = 30000,
	 NEEDS(all_grow)},
	{"two_stop", .host_mib = 2048, .vms = 4, .max_mib = 768, .speed = 512, .end_ms = 26000,
	 NEEDS(two_stop)},
	{"pinned", .host_mib = 5120, .vms = 2, .max_mib = 4096, .speed = 16384, .end_ms = 30000,
	 NEEDS(pinned)},
	{"stale", .host_mib = 2048, .vms = 4, .max_mib = 768, .speed = 512, .end_ms = 24000,
	 NEEDS(stale)},
	{"never_left", .host_mib = 2048, .vms = 3, .max_mib = 768, .speed = 512, .end_ms = 22000,
	 .empty_from_ms = 12000, .empty_ms = 6000, NEEDS(never_left)},
};

const struct trial *trial_at(unsigned index)
{
	return index < ARRAY_COUNT(trials) ? &trials[index] : NULL;
}
