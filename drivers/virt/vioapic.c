/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOAPIC of a virtual PC (Intel 82093AA data sheet, 3.0). See vioapic.h for the differences and
 * the lock.
 */
#include "drivers/virt/vioapic.h"

#include "base/bits.h"

#define OFFSET_SELECT 0x00
#define OFFSET_WINDOW 0x10
#define OFFSET_EOI 0x40

#define REG_ID 0x00
#define REG_VERSION 0x01
#define REG_ARBITRATION 0x02
#define REG_BOOT 0x03
#define REG_TABLE 0x10 /* two of each pin */

#define VERSION_VALUE (0x20u | (VIOAPIC_PINS - 1) << 16)
#define BOOT_MESSAGES                                                                              \
	1u /* interrupts go over the processors' bus, not over a wire of their own                 \
	    */

#define ENTRY_DELIVERY(entry) ((uint8_t)((entry) >> 8 & 7))
#define ENTRY_LOGICAL BIT(11)
#define ENTRY_OUTSTANDING BIT(14) /* remote IRR, read-only */
#define ENTRY_MASKED BIT(16)
#define ENTRY_DESTINATION(entry) ((uint32_t)((entry) >> 56))
#define ENTRY_WRITABLE 0xff0000000001afffull

#define PIN_OF_CASCADE 2

void vioapic_reset(struct vioapic *ioapic, uint8_t id)
{
	*ioapic = (struct vioapic){.id = id & 0xf};
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		ioapic->entries[pin] = ENTRY_MASKED;
	}
}

unsigned vioapic_pin_of_irq(unsigned irq)
{
	if (irq == 0) {
		return VIOAPIC_PIN_OF_PIT;
	}
	return irq == PIN_OF_CASCADE || irq > 15 ? VIOAPIC_NO_PIN : irq;
}

/* ---- pins ---- */

/* NMI, INIT and ExtINT are edges, whatever the entry says (3.2.4). */
static bool is_level(uint64_t entry)
{
	return (entry & VIOAPIC_ENTRY_LEVEL) && ENTRY_DELIVERY(entry) <= APIC_LOWEST_PRIORITY;
}

static bool is_asserted(const struct vioapic *ioapic, unsigned pin)
{
	return ioapic->lines >> pin & 1;
}

static bool delivery_exists(uint8_t delivery)
{
	return delivery != 3 && delivery != APIC_STARTUP;
}

/* Sends the message of the pin, unless it is masked or one is outstanding. */
static void send(struct vioapic *ioapic, unsigned pin, struct vioapic_messages *messages)
{
	uint64_t entry = ioapic->entries[pin];
	uint32_t destination = ENTRY_DESTINATION(entry);
	bool logical = entry & ENTRY_LOGICAL;

	if ((entry & (ENTRY_MASKED | ENTRY_OUTSTANDING)) ||
	    !delivery_exists(ENTRY_DELIVERY(entry))) {
		return;
	}
	if (is_level(entry)) {
		ioapic->entries[pin] |= ENTRY_OUTSTANDING;
	}
	messages->items[messages->count].pin = (uint8_t)pin;
	messages->items[messages->count].message = (struct apic_message){
		.destination = destination == 0xff && !logical ? APIC_BROADCAST : destination,
		.vector = (uint8_t)entry,
		.delivery = ENTRY_DELIVERY(entry),
		.shorthand = APIC_DESTINATION,
		.logical = logical,
		.level = is_level(entry),
	};
	messages->count++;
}

/* A level-triggered pin whose cause is there, and of which none is outstanding. */
static void send_if_asserted(struct vioapic *ioapic, unsigned pin,
			     struct vioapic_messages *messages)
{
	if (is_level(ioapic->entries[pin]) && is_asserted(ioapic, pin)) {
		send(ioapic, pin, messages);
	}
}

void vioapic_line(struct vioapic *ioapic, unsigned pin, bool asserted,
		  struct vioapic_messages *messages)
{
	bool rising = asserted && !is_asserted(ioapic, pin);

	messages->count = 0;
	if (!asserted) {
		ioapic->lines &= ~(1u << pin);
		return;
	}
	ioapic->lines |= 1u << pin;
	if (rising || is_level(ioapic->entries[pin])) {
		send(ioapic, pin, messages);
	}
}

void vioapic_eoi(struct vioapic *ioapic, uint8_t vector, struct vioapic_messages *messages)
{
	messages->count = 0;
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t entry = ioapic->entries[pin];

		if ((entry & ENTRY_OUTSTANDING) && (uint8_t)entry == vector) {
			ioapic->entries[pin] = entry & ~ENTRY_OUTSTANDING;
			send_if_asserted(ioapic, pin, messages);
		}
	}
}

void vioapic_refused(struct vioapic *ioapic, unsigned pin)
{
	ioapic->entries[pin] &= ~ENTRY_OUTSTANDING;
}

/* ---- registers ---- */

static bool is_entry(unsigned number)
{
	return number >= REG_TABLE && number < REG_TABLE + 2 * VIOAPIC_PINS;
}

static uint32_t read_register(const struct vioapic *ioapic)
{
	unsigned number = ioapic->select;

	if (is_entry(number)) {
		uint64_t entry = ioapic->entries[(number - REG_TABLE) / 2];
		return (uint32_t)(number % 2 == 0 ? entry : entry >> 32);
	}
	switch (number) {
	case REG_ID:
	case REG_ARBITRATION:
		return (uint32_t)ioapic->id << 24;
	case REG_VERSION:
		return VERSION_VALUE;
	case REG_BOOT:
		return BOOT_MESSAGES;
	default:
		return 0;
	}
}

/*
 * An entry that is no longer level-triggered has nothing outstanding. One that is asserted and no
 * longer masked sends.
 */
static void write_entry(struct vioapic *ioapic, unsigned number, uint32_t value,
			struct vioapic_messages *messages)
{
	unsigned pin = (number - REG_TABLE) / 2;
	unsigned shift = number % 2 * 32;
	uint64_t half = 0xffffffffull << shift & ENTRY_WRITABLE;
	uint64_t entry = (ioapic->entries[pin] & ~half) | ((uint64_t)value << shift & half);

	if (!is_level(entry)) {
		entry &= ~ENTRY_OUTSTANDING;
	}
	ioapic->entries[pin] = entry;
	send_if_asserted(ioapic, pin, messages);
}

uint64_t vioapic_read(const struct vioapic *ioapic, uint32_t offset, unsigned bytes)
{
	uint64_t mask = bytes < 8 ? BIT(8 * bytes) - 1 : UINT64_MAX;

	switch (offset) {
	case OFFSET_SELECT:
		return ioapic->select;
	case OFFSET_WINDOW:
		return read_register(ioapic) & mask;
	default:
		return 0;
	}
}

void vioapic_write(struct vioapic *ioapic, uint32_t offset, unsigned bytes, uint64_t value,
		   struct vioapic_messages *messages)
{
	messages->count = 0;
	if (offset == OFFSET_SELECT) {
		ioapic->select = (uint8_t)value;
		return;
	}
	if (offset == OFFSET_EOI) {
		vioapic_eoi(ioapic, (uint8_t)value, messages);
		return;
	}
	if (offset != OFFSET_WINDOW || bytes != 4) {
		return;
	}
	if (ioapic->select == REG_ID) {
		ioapic->id = (uint8_t)(value >> 24 & 0xf);
	} else if (is_entry(ioapic->select)) {
		write_entry(ioapic, ioapic->select, (uint32_t)value, messages);
	}
}
