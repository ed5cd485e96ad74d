/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which boot modules belong to which VM, and how long their frames are kept. Each module is a VM
 * or, with of=NAME in front of its string, a further file of the VM of that name, which must stand
 * before it. VMs that are made of the same modules later (start NAME name=NEW) share them. Boot CPU
 * only.
 */
#ifndef KERNEL_LIFECYCLE_FILES_H
#define KERNEL_LIFECYCLE_FILES_H

#include "arch/boot_info.h"
#include "base/error.h"
#include "kernel/lifecycle/load.h"
#include "kernel/vm/vm.h"

struct audit_report;

/* The modules that the boot loader passed. The table must last; no VM has any of them yet. */
void files_init(struct boot_module *modules, unsigned count);

/*
 * The files of the VM, whose configuration is parsed and whose own module is `index`: they are its
 * from now on. INVALID, with *error: a further one stands before it, is empty, or has a bad string;
 * there are too many, or not as many as files= says.
 */
MUST_CHECK enum status files_take(const struct vm *vm, unsigned index, struct load_files *files,
				  struct error *error);

/* The same files once more, in the same order, while they have not been released. */
void files_find(const struct vm *vm, struct load_files *files);

/*
 * Looks at a further file that no VM has taken. INVALID, with *error: none ever will, because there
 * is none of that name, or because its string is bad. OK: the VM is there and was refused, or comes
 * later and will be.
 */
MUST_CHECK enum status files_check_orphan(unsigned index, struct error *error);

/* The module is a VM's already. */
bool files_is_taken(unsigned index);

/* The string of the VM's own module. Its files have not been released. */
const char *files_text(const struct vm *vm);

/* The files are there still: a VM can begin from them. */
bool files_are_held(const struct vm *vm);

/*
 * The VM is over, or needs its files no more: gives back their frames, each once, unless another VM
 * of the same files may begin yet, or again. Answers how many.
 */
uint64_t files_release(const struct vm *vm);

/* The same for one module that no VM has. */
uint64_t files_release_orphan(unsigned index);

/* Frames of the VM's files that have not been given back, about: some may be shared. */
uint64_t files_pages(const struct vm *vm);

/*
 * For the auditor: each module that has not been given back is one that a VM may begin from, and
 * all frames of it are the hypervisor's. Answers how many pages these are.
 */
uint64_t files_audit(struct audit_report *report);

#endif
