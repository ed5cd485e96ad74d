/* SPDX-License-Identifier: BSD-2-Clause */
/* How a VM comes to be: at boot, again after a reset, or at an operator's command. */
#ifndef KERNEL_LIFECYCLE_BUILD_H
#define KERNEL_LIFECYCLE_BUILD_H

#include "base/error.h"
#include "base/types.h"

struct boot_module;
struct load_files;
struct load_plan;
struct vm;

/* Frames of modules. */
struct vms_pages {
	uint64_t freed;
	uint64_t kept; /* for VMs that may begin later, or again (files_release) */
};

/*
 * Makes VMs of the modules: configuration, files, memory, devices, vCPUs. One that is not
 * acceptable leaves a REFUSED slot with one error message on the console and nothing else behind.
 * Modules for more than VMS_MAX VMs are left out. The table must last. Boot only.
 */
void vms_start(struct boot_module *modules, unsigned count, struct vms_pages *pages);

/*
 * The parts of a start, for kernel/lifecycle/start.c and restart.c. Boot CPU. An unused slot, which
 * does not count yet; NULL: there is none left.
 */
struct vm *vm_slot(void);

/* The configuration must not collide with those of others, and a CPU must be there for it. */
MUST_CHECK enum status vm_check(const struct vm *vm, struct error *error);

/*
 * Address space, memory, devices and vCPUs; the state of the first vCPU holds how it begins. Or
 * *error, and nothing is left behind.
 */
MUST_CHECK enum status vm_create(struct vm *vm, const struct load_files *files,
				 const struct load_plan *plan, struct error *error);

/* It is there. Answers how many frames of its files were given back. */
uint64_t vm_note_built(struct vm *vm, const struct load_plan *plan, uint64_t begin_tsc);

/* Lets one VM begin. Boot CPU. */
void vm_release(struct vm *vm);

/*
 * Lets all VMs begin. Not before the last has its promise and its image: what is left for those
 * must not depend on how fast another CPU runs the first. Boot only.
 */
void vms_release(void);

#endif
