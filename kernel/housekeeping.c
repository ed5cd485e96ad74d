/* SPDX-License-Identifier: BSD-2-Clause */
/* See housekeeping.h. Takes address spaces' locks one at a time, for teardown. */
#include "kernel/housekeeping.h"

#include "base/bits.h"
#include "base/compiler.h"
#include "base/log.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/activity.h"
#include "kernel/merging.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/monitor.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"
#include "kernel/overcommit/working_set.h"
#include "kernel/sched/background.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/restart.h"
#include "kernel/monitor/audit.h"
#include "kernel/sched/wake.h"
#include "kernel/trace/trace.h"
#include "mm/audit.h"
#include "mm/reclaim.h"

#define ROUND_US 200 /* slices may be much shorter than what is decided here lasts */
#define POLL_MS 5    /* how long the operator's keys may wait */
#define TYPING_MS 1  /* a serial port holds the keys of that time, when they are pasted */

/* Boot CPU only. */
static struct house {
	const struct options *options;
	uint64_t end_tsc;	 /* with batch and timeout=: no later than this */
	uint64_t next_tsc;	 /* of a round, if there is activity (activity.h), */
	uint64_t looked_tsc;	 /* or some time behind this one, the last */
	uint64_t next_look_tsc;	 /* for stuck VMs */
	uint64_t next_audit_tsc; /* with audit= */
	bool reported;		 /* all VMs have ended and the results are out */
} house;

void housekeeping_init(const struct options *options)
{
	house = (struct house){.options = options, .end_tsc = UINT64_MAX};
	merging_init();
	if (options->batch && options->timeout_seconds != 0) {
		house.end_tsc = arch_tsc() + ticks_from_seconds(options->timeout_seconds);
	}
}

/* One step for one VM that has ended or restarts; false: there is none, or it still has to be
 * waited for. */
static bool teardown_one(void)
{
	bool progress = false;
	for (unsigned i = 0; i < vm_count && !progress; i++) {
		if (vm_is_over(&vms[i]) && vms[i].s2_exists && scheduler_retire(&vms[i])) {
			(void)vm_teardown_step(&vms[i]);
			progress = true;
		} else if (vms[i].state == VM_RESTARTING && scheduler_retire(&vms[i])) {
			progress = vm_restart_step(&vms[i]);
		}
	}
	return progress;
}

static bool all_ended(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vm_is_alive(&vms[i]) || vms[i].s2_exists) {
			return false;
		}
	}
	return true;
}

/* For a script, and in a batch for a command: the results may have what it is still counting. */
static NOT_INLINE bool results_wait(void)
{
	return script_is_busy() || (house.options->batch && command_is_busy());
}

/* Batch: the verdict once all have ended, or when time is up. Interactive: the results once. */
static void check_end(uint64_t now)
{
	const struct options *options = house.options;
	bool ended = all_ended();
	house.reported = house.reported && ended; /* a VM may have been started since */
	if (ended && !house.reported && !results_wait()) {
		house.reported = true;
		bool pass = report_results(options->batch);
		if (options->batch) {
			arch_end(options->end, pass);
		}
		monitor_finish(options);
	}
	if (now > house.end_tsc) {
		report_timeout(options->timeout_seconds);
		(void)report_results(true);
		arch_end(options->end, false);
	}
}

/* audit=MS: an error stops the machine at once, as near to its cause as can be. */
static void audit_poll(uint64_t now)
{
	static struct audit_report report; /* too large for a stack */
	if (house.options->audit_ms == 0 || now < house.next_audit_tsc) {
		return;
	}
	house.next_audit_tsc = now + ticks_from_ms(house.options->audit_ms);
	vms_audit(&report);
	if (report.error_count != 0) {
		panic("audit: %llu errors, the first is: %s",
		      (unsigned long long)report.error_count, report.first_error);
	}
}

/* Nothing can ever wake it: all of its processors wait for what only one of them could do. */
static void end_stuck(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING && vm_is_stuck(&vms[i])) {
			vm_kill(&vms[i], "all of its processors wait, and nothing can wake them");
		}
	}
}

static bool keep_house(uint64_t now_tsc)
{
	house.next_tsc = now_tsc + ticks_from_us(ROUND_US);
	monitor_poll(house.options, now_tsc);
	working_set_poll(now_tsc);
	governor_poll(now_tsc);
	audit_poll(now_tsc);
	if (now_tsc >= house.next_look_tsc) {
		house.next_look_tsc = now_tsc + ticks_from_ms(POLL_MS);
		end_stuck();
	}
	bool more = teardown_one();
	if (trace_poll(now_tsc)) {
		more = true;
	}
	check_end(now_tsc);
	house.next_tsc = more ? now_tsc : house.next_tsc;
	house.looked_tsc = more ? 0 : now_tsc;
	return more;
}

/* Mostly a guest has only been interrupted. */
static bool nothing_was_done(uint64_t now_tsc)
{
	bool quiet = !activity_is_new(now_tsc) &&
		     now_tsc - house.looked_tsc < ticks_from_ms(POLL_MS) &&
		     now_tsc < governor_next_tsc() && !timed_reclaim_open && !trace_is_used &&
		     !script_is_busy() && !command_is_busy() && !monitor_is_typing() &&
		     output_is_empty();
	house.next_tsc = quiet ? now_tsc + ticks_from_us(ROUND_US) : house.next_tsc;
	return quiet;
}

static NOT_INLINE bool look_around(uint64_t now_tsc, bool at_once)
{
	return !at_once && nothing_was_done(now_tsc) ? false : keep_house(now_tsc);
}

/* Between all slices, mostly for nothing. */
bool background_poll(uint64_t now_tsc, bool at_once)
{
	return now_tsc >= house.next_tsc || at_once ? look_around(now_tsc, at_once) : false;
}

uint64_t background_next_tsc(uint64_t now_tsc)
{
	uint64_t ms = monitor_is_typing() ? TYPING_MS : POLL_MS;
	/* A round that was left out does not put off the next one. */
	uint64_t from = house.looked_tsc != 0 ? house.looked_tsc : now_tsc;
	uint64_t due = max_u64(from + ticks_from_ms(ms), house.next_tsc);
	return min_u64(governor_next_tsc(), due);
}
