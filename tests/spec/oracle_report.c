/* SPDX-License-Identifier: BSD-2-Clause */
/* What the oracle of a booted hypervisor has seen: one line before the verdict. */
#include "base/log.h"
#include "kernel/monitor/results.h"
#include "tests/spec/oracle.h"

bool __real_report_results(bool details);
bool __wrap_report_results(bool details);

bool __wrap_report_results(bool details)
{
	const struct oracle_counts *counts = &oracle_counts;
	log_event(NULL,
		  "oracle: calls=%llu arrays=%llu touches=%llu fills=%llu pages=%llu ends=%llu "
		  "left_out=%llu, and no mismatch",
		  (unsigned long long)counts->calls, (unsigned long long)counts->arrays,
		  (unsigned long long)counts->touches, (unsigned long long)counts->fills,
		  (unsigned long long)counts->pages, (unsigned long long)counts->ends,
		  (unsigned long long)counts->left_out);
	return __real_report_results(details);
}
