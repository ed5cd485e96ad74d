/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What local APICs and the IOAPIC send each other: one message of the interrupt bus, as the sender
 * names it (Intel SDM volume 3, 11.6.1 and 11.11). drivers/virt/pc.c carries it: it asks each local
 * APIC of the VM with vlapic_is_target() and hands it to those with vlapic_accept().
 */
#ifndef DRIVERS_VIRT_APIC_MESSAGE_H
#define DRIVERS_VIRT_APIC_MESSAGE_H

#include "base/types.h"

/* Delivery modes; the numbers are those of the registers. 2 is SMI, of which there is none; 3 is
 * reserved. */
enum apic_delivery {
	APIC_FIXED = 0,
	APIC_LOWEST_PRIORITY = 1, /* to one of the targets: vlapic_arbitrate() chooses */
	APIC_NMI = 4,
	APIC_INIT = 5,
	APIC_STARTUP = 6, /* `vector` is the number of the page where the processor starts */
	APIC_EXTINT = 7,
};

/* Which local APICs; the numbers are those of the command register. */
enum apic_shorthand {
	APIC_DESTINATION = 0, /* as `destination` and `logical` say */
	APIC_SELF = 1,
	APIC_ALL = 2,
	APIC_OTHERS = 3,
};

/* A physical destination that means all; the 8 bits of xAPIC mode and of the IOAPIC become it. */
#define APIC_BROADCAST UINT32_MAX

struct apic_message {
	uint32_t destination; /* 8 bits, or 32 from a sender in x2APIC mode */
	uint8_t vector;
	uint8_t delivery;  /* enum apic_delivery */
	uint8_t shorthand; /* enum apic_shorthand */
	bool logical;
	bool level; /* level-triggered: the end is told to the IOAPIC */
};

#endif
