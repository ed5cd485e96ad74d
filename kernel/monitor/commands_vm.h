/* SPDX-License-Identifier: BSD-2-Clause */
/* What other commands use of those that show VMs. */
#ifndef KERNEL_MONITOR_COMMANDS_VM_H
#define KERNEL_MONITOR_COMMANDS_VM_H

#include "base/error.h"
#include "base/types.h"
#include "kernel/lib/words.h"

struct vm;

/* The VM with this name, or NULL; *error names the nearest one. */
struct vm *commands_vm_find(struct word name, struct error *error);

/*
 * What goes behind "NAME does not run" and the like, for a VM that is not VM_RUNNING: that it has
 * not begun, begins again, never could, or has ended.
 */
const char *commands_vm_why_absent(const struct vm *vm);

/* A count of pages as a size, such as 14M or 12K, or a dash for UINT64_MAX. */
#define SIZE_TEXT_BYTES 24
const char *commands_vm_size(uint64_t pages, char *text);

#endif
