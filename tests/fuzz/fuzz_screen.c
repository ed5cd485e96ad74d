/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The screen's console and the keyboard: whatever is written stays inside of the grid and leaves
 * one cursor; whatever codes come, what is typed is ASCII. The first byte chooses: its low bits the
 * size of the grid, its high bit the keyboard.
 */
#include "fuzz.h"

#include "drivers/phys/keyboard.h"
#include "drivers/phys/terminal.h"

#define KEYBOARD 0x80
#define TOP 0x1f /* this byte moves the top */

const char fuzz_name[] = "screen";

static struct terminal terminal;

static void check(void)
{
	unsigned inverse = 0;
	FUZZ_CHECK(terminal.row >= terminal.top && terminal.row < terminal.rows);
	FUZZ_CHECK(terminal.column <= terminal.columns);
	FUZZ_CHECK(terminal.parameter_count <= TERMINAL_PARAMETERS + 1);
	for (unsigned row = 0; row < TERMINAL_ROWS_MAX; row++) {
		for (unsigned column = 0; column < TERMINAL_COLUMNS_MAX; column++) {
			uint16_t cell = terminal.cells[row][column];
			bool inside = row < terminal.rows && column < terminal.columns;
			FUZZ_CHECK(inside || cell == 0);
			inverse += cell >> 8 & TERMINAL_INVERSE ? 1 : 0;
			FUZZ_CHECK((cell >> 8 & ~TERMINAL_INVERSE) < TERMINAL_COLOURS);
		}
	}
	FUZZ_CHECK(inverse == 1);
	FUZZ_CHECK(terminal.rows == 64 || terminal.changed >> terminal.rows == 0);
}

static void type(const uint8_t *data, size_t bytes)
{
	struct keyboard keyboard = {0};
	for (size_t i = 0; i < bytes; i++) {
		char typed[KEYBOARD_BYTES_MOST];
		size_t count = keyboard_take(&keyboard, data[i], typed);
		FUZZ_CHECK(count <= sizeof(typed));
		for (size_t k = 0; k < count; k++) {
			FUZZ_CHECK((uint8_t)typed[k] < 0x80);
		}
		FUZZ_CHECK(count < 2 || typed[0] == 0x1b);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	if (bytes == 0) {
		return 0;
	}
	if (data[0] & KEYBOARD) {
		type(data + 1, bytes - 1);
		return 0;
	}
	unsigned rows =
		TERMINAL_ROWS_LEAST + data[0] % (TERMINAL_ROWS_MAX - TERMINAL_ROWS_LEAST + 1);
	unsigned columns = TERMINAL_COLUMNS_LEAST + data[0];
	terminal_init(&terminal, columns, rows, 0);
	size_t from = 1;
	for (size_t i = 1; i < bytes; i++) {
		if (data[i] == TOP) {
			terminal_write(&terminal, (const char *)data + from, i - from);
			terminal_set_top(&terminal, (unsigned)i % rows);
			from = i + 1;
			check();
		}
	}
	terminal_write(&terminal, (const char *)data + from, bytes - from);
	check();
	return 0;
}
