/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console on the screen. Letters go into a grid (terminal.h); what differs from what is shown
 * is drawn. While the machine boots, and when it ends, that is done at once. In between the boot
 * CPU draws some of it between two guests, because a letter of a framebuffer takes hundreds of
 * instructions.
 *
 * screen_write(): the log's lock is held, or no other CPU is left. All else: the boot CPU, or the
 * last one.
 */
#ifndef DRIVERS_PHYS_SCREEN_H
#define DRIVERS_PHYS_SCREEN_H

#include "base/types.h"
#include "arch/screen.h"
#include "drivers/phys/framebuffer.h"
#include "drivers/phys/terminal.h"

enum screen_colour {
	SCREEN_PLAIN = TERMINAL_PLAIN,
	SCREEN_DIM = TERMINAL_DIM,
	SCREEN_BRIGHT = TERMINAL_BRIGHT,
	SCREEN_GROUND = TERMINAL_COLOURS,
	SCREEN_HYPERVISOR,
	SCREEN_DIRTY,
	SCREEN_ZEROED,
	SCREEN_OWNER, /* the first of SCREEN_OWNERS */
};

#define SCREEN_OWNERS 7
#define SCREEN_COLOURS (SCREEN_OWNER + SCREEN_OWNERS)
#define SCREEN_BOX 0x01 /* a letter that is a filled box */

/*
 * Opens the screen, mapped at `memory`: blank, with the terminal on all of it. False: it has less
 * than TERMINAL_COLUMNS_LEAST columns and TERMINAL_ROWS_LEAST rows of letters, and stays closed.
 */
bool screen_open(const struct screen *screen, volatile void *memory);

/* It is mapped elsewhere now, with all that is on it. NULL: nowhere; it is closed. */
void screen_move(volatile void *memory);

bool screen_is_open(void);

/*
 * Between these two this CPU touches memory of the screen. The report of a fault there must not be
 * drawn: it would fault again.
 */
void screen_begin_drawing(void);
void screen_end_drawing(void);

/* This CPU is between them, so it comes from such a fault. Any CPU. */
bool screen_is_drawing(void);

/* Nothing while it is not open, as are the next three. */
void screen_write(const char *text, size_t bytes);

/*
 * From now on letters wait for screen_step(); false: are drawn at once, those that wait first.
 * Under the log's lock, while other CPUs run.
 */
void screen_defer(bool defer);

/* Until it is opened again it does not scroll: what has no row any more is not shown. */
void screen_hold(void);

/*
 * Draws of what waits as much as `work` units are: a letter is SCREEN_LETTER_WORK, looking for the
 * next one that differs at least one.
 */
#define SCREEN_LETTER_WORK 16
void screen_step(unsigned work);

/* The lowest rows stay the console's, the `rows` above are another's; see terminal_set_top(). */
void screen_set_top(unsigned rows);
void screen_put_row(unsigned row, const char *text, enum screen_colour colour);
void screen_put_letter(unsigned row, unsigned column, char letter, unsigned colour);

/* Everything above row `rows` becomes ground, and its letters are drawn again. */
void screen_redraw_top(unsigned rows);

/* A colour as framebuffer_fill() wants it. */
uint32_t screen_pixel(unsigned colour);

/* What letters there is room for; 0 while it is not open. */
unsigned screen_columns(void);
unsigned screen_rows(void);

/* For those who draw pixels above the top of the console; NULL: it has no pixels, or is closed. */
const struct framebuffer *screen_framebuffer(void);

#endif
