/* SPDX-License-Identifier: BSD-2-Clause */
/* See timed_reclaim.h. */
#include "kernel/overcommit/timed_reclaim.h"

#include "base/bits.h"
#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/lib/tunables.h"
#include "kernel/overcommit/driver_health.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/overcommit/policies/rules.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define FIRST_BUCKET_NS 156250 /* 10 ms / 64 */
#define TRUST_PARTS 4 /* of the request's time: a VM that gives nothing is relied on for it */
#define OOM_PARTS 4   /* of the time after which a VM is given up on: the longest request */

/* Told when it is over: a line of the log can take longer than what it is about. */
struct taken {
	enum reclaim_step step;
	enum reclaim_reason reason;
	struct reclaim_view view;
};

/* What a VM has done for the request. */
struct answer {
	bool asked;
	uint64_t asked_tsc;    /* first */
	uint64_t before_pages; /* given when the request began */
};

static struct {
	uint64_t pages;
	uint64_t most_pages; /* that have been there at once */
	uint64_t allowed_ticks;
	uint64_t command_tsc; /* the processor's, not the clock's */
	bool begun;  /* its time: with the first look, whose clock has counted the gap before it */
	bool untold; /* it is over, and the log does not say so */
	uint64_t begin_tsc;
	uint64_t end_tsc;
	uint64_t missing_pages;
	uint64_t coming_pages;
	bool decided;
	unsigned taken_count;
	struct taken taken[RECLAIM_STEPS];
	struct answer answers[VMS_MAX];
	struct reclaim_report sums;
} request;

bool timed_reclaim_open;

void timed_reclaim_init(void)
{
	memset(&request, 0, sizeof(request));
	timed_reclaim_open = false;
}

const char *reclaim_step_name(enum reclaim_step step)
{
	static const char *const names[RECLAIM_STEPS] = {"reports", "balloon", "harder",
							 "no-feeding"};
	return names[step];
}

static const char *const reason_texts[] = {
	[RECLAIM_MISSING] = "what is there is not enough",
	[RECLAIM_TOO_LITTLE] = "what VMs were asked for is not enough",
	[RECLAIM_TIME] = "its time goes by",
	[RECLAIM_STATE] = "the host is as short as that",
};

enum reclaim_step reclaim_next_step(enum reclaim_step old, const struct reclaim_view *view,
				    enum reclaim_reason *reason)
{
	if (view->missing_pages == 0) {
		return old;
	}
	enum reclaim_step by_time = view->passed_us >= view->allowed_us / 4 * 3 ? RECLAIM_NO_FEEDING
				    : view->passed_us >= view->allowed_us / 2	? RECLAIM_HARDER
										: RECLAIM_BALLOON;
	enum reclaim_step by_state = view->state == HOST_LOW	? RECLAIM_NO_FEEDING
				     : view->state == HOST_HARD ? RECLAIM_HARDER
								: RECLAIM_BALLOON;
	enum reclaim_step step = old < RECLAIM_BALLOON ? RECLAIM_BALLOON : old;
	*reason = RECLAIM_MISSING;
	if (old >= RECLAIM_BALLOON && old < RECLAIM_NO_FEEDING && view->decided &&
	    view->coming_pages < view->missing_pages) {
		step = old + 1;
		*reason = RECLAIM_TOO_LITTLE;
	}
	if (by_state > step) {
		step = by_state;
		*reason = RECLAIM_STATE;
	}
	if (by_time > step) {
		step = by_time;
		*reason = RECLAIM_TIME;
	}
	return step;
}

uint64_t timed_reclaim_bucket_us(unsigned bucket)
{
	return ((uint64_t)FIRST_BUCKET_NS << bucket) / 1000;
}

static unsigned bucket_of(uint64_t ticks)
{
	unsigned bucket = 0;
	uint64_t us = us_from_ticks(ticks);
	while (bucket < RECLAIM_BUCKETS - 2 && us > timed_reclaim_bucket_us(bucket)) {
		bucket++;
	}
	return bucket;
}

static void take_step(uint64_t now_tsc)
{
	struct reclaim_view view = {
		.missing_pages = request.missing_pages,
		.coming_pages = request.coming_pages,
		.decided = request.decided,
		.passed_us = us_from_ticks(sub_floor_u64(now_tsc, request.begin_tsc)),
		.allowed_us = us_from_ticks(request.allowed_ticks),
		.state = host_limits_report().state,
	};
	enum reclaim_reason reason;
	enum reclaim_step step = reclaim_next_step(request.sums.step, &view, &reason);
	if (step != request.sums.step) {
		request.sums.step = step;
		request.decided = false;
		CHECK(request.taken_count < RECLAIM_STEPS);
		request.taken[request.taken_count++] = (struct taken){step, reason, view};
	}
}

static void say_steps(void)
{
	for (unsigned i = 0; i < request.taken_count; i++) {
		const struct taken *taken = &request.taken[i];
		log_event(NULL, "reclaim step=%s missing=%llu coming=%llu after_us=%llu: %s",
			  reclaim_step_name(taken->step),
			  (unsigned long long)taken->view.missing_pages,
			  (unsigned long long)taken->view.coming_pages,
			  (unsigned long long)taken->view.passed_us, reason_texts[taken->reason]);
	}
}

/* Of all that was asked for, what has not been there at once. */
static uint64_t late_pages(void)
{
	return request.pages - request.most_pages;
}

static void end(void)
{
	struct reclaim_report *sums = &request.sums;
	timed_reclaim_open = false;
	request.untold = true;
	sums->requests++;
	sums->late += late_pages() > 0 ? 1 : 0;
	sums->buckets[RECLAIM_BUCKETS - 1] += late_pages();
}

void timed_reclaim_tell(void)
{
	if (!request.untold) {
		return;
	}
	request.untold = false;
	say_steps();
	log_event(NULL, "reclaim %s pages=%llu late=%llu missing=%llu step=%s",
		  late_pages() == 0 ? "met" : "late", (unsigned long long)request.pages,
		  (unsigned long long)late_pages(), (unsigned long long)request.missing_pages,
		  reclaim_step_name(request.sums.step));
}

/* No VM is given up on for it: that has its own clock, which a request does not outlast. */
static uint64_t most_ms(void)
{
	return max_u64(min_u64(RECLAIM_MS_MOST, tunables.oom_after_ms / OOM_PARTS), 1);
}

enum status timed_reclaim_begin(uint64_t pages, uint64_t ms, struct error *error)
{
	uint64_t most = host_limits_report().managed_pages;
	if (timed_reclaim_open) {
		return error_set(error, STATUS_EXISTS, "a reclaim of %lluK is under way",
				 (unsigned long long)request.pages * 4);
	}
	if (pages == 0 || pages > most) {
		return error_set(error, STATUS_INVALID,
				 "%lluK is nothing, or more than the %lluK that VMs can have",
				 (unsigned long long)pages * 4, (unsigned long long)most * 4);
	}
	if (ms == 0 || ms > most_ms()) {
		return error_set(error, STATUS_INVALID, "a time to reclaim is 1 to %llu ms",
				 (unsigned long long)most_ms());
	}
	uint64_t spare = min_u64(promise_spare(), frame_count_free());
	log_event(NULL, "reclaim begun pages=%llu spare=%llu ms=%llu", (unsigned long long)pages,
		  (unsigned long long)spare, (unsigned long long)ms);
	request.pages = pages;
	request.most_pages = min_u64(spare, pages);
	request.allowed_ticks = ticks_from_ms(ms);
	request.command_tsc = arch_tsc();
	request.begun = false;
	request.end_tsc = 0;
	request.missing_pages = pages - request.most_pages;
	request.coming_pages = 0;
	request.decided = false;
	request.taken_count = 0;
	request.sums.pages += request.missing_pages;
	request.sums.step = RECLAIM_REPORTS;
	for (unsigned i = 0; i < VMS_MAX; i++) {
		request.answers[i] =
			(struct answer){.before_pages = driver_health_given_pages(&vms[i])};
	}
	timed_reclaim_open = true;
	governor_renew();
	return STATUS_OK;
}

/* What is there at a look behind its end may have come too late, so it does not count. */
void timed_reclaim_look(uint64_t spare_pages, uint64_t now_tsc, uint64_t look_tsc)
{
	if (!timed_reclaim_open || (!request.begun && look_tsc < request.command_tsc)) {
		return; /* the look began before the command, which can have taken long to log */
	}
	if (!request.begun) {
		request.begun = true;
		request.begin_tsc = now_tsc;
		request.end_tsc = now_tsc + request.allowed_ticks;
	}
	uint64_t there = min_u64(spare_pages, request.pages);
	if (there > request.most_pages && now_tsc <= request.end_tsc) {
		uint64_t passed = sub_floor_u64(now_tsc, request.begin_tsc);
		request.sums.buckets[bucket_of(passed)] += there - request.most_pages;
		request.most_pages = there;
	}
	request.missing_pages = request.pages - there;
	if (now_tsc >= request.end_tsc) {
		end();
	} else {
		take_step(now_tsc);
	}
}

uint64_t timed_reclaim_next_ticks(uint64_t now_tsc)
{
	return min_u64(ticks_from_ms(1), sub_floor_u64(request.end_tsc, now_tsc));
}

/*
 * What the VM says that it has idle is not relied on any more: a quarter of the time is over since
 * it was asked, and it has not given a fair part. Short of that, others would be asked for nothing
 * because of a guest that only says so.
 */
static bool is_mute(const struct vm *vm, const struct policy_vm *view, const struct answer *answer,
		    uint64_t now_tsc)
{
	uint64_t missing = sub_floor_u64(view->target_pages, view->ballooned_pages);
	uint64_t given = sub_floor_u64(driver_health_given_pages(vm), answer->before_pages);
	if (!request.begun || !answer->asked) {
		return false;
	}
	bool moves = given > 0 && given >= (missing + given) / tunables.driver_answer_parts;
	return !moves && now_tsc - answer->asked_tsc >= request.allowed_ticks / TRUST_PARTS;
}

void timed_reclaim_raise(struct policy_host *host, struct policy_vm *views, unsigned count,
			 uint64_t now_tsc)
{
	if (!timed_reclaim_open) {
		return;
	}
	host->low_pages = max_u64(host->low_pages, request.pages);
	host->high_pages = max_u64(host->high_pages, request.pages);
	host->harder = request.sums.step >= RECLAIM_HARDER;
	for (unsigned i = 0; i < count; i++) {
		views[i].mute = is_mute(&vms[i], &views[i], &request.answers[i], now_tsc);
	}
}

void timed_reclaim_note(const struct policy_vm *views, unsigned count, uint64_t now_tsc)
{
	if (!timed_reclaim_open || !request.begun) {
		return;
	}
	uint64_t coming = 0;
	for (unsigned i = 0; i < count; i++) {
		struct answer *answer = &request.answers[i];
		if (rules_asked_pages(&views[i]) > 0 && !answer->asked) {
			answer->asked = true;
			answer->asked_tsc = now_tsc;
		}
		coming += rules_pending_pages(&views[i]);
	}
	request.coming_pages = coming;
	request.decided = true;
}

bool timed_reclaim_holds(void)
{
	return timed_reclaim_open && request.sums.step == RECLAIM_NO_FEEDING &&
	       request.missing_pages > 0;
}

uint64_t timed_reclaim_pages(void)
{
	return timed_reclaim_open ? request.pages : 0;
}

struct reclaim_report timed_reclaim_report(void)
{
	struct reclaim_report report = request.sums;
	report.is_open = timed_reclaim_open;
	report.missing_pages = timed_reclaim_open ? request.missing_pages : 0;
	return report;
}

uint64_t timed_reclaim_within_us(const struct reclaim_report *report, unsigned permille)
{
	uint64_t all = 0;
	uint64_t sum = 0;
	for (unsigned i = 0; i < RECLAIM_BUCKETS; i++) {
		all += report->buckets[i];
	}
	if (all == 0) {
		return 0;
	}
	for (unsigned i = 0; i < RECLAIM_BUCKETS - 1; i++) {
		sum += report->buckets[i];
		if (sum * 1000 >= all * permille) {
			return timed_reclaim_bucket_us(i);
		}
	}
	return UINT64_MAX;
}
