/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The values of tunables.def. Boot CPU writes them before the VMs start; any CPU reads them,
 * without a lock. In this low room because balloons and the scheduler read some of them, too.
 */
#ifndef KERNEL_LIB_TUNABLES_H
#define KERNEL_LIB_TUNABLES_H

#include "base/error.h"
#include "base/time.h"
#include "base/types.h"

struct tunables {
#define TUNABLE(name, unit, normal, least, most, off, meaning) uint32_t name;
#include "kernel/lib/tunables.def"
#undef TUNABLE
};

extern struct tunables tunables;

#define TUNABLE_NEVER UINT32_MAX

/* A deadline that never passes; can be added to any time of the TSC. */
#define TICKS_NEVER ((uint64_t)INT64_MAX)

static inline uint64_t deadline_ticks(uint32_t ms)
{
	return ms == TUNABLE_NEVER ? TICKS_NEVER : ticks_from_ms(ms);
}

/* All of them are as in tunables.def again. */
void tunables_reset(void);

/*
 * Changes one: `value` is a decimal number or "off". INVALID: *error says what is wrong, and
 * nothing has changed.
 */
MUST_CHECK enum status tunable_set(const char *name, const char *value, struct error *error);

/* A policy is a list of these, up to one without a name. All or nothing. */
struct tuning {
	const char *name;
	const char *value;
};
MUST_CHECK enum status tunables_set(const struct tuning *policy, struct error *error);

#endif
