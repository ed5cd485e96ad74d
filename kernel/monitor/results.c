/* SPDX-License-Identifier: BSD-2-Clause */
/* Results and verdict. The format is stable: tools/judge.py parses it. */
#include "kernel/monitor/results.h"

#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/overcommit/timed_reclaim.h"
#include "kernel/log/log.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm_stats.h"
#include "kernel/monitor/audit.h"
#include "kernel/monitor/display.h"
#include "kernel/monitor/handovers.h"
#include "kernel/monitor/script.h"
#include "kernel/trace/trace.h"
#include "mm/audit.h"
#include "mm/frame.h"

#define LINE_BYTES 500 /* of the statistics; a line of the log may be as long */
#define U(value) ((unsigned long long)(value))

static bool timed_out;
static bool incomplete;
static unsigned absent_vms;

static void print_vm(const struct vm *vm)
{
	char text[LINE_BYTES];
	vm_stats_print_line(vm, STAT_RESULT, text, sizeof(text));
	log_event(vm_name(vm), "result %s", text);
	vm_stats_print_line(vm, STAT_RESULT_2, text, sizeof(text));
	log_event(vm_name(vm), "result %s", text);
	/* What the VM cost the host at its two ends; for tests/bench. */
	vm_stats_print_line(vm, STAT_COSTS, text, sizeof(text));
	log_event(vm_name(vm), "costs %s", text);
	if (vm_stats_print_reasons(vm, text, sizeof(text))) {
		log_event(vm_name(vm), "exits %s", text);
	}
}

void report_timeout(uint64_t seconds)
{
	timed_out = true;
	log_event(NULL, "timeout: not all VMs ended within %llu seconds", U(seconds));
}

void report_incomplete(unsigned absent)
{
	incomplete = true;
	absent_vms = absent;
}

static void print_cpus(void)
{
	for (unsigned cpu = 0; cpu < arch_cpu_count(); cpu++) {
		struct scheduler_counts counts = scheduler_counts(cpu);
		log_event(NULL,
			  "result cpu=%u slices=%llu steals=%llu kicks=%llu busy_ticks=%llu "
			  "barriers=%llu",
			  cpu, U(counts.slices), U(counts.steals), U(counts.kicks),
			  U(counts.busy_ticks), U(arch_predictor_barriers(cpu)));
	}
}

/* Where more than a thousandth came late, the time is beyond all that are counted. */
static void print_reclaims(void)
{
	struct reclaim_report report = timed_reclaim_report();
	uint64_t within = timed_reclaim_within_us(&report, 999);
	if (report.requests > 0) {
		log_event(NULL,
			  "result reclaims=%llu reclaims_late=%llu reclaim_pages=%llu "
			  "reclaim_late_pages=%llu reclaim_999_us=%llu reclaim_step=%s",
			  U(report.requests), U(report.late), U(report.pages),
			  U(report.buckets[RECLAIM_BUCKETS - 1]),
			  U(within == UINT64_MAX ? timed_reclaim_bucket_us(RECLAIM_BUCKETS - 1)
						 : within),
			  reclaim_step_name(report.step));
	}
}

static void print_host(const char *audit_text)
{
	print_cpus();
	display_tell();
	log_event(NULL,
		  "result cpus=%u frames_total=%llu frames_free=%llu frames_zeroed=%llu "
		  "frames_free_low=%llu audit=%s",
		  arch_cpu_count(), U(frame_table_count - frame_count(FRAME_RESERVED)),
		  U(frame_count_free()), U(frame_count(FRAME_ZEROED)), U(governor_free_low()),
		  audit_text);
	struct host_report host = host_limits_report();
	log_event(NULL,
		  "result state=%s state_changes=%llu high_ms=%llu soft_ms=%llu hard_ms=%llu "
		  "low_ms=%llu floor_pages=%llu reserve_pages=%llu",
		  host_state_name(host.state), U(host.changes), U(host.ms[HOST_HIGH]),
		  U(host.ms[HOST_SOFT]), U(host.ms[HOST_HARD]), U(host.ms[HOST_LOW]),
		  U(host.floor_pages), U(host.reserve_pages));
	print_reclaims();
	handovers_print_results();
	if (trace_is_used) {
		struct trace_sums sums = trace_sums();
		log_event(NULL, "result trace_records=%llu trace_lost=%llu",
			  U(sums.written - (trace_has_port() ? sums.unsent : 0)), U(sums.lost));
	}
	/* The last VM has given its tables back: what is left is there without any. */
	log_event(NULL, "costs entry_tsc=%llu hypervisor_pages=%llu", U(log_origin_tsc()),
		  U(frame_count(FRAME_HYPERVISOR)));
}

/* Sending may take minutes at a real port: the operator knows what the machine does meanwhile. */
static void finish_trace(void)
{
	if (trace_is_used && trace_has_port()) {
		log_event(NULL, "trace: %llu records are sent before the results",
			  U(trace_sums().unsent));
	}
	trace_finish();
}

bool report_results(bool details)
{
	struct audit_report audit;
	unsigned finished = 0;
	unsigned killed = 0;
	unsigned refused = absent_vms;
	bool pass = !timed_out && !incomplete && !script_has_failed();
	if (details) {
		finish_trace();
	}
	vms_audit(&audit);
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		struct s2_locked locked = s2_lock(&vms[i].s2);
		vm_note_peaks(&vms[i]);
		s2_unlock(locked);
		if (details) {
			print_vm(vm);
		}
		finished += vm->state == VM_FINISHED ? 1 : 0;
		killed += vm->state == VM_KILLED ? 1 : 0;
		refused += vm->state == VM_REFUSED ? 1 : 0;
		/* One that no command has started is not missed. */
		pass = pass &&
		       (vm->state == VM_LATER || (vm->state == VM_FINISHED && vm->exit_code == 0));
	}
	char audit_text[24] = "clean";
	if (audit.error_count != 0) {
		log_event(NULL, "audit: %s", audit.first_error);
		snprintf(audit_text, sizeof(audit_text), "%llu", U(audit.error_count));
	}
	pass = pass && finished > 0 && audit.error_count == 0;
	if (details) {
		print_host(audit_text);
	}
	log_event(NULL, "verdict %s vms=%u finished=%u killed=%u refused=%u audit=%s",
		  pass ? "pass" : "fail", vm_count + absent_vms, finished, killed, refused,
		  audit_text);
	return pass;
}
