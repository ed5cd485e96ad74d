/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of an entry that the processor refused. */
#include "arch/x86/guest/entry_checks.h"

#include "base/log.h"

void entry_checks_print(const char *vm, const struct entry_checks *violations)
{
	for (unsigned i = 0; i < violations->count && i < GUEST_VIOLATIONS_MAX; i++) {
		log_event(vm, "entry-failed suspicious: %s", violations->names[i]);
	}
	if (violations->count == 0) {
		log_event(vm, "entry-failed: no rule that is known here is broken");
	}
}
