/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The host's floor and reserve as the operator has set them, its state (host_state.h), and for how
 * long it was in which. Boot CPU only.
 */
#ifndef KERNEL_OVERCOMMIT_HOST_LIMITS_H
#define KERNEL_OVERCOMMIT_HOST_LIMITS_H

#include "base/error.h"
#include "kernel/lib/words.h"
#include "kernel/overcommit/host_state.h"

struct options;

/* The floor follows from the host's memory, the reserve from its tunable; the state is high. */
void host_limits_init(uint64_t now_tsc);

/* policy=, host-floor= and host-reserve=, behind governor_init(). What is wrong is told and has no
 * effect. */
void host_limits_boot(const struct options *options);

/* What the governor goes by; VMs can have so much. It asks again whenever that changes. */
struct host_bounds host_limits_bounds(uint64_t managed_pages);

/*
 * The one way to change them, at boot and later: `floor` to a size or `auto`, `reserve` to a size.
 * A reserve is raised by no more than is spare. INVALID: *error says why, and nothing has changed.
 * The floor holds from the next period on, the reserve at once.
 */
MUST_CHECK enum status host_limits_set(struct word key, struct word value, struct error *error);

/* The reserve is so much larger than what was set (kernel/overcommit/silent_driver.h). */
void host_limits_keep(uint64_t pages);

/* Once a period, with what is spare. While a vCPU waits the state is soft at least. */
void host_limits_note(uint64_t spare_pages, bool waiting, uint64_t now_tsc);

struct host_report {
	enum host_state state;
	uint64_t changes;	  /* of the state */
	uint64_t ms[HOST_STATES]; /* in each, up to the last period */
	uint64_t managed_pages;	  /* all that VMs can have */
	uint64_t floor_pages;
	bool floor_is_set; /* by the operator */
	uint64_t reserve_pages;
};
struct host_report host_limits_report(void);

#endif
