/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A kernel by the multiboot specification, version 0.6.96, chapter 3: EAX holds a magic number, EBX
 * points to the information. Its further files are modules, in their order.
 */
#ifndef KERNEL_LIFECYCLE_LOAD_MULTIBOOT_H
#define KERNEL_LIFECYCLE_LOAD_MULTIBOOT_H

#include "kernel/lifecycle/load.h"

/* Fills plan->elf, place[] and bytes. INVALID: *error says what is wrong. */
MUST_CHECK enum status load_multiboot_plan(const struct vm_config *config,
					   const struct load_files *files, struct load_plan *plan,
					   struct error *error);

/* As load_run. */
MUST_CHECK enum status load_multiboot_run(struct vm *vm, const struct load_files *files,
					  const struct load_plan *plan, struct load_entry *entry,
					  struct error *error);

#endif
