/* SPDX-License-Identifier: BSD-2-Clause */
/* See counter.h. */
#include "fake/counter.h"

static void set_output(struct counter *counter, bool output)
{
	counter->rises += output && !counter->output ? 1 : 0;
	counter->output = output;
}

static bool is_triggered(const struct counter *counter)
{
	return counter->mode == 1 || counter->mode == 5;
}

static bool is_periodic(const struct counter *counter)
{
	return counter->mode == 2 || counter->mode == 3;
}

void counter_mode(struct counter *counter, unsigned mode, bool bcd)
{
	counter->mode = mode;
	counter->bcd = bcd;
	counter->loaded = false;
	counter->running = false;
	counter->moves = false;
	set_output(counter, mode != 0);
}

void counter_write(struct counter *counter, uint32_t count)
{
	bool first = !counter->loaded;
	counter->written = count;
	counter->loaded = true;
	if (is_triggered(counter)) {
		return;
	}
	if (!is_periodic(counter)) {
		counter->moves = true;
		set_output(counter, counter->mode != 0);
	} else if (first && counter->gate) {
		counter->moves = true;
	}
}

void counter_stop(struct counter *counter)
{
	if (counter->mode == 0) {
		counter->running = false;
		counter->moves = false;
		counter->loaded = false;
		set_output(counter, false);
	}
}

void counter_gate(struct counter *counter, bool gate)
{
	bool rises = gate && !counter->gate;
	counter->gate = gate;
	if (is_periodic(counter) && !gate) {
		counter->running = false;
		counter->moves = false;
		set_output(counter, true);
	}
	if (rises && counter->loaded && (is_periodic(counter) || is_triggered(counter))) {
		counter->moves = true;
	}
}

static void move(struct counter *counter)
{
	counter->moves = false;
	counter->running = true;
	counter->done = false;
	counter->count = counter->written;
	counter->value = counter->mode == 3 ? counter->count & ~1u : counter->count;
	set_output(counter, counter->mode != 0 && counter->mode != 1);
}

/* One less; 0 is followed by the largest number. True: it has become 0 for the first time. */
static bool count_down(struct counter *counter)
{
	uint32_t most = counter->bcd ? 10000 : 65536;
	counter->value = (counter->value + most - 1) % most;
	bool first = counter->value == 0 && !counter->done;
	counter->done |= first;
	return first;
}

static void step_square(struct counter *counter)
{
	bool odd_high = counter->output && (counter->count & 1);
	if (counter->value > 2 || (counter->value == 2 && odd_high)) {
		counter->value -= 2;
		return;
	}
	counter->count = counter->output ? counter->count : counter->written;
	counter->value = counter->count & ~1u;
	set_output(counter, !counter->output);
}

static void step_rate(struct counter *counter)
{
	if (counter->value == 1) {
		counter->count = counter->written;
		counter->value = counter->count;
		set_output(counter, true);
		return;
	}
	counter->value--;
	set_output(counter, counter->value != 1);
}

void counter_clock(struct counter *counter)
{
	if (counter->moves) {
		move(counter);
		return;
	}
	if (!counter->running || (!counter->gate && !is_triggered(counter))) {
		return;
	}
	switch (counter->mode) {
	case 2:
		step_rate(counter);
		break;
	case 3:
		step_square(counter);
		break;
	case 0:
	case 1:
		if (count_down(counter)) {
			set_output(counter, true);
		}
		break;
	default:
		set_output(counter, !count_down(counter));
		break;
	}
}
