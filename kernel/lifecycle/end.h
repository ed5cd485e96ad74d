/* SPDX-License-Identifier: BSD-2-Clause */
/* How a VM ends: by itself, or by the hypervisor; and how it gives back what it holds. */
#ifndef KERNEL_LIFECYCLE_END_H
#define KERNEL_LIFECYCLE_END_H

#include "base/types.h"

struct vm;

/* Marks a VM as over: its vCPUs do not run again, and the boot CPU tears it down. Any CPU. */
void vm_finish(struct vm *vm, uint64_t exit_code, uint64_t digest);

void vm_kill(struct vm *vm, const char *reason);

/* The guest has reset its machine: it starts again, or is over, as on-reboot= says. Any CPU. */
void vm_restart_or_finish(struct vm *vm);

/*
 * A RESTARTING VM whose address space and vCPUs are gone does not begin again: it counts as killed.
 * Boot CPU.
 */
void vm_abandon(struct vm *vm, const char *reason);

/* One bounded step of giving back what an ended VM has. True: nothing is left to do. */
bool vm_teardown_step(struct vm *vm);

/* Frees what the backend keeps for its vCPUs. None of them runs any more. */
void vm_destroy_vcpus(struct vm *vm);

/*
 * Entries of second-stage tables that one step of a teardown looks at: it bounds that step, during
 * which interrupts are off. Six tables of pages.
 */
#define TEARDOWN_ENTRIES_PER_STEP 3072

/* Every vCPU that was started waits, and nothing outside the VM will ever wake one. */
bool vm_is_stuck(const struct vm *vm);

#endif
