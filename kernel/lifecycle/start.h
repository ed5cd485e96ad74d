/* SPDX-License-Identifier: BSD-2-Clause */
/* VMs that begin while the machine runs, at an operator's command. */
#ifndef KERNEL_LIFECYCLE_START_H
#define KERNEL_LIFECYCLE_START_H

#include "base/error.h"
#include "kernel/lib/words.h"

struct vm;

/*
 * Makes a VM of the files of another one while the machine runs, and lets it begin: that one itself
 * if it is LATER and keeps its name, or a further one. `changes` are words KEY=VALUE that go before
 * the string of the module; memory is admitted as at boot. Anything but OK: *error says why, and
 * nothing has changed. Boot CPU.
 */
MUST_CHECK enum status vm_start(struct vm *of, const struct word *changes, unsigned count,
				struct error *error);

/* A VM that is LATER will not be started: its files are given back. Boot CPU. */
void vm_forget(struct vm *vm, const char *reason);

#endif
