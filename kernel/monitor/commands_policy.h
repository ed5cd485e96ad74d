/* SPDX-License-Identifier: BSD-2-Clause */
/* Commands that change how the host decides; their entries are in commands_steer.c. */
#ifndef KERNEL_MONITOR_COMMANDS_POLICY_H
#define KERNEL_MONITOR_COMMANDS_POLICY_H

#include "kernel/monitor/command.h"

/* policy [NAME]: which there are, or which of them decides from now on. */
enum status commands_policy_choose(const struct command_call *call, struct error *error);

/* set host floor|reserve VALUE: kernel/overcommit/host_limits.h says what may be set. */
enum status commands_policy_set_host(const struct command_call *call, struct error *error);

/* reclaim SIZE [MS]: so much is to be spare in that time (kernel/overcommit/timed_reclaim.h). */
enum status commands_policy_reclaim(const struct command_call *call, struct error *error);

/* The one that is under way, if there is one; and those so far. */
void commands_policy_show_reclaim(void);
void commands_policy_show_reclaims(void);

#endif
