/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A request with a deadline: so many pages are to be spare (free, and promised to no VM) at once
 * within a time. Its time begins with the first look behind the command. It is met when they have
 *been; what VMs take of them before its end is asked for again, but may be missing then. One at a
 *time. While it is open, the policy sees a host whose floor is the request, and a ladder says what
 *may be done:
 *
 *	reports		nothing is asked: what is there is enough
 *	balloon		VMs are asked for idle pages beyond a margin
 *	harder		and for that margin, and for room beyond their allotment
 *	no-feeding	and, while something is missing, those that have their allotment get no
 *frame
 *
 * The next step is taken when what VMs were asked for cannot be enough, when a half, or three
 * quarters, of the time are over, or at once where the host is in state hard, or low. No step is
 * taken back. A VM that was asked a quarter of the time ago, and has not given a fair part since
 *the request began, is not relied on: others are asked. The last one of the ladder of
 *docs/policy.md, giving up on a VM, is not for this: what has not come in time is late, and is
 *told. Times are the clock's; boot CPU only.
 */
#ifndef KERNEL_OVERCOMMIT_TIMED_RECLAIM_H
#define KERNEL_OVERCOMMIT_TIMED_RECLAIM_H

#include "base/error.h"
#include "kernel/overcommit/host_state.h"
#include "kernel/overcommit/policy.h"

enum reclaim_step {
	RECLAIM_REPORTS,
	RECLAIM_BALLOON,
	RECLAIM_HARDER,
	RECLAIM_NO_FEEDING,
	RECLAIM_STEPS,
};

enum reclaim_reason { RECLAIM_MISSING, RECLAIM_TOO_LITTLE, RECLAIM_TIME, RECLAIM_STATE };

/* What the ladder goes by. */
struct reclaim_view {
	uint64_t missing_pages;
	uint64_t coming_pages; /* VMs have been asked for, and have idle */
	bool decided;	       /* since the last step: coming_pages is of this one */
	uint64_t passed_us;
	uint64_t allowed_us;
	enum host_state state;
};

/* The step for it now, from `old`, and why. Pure. */
enum reclaim_step reclaim_next_step(enum reclaim_step old, const struct reclaim_view *view,
				    enum reclaim_reason *reason);

#define RECLAIM_MS_USUAL 10
#define RECLAIM_MS_MOST 1000 /* or a quarter of oom_after_ms: no VM is given up on for it */

/* Counts of pages by the time after which they were there, and more. */
#define RECLAIM_BUCKETS 15 /* bucket n: up to 10 ms * 2^(n - 6); the last one: late */

struct reclaim_report {
	uint64_t requests; /* that are over */
	uint64_t late;	   /* of them: all that was asked for has never been there at once */
	uint64_t pages;	   /* that were missing when they began */
	uint64_t buckets[RECLAIM_BUCKETS];
	bool is_open;
	uint64_t missing_pages; /* of the open one */
	enum reclaim_step step; /* of it, or of the last one */
};

void timed_reclaim_init(void);

/*
 * `pages` are to be spare within `ms`. EXISTS: one is open; INVALID: more than VMs can have, or no
 * such time. *error says why, and nothing has changed.
 */
MUST_CHECK enum status timed_reclaim_begin(uint64_t pages, uint64_t ms, struct error *error);

/* It is open: the governor looks whenever frames come back, and decides each millisecond. */
extern bool timed_reclaim_open;

/* With each look, by the clock and by the TSC. The last one closes it; timed_reclaim_tell() logs
 * that, behind the wake-up of vCPUs that waited for its end. */
void timed_reclaim_look(uint64_t spare_pages, uint64_t now_tsc, uint64_t look_tsc);
void timed_reclaim_tell(void);

/* Until the next look, while one is open: a millisecond, or less to its end. */
uint64_t timed_reclaim_next_ticks(uint64_t now_tsc);

/* What the policy sees of the host and its VMs while one is open; and what it made of that. */
void timed_reclaim_raise(struct policy_host *host, struct policy_vm *views, unsigned count,
			 uint64_t now_tsc);
void timed_reclaim_note(const struct policy_vm *views, unsigned count, uint64_t now_tsc);

/* VMs that have their allotment are not fed. */
bool timed_reclaim_holds(void);

/* That are to be spare by the open one; 0: none is. */
uint64_t timed_reclaim_pages(void);

struct reclaim_report timed_reclaim_report(void);

/* The bound of the first bucket with which so many of 1000 pages are counted; 0: none was missing;
 * UINT64_MAX: late. */
uint64_t timed_reclaim_within_us(const struct reclaim_report *report, unsigned permille);

/* The longest time that is counted in a bucket but the last. */
uint64_t timed_reclaim_bucket_us(unsigned bucket);

const char *reclaim_step_name(enum reclaim_step step);

#endif
