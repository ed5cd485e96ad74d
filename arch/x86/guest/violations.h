/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The rules that a refused entry broke, in words. A processor says only that it refused; the
 * backend repeats its checks in software and collects what does not hold. Pure.
 */
#ifndef ARCH_X86_GUEST_VIOLATIONS_H
#define ARCH_X86_GUEST_VIOLATIONS_H

#include "base/types.h"

#define GUEST_VIOLATIONS_MAX 16

/* More than fit are counted but not named. */
struct guest_violations {
	unsigned count;
	const char *names[GUEST_VIOLATIONS_MAX];
};

static inline void guest_violation_add(struct guest_violations *violations, const char *name)
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
			guest_violation_add(violations, name);                                     \
		}                                                                                  \
	} while (0)

/* Prints them through log_event, as the VM `vm`. */
void guest_violations_print(const char *vm, const struct guest_violations *violations);

#endif
