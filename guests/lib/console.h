/* SPDX-License-Identifier: BSD-2-Clause */
/* Text for people. Guests print little: every character costs the host thousands of cycles. */
#ifndef GUESTS_LIB_CONSOLE_H
#define GUESTS_LIB_CONSOLE_H

/*
 * Formats %% %c %s %d %u %x with the length modifier l; nothing else. Lines are collected and
 * leave with one hypercall at the line break; a line longer than the hypercall takes is cut.
 */
void console_print(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Sends what has no line break yet. */
void console_flush(void);

#endif
