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
 * PROOF ioapic_writes_stay_in_the_table
 * Shows: whatever is written at whatever offset of the page, only writable bits of one entry of the
 * table change; nothing is outstanding at an edge; at most one message comes of it, of that pin,
 * and none of a masked one
 * Bound: all states, offsets, widths and values; one write, but for ends of interrupts (below)
 * Assumes: the entry was sound
 * Classes: H13
 * Sources: drivers/virt/vioapic.c
 * Options: --unwindset vioapic_eoi.0:1
 * Fault: drivers/virt/vioapic.c | return number >= REG_TABLE && number < REG_TABLE + 2 * VIOAPIC_PINS; |
 * return number >= REG_TABLE && number <= REG_TABLE + 2 * VIOAPIC_PINS;
 */
void ioapic_writes_stay_in_the_table(void)
{
	make_any();
	unsigned pin = (unsigned)any_below(VIOAPIC_PINS);
	unsigned written = (ioapic.select - REG_TABLE) / 2u;
	ASSUME(is_sound(pin));
	uint64_t before = ioapic.entries[pin];
	uint32_t offset = any_u32();
	unsigned bytes = 1u << any_below(4);
	ASSUME(offset != OFFSET_EOI);
	(void)vioapic_read(&ioapic, offset, bytes);
	vioapic_write(&ioapic, offset, bytes, any_u64(), &messages);
	PROVE(is_sound(pin));
	PROVE(ioapic.entries[pin] == before || (offset == OFFSET_WINDOW && pin == written));
	PROVE(messages.count <= 1);
	if (messages.count == 1) {
		PROVE(messages.items[0].pin == written);
		PROVE(pin != written || !(ioapic.entries[pin] & ENTRY_MASKED));
	}
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

/*
 * PROOF ioapic_end_fits_the_messages
 * Shows: the end of an interrupt that any pins wait for leaves at most one message of each pin, and
 * nothing beside the list is written; a pin of another vector is as it was
 * Bound: all states and vectors
 * Assumes: the entry was sound
 * Classes: H13
 * Sources: drivers/virt/vioapic.c
 * Options: --unwind 26
 * Fault: drivers/virt/vioapic.c | if ((entry & ENTRY_OUTSTANDING) && (uint8_t)entry == vector) { | if
 * (entry & ENTRY_OUTSTANDING) {
 */
void ioapic_end_fits_the_messages(void)
{
	make_any();
	unsigned pin = (unsigned)any_below(VIOAPIC_PINS);
	ASSUME(is_sound(pin));
	uint8_t vector = any_u8();
	uint64_t before = ioapic.entries[pin];
	vioapic_eoi(&ioapic, vector, &messages);
	PROVE(messages.count <= VIOAPIC_PINS && is_sound(pin));
	PROVE((uint8_t)before == vector || ioapic.entries[pin] == before);
	PROVE(is_asserted(&ioapic, pin) || (uint8_t)before != vector ||
	      !(ioapic.entries[pin] & ENTRY_OUTSTANDING));
	vioapic_refused(&ioapic, pin);
	PROVE(is_sound(pin) && !(ioapic.entries[pin] & ENTRY_OUTSTANDING));
}
