/* SPDX-License-Identifier: BSD-2-Clause */
/* The side of the log that only kernel/log/panic.c and the boot code see; see base/log.h. */
#ifndef KERNEL_LOG_LOG_H
#define KERNEL_LOG_LOG_H

#include "base/types.h"

/* Times in the log count from this value of the TSC. */
void log_start(uint64_t tsc);
uint64_t log_origin_tsc(void);

/* Lines as they are, without time and name, under the lock of the log. Not for guests' text. */
void log_text(const char *text, size_t bytes);

/* Calls `change` while no CPU writes a line. Not from a line's own writer. */
void log_while_locked(void (*change)(void));

/*
 * What the operator is typing stays below all other lines: each takes it away, and shows it again
 * behind itself. At most LOG_PROMPT_BYTES, printable; the cursor stands `behind` of them before the
 * end. 0 bytes: nothing is being typed. Boot CPU.
 */
#define LOG_PROMPT_BYTES 80
void log_prompt(const char *text, size_t bytes, size_t behind);

#endif
