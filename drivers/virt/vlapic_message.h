/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages between a local APIC and the others and the IOAPIC (Intel SDM volume 3, 11.6 and 11.7).
 * Receiving is for any CPU; see vlapic.h.
 */
#ifndef DRIVERS_VIRT_VLAPIC_MESSAGE_H
#define DRIVERS_VIRT_VLAPIC_MESSAGE_H

#include "drivers/virt/vlapic.h"

/*
 * Sends what the command register says. True: *message is to be delivered. False: the command does
 * not exist, is an error that ESR shows, or was for the sender alone and has been delivered. For
 * its CPU, by vlapic_registers.c.
 */
bool vlapic_command(struct vlapic *lapic, struct apic_message *message);

/*
 * Is this APIC one of those that `destination` addresses (11.6.2)? In xAPIC mode 8 bits, flat or
 * cluster model; in x2APIC mode 32 bits, the logical identifier follows from the index. An APIC
 * that is switched off by IA32_APIC_BASE is never addressed. Any CPU.
 */
bool vlapic_matches(const struct vlapic *lapic, uint32_t destination, bool logical);

/* The same with the shorthand of a message from `sender`, NULL: from the IOAPIC. Any CPU. */
bool vlapic_is_target(const struct vlapic *lapic, const struct apic_message *message,
		      const struct vlapic *sender);

/*
 * Which of `candidates`, all targets of one lowest-priority message, gets it (11.6.2.4): the one of
 * the lowest arbitration priority that is switched on; among equals the first from candidate
 * `turn` % count on, so that a counter spreads the load. Returns its place, `count` if there is
 * none. Any CPU.
 */
unsigned vlapic_arbitrate(const struct vlapic *const candidates[], unsigned count, unsigned turn);

/* The message arrives at a target of it, or at the one that was chosen. Any CPU. */
enum vlapic_accepted vlapic_accept(struct vlapic *lapic, const struct apic_message *message);

#endif
