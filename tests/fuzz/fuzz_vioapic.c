/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The IOAPIC: the input is a program of accesses at every width, lines that rise and fall, ends of
 * interrupts and refusals. After each step no entry has a reserved bit, only level-triggered pins
 * have something outstanding, none that should have sent has not, and the messages are those of
 * different pins, as their entries say.
 */
#include "fuzz.h"

#include "drivers/virt/vioapic.h"

const char fuzz_name[] = "vioapic";

#define STEPS_MAX 2000
#define OUTSTANDING 0x4000u
#define LEVEL 0x8000u
#define MASKED 0x10000u

static struct vioapic ioapic;
static struct vioapic_messages messages;

static unsigned delivery_of(uint64_t entry)
{
	return entry >> 8 & 7;
}

static bool is_level(uint64_t entry)
{
	return (entry & LEVEL) && delivery_of(entry) <= 1;
}

static void check_messages(void)
{
	uint32_t seen = 0;
	FUZZ_CHECK(messages.count <= VIOAPIC_PINS);
	for (unsigned i = 0; i < messages.count; i++) {
		const struct apic_message *message = &messages.items[i].message;
		unsigned pin = messages.items[i].pin;
		FUZZ_CHECK(pin < VIOAPIC_PINS && (seen >> pin & 1) == 0);
		seen |= 1u << pin;
		uint64_t entry = ioapic.entries[pin];
		FUZZ_CHECK((entry & MASKED) == 0 && (ioapic.lines >> pin & 1));
		FUZZ_CHECK(message->vector == (entry & 0xff));
		FUZZ_CHECK(message->delivery == delivery_of(entry) && message->delivery != 3 &&
			   message->delivery != APIC_STARTUP);
		FUZZ_CHECK(message->logical == (entry >> 11 & 1));
		FUZZ_CHECK(message->level == is_level(entry));
		FUZZ_CHECK(message->shorthand == APIC_DESTINATION);
		FUZZ_CHECK(message->destination == entry >> 56 ||
			   (message->destination == APIC_BROADCAST && entry >> 56 == 0xff));
		FUZZ_CHECK(!message->level || (entry & OUTSTANDING));
	}
}

static void check_pins(uint32_t refused)
{
	FUZZ_CHECK(ioapic.lines >> VIOAPIC_PINS == 0 && ioapic.id <= 0xf);
	for (unsigned pin = 0; pin < VIOAPIC_PINS; pin++) {
		uint64_t entry = ioapic.entries[pin];
		bool asserted = ioapic.lines >> pin & 1;
		FUZZ_CHECK((entry & ~0xff0000000001efffull) == 0);
		FUZZ_CHECK((entry & OUTSTANDING) == 0 || is_level(entry));
		FUZZ_CHECK(!(asserted && is_level(entry) && (entry & MASKED) == 0) ||
			   (entry & OUTSTANDING) || (refused >> pin & 1));
	}
}

static void access_page(struct fuzz_input *input, bool write)
{
	unsigned bytes = 1u << (fuzz_take(input, 1) & 3);
	uint32_t offset = (uint32_t)fuzz_take(input, 2) & 0xfff;

	if (write) {
		vioapic_write(&ioapic, offset, bytes, fuzz_take(input, bytes), &messages);
	} else {
		uint64_t value = vioapic_read(&ioapic, offset, bytes);
		FUZZ_CHECK(bytes == 8 || value >> (8 * bytes) == 0);
	}
}

static void write_register(struct fuzz_input *input)
{
	vioapic_write(&ioapic, 0x00, 4, fuzz_take(input, 1) % 0x44, &messages);
	FUZZ_CHECK(messages.count == 0);
	vioapic_write(&ioapic, 0x10, 4, fuzz_take(input, 4), &messages);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	uint32_t refused = 0;

	vioapic_reset(&ioapic, 0);
	for (unsigned step = 0; step < STEPS_MAX && input.bytes > 0; step++) {
		uint64_t what = fuzz_take(&input, 1);
		unsigned pin = (unsigned)(what >> 3) % VIOAPIC_PINS;

		messages.count = 0;
		switch (what & 7) {
		case 0:
			access_page(&input, true);
			break;
		case 1:
			access_page(&input, false);
			break;
		case 2:
		case 3:
			write_register(&input);
			break;
		case 4:
		case 5:
			vioapic_line(&ioapic, pin, what & 1, &messages);
			break;
		case 6:
			vioapic_eoi(&ioapic, (uint8_t)fuzz_take(&input, 1), &messages);
			break;
		case 7:
			vioapic_refused(&ioapic, pin);
			refused |= 1u << pin;
			break;
		}
		check_messages();
		for (unsigned i = 0; i < messages.count; i++) {
			refused &= ~(1u << messages.items[i].pin);
		}
		check_pins(refused);
	}
	return 0;
}
