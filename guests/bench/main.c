/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * bench: what operations cost, in ticks of the time-stamp counter (emulated processors count
 * instructions). tests/bench/bench.py starts it, once per set of probes, and reads its lines.
 * Digest: ticks of a null hypercall.
 *
 *	run=exits	the ways into the hypervisor and back (default)
 *	run=memory	fills, surrender, return, report; wants a host that has not idled yet
 *	run=gigabyte	a GiB out and in again
 *	run=hold	ends while it holds a GiB; run=hold-pages: in pages of 4 KiB
 *	run=driver	the balloon driver of guests/lib and the hypervisor together, with whole
 *	run=driver-pages	extents of 2 MiB, or with single pages
 *	run=giver	two guests that switch, and a frame that goes
 *	run=taker	from one to the other
 *	run=doorbell	from a changed target to the guest's handler
 *	run=trace	single operations between marks for a debugger
 *	run=nothing	ends at once
 *	limit=N		exit code 6 when a null hypercall costs more
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/bench/measure.h"
#include "guests/bench/probes.h"
#include "guests/lib/arguments.h"
#include "guests/lib/runtime.h"

static void run_exits(void)
{
	measure_value("guest_start_tsc", (int64_t)guest_start_tsc);
	probe_exits();
}

static void run_memory(void)
{
	measure_value("guest_start_tsc", (int64_t)guest_start_tsc);
	probe_fills_unzeroed();
	probe_pages();
	probe_extents();
}

static void run_gigabyte(void)
{
	measure_value("guest_start_tsc", (int64_t)guest_start_tsc);
	probe_gigabyte();
}

static void run_nothing(void)
{
}

/* clang-format off */
static const char *const run_words[] = {
	"exits", "memory", "gigabyte", "hold", "hold-pages", "driver", "driver-pages", "giver",
	"taker", "doorbell", "trace", "nothing", NULL,
};
static void (*const runs[])(void) = {
	run_exits, run_memory, run_gigabyte, probe_hold_gigabyte, probe_hold_pages, probe_driver,
	probe_driver_pages, probe_pair_giver, probe_pair_taker, probe_doorbell, probe_trace,
	run_nothing,
};
/* clang-format on */

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t limit = UINT64_MAX;
	uint64_t run = 0;
	const struct argument known[] = {
		{"limit", ARGUMENT_COUNT, false, &limit, NULL},
		{"run", ARGUMENT_WORD, false, &run, run_words},
	};

	if (!arguments_parse(arguments->text, known, 2)) {
		return GUEST_EXIT_ARGUMENTS;
	}
	measure_init();
	runs[run]();
	measure_print();

	uint64_t ticks = (uint64_t)probe_null_hypercall();

	runtime_set_digest(ticks);
	return ticks > limit ? GUEST_EXIT_LIMIT : GUEST_EXIT_SUCCESS;
}
