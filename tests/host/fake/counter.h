/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A counter of the 8254 that is built as the chip is: it steps with each clock. What
 * drivers/virt/vpit_channel.c computes is compared with it. Only counting: no latches, no halves of
 * words.
 */
#ifndef FAKE_COUNTER_H
#define FAKE_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

struct counter {
	unsigned mode;
	bool bcd;
	bool gate;
	bool output;
	bool loaded;	  /* a count was written since the control word */
	bool moves;	  /* the next clock moves the register to the counter */
	bool running;	  /* it has been moved */
	bool done;	  /* a one-shot mode has reached zero */
	uint32_t count;	  /* of the present period */
	uint32_t written; /* the register */
	uint32_t value;
	uint64_t rises;
};

void counter_mode(struct counter *counter, unsigned mode, bool bcd);
void counter_write(struct counter *counter, uint32_t count); /* 1 to 65536 */
void counter_stop(struct counter *counter);		     /* the first of two bytes has come */
void counter_gate(struct counter *counter, bool gate);
void counter_clock(struct counter *counter);

#endif
