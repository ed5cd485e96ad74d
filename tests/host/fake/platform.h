/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The contract of kernel/vm/platform.h without any device: what a test wants them to say, it puts
 * here. Modules are counted when they are given back.
 */
#ifndef FAKE_PLATFORM_H
#define FAKE_PLATFORM_H

#include "base/types.h"

extern bool fake_platform_fails;	 /* the next platform_create() finds no memory */
extern unsigned fake_platform_count;	 /* VMs that have devices */
extern uint64_t fake_platform_due;	 /* what platform_tick() answers: WAKE_NEVER */
extern uint8_t fake_platform_vector;	 /* of the interrupt that is ready; 0: none */
extern uint8_t fake_platform_in_service; /* taken and not put back */
extern uint64_t fake_released_pages;	 /* by arch_module_release() */
extern unsigned fake_released_modules;	 /* likewise */

void fake_platform_reset(void);

#endif
