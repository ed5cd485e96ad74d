/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * For a guest that has a virtual PC and no native calls, because its VM is that of another
 * hypervisor (as=): it uses of this library the way from the start to C, and these. One vCPU, and a
 * second one where the guest wants it.
 */
#ifndef GUESTS_LIB_BARE_H
#define GUESTS_LIB_BARE_H

#include <stdint.h>

static inline void bare_port_write(uint16_t port, uint8_t value)
{
	__asm__ volatile("outb %0, %1" : : "a"(value), "d"(port));
}

/* The number behind `name=` on the command line, or 0. */
uint64_t bare_number(const char *line, const char *name);

/* A text on COM1: printf of %u (uint64_t) and %s alone. */
void bare_print(const char *format, ...);

/* By ACPI. */
_Noreturn void bare_power_off(void);

/* vCPU 1 calls `run` over and over, with interrupts off. Switches both to x2APIC mode. */
void bare_start_second(void (*run)(void));
uint64_t bare_second_runs(void); /* so often it has returned */

#endif
