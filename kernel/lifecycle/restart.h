/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM that its guest has reset (on-reboot=restart): end.c takes it apart as if it were over, but
 * for its devices and files; then it begins again.
 */
#ifndef KERNEL_LIFECYCLE_RESTART_H
#define KERNEL_LIFECYCLE_RESTART_H

#include "base/error.h"
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

/*
 * For a VM that restarts, when all of it has been taken apart but its devices and its files: RAM
 * that reads as zeros, the files as at its start, the devices after a reset, new vCPUs. NO_MEMORY,
 * with *error: the host has not enough frames now, and nothing is left behind. Boot CPU.
 */
MUST_CHECK enum status vm_build_again(struct vm *vm, struct error *error);

/*
 * The new address space may get the root table of one that CPUs have cached translations of, and
 * its vCPUs the tags of those before: each CPU flushes before it enters.
 */
void vm_request_flush(struct vm *vm);

#endif
