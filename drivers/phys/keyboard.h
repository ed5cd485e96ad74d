/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Scan codes of set 1 become the bytes that a terminal sends, on an American keyboard. Pure: the
 * codes come from ps2.c, or from a test. Whatever comes, at most KEYBOARD_BYTES_MOST bytes are made
 * of a code, all of them ASCII.
 */
#ifndef DRIVERS_PHYS_KEYBOARD_H
#define DRIVERS_PHYS_KEYBOARD_H

#include "base/types.h"

#define KEYBOARD_BYTES_MOST 4

/* What is held down, and what the last codes have begun. Zeroed: nothing. */
struct keyboard {
	bool left_shift, right_shift;
	bool left_control, right_control;
	bool capitals; /* Caps Lock */
	bool extended; /* the next code is of a key that the first PC had not */
	unsigned skip; /* so many codes more are of the key Pause, which has no other end */
};

/* Bytes that the code makes, written to `to`: 0 to KEYBOARD_BYTES_MOST. */
size_t keyboard_take(struct keyboard *keyboard, uint8_t code, char *to);

#endif
