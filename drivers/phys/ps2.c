/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The controller has two ports: data, and status or commands (IBM PS/2 hardware reference, keyboard
 * and auxiliary device controller). Firmware leaves it in any state: on UEFI machines its driver
 * may have switched translation off, or the keyboard.
 *
 * A USB keyboard is seen here only as long as firmware plays a PS/2 one. There each read of a port
 * is a trap into firmware (SMI), which takes the time of thousands of instructions: they are few.
 */
#include "drivers/phys/ps2.h"

#include "base/time.h"
#include "drivers/phys/keyboard.h"
#include "drivers/phys/port.h"
#include "arch/arch.h"

#define DATA 0x60
#define STATUS 0x64
#define COMMAND 0x64
#define STATUS_OUTPUT 0x01 /* a byte waits for us */
#define STATUS_INPUT 0x02  /* the last one of ours is not taken yet */
#define STATUS_MOUSE 0x20  /* what waits is from the other device */
#define NOTHING 0xff	   /* of a bus on which nothing answers */
#define COMMAND_READ_MODE 0x20
#define COMMAND_WRITE_MODE 0x60
#define COMMAND_MOUSE_OFF 0xa7
#define COMMAND_KEYBOARD_ON 0xae
#define MODE_INTERRUPTS 0x03
#define MODE_KEYBOARD_OFF 0x10
#define MODE_MOUSE_OFF 0x20
#define MODE_TRANSLATE 0x40
#define KEYBOARD_SCAN 0xf4 /* to the keyboard: tell what is pressed */

#define WAIT_MS 20     /* for the controller, and for the keyboard behind it */
#define LOOK_MS 5      /* between two looks when nothing was typed */
#define STALE_BYTES 32 /* what a controller may hold, and more */
#define AT_ONCE 16     /* codes that make no byte, in one look */

static struct {
	bool present;
	struct keyboard keyboard;
	char bytes[KEYBOARD_BYTES_MOST]; /* of the last key */
	size_t count;
	size_t next;
	uint64_t look_tsc; /* the next look is not before */
} ps2;

static bool wait_status(uint8_t bits, bool set)
{
	uint64_t start = arch_tsc();

	do {
		if (((port_read_8(STATUS) & bits) != 0) == set) {
			return true;
		}
		arch_pause();
	} while (arch_tsc() - start < ticks_from_ms(WAIT_MS));
	return false;
}

static bool send(uint16_t port, uint8_t value)
{
	if (!wait_status(STATUS_INPUT, false)) {
		return false;
	}
	port_write_8(port, value);
	return true;
}

/* False: it never gets empty, which no controller does. */
static bool drop_stale(void)
{
	for (unsigned i = 0; i < STALE_BYTES; i++) {
		if ((port_read_8(STATUS) & STATUS_OUTPUT) == 0) {
			return true;
		}
		(void)port_read_8(DATA);
	}
	return false;
}

static bool set_mode(void)
{
	if (!send(COMMAND, COMMAND_READ_MODE) || !wait_status(STATUS_OUTPUT, true)) {
		return false;
	}
	unsigned mode = port_read_8(DATA);

	mode &= ~(unsigned)(MODE_INTERRUPTS | MODE_KEYBOARD_OFF);
	mode |= MODE_MOUSE_OFF | MODE_TRANSLATE;
	return send(COMMAND, COMMAND_WRITE_MODE) && send(DATA, (uint8_t)mode);
}

bool ps2_start(void)
{
	ps2.present = false;
	ps2.count = 0;
	ps2.next = 0;
	ps2.look_tsc = 0;
	ps2.keyboard = (struct keyboard){0};
	if (port_read_8(STATUS) == NOTHING || !send(COMMAND, COMMAND_MOUSE_OFF) || !drop_stale() ||
	    !set_mode() || !send(COMMAND, COMMAND_KEYBOARD_ON) || !send(DATA, KEYBOARD_SCAN)) {
		return false;
	}
	/* Its answer, if there is a keyboard, is no key; nor is one of an absent keyboard. */
	(void)wait_status(STATUS_OUTPUT, true);
	ps2.present = drop_stale();
	return ps2.present;
}

int ps2_read(void)
{
	if (ps2.next < ps2.count) {
		return (uint8_t)ps2.bytes[ps2.next++];
	}
	uint64_t now = arch_tsc();
	if (!ps2.present || now < ps2.look_tsc) {
		return -1;
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		uint8_t status = port_read_8(STATUS);
		if (status == NOTHING || (status & STATUS_OUTPUT) == 0) {
			break;
		}
		uint8_t code = port_read_8(DATA);
		ps2.next = 0;
		ps2.count = (status & STATUS_MOUSE) != 0
				    ? 0
				    : keyboard_take(&ps2.keyboard, code, ps2.bytes);
		if (ps2.count > 0) {
			return (uint8_t)ps2.bytes[ps2.next++];
		}
	}
	ps2.look_tsc = now + ticks_from_ms(LOOK_MS);
	return -1;
}
