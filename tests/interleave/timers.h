/* SPDX-License-Identifier: BSD-2-Clause */
/* vCPU 0 of a virtual PC, which arms its timer, and another that programs the board's meanwhile. */
#ifndef INTERLEAVE_TIMERS_H
#define INTERLEAVE_TIMERS_H

#include <stdint.h>

/* `armed_tsc`: what vCPU 0 has been waiting for. */
void timers_begin(uint64_t armed_tsc);

/* vCPU 0, once. */
void timers_arm(void);
void timers_write_deadline(void);
void timers_tick(void);

/* Another one: the board's next tick is to come sooner, and then sooner still. */
void timers_program_board(void);

/* vCPU 0 waits no longer than for the board's tick. */
void timers_check(void);

#endif
