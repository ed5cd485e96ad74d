/* SPDX-License-Identifier: BSD-2-Clause */
/* See screen.h. */
#include "drivers/phys/screen.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/font.h"
#include "drivers/phys/vga_text.h"
#include "arch/arch.h"

#define NEVER_SHOWN 0xffff /* no cell is that */
#define BLANK_SHOWN TERMINAL_CELL(' ', TERMINAL_PLAIN)
#define COLOUR_OF(cell) ((cell) >> 8 & ~TERMINAL_INVERSE)

static struct {
	bool open;
	bool deferred;
	unsigned drawing; /* 0: no CPU is; else which one, and 1 */
	struct screen screen;
	volatile uint8_t *memory;
	struct framebuffer pixels; /* SCREEN_PIXELS */
	struct terminal terminal;
	uint32_t colours[SCREEN_COLOURS]; /* pixels, or lights of a VGA */
	uint64_t rows_left;		  /* of those that are being drawn */
	unsigned column;		  /* of the lowest of them, where drawing goes on */
	uint16_t shown[TERMINAL_ROWS_MAX][TERMINAL_COLUMNS_MAX];
} screen;

/*
 * The colours of owners can be told apart by people with any of the usual kinds of colour
 * blindness: they differ in lightness, and no two only in how red or green they are
 * (M. Okabe, K. Ito, Color Universal Design, 2002). Free memory is grey, ours is nearly white.
 */
static const uint32_t colours[SCREEN_COLOURS] = {
	[SCREEN_PLAIN] = 0xc8c8c8,	[SCREEN_DIM] = 0x888888,
	[SCREEN_BRIGHT] = 0xffffff,	[SCREEN_GROUND] = 0x000000,
	[SCREEN_HYPERVISOR] = 0xe0e0e0, [SCREEN_DIRTY] = 0x303030,
	[SCREEN_ZEROED] = 0x606060,	[SCREEN_OWNER + 0] = 0x56b4e9,
	[SCREEN_OWNER + 1] = 0xe69f00,	[SCREEN_OWNER + 2] = 0x009e73,
	[SCREEN_OWNER + 3] = 0xcc79a7,	[SCREEN_OWNER + 4] = 0xf0e442,
	[SCREEN_OWNER + 5] = 0x0072b2,	[SCREEN_OWNER + 6] = 0xd55e00,
};

/* Of a VGA; there is no map of frames on it. */
static const uint8_t lights[SCREEN_COLOURS] = {
	[SCREEN_PLAIN] = 7,
	[SCREEN_DIM] = 8,
	[SCREEN_BRIGHT] = 15,
	[SCREEN_GROUND] = 0,
};

static void set_colours(void)
{
	bool text = screen.screen.kind == SCREEN_TEXT;

	for (unsigned i = 0; i < SCREEN_COLOURS; i++) {
		screen.colours[i] =
			text ? lights[i] : framebuffer_pixel(&screen.screen, colours[i]);
	}
}

static void draw_cell(unsigned row, unsigned column, uint16_t cell)
{
	uint32_t colour = screen.colours[COLOUR_OF(cell)];
	uint32_t ground = screen.colours[SCREEN_GROUND];
	uint8_t letter = (uint8_t)cell;

	if (cell >> 8 & TERMINAL_INVERSE) {
		ground = colour;
		colour = screen.colours[SCREEN_GROUND];
	}
	if (screen.screen.kind == SCREEN_TEXT) {
		volatile uint8_t *line = screen.memory + (size_t)row * screen.screen.pitch;
		((volatile uint16_t *)line)[column] = vga_text_cell(letter, colour, ground);
		return;
	}
	framebuffer_letter(&screen.pixels, column * FONT_WIDTH, row * FONT_HEIGHT, letter, colour,
			   ground);
}

/* Units of work that are left. */
static unsigned draw_row(unsigned row, unsigned work)
{
	while (screen.column < screen.terminal.columns && work > 0) {
		unsigned column = screen.column++;
		uint16_t cell =
			__atomic_load_n(&screen.terminal.cells[row][column], __ATOMIC_RELAXED);
		work--;
		if (cell != screen.shown[row][column]) {
			screen.shown[row][column] = cell;
			draw_cell(row, column, cell);
			work = (unsigned)sub_floor_u64(work, SCREEN_LETTER_WORK);
		}
	}
	return work;
}

void screen_begin_drawing(void)
{
	__atomic_store_n(&screen.drawing, arch_cpu_index() + 1, __ATOMIC_SEQ_CST);
}

void screen_end_drawing(void)
{
	__atomic_store_n(&screen.drawing, 0, __ATOMIC_SEQ_CST);
}

/* A row that changes while it is drawn is marked again, and drawn again. */
static void draw(unsigned work)
{
	screen_begin_drawing();
	while (work > 0) {
		if (screen.rows_left == 0) {
			screen.rows_left =
				__atomic_exchange_n(&screen.terminal.changed, 0, __ATOMIC_ACQUIRE);
			screen.column = 0;
		}
		if (screen.rows_left == 0) {
			break;
		}
		work = draw_row((unsigned)__builtin_ctzll(screen.rows_left), work);
		if (screen.column >= screen.terminal.columns) {
			screen.rows_left &= screen.rows_left - 1;
			screen.column = 0;
		}
	}
	screen_end_drawing();
}

static void draw_all(void)
{
	draw(UINT32_MAX);
}

bool screen_open(const struct screen *found, volatile void *memory)
{
	unsigned columns = found->width;
	unsigned rows = found->height;

	if (found->kind == SCREEN_NONE || memory == NULL) {
		return false;
	}
	if (found->kind == SCREEN_PIXELS) {
		framebuffer_init(&screen.pixels, found, memory, TERMINAL_COLUMNS_MAX,
				 TERMINAL_ROWS_MAX);
		columns = screen.pixels.width / FONT_WIDTH;
		rows = screen.pixels.height / FONT_HEIGHT;
	}
	columns = (unsigned)min_u64(columns, TERMINAL_COLUMNS_MAX);
	rows = (unsigned)min_u64(rows, TERMINAL_ROWS_MAX);
	if (columns < TERMINAL_COLUMNS_LEAST || rows < TERMINAL_ROWS_LEAST) {
		return false;
	}
	screen.screen = *found;
	screen.memory = memory;
	screen.open = true;
	screen.deferred = false;
	screen.rows_left = 0;
	set_colours();
	terminal_init(&screen.terminal, columns, rows, 0);
	memset(screen.shown, NEVER_SHOWN & 0xff, sizeof(screen.shown));
	if (found->kind == SCREEN_TEXT) {
		vga_text_hide_cursor();
	} else {
		screen_begin_drawing();
		framebuffer_fill(&screen.pixels, 0, 0, screen.pixels.width, screen.pixels.height,
				 screen.colours[SCREEN_GROUND]);
		screen_end_drawing();
	}
	draw_all();
	return true;
}

void screen_move(volatile void *memory)
{
	screen.memory = memory;
	screen.pixels.memory = memory;
	screen.open = screen.open && memory != NULL;
	if (memory == NULL) {
		screen_end_drawing(); /* whichever CPU was at it */
	}
}

bool screen_is_drawing(void)
{
	return __atomic_load_n(&screen.drawing, __ATOMIC_SEQ_CST) == arch_cpu_index() + 1;
}

bool screen_is_open(void)
{
	return screen.open;
}

void screen_write(const char *text, size_t bytes)
{
	if (screen.open) {
		terminal_write(&screen.terminal, text, bytes);
		if (!screen.deferred) {
			draw_all();
		}
	}
}

void screen_defer(bool defer)
{
	if (screen.open) {
		screen.deferred = defer;
		if (!defer) {
			draw_all();
		}
	}
}

void screen_hold(void)
{
	screen.terminal.hold = true;
}

void screen_step(unsigned work)
{
	if (screen.open) {
		draw(work);
	}
}

void screen_set_top(unsigned rows)
{
	if (screen.open && rows < screen.terminal.rows) {
		terminal_set_top(&screen.terminal, rows);
	}
}

void screen_put_row(unsigned row, const char *text, enum screen_colour colour)
{
	if (screen.open && row < screen.terminal.top) {
		terminal_put_row(&screen.terminal, row, text, colour);
	}
}

void screen_put_letter(unsigned row, unsigned column, char letter, unsigned colour)
{
	if (screen.open && row < screen.terminal.top && column < screen.terminal.columns &&
	    colour < SCREEN_COLOURS) {
		terminal_put_letter(&screen.terminal, row, column, letter, colour);
	}
}

void screen_redraw_top(unsigned rows)
{
	if (screen_framebuffer() == NULL) {
		return;
	}
	rows = (unsigned)min_u64(rows, screen.terminal.rows);
	screen_begin_drawing();
	framebuffer_fill(&screen.pixels, 0, 0, screen.pixels.width, rows * FONT_HEIGHT,
			 screen.colours[SCREEN_GROUND]);
	screen_end_drawing();
	for (unsigned row = 0; row < rows; row++) {
		for (unsigned column = 0; column < screen.terminal.columns; column++) {
			screen.shown[row][column] = BLANK_SHOWN;
		}
		terminal_mark(&screen.terminal, row);
	}
}

uint32_t screen_pixel(unsigned colour)
{
	return screen.colours[colour];
}

unsigned screen_columns(void)
{
	return screen.open ? screen.terminal.columns : 0;
}

unsigned screen_rows(void)
{
	return screen.open ? screen.terminal.rows : 0;
}

const struct framebuffer *screen_framebuffer(void)
{
	return screen.open && screen.screen.kind == SCREEN_PIXELS ? &screen.pixels : NULL;
}
