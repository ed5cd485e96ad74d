/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM that its guest has reset (on-reboot=restart): end.c takes it apart as if it were over, but
 * for its devices and files; then it begins again.
 */
#ifndef KERNEL_LIFECYCLE_RESTART_H
#define KERNEL_LIFECYCLE_RESTART_H

#include "base/types.h"

struct vm;

/*
 * One step for a RESTARTING VM of which no vCPU is on a CPU. Frames that it had may be in other
 * hands for a moment: it is tried again for RESTART_PATIENCE_MS, then the VM is killed. A guest
 * that resets itself RESTARTS_QUICK_MAX times, each time within RESTART_QUICK_MS of its start, is
 * killed as well. False: it waits for memory. Boot CPU.
 */
#define RESTART_PATIENCE_MS 10000
#define RESTART_QUICK_MS 1000
#define RESTARTS_QUICK_MAX 5
bool vm_restart_step(struct vm *vm);

#endif
