/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOAPIC of a virtual PC: 24 pins, after Intel's 82093AA data sheet. Plain state without a
 * lock; the caller serializes calls (LOCK_PLATFORM), and delivers the messages that they return.
 *
 * It says version 0x20, which adds the EOI register at 0x40: a kernel that must clear a remote IRR
 * (Linux, when it takes over) does so with one write, where version 0x11 wants the entry rewritten
 * as edge-triggered and back. That works too.
 *
 * Wiring: legacy IRQ n is pin n, but for the PIT's IRQ 0, which is pin 2 as on PCs: the MADT needs
 * an interrupt source override from IRQ 0 to GSI 2 (edge, active high), and GSI base 0. Pin 0, the
 * place of the PIC's output, is not connected.
 */
#ifndef DRIVERS_VIRT_VIOAPIC_H
#define DRIVERS_VIRT_VIOAPIC_H

#include "base/bits.h"
#include "base/types.h"
#include "drivers/virt/apic_message.h"

#define VIOAPIC_PAGE 0xfec00000ull
#define VIOAPIC_PINS 24
#define VIOAPIC_PIN_OF_PIT 2 /* of IRQ 0; IRQ 2 has no pin */
/* What vioapic_pin_of_irq() answers for an IRQ without a pin. */
#define VIOAPIC_NO_PIN VIOAPIC_PINS
#define VIOAPIC_ENTRY_LEVEL BIT(15) /* of an entry: the pin sends while it is asserted */

struct vioapic {
	uint64_t entries[VIOAPIC_PINS]; /* the redirection table */
	uint32_t lines;			/* bit n: pin n is asserted */
	uint8_t select;			/* which register the window shows */
	uint8_t id;
};

/* What a call leaves to deliver, in order; at most one message of each pin. */
struct vioapic_messages {
	unsigned count;
	struct {
		uint8_t pin;
		struct apic_message message;
	} items[VIOAPIC_PINS];
};

/* State after power-on: all pins masked and not asserted; `id` is the one that the MADT tells. */
void vioapic_reset(struct vioapic *ioapic, uint8_t id);

/* The pin of a legacy IRQ (0-15), VIOAPIC_NO_PIN for the PIC's cascade. */
unsigned vioapic_pin_of_irq(unsigned irq);

/*
 * An access of `bytes` (1, 2, 4, 8) at `offset` in the page, less than 4096. There are the index at
 * 0x00, whose lowest byte counts, the window at 0x10 and, to write, EOI at 0x40. What the data
 * sheet leaves open: reads of fewer bytes at these offsets give the lowest ones, of more are
 * zero-extended; all others, and registers that do not exist, read as 0. A window write must have 4
 * bytes; what fits nothing changes nothing. *messages is always set.
 */
uint64_t vioapic_read(const struct vioapic *ioapic, uint32_t offset, unsigned bytes);
void vioapic_write(struct vioapic *ioapic, uint32_t offset, unsigned bytes, uint64_t value,
		   struct vioapic_messages *messages);

/*
 * The line of `pin` (< VIOAPIC_PINS) is asserted or not: as the board means it, whatever voltage
 * that is; the polarity of an entry is kept and has no effect. A rising edge on an edge-triggered
 * pin is one message, lost where the pin is masked; a level-triggered pin sends one while it
 * is asserted and none is outstanding (remote IRR). At most one message.
 */
void vioapic_line(struct vioapic *ioapic, unsigned pin, bool asserted,
		  struct vioapic_messages *messages);

/*
 * vioapic_line() would change nothing and send nothing: the level is known, and the pin is not one
 * that sends while it is asserted.
 */
static inline bool vioapic_is_told(const struct vioapic *ioapic, unsigned pin, bool asserted)
{
	bool known = ((ioapic->lines >> pin & 1) != 0) == asserted;

	return known && !(asserted && ioapic->entries[pin] & VIOAPIC_ENTRY_LEVEL);
}

/*
 * A local APIC has ended level-triggered `vector`: pins that wait for it send again if they are
 * still asserted.
 */
void vioapic_eoi(struct vioapic *ioapic, uint8_t vector, struct vioapic_messages *messages);

/*
 * No local APIC accepted the level-triggered message of `pin`: nothing is outstanding. The pin
 * sends again when its entry is written or its line is asserted anew.
 */
void vioapic_refused(struct vioapic *ioapic, unsigned pin);

#endif
