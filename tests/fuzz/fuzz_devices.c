/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The simple devices of a virtual PC under random accesses: serial port, interrupt controllers,
 * interval timer, CMOS clock, keyboard controller, PCI ports. Nothing leaves the state space.
 * Besides, each is compared with something simpler: the serial port with what went in and out, the
 * interrupt controllers with a search for the most urgent line, channel 2 of the timer with a
 * counter that steps, the bytes of the clock with those of a clock that was never asked.
 */
#include "fuzz.h"

#include "drivers/virt/vi8042.h"
#include "drivers/virt/vpci.h"
#include "drivers/virt/vpic.h"
#include "drivers/virt/vpit.h"
#include "drivers/virt/vrtc.h"
#include "drivers/virt/vuart.h"
#include "fake/counter.h"

const char fuzz_name[] = "devices";

#define CLOCK_TICKS 1000 /* of the TSC, in a clock of the timer */
#define LINE_BYTES 4096

static struct board {
	struct vuart uart;
	struct vpic pic;
	struct vpit pit;
	struct vrtc rtc;
	struct vi8042 keyboard;
	struct vpci pci;
	uint64_t now;
	struct counter counter; /* what channel 2 should do */
	unsigned half;		/* of its count: bytes that were written */
	uint8_t low;
	bool counter_known; /* it was programmed as the stepping one can be */
} board;

static void pass_time(uint64_t clocks)
{
	board.now += clocks * CLOCK_TICKS;
	for (uint64_t i = 0; i < clocks; i++) {
		counter_clock(&board.counter);
	}
}

/* ---- Serial port ---------------------------------------------------------------------------- */

static void check_uart(const struct vuart *uart)
{
	FUZZ_CHECK(uart->in.count <= VUART_QUEUE_BYTES && uart->in.first < VUART_QUEUE_BYTES);
	FUZZ_CHECK(uart->out.count <= VUART_QUEUE_BYTES && uart->out.first < VUART_QUEUE_BYTES);
	FUZZ_CHECK((uart->queue_control & 1) || (uart->in.count <= 1 && uart->out.count <= 1));
	struct vuart copy = *uart;
	/* Reading all that can be told ends every interrupt, and there are at most four kinds. */
	for (unsigned i = 0; i < 4 + VUART_QUEUE_BYTES && vuart_interrupt(&copy); i++) {
		FUZZ_CHECK((vuart_read(&copy, 2) & 1) == 0);
		copy.line_control = 0;
		(void)vuart_read(&copy, 0);
		(void)vuart_read(&copy, 5);
		(void)vuart_read(&copy, 6);
	}
	FUZZ_CHECK(!vuart_interrupt(&copy));
	FUZZ_CHECK((vuart_read(&copy, 2) & 0x0f) == 1);
}

static void access_uart(struct fuzz_input *input)
{
	struct vuart *uart = &board.uart;
	unsigned choice = (unsigned)fuzz_take(input, 1);
	uint8_t value = (uint8_t)fuzz_take(input, 1);
	unsigned number = choice & 7;
	bool plain = (uart->line_control & 0x80) == 0 && (uart->modem_control & 0x10) == 0;
	if (choice & 0x40) {
		unsigned before = uart->in.count;
		bool taken = vuart_give(uart, value);
		FUZZ_CHECK(uart->in.count == before + (taken ? 1 : 0));
	} else if (choice & 0x80) {
		uint8_t oldest = uart->in.count > 0 ? uart->in.bytes[uart->in.first] : 0;
		bool data = number == 0 && (uart->line_control & 0x80) == 0;
		uint8_t got = vuart_read(uart, number);
		FUZZ_CHECK(!data || got == oldest);
	} else {
		uint8_t byte;
		vuart_write(uart, number, value);
		bool sent = vuart_take(uart, &byte);
		/* A byte comes out exactly when one was sent, at once, and the room is free again.
		 */
		FUZZ_CHECK(sent == (plain && number == 0));
		FUZZ_CHECK(!sent || byte == value);
		FUZZ_CHECK(uart->out.count == 0);
	}
	check_uart(uart);
}

/* ---- Interrupt controllers ------------------------------------------------------------------ */

/* The line that a chip asks for, found by the words of the data sheet; -1: none. */
static int most_urgent(const struct vpic_chip *chip)
{
	for (unsigned i = 1; chip->step == VPIC_READY && i <= 8; i++) {
		unsigned line = (chip->lowest + i) & 7;
		uint8_t bit = (uint8_t)(1 << line);
		bool masked = chip->mask & bit;
		bool asks = (chip->lines & bit) && ((chip->level | chip->edges) & bit);
		bool served = (chip->service & bit) && !(chip->special_mask && masked);
		if (asks && !masked && (!served || (chip->nested && line == 2))) {
			return (int)line;
		}
		if (served) {
			return -1;
		}
	}
	return -1;
}

static void check_pic(const struct vpic *pic)
{
	int master = most_urgent(&pic->master);
	FUZZ_CHECK(pic->master.lowest < 8 && pic->slave.lowest < 8);
	FUZZ_CHECK((pic->master.level & 0x07) == 0 && (pic->slave.level & 0x21) == 0);
	FUZZ_CHECK((pic->master.edges & ~pic->master.lines) == 0);
	FUZZ_CHECK((pic->slave.edges & ~pic->slave.lines) == 0);
	FUZZ_CHECK(((pic->master.lines & 4) != 0) == (most_urgent(&pic->slave) >= 0));
	FUZZ_CHECK(vpic_output(pic) == (master >= 0));
}

static void acknowledge(struct vpic *pic)
{
	int master = most_urgent(&pic->master);
	int slave = most_urgent(&pic->slave);
	unsigned expected = master == 2 ? pic->slave.base + (unsigned)slave
					: pic->master.base + (master < 0 ? 7u : (unsigned)master);
	FUZZ_CHECK(vpic_acknowledge(pic) == (uint8_t)expected);
}

static void access_pic(struct fuzz_input *input)
{
	static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x4d0, 0x4d1, 0x20, 0xa0};
	unsigned choice = (unsigned)fuzz_take(input, 1);
	uint8_t value = (uint8_t)fuzz_take(input, 1);
	if ((choice & 0xc0) == 0) {
		acknowledge(&board.pic);
	} else if ((choice & 0xc0) == 0x40) {
		vpic_line(&board.pic, value & 0x1f, (value & 0x80) != 0);
	} else if ((choice & 0xc0) == 0x80) {
		vpic_write(&board.pic, ports[choice & 7], value);
	} else {
		(void)vpic_read(&board.pic, ports[choice & 7]);
	}
	check_pic(&board.pic);
}

/* ---- Interval timer ------------------------------------------------------------------------- */

static void follow_control(uint8_t value)
{
	unsigned mode = value >> 1 & 7;
	if (value >> 6 != 2 || (value & 0x30) == 0) {
		return;
	}
	board.counter_known = (value & 0x30) == 0x30;
	board.half = 0;
	counter_mode(&board.counter, mode > 5 ? mode & 3 : mode, value & 1);
}

/* Counts that the data sheet forbids are not followed. */
static void follow_count(uint8_t value)
{
	if (!board.counter_known) {
		return;
	}
	if (board.half == 0) {
		board.low = value;
		board.half = 1;
		counter_stop(&board.counter);
		return;
	}
	uint32_t count = (uint32_t)value << 8 | board.low;
	board.half = 0;
	if (board.counter.bcd) {
		count = (count >> 12) * 1000 + (count >> 8 & 15) * 100 + (count >> 4 & 15) * 10 +
			(count & 15);
		count = count == 0 || count > 10000 ? 10000 : count;
	}
	count = count == 0 ? 65536 : count;
	bool periodic = board.counter.mode == 2 || board.counter.mode == 3;
	if (count == 1 && periodic) {
		board.counter_known = false;
		return;
	}
	counter_write(&board.counter, count);
}

static void write_pit(uint16_t port, uint8_t value)
{
	vpit_write(&board.pit, port, value, board.now);
	if (port == 0x43) {
		follow_control(value);
	} else if (port == 0x42) {
		follow_count(value);
	} else if (port == 0x61) {
		counter_gate(&board.counter, value & 1);
	}
	pass_time(1); /* the stepping counter takes its time to load */
}

/* The count that the guest would read now, whatever it has latched. */
static void check_count(struct vpit pit)
{
	const struct counter *counter = &board.counter;
	if (!counter->running || counter->moves) {
		return;
	}
	pit.channels[2].status_latched = false;
	pit.channels[2].count_latched = false;
	pit.channels[2].half_read = false;
	unsigned count = vpit_read(&pit, 0x42, board.now);
	count |= (unsigned)vpit_read(&pit, 0x42, board.now) << 8;
	if (counter->bcd) {
		count = (count >> 12) * 1000 + (count >> 8 & 15) * 100 + (count >> 4 & 15) * 10 +
			(count & 15);
	}
	FUZZ_CHECK(count == counter->value % (counter->bcd ? 10000 : 65536));
}

static void check_pit(const struct vpit *pit)
{
	uint64_t next = vpit_next(pit, board.now);
	struct vpit copy = *pit;
	FUZZ_CHECK(next >= board.now);
	FUZZ_CHECK(pit->owed <= VPIT_TICKS_OWED_MAX);
	FUZZ_CHECK(vpit_tick(&copy, board.now) == (next == board.now));
	FUZZ_CHECK(next == UINT64_MAX || next - board.now <= 70000ull * CLOCK_TICKS * 2);
	copy = *pit;
	FUZZ_CHECK(next == UINT64_MAX || vpit_tick(&copy, next));
	for (unsigned i = 0; i < VPIT_CHANNELS; i++) {
		const struct vpit_channel *channel = &pit->channels[i];
		FUZZ_CHECK(channel->count >= 1 && channel->count <= 65536);
		FUZZ_CHECK(channel->mode <= 5 && channel->access <= 3);
	}
	if (board.counter_known) {
		FUZZ_CHECK(vpit_output(pit, 2, board.now) == board.counter.output);
		check_count(*pit);
	}
}

static void access_pit(struct fuzz_input *input)
{
	static const uint16_t ports[] = {0x40, 0x41, 0x42, 0x43, 0x61, 0x42, 0x43, 0x40};
	unsigned choice = (unsigned)fuzz_take(input, 1);
	uint8_t value = (uint8_t)fuzz_take(input, 1);
	if (choice & 0x40) {
		write_pit(ports[choice & 7], value);
	} else if (choice & 0x80) {
		(void)vpit_read(&board.pit, ports[choice & 7], board.now);
	} else {
		(void)vpit_tick(&board.pit, board.now);
	}
	check_pit(&board.pit);
}

/* ---- The others ----------------------------------------------------------------------------- */

static void access_rtc(struct fuzz_input *input)
{
	unsigned choice = (unsigned)fuzz_take(input, 1);
	uint8_t value = (uint8_t)fuzz_take(input, 1);
	uint16_t port = choice & 1 ? 0x71 : 0x70;
	if (choice & 2) {
		vrtc_write(&board.rtc, port, value, board.now);
	} else {
		(void)vrtc_read(&board.rtc, port, board.now);
	}
	/* Looking at it changes nothing that the guest can read. */
	struct vrtc asked = board.rtc;
	struct vrtc silent = board.rtc;
	uint64_t next = vrtc_next(&asked, board.now);
	bool raised = vrtc_interrupt(&asked, board.now);
	FUZZ_CHECK(next >= board.now && asked.index < VRTC_BYTES && asked.weekday_shift < 7);
	FUZZ_CHECK(!raised || next == board.now || next == UINT64_MAX);
	if (next != UINT64_MAX) {
		struct vrtc early = board.rtc;
		FUZZ_CHECK(raised || next == board.now || !vrtc_interrupt(&early, next - 1));
		FUZZ_CHECK(vrtc_interrupt(&asked, next));
	}
	for (unsigned i = 0; i < VRTC_BYTES; i++) {
		uint64_t later = next == UINT64_MAX ? board.now : next;
		vrtc_write(&asked, 0x70, (uint8_t)i, later);
		vrtc_write(&silent, 0x70, (uint8_t)i, later);
		FUZZ_CHECK(vrtc_read(&asked, 0x71, later) == vrtc_read(&silent, 0x71, later));
	}
}

/* What is on the bus: a host bridge of no particular kind at 0:0.0, with its number and class. */
static uint8_t bus_byte(uint32_t address, unsigned place)
{
	uint32_t word = 0;
	if (address >> 31 == 0 || (address & 0xffff00) != 0) {
		return 0xff;
	}
	if ((address & 0xfc) == 0) {
		word = 0x00081b36;
	} else if ((address & 0xfc) == 8) {
		word = 0x06000000;
	}
	return (uint8_t)(word >> 8 * place);
}

static void check_bus(uint16_t port, unsigned bytes, uint32_t got)
{
	for (unsigned i = 0; i < bytes; i++) {
		unsigned place = port + i - 0xcfcu;
		uint8_t expected = place < 4 ? bus_byte(board.pci.address, place) : 0xff;
		FUZZ_CHECK(port < 0xcfc || (uint8_t)(got >> 8 * i) == expected);
	}
}

static void access_rest(struct fuzz_input *input)
{
	static const uint16_t ports[] = {0x60, 0x64, 0x92, 0x63};
	unsigned choice = (unsigned)fuzz_take(input, 1);
	uint32_t value = (uint32_t)fuzz_take(input, 4);
	unsigned bytes = 1u << (choice >> 4) % 3;
	uint16_t port = (uint16_t)(VPCI_PORT + (choice & 7));
	if ((choice & 0xc0) == 0) {
		vpci_write(&board.pci, port, bytes, value);
	} else if ((choice & 0xc0) == 0x40) {
		uint32_t got = vpci_read(&board.pci, port, bytes);
		FUZZ_CHECK(bytes == 4 || got >> (8 * bytes) == 0);
		check_bus(port, bytes, got);
	} else if ((choice & 0xc0) == 0x80) {
		vi8042_write(&board.keyboard, ports[choice & 3], (uint8_t)value);
	} else {
		(void)vi8042_read(&board.keyboard, ports[choice & 3]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct fuzz_input input = {data, bytes};
	if (bytes > LINE_BYTES) {
		return 0;
	}
	memset(&board, 0, sizeof(board));
	board.now = fuzz_take(&input, 2) << 40;
	vuart_reset(&board.uart);
	vpic_reset(&board.pic);
	vpit_reset(&board.pit, board.now, VPIT_HZ);
	vrtc_reset(&board.rtc, board.now, VPIT_HZ, (int64_t)fuzz_take(&input, 4), 1ull << 29);
	vi8042_reset(&board.keyboard);
	vpci_reset(&board.pci);
	counter_mode(&board.counter, 3, false);
	board.counter_known = true;
	while (input.bytes > 0) {
		unsigned choice = (unsigned)fuzz_take(&input, 1);
		switch (choice & 7) {
		case 0:
		case 1:
			access_uart(&input);
			break;
		case 2:
		case 3:
			access_pic(&input);
			break;
		case 4:
		case 5:
			access_pit(&input);
			break;
		case 6:
			access_rtc(&input);
			break;
		default:
			access_rest(&input);
			break;
		}
		if (choice & 0x40) {
			pass_time(choice & 0x80 ? fuzz_take(&input, 2) : choice >> 3 & 7);
		}
		check_pit(&board.pit);
	}
	return 0;
}
