/* SPDX-License-Identifier: BSD-2-Clause */
/* See vi8042.h. Commands are those of the IBM PC AT technical reference, 8042 section. */
#include "drivers/virt/vi8042.h"

#define STATUS_FULL 0x01   /* a byte for the guest is there */
#define STATUS_SYSTEM 0x04 /* self-test passed */
#define STATUS_COMMAND 0x08
#define STATUS_UNLOCKED 0x10
#define STATUS_TIMEOUT 0x40

#define COMMAND_INTERRUPT 0x01
#define COMMAND_SYSTEM 0x04
#define COMMAND_KEYBOARD_OFF 0x10
#define COMMAND_MOUSE_OFF 0x20
#define COMMAND_TRANSLATE 0x40

#define OUTPUT_NO_RESET 0x01 /* 0 resets the processor */
#define OUTPUT_A20 0x02
#define OUTPUT_IDLE 0xcc /* lines to keyboard and mouse, nothing pending */

#define SYSTEM_RESET 0x01 /* of port 0x92 */
#define SYSTEM_A20 0x02

#define ANSWER_TEST_PASSED 0x55
#define ANSWER_LINE_GOOD 0x00
#define ANSWER_LINE_STUCK 0x01 /* there is no connector for a mouse */
#define ANSWER_RESEND 0xfe
#define ANSWER_INPUTS 0xa0 /* not locked, colour display */

enum command {
	CMD_READ_COMMAND_BYTE = 0x20,
	CMD_WRITE_COMMAND_BYTE = 0x60,
	CMD_MOUSE_OFF = 0xa7,
	CMD_MOUSE_ON = 0xa8,
	CMD_TEST_MOUSE_LINE = 0xa9,
	CMD_SELF_TEST = 0xaa,
	CMD_TEST_KEYBOARD_LINE = 0xab,
	CMD_KEYBOARD_OFF = 0xad,
	CMD_KEYBOARD_ON = 0xae,
	CMD_READ_INPUTS = 0xc0,
	CMD_READ_OUTPUTS = 0xd0,
	CMD_WRITE_OUTPUTS = 0xd1,
	CMD_AS_KEYBOARD = 0xd2,
	CMD_AS_MOUSE = 0xd3,
	CMD_TO_MOUSE = 0xd4,
	CMD_PULSE = 0xf0, /* and up to 0xff: a 0 in bits 0 to 3 pulses that output */
};

static void answer(struct vi8042 *controller, uint8_t byte)
{
	controller->output = byte;
	controller->status |= STATUS_FULL;
	controller->status &= (uint8_t)~STATUS_TIMEOUT;
}

/* What a device would have answered that is not there. */
static void answer_timeout(struct vi8042 *controller)
{
	answer(controller, ANSWER_RESEND);
	controller->status |= STATUS_TIMEOUT;
}

static void set_outputs(struct vi8042 *controller, uint8_t value)
{
	controller->output_port = value | OUTPUT_NO_RESET;
	if ((value & OUTPUT_NO_RESET) == 0) {
		controller->reset_wanted = true;
	}
}

static void set_command_byte(struct vi8042 *controller, uint8_t value)
{
	controller->command_byte = value;
	controller->status &= (uint8_t)~STATUS_SYSTEM;
	controller->status |= value & COMMAND_SYSTEM ? STATUS_SYSTEM : 0;
}

static void switch_line(struct vi8042 *controller, uint8_t off_bit, bool on)
{
	controller->command_byte &= (uint8_t)~off_bit;
	controller->command_byte |= on ? 0 : off_bit;
}

static void obey(struct vi8042 *controller, uint8_t command)
{
	if (command >= CMD_PULSE) {
		controller->reset_wanted |= (command & OUTPUT_NO_RESET) == 0;
		return;
	}
	switch (command) {
	case CMD_READ_COMMAND_BYTE:
		answer(controller, controller->command_byte);
		break;
	case CMD_SELF_TEST:
		set_command_byte(controller, controller->command_byte | COMMAND_SYSTEM |
						     COMMAND_KEYBOARD_OFF | COMMAND_MOUSE_OFF);
		answer(controller, ANSWER_TEST_PASSED);
		break;
	case CMD_TEST_KEYBOARD_LINE:
		answer(controller, ANSWER_LINE_GOOD);
		break;
	case CMD_TEST_MOUSE_LINE:
		answer(controller, ANSWER_LINE_STUCK);
		break;
	case CMD_MOUSE_OFF:
	case CMD_MOUSE_ON:
		switch_line(controller, COMMAND_MOUSE_OFF, command == CMD_MOUSE_ON);
		break;
	case CMD_KEYBOARD_OFF:
	case CMD_KEYBOARD_ON:
		switch_line(controller, COMMAND_KEYBOARD_OFF, command == CMD_KEYBOARD_ON);
		break;
	case CMD_READ_INPUTS:
		answer(controller, ANSWER_INPUTS);
		break;
	case CMD_READ_OUTPUTS:
		answer(controller, controller->output_port);
		break;
	case CMD_WRITE_COMMAND_BYTE:
	case CMD_WRITE_OUTPUTS:
	case CMD_AS_KEYBOARD:
	case CMD_AS_MOUSE:
	case CMD_TO_MOUSE:
		controller->pending = command;
		break;
	default: /* of other makers; none of them answers */
		break;
	}
}

static void take_data(struct vi8042 *controller, uint8_t value)
{
	uint8_t command = controller->pending;
	controller->pending = 0;
	switch (command) {
	case CMD_WRITE_COMMAND_BYTE:
		set_command_byte(controller, value);
		break;
	case CMD_WRITE_OUTPUTS:
		set_outputs(controller, value);
		break;
	case CMD_AS_KEYBOARD:
	case CMD_AS_MOUSE:
		/* Without the mark of a mouse: so a driver sees at once that there is none. */
		answer(controller, value);
		break;
	default: /* for the keyboard or, with CMD_TO_MOUSE, the mouse */
		answer_timeout(controller);
		break;
	}
}

void vi8042_reset(struct vi8042 *controller)
{
	*controller = (struct vi8042){
		.command_byte = COMMAND_TRANSLATE | COMMAND_MOUSE_OFF | COMMAND_SYSTEM,
		.output_port = OUTPUT_IDLE | OUTPUT_A20 | OUTPUT_NO_RESET,
		.status = STATUS_SYSTEM | STATUS_UNLOCKED,
	};
}

uint8_t vi8042_read(struct vi8042 *controller, uint16_t port)
{
	switch (port) {
	case VI8042_DATA_PORT:
		controller->status &= (uint8_t) ~(STATUS_FULL | STATUS_TIMEOUT);
		return controller->output;
	case VI8042_COMMAND_PORT:
		return controller->status;
	case VI8042_SYSTEM_PORT:
		return controller->output_port & OUTPUT_A20 ? SYSTEM_A20 : 0;
	default:
		return 0xff;
	}
}

void vi8042_write(struct vi8042 *controller, uint16_t port, uint8_t value)
{
	switch (port) {
	case VI8042_DATA_PORT:
		controller->status &= (uint8_t)~STATUS_COMMAND;
		take_data(controller, value);
		break;
	case VI8042_COMMAND_PORT:
		controller->status |= STATUS_COMMAND;
		controller->pending = 0;
		obey(controller, value);
		break;
	case VI8042_SYSTEM_PORT:
		controller->output_port &= (uint8_t)~OUTPUT_A20;
		controller->output_port |= value & SYSTEM_A20 ? OUTPUT_A20 : 0;
		controller->reset_wanted |= (value & SYSTEM_RESET) != 0;
		break;
	default:
		break;
	}
}

bool vi8042_interrupt(const struct vi8042 *controller)
{
	return (controller->status & STATUS_FULL) && (controller->command_byte & COMMAND_INTERRUPT);
}

bool vi8042_reset_wanted(const struct vi8042 *controller)
{
	return controller->reset_wanted;
}
