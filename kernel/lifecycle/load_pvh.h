/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An ELF kernel with a PVH entry (Xen, docs/misc/pvh.pandoc; public/arch-x86/hvm/start_info.h): EBX
 * points to a struct hvm_start_info of version 1. Its further files are modules, in their order; a
 * Linux takes the first as its initrd.
 */
#ifndef KERNEL_LIFECYCLE_LOAD_PVH_H
#define KERNEL_LIFECYCLE_LOAD_PVH_H

#include "kernel/lifecycle/load.h"

/* Fills plan->elf, is_linux, place[] and bytes. INVALID: *error says what is wrong. */
MUST_CHECK enum status load_pvh_plan(const struct vm_config *config, const struct load_files *files,
				     struct load_plan *plan, struct error *error);

/* As load_run. */
MUST_CHECK enum status load_pvh_run(struct vm *vm, const struct load_files *files,
				    const struct load_plan *plan, struct load_entry *entry,
				    struct error *error);

#endif
