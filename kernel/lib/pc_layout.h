/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What lies where below 1 MiB in a VM with devices when its kernel begins. The map that the kernel
 * is given says the same: RAM up to PC_LOW_RAM_END, nothing that it may use up to 1 MiB, then RAM.
 */
#ifndef KERNEL_LIB_PC_LAYOUT_H
#define KERNEL_LIB_PC_LAYOUT_H

/* Kernels may put segments below this. */
#define PC_TABLES 0x80000u /* what the kernel is told: start information, command line */
#define PC_LOW_RAM_END 0x9f000u
#define PC_ACPI 0xe0000u /* ACPI's root pointer is at its start, where kernels look for it */
#define PC_ACPI_END 0x100000u
#define PC_RESET_VECTOR 0xffff0u /* F000:FFF0, where real mode enters the BIOS */
#define PC_HIGH_RAM 0x100000u

#endif
