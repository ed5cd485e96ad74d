/* SPDX-License-Identifier: BSD-2-Clause */
/* Where arch/ hands over: processor tables, memory map and frame table are ready. */
#ifndef KERNEL_MAIN_H
#define KERNEL_MAIN_H

#include "kernel/boot_info.h"

_Noreturn void kernel_main(const struct boot_info *boot_info);

#endif
