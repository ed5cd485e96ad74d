/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The console of a VM with a UART: what the guest has written (a ring of the last 64 KiB), what the
 * operator has typed, and the guest's lines in the log.
 *
 * Two sides, no lock. The side of the VM's devices (guest_console_put, _input, _input_done) is
 * called under the lock of those devices, by one CPU at a time. The side of the operator (all other
 * functions) is the boot CPU's. Each ring has one writer and one reader; positions are counts of
 * bytes that only grow, published with release and read with acquire.
 *
 * Output costs the guest's CPU one store: lines are put together and logged by the boot CPU, out of
 * the ring. Where lines come faster than their limit allows, the log lags behind by at most
 * GUEST_CONSOLE_LAG_BYTES, and the oldest are left out and counted. So the last lines of a VM, such
 * as those of a kernel's panic, are always in the log.
 */
#ifndef KERNEL_VM_GUEST_CONSOLE_H
#define KERNEL_VM_GUEST_CONSOLE_H

#include "base/types.h"

#define GUEST_CONSOLE_BYTES 65536 /* of scrollback, which the creator provides */
#define GUEST_CONSOLE_INPUT_BYTES 2048
#define GUEST_CONSOLE_LINE_BYTES 200 /* a longer line is logged in parts */
#define GUEST_CONSOLE_LAG_BYTES 4096
#define GUEST_CONSOLE_LINES_PER_SECOND 20
#define GUEST_CONSOLE_LINES_AT_ONCE 100 /* after a quiet time */
#define GUEST_CONSOLE_PARTIAL_MS 500	/* a line without its end is logged after that time */

struct guest_console {
	uint8_t *scrollback;
	uint64_t written; /* bytes since the start; the last GUEST_CONSOLE_BYTES are there */
	uint8_t input[GUEST_CONSOLE_INPUT_BYTES];
	uint64_t typed; /* bytes put in by the operator since the start */
	uint64_t heard; /* of them taken by the UART */

	/* Boot CPU only: the log. */
	uint64_t logged;	   /* position of the first byte that is not in the log */
	uint64_t partial_position; /* `written` when the line that has no end was last seen growing
				    */
	uint64_t partial_tsc;
	uint64_t refill_tsc;
	unsigned lines_left; /* that may be logged now */
	uint64_t left_out;   /* lines that the log will never show, not reported yet */
};

/*
 * An empty console. `memory`: GUEST_CONSOLE_BYTES, which stay the console's until
 * guest_console_close(); struct vm's pointer `console` publishes it to the operator's side.
 */
void guest_console_init(struct guest_console *console, void *memory, uint64_t now_tsc);

/* Devices' side: the guest has sent `byte`. */
void guest_console_put(struct guest_console *console, uint8_t byte);

/*
 * Devices' side: the next byte that the operator has typed, or -1. It stays until
 * guest_console_input_done(), which is called when the UART has accepted it.
 */
int guest_console_input(const struct guest_console *console);
void guest_console_input_done(struct guest_console *console);

/* Operator's side: false: the input ring is full, the caller keeps the byte. */
bool guest_console_type(struct guest_console *console, uint8_t byte);

/*
 * Copies output from `*position` on, at most `room` bytes, and moves *position behind it. Where
 * that output is not there any more, it goes on with the oldest that is. Returns the bytes copied.
 */
size_t guest_console_read(const struct guest_console *console, uint64_t *position, uint8_t *to,
			  size_t room);

/* Where the last `lines` lines begin, or the last `bytes` bytes if those are less. */
uint64_t guest_console_tail(const struct guest_console *console, unsigned lines, size_t bytes);

/*
 * Logs complete lines as events `console: LINE` of VM `name`, within the limit, and an incomplete
 * one when nothing was added for GUEST_CONSOLE_PARTIAL_MS. `seen`: the operator's terminal shows
 * the output itself, so nothing is logged. Boot CPU; cheap when there is nothing.
 */
void guest_console_poll(struct guest_console *console, const char *name, uint64_t now_tsc,
			bool seen);

/* The VM has ended: logs what is left, whatever the limit, at most GUEST_CONSOLE_LAG_BYTES. */
void guest_console_close(struct guest_console *console, const char *name);

#endif
