/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The part of kernel/vm/platform.h that makes and ends a virtual PC: there is no device in it.
 * fake/devices.h has the rest. Modules are counted when they are given back.
 */
#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H

#include "base/types.h"

extern bool fake_platform_fails;       /* the next platform_create() finds no memory */
extern unsigned fake_platform_count;   /* VMs that have devices */
extern uint64_t fake_released_pages;   /* by arch_module_release() */
extern unsigned fake_released_modules; /* likewise */

void fake_platform_reset(void);

#endif
