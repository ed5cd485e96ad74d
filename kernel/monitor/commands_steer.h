/* SPDX-License-Identifier: BSD-2-Clause */
/* What other commands use of those that steer VMs. */
#ifndef KERNEL_MONITOR_COMMANDS_STEER_H
#define KERNEL_MONITOR_COMMANDS_STEER_H

struct vm;

/* Ends the pause of a running VM: what it owes and waits for counts from now. */
void commands_steer_resume(struct vm *vm);

#endif
