/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of base/string.h that move bytes. They use the string instructions, which
 * processors run at full width without vector registers; by eight bytes, because an emulator counts
 * every repetition. Every page that changes hands is zeroed here.
 */
#include "base/string.h"

void *memcpy(void *restrict to, const void *restrict from, size_t bytes)
{
	void *out = to;
	size_t words = bytes / 8;
	size_t rest = bytes % 8;

	__asm__ volatile("rep movsq" : "+D"(to), "+S"(from), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(rest) : : "memory");
	return out;
}

void *memmove(void *to, const void *from, size_t bytes)
{
	unsigned char *target = to;
	const unsigned char *source = from;

	if ((uintptr_t)target - (uintptr_t)source >= bytes) {
		return memcpy(to, from, bytes);
	}
	/* The target begins inside the source: from the end backwards. */
	for (size_t i = bytes; i > 0; i--) {
		target[i - 1] = source[i - 1];
		__asm__ volatile("" : : : "memory"); /* or this becomes a call of memmove */
	}
	return to;
}

void *memset(void *to, int value, size_t bytes)
{
	void *out = to;
	uint64_t pattern = (uint8_t)value * 0x0101010101010101ull;
	size_t words = bytes / 8;
	size_t rest = bytes % 8;

	__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(pattern) : "memory");
	return out;
}
