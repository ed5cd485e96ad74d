/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Set 1, which is what the controller translates to (IBM PS/2 hardware reference, keyboard). Bit 7
 * says that the key was released. 0xE0 comes before keys that the first PC had not; 0xE1 begins the
 * six bytes of Pause. Keys that send more than one byte send ECMA-48 sequences, as a terminal does.
 */
#include "drivers/phys/keyboard.h"

#include "base/bits.h"
#include "base/string.h"

#define RELEASED 0x80
#define EXTENDED 0xe0
#define PAUSE 0xe1
#define PAUSE_CODES 2 /* behind 0xE1: one key with its own 0xE1 when it is released */
#define OVERRUN 0xff  /* and 0x00: too many keys at once, or an error */
#define CODE_LEFT_CONTROL 0x1d
#define CODE_LEFT_SHIFT 0x2a
#define CODE_RIGHT_SHIFT 0x36
#define CODE_CAPITALS 0x3a
#define CODES 0x54 /* the keys of the first PC, and none behind them */

static const char plain[CODES] = {
	[0x01] = 0x1b, [0x02] = '1',  [0x03] = '2',  [0x04] = '3',  [0x05] = '4',  [0x06] = '5',
	[0x07] = '6',  [0x08] = '7',  [0x09] = '8',  [0x0a] = '9',  [0x0b] = '0',  [0x0c] = '-',
	[0x0d] = '=',  [0x0e] = 0x7f, [0x0f] = '\t', [0x10] = 'q',  [0x11] = 'w',  [0x12] = 'e',
	[0x13] = 'r',  [0x14] = 't',  [0x15] = 'y',  [0x16] = 'u',  [0x17] = 'i',  [0x18] = 'o',
	[0x19] = 'p',  [0x1a] = '[',  [0x1b] = ']',  [0x1c] = '\r', [0x1e] = 'a',  [0x1f] = 's',
	[0x20] = 'd',  [0x21] = 'f',  [0x22] = 'g',  [0x23] = 'h',  [0x24] = 'j',  [0x25] = 'k',
	[0x26] = 'l',  [0x27] = ';',  [0x28] = '\'', [0x29] = '`',  [0x2b] = '\\', [0x2c] = 'z',
	[0x2d] = 'x',  [0x2e] = 'c',  [0x2f] = 'v',  [0x30] = 'b',  [0x31] = 'n',  [0x32] = 'm',
	[0x33] = ',',  [0x34] = '.',  [0x35] = '/',  [0x37] = '*',  [0x39] = ' ',  [0x4a] = '-',
	[0x4e] = '+',
};

/* Of those that are no letters: what they are with Shift. */
static const char shift_pairs[] = "1!2@3#4$5%6^7&8*9(0)-_=+[{]};:'\"`~\\|,<.>/?";

static char shifted(char key)
{
	if (key >= 'a' && key <= 'z') {
		return (char)(key - 'a' + 'A');
	}
	for (size_t i = 0; i + 1 < sizeof(shift_pairs) - 1; i += 2) {
		if (shift_pairs[i] == key) {
			return shift_pairs[i + 1];
		}
	}
	return key;
}

/* The keys between letters and digits, and those of the block of digits, which acts as they do. */
static const char *sequence_of(uint8_t code)
{
	switch (code) {
	case 0x47:
		return "\x1b[H"; /* Home */
	case 0x48:
		return "\x1b[A";
	case 0x49:
		return "\x1b[5~"; /* page up */
	case 0x4b:
		return "\x1b[D";
	case 0x4d:
		return "\x1b[C";
	case 0x4f:
		return "\x1b[F"; /* End */
	case 0x50:
		return "\x1b[B";
	case 0x51:
		return "\x1b[6~";
	case 0x52:
		return "\x1b[2~"; /* Insert */
	case 0x53:
		return "\x1b[3~"; /* Delete */
	default:
		return NULL;
	}
}

/* True: the code is that of a key which only changes what others mean. */
static bool take_modifier(struct keyboard *keyboard, uint8_t code, bool extended, bool pressed)
{
	if (code == CODE_LEFT_CONTROL) {
		*(extended ? &keyboard->right_control : &keyboard->left_control) = pressed;
		return true;
	}
	if (code == CODE_LEFT_SHIFT || code == CODE_RIGHT_SHIFT) {
		/* With 0xE0 it is no key: old keyboards say so that Shift does not count now. */
		if (!extended) {
			*(code == CODE_LEFT_SHIFT ? &keyboard->left_shift
						  : &keyboard->right_shift) = pressed;
		}
		return true;
	}
	if (code == CODE_CAPITALS && !extended) {
		keyboard->capitals = pressed ? !keyboard->capitals : keyboard->capitals;
		return true;
	}
	return false;
}

static size_t put_sequence(const char *sequence, char *to)
{
	size_t length = strlen(sequence);

	memcpy(to, sequence, length);
	return length;
}

/* Ctrl with a letter, or with one of @ [ \ ] ^ _ as they stand in ASCII. */
static bool has_control_code(char key)
{
	return (key >= 'a' && key <= 'z') || (key >= '[' && key <= ']');
}

static size_t put_key(const struct keyboard *keyboard, char key, char *to)
{
	bool shift = keyboard->left_shift || keyboard->right_shift;
	bool letter = key >= 'a' && key <= 'z';

	if (keyboard->left_control || keyboard->right_control) {
		if (!has_control_code(key)) {
			return 0;
		}
		to[0] = (char)(key & 0x1f);
		return 1;
	}
	if (letter && keyboard->capitals) {
		shift = !shift;
	}
	to[0] = shift ? shifted(key) : key;
	return 1;
}

static size_t press(const struct keyboard *keyboard, uint8_t code, bool extended, char *to)
{
	const char *sequence = sequence_of(code);

	if (sequence != NULL) {
		return put_sequence(sequence, to);
	}
	/* Of the others with 0xE0 only two are like their namesakes: Enter and / of the block. */
	if (code >= CODES || plain[code] == 0 || (extended && code != 0x1c && code != 0x35)) {
		return 0;
	}
	if (extended || code == 0x37 || code == 0x4a || code == 0x4e) {
		to[0] = plain[code]; /* in the block of digits Shift does nothing */
		return 1;
	}
	return put_key(keyboard, plain[code], to);
}

size_t keyboard_take(struct keyboard *keyboard, uint8_t code, char *to)
{
	bool extended = keyboard->extended;

	keyboard->extended = false;
	if (keyboard->skip > 0) {
		keyboard->skip--;
		return 0;
	}
	if (code == EXTENDED) {
		keyboard->extended = true;
		return 0;
	}
	if (code == PAUSE) {
		keyboard->skip = PAUSE_CODES;
		return 0;
	}
	if (code == 0 || code == OVERRUN) {
		/* Keys may have been released that nobody will tell us of. */
		*keyboard = (struct keyboard){.capitals = keyboard->capitals};
		return 0;
	}
	uint8_t key = code & (uint8_t)~RELEASED;
	bool pressed = (code & RELEASED) == 0;

	if (take_modifier(keyboard, key, extended, pressed) || !pressed) {
		return 0;
	}
	return press(keyboard, key, extended, to);
}
