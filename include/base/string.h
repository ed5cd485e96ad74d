/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The few functions of <string.h> and <stdio.h> that a freestanding program needs, with their
 * standard meaning (C11 7.24, 7.21.6.5). Host tests use the C library's.
 */
#ifndef BASE_STRING_H
#define BASE_STRING_H

#include <stdarg.h>

#include "base/types.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);
size_t strlen(const char *text);
size_t strnlen(const char *text, size_t limit);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t limit);

/*
 * Formats %% %c %s %.*s %d %i %u %x %p with the length modifiers l, ll, z, a minimum width and the
 * flags 0 and -. Always terminates when bytes > 0; answers the length the whole text would have.
 */
int snprintf(char *to, size_t bytes, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *to, size_t bytes, const char *format, va_list arguments);

#endif
