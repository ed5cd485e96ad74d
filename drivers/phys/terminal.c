/* SPDX-License-Identifier: BSD-2-Clause */
/* See terminal.h. Control sequences are those of ECMA-48, 8.3: the paragraphs are named below. */
#include "drivers/phys/terminal.h"

#include "base/bits.h"
#include "base/string.h"

#define BACKSPACE 0x08
#define TAB_COLUMNS 8
#define ESCAPE 0x1b
#define PARAMETER_MOST 9999
#define FINAL_FIRST 0x40 /* of a control sequence */
#define FINAL_LAST 0x7e
#define BLANK TERMINAL_CELL(' ', TERMINAL_PLAIN)

void terminal_mark(struct terminal *terminal, unsigned row)
{
	(void)__atomic_fetch_or(&terminal->changed, 1ull << row, __ATOMIC_RELEASE);
}

/* Cells are read by the CPU that draws while another writes: whole, old or new. */
static void set_cell(struct terminal *terminal, unsigned row, unsigned column, uint16_t cell)
{
	__atomic_store_n(&terminal->cells[row][column], cell, __ATOMIC_RELAXED);
}

static void clear(struct terminal *terminal, unsigned row, unsigned from, unsigned end)
{
	for (unsigned column = from; column < end; column++) {
		set_cell(terminal, row, column, BLANK);
	}
	terminal_mark(terminal, row);
}

/* The last column holds the cursor also when it is behind the line. */
static unsigned cursor_column(const struct terminal *terminal)
{
	return (unsigned)min_u64(terminal->column, terminal->columns - 1);
}

static void invert_cursor(struct terminal *terminal)
{
	unsigned column = cursor_column(terminal);
	uint16_t cell = terminal->cells[terminal->row][column];

	set_cell(terminal, terminal->row, column, cell ^ TERMINAL_CELL(0, TERMINAL_INVERSE));
	terminal_mark(terminal, terminal->row);
}

void terminal_init(struct terminal *terminal, unsigned columns, unsigned rows, unsigned top)
{
	memset(terminal, 0, sizeof(*terminal));
	terminal->columns = columns;
	terminal->rows = rows;
	terminal->top = top;
	terminal->row = top;
	for (unsigned row = 0; row < rows; row++) {
		clear(terminal, row, 0, columns);
	}
	invert_cursor(terminal);
}

/* All rows from `top` on move up by `count`, which is not more than they are. */
static void scroll(struct terminal *terminal, unsigned count)
{
	for (unsigned row = terminal->top; row < terminal->rows; row++) {
		if (row + count >= terminal->rows) {
			clear(terminal, row, 0, terminal->columns);
			continue;
		}
		for (unsigned column = 0; column < terminal->columns; column++) {
			set_cell(terminal, row, column, terminal->cells[row + count][column]);
		}
		terminal_mark(terminal, row);
	}
}

static void line_feed(struct terminal *terminal)
{
	if (terminal->row + 1 < terminal->rows) {
		terminal->row++;
	} else if (terminal->hold) {
		terminal->full = true;
	} else {
		scroll(terminal, 1);
	}
}

static void put_letter(struct terminal *terminal, char letter)
{
	if (terminal->column >= terminal->columns) {
		terminal->column = 0;
		line_feed(terminal);
		if (terminal->full) {
			return;
		}
	}
	set_cell(terminal, terminal->row, terminal->column++,
		 TERMINAL_CELL(letter, terminal->colour));
	terminal_mark(terminal, terminal->row);
}

static void take_plain(struct terminal *terminal, char letter)
{
	switch (letter) {
	case '\r':
		terminal->column = 0;
		break;
	case '\n':
		line_feed(terminal);
		break;
	case BACKSPACE:
		terminal->column = (unsigned)sub_floor_u64(cursor_column(terminal), 1);
		break;
	case '\t':
		terminal->column = (unsigned)min_u64(align_down_u64(terminal->column, TAB_COLUMNS) +
							     TAB_COLUMNS,
						     terminal->columns - 1);
		break;
	case ESCAPE:
		terminal->state = TERMINAL_ESCAPE;
		break;
	default:
		if ((uint8_t)letter >= ' ') {
			put_letter(terminal, letter);
		}
		break;
	}
}

/* 0 and nothing mean 1 where a number of steps is meant. */
static unsigned steps(const struct terminal *terminal)
{
	return (unsigned)max_u64(terminal->parameters[0], 1);
}

static void move_to(struct terminal *terminal, uint64_t row, uint64_t column)
{
	terminal->row = (unsigned)min_u64(max_u64(row, terminal->top), terminal->rows - 1);
	terminal->column = (unsigned)min_u64(column, terminal->columns - 1);
}

/* EL (8.3.41): behind the cursor, before it, or the whole line. */
static void erase_line(struct terminal *terminal, unsigned what)
{
	unsigned column = cursor_column(terminal);
	unsigned from = what == 0 ? column : 0;
	unsigned end = what == 1 ? column + 1 : terminal->columns;

	if (what <= 2) {
		clear(terminal, terminal->row, from, end);
	}
}

/* ED (8.3.39): the same for the screen. */
static void erase_screen(struct terminal *terminal, unsigned what)
{
	erase_line(terminal, what);
	for (unsigned row = terminal->top; row < terminal->rows; row++) {
		bool above = row < terminal->row && (what == 1 || what == 2);
		bool below = row > terminal->row && (what == 0 || what == 2);

		if (above || below) {
			clear(terminal, row, 0, terminal->columns);
		}
	}
}

/* SGR (8.3.117): bold and faint only; the rest is a matter of taste. */
static void set_colour(struct terminal *terminal)
{
	for (unsigned i = 0; i < terminal->parameter_count; i++) {
		unsigned value = terminal->parameters[i];

		if (value == 0 || value == 22) {
			terminal->colour = TERMINAL_PLAIN;
		} else if (value == 1 || value == 2) {
			terminal->colour = value == 1 ? TERMINAL_BRIGHT : TERMINAL_DIM;
		}
	}
}

static void obey(struct terminal *terminal, char final)
{
	uint64_t row = terminal->row;
	uint64_t column = cursor_column(terminal);
	const unsigned *parameters = terminal->parameters;

	switch (final) {
	case 'A': /* CUU */
		move_to(terminal, sub_floor_u64(row, steps(terminal)), column);
		break;
	case 'B': /* CUD */
		move_to(terminal, row + steps(terminal), column);
		break;
	case 'C': /* CUF */
		move_to(terminal, row, column + steps(terminal));
		break;
	case 'D': /* CUB */
		move_to(terminal, row, sub_floor_u64(terminal->column, steps(terminal)));
		break;
	case 'G': /* CHA */
		move_to(terminal, row, steps(terminal) - 1);
		break;
	case 'H': /* CUP */
	case 'f': /* HVP */
		move_to(terminal, terminal->top + sub_floor_u64(parameters[0], 1),
			sub_floor_u64(parameters[1], 1));
		break;
	case 'J':
		erase_screen(terminal, parameters[0]);
		break;
	case 'K':
		erase_line(terminal, parameters[0]);
		break;
	case 'm':
		set_colour(terminal);
		break;
	default:
		break;
	}
}

static void begin_sequence(struct terminal *terminal)
{
	terminal->state = TERMINAL_SEQUENCE;
	memset(terminal->parameters, 0, sizeof(terminal->parameters));
	terminal->parameter_count = 1;
	terminal->parameter_private = false;
}

/* A byte of `ESC [ 1 ; 2 H` behind the bracket. */
static void take_sequence(struct terminal *terminal, char letter)
{
	if (letter >= '0' && letter <= '9') {
		if (terminal->parameter_count <= TERMINAL_PARAMETERS) {
			unsigned *value = &terminal->parameters[terminal->parameter_count - 1];
			*value = (unsigned)min_u64(*value * 10 + (unsigned)(letter - '0'),
						   PARAMETER_MOST);
		}
	} else if (letter == ';') {
		terminal->parameter_count =
			(unsigned)min_u64(terminal->parameter_count + 1, TERMINAL_PARAMETERS + 1);
	} else if (letter >= FINAL_FIRST && letter <= FINAL_LAST) {
		terminal->state = TERMINAL_LETTERS;
		terminal->parameter_count =
			(unsigned)min_u64(terminal->parameter_count, TERMINAL_PARAMETERS);
		if (!terminal->parameter_private) {
			obey(terminal, letter);
		}
	} else if ((uint8_t)letter >= ' ' && (uint8_t)letter < FINAL_FIRST) {
		terminal->parameter_private = true;
	} else {
		terminal->state = TERMINAL_LETTERS;
		take_plain(terminal, letter);
	}
}

static void take(struct terminal *terminal, char letter)
{
	switch (terminal->state) {
	case TERMINAL_LETTERS:
		take_plain(terminal, letter);
		break;
	case TERMINAL_ESCAPE:
		if (letter == '[') {
			begin_sequence(terminal);
		} else {
			terminal->state = TERMINAL_LETTERS; /* a sequence of two bytes */
		}
		break;
	case TERMINAL_SEQUENCE:
		take_sequence(terminal, letter);
		break;
	}
}

void terminal_write(struct terminal *terminal, const char *text, size_t bytes)
{
	invert_cursor(terminal);
	for (size_t i = 0; i < bytes && !terminal->full; i++) {
		take(terminal, text[i]);
	}
	invert_cursor(terminal);
}

void terminal_set_top(struct terminal *terminal, unsigned top)
{
	invert_cursor(terminal);
	if (terminal->row < top) {
		/* What is lost is what stands highest. */
		unsigned lines = terminal->row + 1 - terminal->top;
		unsigned kept = (unsigned)min_u64(lines, terminal->rows - top);
		for (unsigned i = kept; i-- > 0;) {
			unsigned from = terminal->row + 1 - kept + i;
			for (unsigned column = 0; column < terminal->columns; column++) {
				set_cell(terminal, top + i, column, terminal->cells[from][column]);
			}
			terminal_mark(terminal, top + i);
		}
		terminal->row = top + kept - 1;
	}
	unsigned others = top > terminal->top ? top : terminal->top;
	for (unsigned row = 0; row < others; row++) {
		clear(terminal, row, 0, terminal->columns);
	}
	terminal->top = top;
	invert_cursor(terminal);
}

void terminal_put_row(struct terminal *terminal, unsigned row, const char *text, unsigned colour)
{
	size_t length = strnlen(text, terminal->columns);

	for (unsigned column = 0; column < terminal->columns; column++) {
		uint16_t cell = column < length ? TERMINAL_CELL(text[column], colour) : BLANK;
		set_cell(terminal, row, column, cell);
	}
	terminal_mark(terminal, row);
}

void terminal_put_letter(struct terminal *terminal, unsigned row, unsigned column, char letter,
			 unsigned colour)
{
	set_cell(terminal, row, column, TERMINAL_CELL(letter, colour));
	terminal_mark(terminal, row);
}
