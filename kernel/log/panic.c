/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The end of the road for our own bugs. Only one CPU reports, after it has halted the others, so
 * that nothing they do mixes with the report; a failure inside the report prints one line without
 * formatting, and a failure inside that just halts. Interrupts are off already: the host has them
 * on only while it sleeps.
 */
#include "kernel/log/panic.h"

#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "base/trace.h"
#include "arch/arch.h"
#include "kernel/log/log.h"

#define REASON_BYTES 300

static unsigned panic_depth;
static unsigned panic_cpu = CPUS_MAX; /* none yet */

void panic_begin(void)
{
	static const char again[] = "panic: the report of a failure failed itself\n";
	unsigned depth = __atomic_fetch_add(&panic_depth, 1, __ATOMIC_SEQ_CST);

	if (depth == 0) {
		panic_cpu = arch_cpu_index();
		arch_cpus_halt_others();
		log_break_lock();
		arch_console_urgent();
		return;
	}
	if (depth == 1 && panic_cpu == arch_cpu_index()) {
		arch_console_last_resort();
		arch_console_write(again, sizeof(again) - 1);
		arch_power_off(false);
	}
	arch_halt();
}

void panic_end(void)
{
	/* Last: a failure in here costs nothing of what was said before. */
	trace_report();
	arch_power_off(false);
}

void panic(const char *format, ...)
{
	char reason[REASON_BYTES];
	va_list arguments;

	panic_begin();
	va_start(arguments, format);
	vsnprintf(reason, sizeof(reason), format, arguments);
	va_end(arguments);
	log_event(NULL, "panic: %s", reason);
	arch_print_backtrace();
	panic_end();
}
