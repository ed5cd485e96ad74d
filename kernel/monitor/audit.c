/* SPDX-License-Identifier: BSD-2-Clause */
/* See audit.h. */
#include "kernel/monitor/audit.h"

#include "base/log.h"
#include "kernel/lifecycle/files.h"
#include "kernel/sched/stop_machine.h"
#include "kernel/vm/vm.h"

void vms_audit(struct audit_report *report)
{
	static struct s2 *spaces[VMS_MAX];
	unsigned count = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].s2_exists) {
			spaces[count++] = &vms[i].s2;
		}
	}
	stop_machine();
	audit_run(spaces, count, report);
	report->module_pages = files_audit(report);
	stop_machine_release();
}

void vms_audit_and_tell(void)
{
	struct audit_report report;
	vms_audit(&report);
	if (report.error_count == 0 && report.module_pages != 0) {
		log_event(NULL,
			  "audit clean, %luK of modules kept for VMs that may begin from them",
			  report.module_pages * 4);
	} else if (report.error_count == 0) {
		log_event(NULL, "audit clean");
	} else {
		log_event(NULL, "audit errors=%lu: %s", report.error_count, report.first_error);
	}
}
