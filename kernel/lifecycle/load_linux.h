/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Linux as a bzImage, by its 32-bit boot protocol (Linux, Documentation/arch/x86/boot.rst and
 * zero-page.rst): ESI points to the zero page. Its further files are initrds: Linux takes several
 * that stand one behind the other, each at a multiple of 4, as one.
 *
 * The protocol names segment selectors; what counts is what the segments hold, because the kernel
 * loads a GDT of its own before it loads a selector.
 */
#ifndef KERNEL_LIFECYCLE_LOAD_LINUX_H
#define KERNEL_LIFECYCLE_LOAD_LINUX_H

#include "kernel/lifecycle/load.h"

/* Fills plan->bzimage, place[] and bytes. INVALID: *error says what is wrong. */
MUST_CHECK enum status load_linux_plan(const struct vm_config *config,
				       const struct load_files *files, struct load_plan *plan,
				       struct error *error);

/* As load_run. */
MUST_CHECK enum status load_linux_run(struct vm *vm, const struct load_files *files,
				      const struct load_plan *plan, struct load_entry *entry,
				      struct error *error);

#endif
