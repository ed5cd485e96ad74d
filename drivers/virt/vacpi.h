/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * ACPI's tables of a virtual PC (ACPI 6.4): root pointer, XSDT, FADT, MADT, DSDT. They describe the
 * hardware-reduced profile: power and reset are ports of their own, and there is neither a PM timer
 * nor a system control interrupt. Pure.
 */
#ifndef DRIVERS_VIRT_VACPI_H
#define DRIVERS_VIRT_VACPI_H

#include "base/types.h"

/* Ports that the FADT names. */
#define VACPI_SLEEP_CONTROL 0x600 /* write: SLP_EN and SLP_TYP (ACPI 6.4, 4.8.3.7) */
#define VACPI_SLEEP_STATUS 0x601  /* reads as 0: nothing has woken it */
#define VACPI_RESET 0xcf9	  /* write VACPI_RESET_VALUE */
#define VACPI_RESET_VALUE 0x06

/* What switches the machine off, written to VACPI_SLEEP_CONTROL: SLP_TYP of \_S5, and SLP_EN. */
#define VACPI_S5_TYPE 5
#define VACPI_SLEEP_ENABLE 0x20
#define VACPI_SLEEP_TYPE_SHIFT 2

/* Where the devices are that the MADT names. */
#define VACPI_LAPIC 0xfee00000u
#define VACPI_IOAPIC 0xfec00000u
#define VACPI_IOAPIC_ID 0

/* The pin of the IOAPIC where the PIT's interrupt (ISA 0) arrives; all others are as on ISA. */
#define VACPI_TIMER_PIN 2

/* AML of a device that not all VMs have: a Scope of its own. */
struct vacpi_block {
	const char *aml;
	size_t bytes; /* at most VACPI_BLOCK_BYTES_MAX */
};
#define VACPI_BLOCK_BYTES_MAX 256

/*
 * Builds the tables of a VM with `vcpus` processors, whose APIC identifiers are 0, 1, .., into
 * `to`, as they are to lie at the guest-physical `address`, a multiple of 16: the root pointer
 * first. The block `more` ends the DSDT; NULL: there is none. Answers how many bytes they are; 0:
 * more than `bytes`, and nothing was written.
 */
size_t vacpi_build(unsigned vcpus, const struct vacpi_block *more, void *to, size_t bytes,
		   uint32_t address);

#endif
