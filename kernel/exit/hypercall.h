/* SPDX-License-Identifier: BSD-2-Clause */
/* The native hypercalls (abi/aerostat.h): judges arguments, calls the core, maps statuses. */
#ifndef KERNEL_EXIT_HYPERCALL_H
#define KERNEL_EXIT_HYPERCALL_H

#include "kernel/vm/exit.h"

struct vcpu;

/* `privileged`: the call came from CPL 0. The result is in RAX when the action is ADVANCE or WAIT.
 */
enum exit_action hypercall_handle(struct vcpu *vcpu, bool privileged);

#endif
