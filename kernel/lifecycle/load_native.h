/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that was written for us (docs/abi.md): an ELF64 image, and start information behind it.
 */
#ifndef KERNEL_LIFECYCLE_LOAD_NATIVE_H
#define KERNEL_LIFECYCLE_LOAD_NATIVE_H

#include "kernel/lifecycle/load.h"

/* Fills plan->elf and bytes. INVALID: *error says what is wrong. */
MUST_CHECK enum status load_native_plan(const struct vm_config *config,
					const struct load_files *files, struct load_plan *plan,
					struct error *error);

/*
 * As load_run: copies the image's segments and, on the page behind it, the start information, whose
 * address goes to EBX. OUTSIDE: max leaves no room for that.
 */
MUST_CHECK enum status load_native_run(struct vm *vm, const struct load_files *files,
				       const struct load_plan *plan, struct load_entry *entry,
				       struct error *error);

#endif
