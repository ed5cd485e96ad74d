/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text on a grid of letters, as a terminal shows it: the end of a line, and the control sequences
 * of ECMA-48 that the monitor and shells of guests send. What it does not know it leaves out. Pure:
 * the letters wait in the grid for screen.c to draw them. The caller serializes.
 */
#ifndef DRIVERS_PHYS_TERMINAL_H
#define DRIVERS_PHYS_TERMINAL_H

#include "base/types.h"

#define TERMINAL_COLUMNS_MAX 160
#define TERMINAL_ROWS_MAX 64 /* rows that have changed are bits of one word */
#define TERMINAL_COLUMNS_LEAST 20
#define TERMINAL_ROWS_LEAST 4

/* One letter: its code, and in the high byte its colour. */
#define TERMINAL_CELL(letter, colour) ((uint16_t)((uint8_t)(letter) | (colour) << 8))
#define TERMINAL_INVERSE 0x80 /* of the colour: the cursor is there */

enum terminal_colour {
	TERMINAL_PLAIN,
	TERMINAL_DIM,
	TERMINAL_BRIGHT,
	TERMINAL_COLOURS,
};

enum terminal_state { TERMINAL_LETTERS, TERMINAL_ESCAPE, TERMINAL_SEQUENCE };

#define TERMINAL_PARAMETERS 4

struct terminal {
	unsigned columns;
	unsigned rows;
	unsigned top;	 /* rows above it are not the terminal's */
	unsigned row;	 /* of the cursor: top to rows - 1 */
	unsigned column; /* 0 to columns: the last one is behind the line, before it wraps */
	bool hold;	 /* it does not scroll, and takes nothing more when it is full */
	bool full;
	uint8_t colour;
	enum terminal_state state;
	unsigned parameters[TERMINAL_PARAMETERS];
	unsigned parameter_count;
	bool parameter_private; /* the sequence is one of a manufacturer's */
	uint64_t changed;	/* rows that are not drawn as they are; atomic */
	uint16_t cells[TERMINAL_ROWS_MAX][TERMINAL_COLUMNS_MAX];
};

/* Blank, the cursor in the first column of row `top`, which is below rows. */
void terminal_init(struct terminal *terminal, unsigned columns, unsigned rows, unsigned top);

void terminal_write(struct terminal *terminal, const char *text, size_t bytes);

/* From now on rows above `top` are not the terminal's: what stood lowest stays. They become blank,
 * and so do those that are the terminal's again. */
void terminal_set_top(struct terminal *terminal, unsigned top);

/* A row above `top`: the text from the first column on, and blanks behind it. */
void terminal_put_row(struct terminal *terminal, unsigned row, const char *text, unsigned colour);
void terminal_put_letter(struct terminal *terminal, unsigned row, unsigned column, char letter,
			 unsigned colour);

/* The row is to be drawn again. */
void terminal_mark(struct terminal *terminal, unsigned row);

#endif
