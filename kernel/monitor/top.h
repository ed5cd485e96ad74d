/* SPDX-License-Identifier: BSD-2-Clause */
/* The command top: a screen of VMs that is drawn again once a second. Boot CPU only. */
#ifndef KERNEL_MONITOR_TOP_H
#define KERNEL_MONITOR_TOP_H

#include "kernel/monitor/command.h"

#define TOP_COLUMNS 80
#define TOP_ROWS 16 /* VMs on one screen; n and p turn pages */

MUST_CHECK enum status top_run(const struct command_call *call, struct error *error);

#endif
