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

#endif
