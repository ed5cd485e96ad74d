/* SPDX-License-Identifier: BSD-2-Clause */
/* The groups of commands. */
#ifndef KERNEL_MONITOR_COMMANDS_H
#define KERNEL_MONITOR_COMMANDS_H

#include "kernel/monitor/command.h"

extern const struct command_group commands_vm;
extern const struct command_group commands_steer;
extern const struct command_group commands_memory;
extern const struct command_group commands_trace;
extern const struct command_group commands_host;

#endif
