/* SPDX-License-Identifier: BSD-2-Clause */
/* How a VM comes to be: at boot, again after a reset, or at an operator's command. */
#ifndef KERNEL_LIFECYCLE_BUILD_H
#define KERNEL_LIFECYCLE_BUILD_H

#include "base/error.h"
#include "base/types.h"

struct boot_module;
struct load_plan;
struct vm;
struct vm_config;

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
 * For a VM that restarts, when all of it has been taken apart but its devices and its files: RAM
 * that reads as zeros, the files as at its start, the devices after a reset, new vCPUs. NO_MEMORY,
 * with *error: the host has not enough frames now, and nothing is left behind. Boot CPU.
 */
MUST_CHECK enum status vm_build_again(struct vm *vm, struct error *error);

/*
 * The parts of a start, for kernel/lifecycle/start.c. An unused slot, which does not count yet
 * (NULL: there is none left); a VM built in a slot, of the files that it has there, or *error and
 * nothing left behind but the configuration; and what is noted of one that was built: answers how
 * many frames of its files were given back. Boot CPU.
 */
struct vm *vm_slot(void);
MUST_CHECK enum status vm_build(struct vm *vm, const struct vm_config *config,
				struct load_plan *plan, struct error *error);
uint64_t vm_note_built(struct vm *vm, const struct load_plan *plan, uint64_t begin_tsc);

/* Lets one VM begin. Boot CPU. */
void vm_release(struct vm *vm);

/*
 * Lets all VMs begin. Not before the last has its promise and its image: what is left for those
 * must not depend on how fast another CPU runs the first. Boot only.
 */
void vms_release(void);

#endif
