/* SPDX-License-Identifier: BSD-2-Clause */
/* The functions that a C compiler may call on its own (C11 7.24, with their standard meaning). */
#include <stddef.h>

#include "guests/lib/memory.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	void *start = to;

	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(bytes) : : "memory");
	return start;
}

void *memset(void *to, int value, size_t bytes)
{
	void *start = to;

	__asm__ volatile("rep stosb" : "+D"(to), "+c"(bytes) : "a"(value) : "memory");
	return start;
}
