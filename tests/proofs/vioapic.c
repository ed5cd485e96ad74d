/* SPDX-License-Identifier: BSD-2-Clause */
/* The IOAPIC of a virtual PC. Real: drivers/virt/vioapic.c. Stubbed: nothing. */
#include "tests/proofs/proof.h"

#include "drivers/virt/vioapic.c"

#define ENTRY_BITS (ENTRY_WRITABLE | ENTRY_OUTSTANDING)

static struct vioapic ioapic;
static struct vioapic_messages messages;

static void make_any(void)
{
	HAVOC(ioapic);
	ASSUME((ioapic.lines >> VIOAPIC_PINS) == 0);
	messages.count = 0;
}

/* Of any one pin. */
static bool is_sound(unsigned pin)
{
	uint64_t entry = ioapic.entries[pin];
	return (entry & ~ENTRY_BITS) == 0 && (is_level(entry) || !(entry & ENTRY_OUTSTANDING));
}

/*
 * PROOF ioapic_line_sends_once
 * Shows: a line changes its own pin only; it sends at most one message, none while it is masked or
 * one is outstanding; a level that is sent is outstanding
 * Bound: all states and pins
 * Assumes: the entry was sound
 * Classes: H13
 * Sources: drivers/virt/vioapic.c
 * Fault: drivers/virt/vioapic.c | if (rising || is_level(ioapic->entries[pin])) { | if (asserted) {
 */
void ioapic_line_sends_once(void)
{
	make_any();
	unsigned pin = (unsigned)any_below(VIOAPIC_PINS);
	unsigned other = (unsigned)any_below(VIOAPIC_PINS);
	ASSUME(is_sound(pin));
	bool asserted = any_bool();
	bool was = is_asserted(&ioapic, pin);
	uint64_t before = ioapic.entries[pin];
	uint64_t others = ioapic.entries[other];
	vioapic_line(&ioapic, pin, asserted, &messages);
	PROVE(is_sound(pin) && is_asserted(&ioapic, pin) == asserted);
	PROVE(other == pin || ioapic.entries[other] == others);
	PROVE(messages.count <= 1 && (asserted || messages.count == 0));
	if (messages.count == 1) {
		PROVE(!(before & (ENTRY_MASKED | ENTRY_OUTSTANDING)));
		PROVE(is_level(before) || !was);
		PROVE(!is_level(before) || (ioapic.entries[pin] & ENTRY_OUTSTANDING));
		PROVE(messages.items[0].pin == pin);
	}
}
