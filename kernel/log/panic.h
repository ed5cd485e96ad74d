/* SPDX-License-Identifier: BSD-2-Clause */
/* The parts of panic() that reports of faults share; panic() itself is in base/check.h. */
#ifndef KERNEL_LOG_PANIC_H
#define KERNEL_LOG_PANIC_H

/*
 * Call before printing a report that ends in panic_end(): breaks the log's lock. When a report is
 * under way already (the reporting code itself failed) it prints one line and never returns.
 */
void panic_begin(void);

/* Shows the end of the trace, and switches the machine off with the verdict "fail". */
_Noreturn void panic_end(void);

#endif
