/* SPDX-License-Identifier: BSD-2-Clause */
/* The auditor over all VMs. */
#ifndef KERNEL_MONITOR_AUDIT_H
#define KERNEL_MONITOR_AUDIT_H

#include "mm/audit.h"

/* Runs the auditor (mm/audit.h) over all VMs. All other CPUs stand still meanwhile. */
void vms_audit(struct audit_report *report);

/* The same for the operator: one line of the log says what came of it. */
void vms_audit_and_tell(void);

#endif
