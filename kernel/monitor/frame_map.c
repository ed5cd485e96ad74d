/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See frame_map.h. Who changes a frame leaves no mark for the map: that would cost every surrender
 * and every touch, with a screen or without. The map goes round the frame table instead, at a pace
 * that display.c sets, one record for an extent of any size, and draws what looks different than
 * the last time.
 */
#include "kernel/monitor/frame_map.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/phys/font.h"
#include "drivers/phys/screen.h"
#include "kernel/log/log.h"
#include "kernel/monitor/commands_vm.h"
#include "kernel/monitor/frame_cells.h"
#include "kernel/monitor/table.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"

#define ROWS_LEAST 24
#define COLUMNS_LEAST 64
#define TITLE_ROWS 1
#define LEGEND_ROWS 2
#define TABLE_TITLE_ROWS 1
#define RECORDS_AT_ONCE 12 /* of a step */
#define CELL_RECORDS 4	   /* a cell that has to be drawn takes as long as so many records */
#define LINE_BYTES (TERMINAL_COLUMNS_MAX + 1)
#define SWATCH_COLUMNS 2 /* of the legend: a box and a blank */
#define COLOURS_OF_OWNERS 7

static struct {
	bool on;
	struct frame_cells cells;
	unsigned top;	     /* of the cells, in pixels */
	unsigned table_row;  /* of its title */
	unsigned table_rows; /* lines for VMs */
	unsigned console_row;
	unsigned cell; /* that is looked at */
	bool begun;    /* the scan of it */
	struct frame_scan scan;
	uint8_t looks[FRAME_CELLS_MAX];
} map;

bool frame_map_is_on(void)
{
	return map.on;
}

/* ---- Cells ----------------------------------------------------------------------------------- */

static unsigned look_colour(uint8_t look)
{
	if (look & LOOK_OWNED) {
		return SCREEN_OWNER + (look & LOOK_OWNER_MASK) % COLOURS_OF_OWNERS;
	}
	switch (look) {
	case LOOK_HYPERVISOR:
		return SCREEN_HYPERVISOR;
	case LOOK_DIRTY:
		return SCREEN_DIRTY;
	case LOOK_ZEROED:
		return SCREEN_ZEROED;
	default:
		return SCREEN_GROUND;
	}
}

/* Small pages: a square with a gap. Large ones: a bar across cells, white above, below and where
 * it begins. In quarantine: lines. The second seven VMs: a hole. */
static void draw_cell(const struct framebuffer *screen, unsigned cell, uint8_t look)
{
	unsigned side = map.cells.side;
	unsigned x = cell % map.cells.columns * side;
	unsigned y = map.top + cell / map.cells.columns * side;
	uint32_t colour = screen_pixel(look_colour(look));
	uint32_t ground = screen_pixel(SCREEN_GROUND);
	uint32_t edge = screen_pixel(SCREEN_BRIGHT);

	if ((look & LOOK_OWNED) == 0 || (look & LOOK_LARGE) == 0) {
		framebuffer_fill(screen, x, y, side - 1, side - 1, colour);
		framebuffer_fill(screen, x + side - 1, y, 1, side, ground);
		framebuffer_fill(screen, x, y + side - 1, side - 1, 1, ground);
	} else {
		framebuffer_fill(screen, x, y, side, 1, edge);
		framebuffer_fill(screen, x, y + 1, side, side - 3, colour);
		framebuffer_fill(screen, x, y + side - 2, side, 1, edge);
		framebuffer_fill(screen, x, y + side - 1, side, 1, ground);
		if (look & LOOK_BEGIN) {
			framebuffer_fill(screen, x, y, 1, side - 1, edge);
		}
	}
	if ((look & LOOK_OWNED) == 0) {
		return;
	}
	if (look & LOOK_QUARANTINE) {
		for (unsigned i = 1; i + 1 < side; i += 2) {
			framebuffer_fill(screen, x, y + i, side - 1, 1, ground);
		}
	} else if ((look & LOOK_OWNER_MASK) >= COLOURS_OF_OWNERS) {
		framebuffer_fill(screen, x + side / 2 - 1, y + side / 2 - 1, 2, 2, ground);
	}
}

static void next_cell(void)
{
	map.begun = false;
	map.cell = map.cell + 1 < map.cells.count ? map.cell + 1 : 0;
}

void frame_map_step(void)
{
	const struct framebuffer *screen = screen_framebuffer();
	unsigned work = RECORDS_AT_ONCE;

	while (map.on && screen != NULL && work > 0) {
		uint64_t first = (uint64_t)map.cell << map.cells.order;
		uint8_t look;

		if (!map.begun) {
			map.begun = true;
			frame_scan_begin(
				&map.scan, first,
				min_u64(first + order_pages(map.cells.order), frame_table_count));
		}
		if (!frame_scan_step(&map.scan, &work, &look)) {
			return;
		}
		if (look != map.looks[map.cell]) {
			map.looks[map.cell] = look;
			screen_begin_drawing();
			draw_cell(screen, map.cell, look);
			screen_end_drawing();
			work = (unsigned)sub_floor_u64(work, CELL_RECORDS);
		}
		next_cell();
	}
}

/* ---- Text ------------------------------------------------------------------------------------ */

static void put_title(void)
{
	char line[LINE_BYTES];
	char sizes[4][SIZE_TEXT_BYTES];
	uint64_t total = frame_table_count - frame_count(FRAME_RESERVED);

	snprintf(line, sizeof(line),
		 "Memory: %s, one cell is %s. Free %s, of them zeroed %s; to be flushed %luK",
		 commands_vm_size(total, sizes[0]),
		 commands_vm_size(order_pages(map.cells.order), sizes[1]),
		 commands_vm_size(frame_count_free(), sizes[2]),
		 commands_vm_size(frame_count(FRAME_ZEROED), sizes[3]),
		 frame_count(FRAME_REVOKING) * 4);
	screen_put_row(0, line, SCREEN_BRIGHT);
}

/* A box and a name behind it, if there is room. Returns the column behind both. */
static unsigned put_swatch(unsigned row, unsigned column, unsigned colour, const char *name)
{
	unsigned length = (unsigned)strlen(name);

	if (column + SWATCH_COLUMNS + length > screen_columns()) {
		return column;
	}
	screen_put_letter(row, column, SCREEN_BOX, colour);
	for (unsigned i = 0; i < length; i++) {
		screen_put_letter(row, column + SWATCH_COLUMNS + i, name[i], SCREEN_PLAIN);
	}
	return column + SWATCH_COLUMNS + length + 2;
}

static void put_legend(void)
{
	unsigned row = TITLE_ROWS;
	unsigned column = 0;

	screen_put_row(row, "", SCREEN_PLAIN);
	screen_put_row(row + 1, "", SCREEN_PLAIN);
	column = put_swatch(row, column, SCREEN_HYPERVISOR, "hypervisor");
	column = put_swatch(row, column, SCREEN_ZEROED, "free, zeroed");
	column = put_swatch(row, column, SCREEN_DIRTY, "free, dirty");
	(void)put_swatch(row, column, SCREEN_GROUND, "lines: quarantine, edge: large page");
	column = 0;
	for (unsigned i = 0; i < vm_count; i++) {
		unsigned colour = SCREEN_OWNER + i % FRAME_OWNERS % COLOURS_OF_OWNERS;
		column = put_swatch(row + 1, column, colour, vm_name(&vms[i]));
	}
}

static void put_vm(unsigned row, const struct vm *vm)
{
	char line[LINE_BYTES];
	char sizes[4][SIZE_TEXT_BYTES];

	snprintf(line, sizeof(line), "%-16s %-9s %9s %9s %9s %9s", vm_name(vm), table_state(vm),
		 commands_vm_size(vm->s2_exists ? vm->s2.mapped_pages : 0, sizes[0]),
		 commands_vm_size(vm->s2_exists ? vm->s2.ballooned_pages : 0, sizes[1]),
		 commands_vm_size(vm_is_alive(vm) ? vm->balloon.target_pages : 0, sizes[2]),
		 commands_vm_size(vm->config.mem_pages, sizes[3]));
	screen_put_row(row, line, SCREEN_PLAIN);
}

void frame_map_table(void)
{
	char line[LINE_BYTES];

	if (!map.on) {
		return;
	}
	put_title();
	put_legend();
	snprintf(line, sizeof(line), "%-16s %-9s %9s %9s %9s %9s", "NAME", "STATE", "HELD",
		 "BALLOON", "TARGET", "ALLOTTED");
	screen_put_row(map.table_row, line, SCREEN_DIM);
	unsigned shown = vm_count > map.table_rows ? map.table_rows - 1 : vm_count;
	for (unsigned i = 0; i < shown; i++) {
		put_vm(map.table_row + TABLE_TITLE_ROWS + i, &vms[i]);
	}
	if (shown < vm_count) {
		snprintf(line, sizeof(line), "and %u more: vms lists all", vm_count - shown);
		screen_put_row(map.table_row + TABLE_TITLE_ROWS + shown, line, SCREEN_DIM);
	}
}

/* ---- On and off ------------------------------------------------------------------------------ */

/* Under the log's lock: rows change hands. */
static void split_screen(void)
{
	screen_set_top(map.on ? map.console_row : 0);
}

static unsigned rows_for_vms(void)
{
	return (unsigned)min_u64(vm_count, screen_rows() / 6);
}

/* A sixth of the rows for VMs, a quarter for the console, the rest for cells. */
static bool lay_out(const struct framebuffer *screen)
{
	unsigned rows = screen_rows();
	unsigned cells_row = TITLE_ROWS + LEGEND_ROWS;

	map.table_rows = rows_for_vms();
	map.console_row = rows - rows / 4;
	map.table_row = map.console_row - map.table_rows - TABLE_TITLE_ROWS;
	map.top = cells_row * FONT_HEIGHT;
	return frame_cells_fit(frame_table_count, screen->width,
			       (map.table_row - cells_row) * FONT_HEIGHT, &map.cells);
}

const char *frame_map_set(bool on)
{
	const struct framebuffer *screen = screen_framebuffer();

	if (on && screen == NULL) {
		return screen_rows() == 0 ? "the screen is not in use: start with screen=map or "
					    "screen=text"
					  : "the screen has no pixels: only letters";
	}
	if (on &&
	    (screen_rows() < ROWS_LEAST || screen_columns() < COLUMNS_LEAST || !lay_out(screen))) {
		return "the screen is too small for the map";
	}
	if (screen == NULL || on == map.on) {
		return NULL;
	}
	map.on = on;
	map.cell = 0;
	map.begun = false;
	log_while_locked(split_screen);
	screen_redraw_top(map.console_row);
	memset(map.looks, LOOK_NONE, sizeof(map.looks));
	frame_map_table();
	return NULL;
}

const char *frame_map_follow(void)
{
	if (!map.on || map.table_rows == rows_for_vms()) {
		return NULL;
	}
	(void)frame_map_set(false); /* that always can be done */
	return frame_map_set(true);
}
