/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules that a refused entry broke, in words. A processor says only that it refused; the
 * backend repeats its checks in software and collects what does not hold. Pure.
 */
#ifndef ARCH_X86_GUEST_ENTRY_CHECKS_H
#define ARCH_X86_GUEST_ENTRY_CHECKS_H

#include "base/types.h"

#define GUEST_VIOLATIONS_MAX 16

/* More than fit are counted but not named. */
struct entry_checks {
	unsigned count;
	const char *names[GUEST_VIOLATIONS_MAX];
};

static inline void entry_check_fail(struct entry_checks *violations, const char *name)
{
	if (violations->count < GUEST_VIOLATIONS_MAX) {
		violations->names[violations->count] = name;
	}
	violations->count++;
}

/* In functions that have a `violations`. */
#define BREAKS(condition, name)                                                                    \
	do {                                                                                       \
		if (condition) {                                                                   \
			entry_check_fail(violations, name);                                        \
		}                                                                                  \
	} while (0)

/* Prints them through log_event, as the VM `vm`. */
void entry_checks_print(const char *vm, const struct entry_checks *violations);

#endif
