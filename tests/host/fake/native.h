/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One instruction, executed by the processor that runs the test: with chosen registers and flags,
 * on memory that is below 2 GiB, so that every form of address reaches it.
 */
#ifndef FAKE_NATIVE_H
#define FAKE_NATIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NATIVE_DATA_BYTES 4096

struct native_state {
	uint64_t regs[16]; /* in the order of their encoding, RSP included */
	uint64_t flags;
};

extern uint8_t *native_data; /* between two pages that are not there */

void native_start(void);
void native_stop(void);

/* Where the first byte of the instruction will lie. */
uint64_t native_rip(void);

/* False: it faulted, and *state is undefined. */
bool native_run(const uint8_t *bytes, size_t length, struct native_state *state);

#endif
