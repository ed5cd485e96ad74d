/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The memory that CPUs meet at: three VMs at most, a frame table, and processors whose TLBs keep
 * what they have cached until the flush instruction.
 */
#ifndef INTERLEAVE_WORLD_H
#define INTERLEAVE_WORLD_H

#include "base/status.h"
#include "interleave/interleave.h"
#include "mm/stage2/map.h"

#define SPACES 3
#define SMALL_PAGES 8 /* of RAM of each VM in a small world */

/* Of every VM in a small world. */
#define MAPPED_GFN 1
#define BALLOONED_GFN 4
#define EMPTY_GFN 6

/* In the world of regions VM 1 has two: one entry, and 512 that could become one. */
#define REGION_PAGES 1024
#define WHOLE_GFN 5
#define PIECES_GFN 517

extern struct s2 spaces[SPACES]; /* VM n is spaces[n - 1] */
extern bool space_exists[SPACES];
extern const struct s2_format world_format;

extern uint64_t world_answers[INTERLEAVE_CPUS]; /* to each CPU's calls */
extern pfn_t world_host_pages[INTERLEAVE_CPUS]; /* that the host had from the beginning */

/* The outcome of a run may be told from this: as it is now. */
void world_answer(uint64_t answer);

/* Two VMs, single pages. `spare`: frames that are free and promised to none; caches are on or off.
 */
void world_small(uint64_t spare, bool caches);
/* The same, and no CPU has run a VM yet. */
void world_unused(void);
void world_regions(void);

/* After a schedule: the auditor, the TLBs, what is said to be zero, all sums. */
void world_check(void);
/* What each VM has where, and what was answered: no frames, for which one it is does not count. */
uint64_t world_outcome(void);

/* The frame is VM `owner`'s memory at gfn, or still waits for a flush. */
bool world_frame_is_of(uint64_t pfn, vm_id_t owner, uint64_t gfn);

/* ---- Processors (guests.c) ---- */

/* One stay in the guest: uses gfn. False: it faults. */
void guest_enter(struct s2 *s2);
bool guest_access(struct s2 *s2, uint64_t gfn);
void guest_leave(void);
bool guest_is_kicked(void);

/* Until it has used the page: faults are served as the hypervisor does. */
enum status guest_touch(struct s2 *s2, uint64_t gfn);

/* Does any CPU still reach what is not the VM's, or will, because it need not flush? */
void guests_check(void);
/* All CPUs have used this page. */
void guests_have_used(struct s2 *s2, uint64_t gfn);
void guests_reset(void);

#endif
