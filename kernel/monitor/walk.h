/* SPDX-License-Identifier: BSD-2-Clause */
/* The command walk: how an address of a guest is translated, level by level. Boot CPU only. */
#ifndef KERNEL_MONITOR_WALK_H
#define KERNEL_MONITOR_WALK_H

#include "kernel/monitor/command.h"

/* NAME ADDRESS: the second stage. NAME virtual ADDRESS [VCPU]: the guest's tables, each of whose
 * entries the second stage translates, and what comes out of them. */
MUST_CHECK enum status walk_run(const struct command_call *call, struct error *error);

#endif
