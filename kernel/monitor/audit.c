/* SPDX-License-Identifier: BSD-2-Clause */
/* See audit.h. */
#include "kernel/monitor/audit.h"

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
	stop_machine_release();
}
