/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands from a script, so that a lab or a test is the same each time: the option exec= (commands
 *with ; between them and , for a blank) or the text of a boot module whose string is `script`. One
 *command a line; # begins a comment. Besides the monitor's commands:
 *
 *	wait SECONDS
 *	wait until NAME STATISTIC OP VALUE [within SECONDS]
 *	wait until host free|spare OP VALUE [within SECONDS]
 *
 * STATISTIC is one of vm_stats.def; OP is = != < <= > >=; VALUE a number, a size such as 8M, or a
 * word such as finished. The first line that fails ends the script, and the run is a failure. Boot
 * CPU only.
 */
#ifndef KERNEL_MONITOR_SCRIPT_H
#define KERNEL_MONITOR_SCRIPT_H

#include "base/error.h"
#include "base/types.h"

#define SCRIPT_BYTES 8192

/*
 * Takes a copy of the text. INVALID: it is too long or there is one already; *error says so, and
 * nothing has changed. Boot.
 */
MUST_CHECK enum status script_take(const char *text, size_t bytes, struct error *error);

/* The same for the option exec=. */
MUST_CHECK enum status script_take_option(const char *text, struct error *error);

/* There is none. Boot. */
void script_forget(void);

/* Lines are left to be run, or waited for. */
bool script_is_busy(void);

/* It has stopped at a line that failed. */
bool script_has_failed(void);

/* Runs the next line if its time has come. `over`: all VMs have ended, so nothing can change. */
void script_poll(uint64_t now_tsc, bool over);

/* The operator stops it. */
void script_stop(void);

#endif
