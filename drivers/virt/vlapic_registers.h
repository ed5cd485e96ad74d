/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registers of a local APIC as the guest reads and writes them: the page of xAPIC mode (Intel
 * SDM volume 3, table 11-1), the MSRs of x2APIC mode (table 11-6), IA32_APIC_BASE and
 * IA32_TSC_DEADLINE. For the CPU that runs the vCPU.
 *
 * `now` is the time-stamp counter as this vCPU reads it.
 */
#ifndef DRIVERS_VIRT_VLAPIC_REGISTERS_H
#define DRIVERS_VIRT_VLAPIC_REGISTERS_H

#include "drivers/virt/vlapic_message.h"

/* Where the page is. It does not move: another address in IA32_APIC_BASE is #GP. */
#define VLAPIC_PAGE 0xfee00000ull

#define VLAPIC_OFFSET_EOI 0xb0 /* in the page */

#define VLAPIC_MSR_BASE 0x1b
#define VLAPIC_MSR_TSC_DEADLINE 0x6e0
#define VLAPIC_MSR_X2APIC 0x800
#define VLAPIC_MSR_EOI 0x80b	    /* of x2APIC mode */
#define VLAPIC_MSR_X2APIC_END 0x900 /* all up to here are #GP unless a register is there */

/* What a write leaves to the caller. The register has its new value already. */
enum vlapic_effect {
	VLAPIC_NOTHING,
	VLAPIC_SEND,  /* deliver *message; shorthand SELF never comes: it has been delivered */
	VLAPIC_END,   /* level-triggered message->vector has ended: vioapic_eoi() */
	VLAPIC_TIMER, /* the timer changed: vlapic_tick() says when it is due now */
	VLAPIC_MODE,  /* IA32_APIC_BASE changed: CPUID, vlapic_tick() */
	VLAPIC_FAULT, /* MSRs only: #GP, and nothing has changed */
};

/*
 * A read of `bytes` (1, 2, 4, 8) at `offset` in the page, less than 4096. Registers are 4 bytes at
 * multiples of 16, to be accessed as such (11.4.1); what the manual leaves open reads as follows:
 * parts of a register as these bytes, whatever reaches beyond one, and all between two, as 0. An
 * offset where no register is reads as 0 and is an error that ESR shows. In x2APIC mode or switched
 * off nothing answers: ones.
 */
uint64_t vlapic_read(struct vlapic *lapic, uint32_t offset, unsigned bytes, uint64_t now);

/*
 * A write in the page. Other widths than 4 bytes and other offsets than multiples of 16 change
 * nothing, nor do reserved bits and read-only registers; an offset where no register is is an error
 * that ESR shows. *message is set with SEND and END, and undefined otherwise.
 */
MUST_CHECK enum vlapic_effect vlapic_write(struct vlapic *lapic, uint32_t offset, unsigned bytes,
					   uint64_t value, uint64_t now,
					   struct apic_message *message);

/* RDMSR of one of the MSRs above. False: #GP, *value is unchanged. */
MUST_CHECK bool vlapic_msr_read(struct vlapic *lapic, uint32_t msr, uint64_t now, uint64_t *value);

/* WRMSR of one of the MSRs above: reserved bits and registers, and illegal modes, are FAULT. */
MUST_CHECK enum vlapic_effect vlapic_msr_write(struct vlapic *lapic, uint32_t msr, uint64_t value,
					       uint64_t now, struct apic_message *message);

#endif
