/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the monitor's script comes from. */
#ifndef KERNEL_SCRIPTS_H
#define KERNEL_SCRIPTS_H

#include "arch/boot_info.h"
#include "kernel/lib/options.h"

/*
 * Takes the option exec=, and modules whose string is `script`, which are released then; answers
 * how many frames that has freed. One that cannot be taken is one error message, and the run is a
 * failure. Boot, before the VMs.
 */
uint64_t scripts_take(const struct options *options, struct boot_info *boot_info);

#endif
