/* SPDX-License-Identifier: BSD-2-Clause */
/* Results and verdict. The format is stable: tools/judge.py parses it. */
#include "kernel/monitor/results.h"

#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "arch/arch.h"
#include "kernel/balloon/balloon.h"
#include "kernel/overcommit/governor.h"
#include "kernel/log/log.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/vm.h"
#include "kernel/monitor/audit.h"
#include "mm/audit.h"
#include "mm/frame.h"

#define U(value) ((unsigned long long)(value))

static bool timed_out;
static bool incomplete;
static unsigned absent_vms;

static const char *state_name(enum vm_state state)
{
	switch (state) {
	case VM_REFUSED:
		return "refused";
	case VM_RUNNING:
		return "running";
	case VM_FINISHED:
		return "finished";
	case VM_KILLED:
		return "killed";
	case VM_UNUSED:
		break;
	}
	return "unused";
}

static void print_vm(const struct vm *vm)
{
	const struct balloon *balloon = &vm->balloon;
	char active[24] = "unknown";
	if (vm->working_set.known) {
		snprintf(active, sizeof(active), "%llu", U(vm->working_set.active_pages));
	}
	log_event(vm_name(vm),
		  "result state=%s code=%llu mem_pages=%llu min_pages=%llu max_pages=%llu "
		  "held_pages=%llu held_peak_pages=%llu large_peak_pages=%llu ballooned_pages=%llu "
		  "ballooned_peak_pages=%llu target_pages=%llu target_peak_pages=%llu faults=%llu "
		  "hypercalls=%llu surrendered_pages=%llu returned_pages=%llu touched_pages=%llu "
		  "reported_pages=%llu active_pages=%s vcpus=%u flush_kicks=%llu digest=0x%llx",
		  state_name(vm->state), U(vm->exit_code), U(vm->config.mem_pages),
		  U(vm->config.min_pages), U(vm->config.max_pages), U(vm->s2.mapped_pages),
		  U(vm->held_peak_pages), U(vm->large_peak_pages), U(vm->s2.ballooned_pages),
		  U(balloon->size_peak_pages), U(balloon->target_pages),
		  U(balloon->target_peak_pages), U(vm_fault_count(vm)), U(vm_hypercall_count(vm)),
		  U(balloon->surrendered_pages), U(balloon->returned_pages),
		  U(balloon->touched_pages), U(balloon->reported_pages), active, vm->config.vcpus,
		  U(vm->s2.tlb.kick_count), U(vm->digest));
	/* A line of its own: the one above is nearly as long as one may be. */
	log_event(vm_name(vm), "result wait_peak_us=%llu", U(us_from_ticks(vm->wait_peak_ticks)));
}

/* What the VM cost the host at its two ends; for tests/bench. */
static void print_costs(const struct vm *vm)
{
	log_event(vm_name(vm),
		  "costs start_ticks=%llu teardown_ticks=%llu teardown_step_ticks=%llu exits=%llu",
		  U(vm->start_ticks), U(vm->teardown_ticks), U(vm->teardown_step_ticks),
		  U(vm_exit_count(vm)));
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

static void print_host(const char *audit_text)
{
	print_cpus();
	log_event(NULL,
		  "result cpus=%u frames_total=%llu frames_free=%llu frames_zeroed=%llu "
		  "frames_free_low=%llu audit=%s",
		  arch_cpu_count(), U(frame_table_count - frame_count(FRAME_RESERVED)),
		  U(frame_count_free()), U(frame_count(FRAME_ZEROED)), U(governor_free_low()),
		  audit_text);
	log_event(NULL, "costs entry_tsc=%llu", U(log_origin_tsc()));
}

bool report_results(bool details)
{
	struct audit_report audit;
	unsigned finished = 0;
	unsigned killed = 0;
	unsigned refused = absent_vms;
	bool pass = !timed_out && !incomplete;
	vms_audit(&audit);
	for (unsigned i = 0; i < vm_count; i++) {
		const struct vm *vm = &vms[i];
		struct s2_locked locked = s2_lock(&vms[i].s2);
		vm_note_peaks(&vms[i]);
		s2_unlock(locked);
		if (details) {
			print_vm(vm);
			print_costs(vm);
		}
		finished += vm->state == VM_FINISHED ? 1 : 0;
		killed += vm->state == VM_KILLED ? 1 : 0;
		refused += vm->state == VM_REFUSED ? 1 : 0;
		pass = pass && vm->state == VM_FINISHED && vm->exit_code == 0;
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
