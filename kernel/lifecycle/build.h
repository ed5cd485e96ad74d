/* SPDX-License-Identifier: BSD-2-Clause */
/* How a VM comes to be, at boot. */
#ifndef KERNEL_LIFECYCLE_BUILD_H
#define KERNEL_LIFECYCLE_BUILD_H

#include "base/types.h"

struct boot_module;

/*
 * Makes a VM of a module: configuration, image, memory, vCPUs. A module that is not acceptable
 * leaves a REFUSED slot with one error message on the console and nothing else behind. Boot only.
 */
void vm_start(const struct boot_module *module);

/*
 * Lets all VMs begin. Not before the last has its promise and its image: what is left for those
 * must not depend on how fast another CPU runs the first. Boot only.
 */
void vms_release(void);

#endif
