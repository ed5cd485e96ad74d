/* SPDX-License-Identifier: BSD-2-Clause */
/* See measure.h. */
#include <stddef.h>

#include "guests/bench/measure.h"
#include "guests/lib/console.h"

#define ROWS_MAX 96
#define LINE_ROWS 4 /* that many fit into one line of the console */
#define CALIBRATION_ROUNDS 64

static struct row {
	const char *name;
	int64_t ticks;
	uint64_t units;
} rows[ROWS_MAX];
static unsigned row_count;

int64_t measure_empty_asm;
int64_t measure_empty_call;

void measure_add(struct samples *samples, int64_t ticks)
{
	if (samples->count < MEASURE_SAMPLES_MAX) {
		samples->ticks[samples->count++] = ticks;
	}
}

/* Shell sort: short, and fast enough for what is not measured. */
static void sort(int64_t *values, unsigned count)
{
	for (unsigned gap = count / 2; gap > 0; gap /= 2) {
		for (unsigned i = gap; i < count; i++) {
			int64_t value = values[i];
			unsigned at = i;

			for (; at >= gap && values[at - gap] > value; at -= gap) {
				values[at] = values[at - gap];
			}
			values[at] = value;
		}
	}
}

static int64_t take_median(struct samples *samples)
{
	unsigned count = samples->count;

	samples->count = 0;
	sort(samples->ticks, count);
	return count > 0 ? samples->ticks[(count - 1) / 2] : -1;
}

void measure_init(void)
{
	static struct samples samples;

	for (unsigned i = 0; i < CALIBRATION_ROUNDS; i++) {
		measure_add(&samples, MEASURE_ASM("", 0));
	}
	measure_empty_asm = take_median(&samples);
	for (unsigned i = 0; i < CALIBRATION_ROUNDS; i++) {
		measure_add(&samples, measure_since(cpu_read_tsc()));
	}
	measure_empty_call = take_median(&samples);
}

static void add_row(const char *name, int64_t ticks, uint64_t units)
{
	if (row_count < ROWS_MAX) {
		rows[row_count++] = (struct row){name, ticks, units};
	}
}

void measure_row(const char *name, struct samples *samples, uint64_t units)
{
	add_row(name, take_median(samples), units);
}

void measure_value(const char *name, int64_t value)
{
	add_row(name, value, 1);
}

void measure_print(void)
{
	for (unsigned i = 0; i < row_count; i++) {
		if (i % LINE_ROWS == 0) {
			console_print("bench");
		}
		console_print(" %s=%ld/%lu", rows[i].name, rows[i].ticks, rows[i].units);
		if (i % LINE_ROWS == LINE_ROWS - 1 || i == row_count - 1) {
			console_print("\n");
		}
	}
}
