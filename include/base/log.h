/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One line per event: `[seconds.micros] CPU VM EVENT key=value ...`. The line break is added.
 * Lines that a guest can cause go through vm_log() (kernel/vm/vm.h), which limits their rate per
 * VM.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

/* An event of the host itself, or of the VM called `vm` when that is not NULL. */
void log_event(const char *vm, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* How much is said; the monitor's command `log`. */
enum log_level {
	LOG_QUIET,  /* nothing that a guest causes or says: only the host, and how VMs begin and end
		     */
	LOG_NORMAL, /* the default */
	LOG_VERBOSE, /* and each decision of the policy */
};
void log_level_set(enum log_level level);
enum log_level log_level_now(void);

/* From now on lines are printed without the lock: its holder may be what failed. */
void log_break_lock(void);

#endif
