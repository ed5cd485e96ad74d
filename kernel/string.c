/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The functions of base/string.h that move bytes. Large moves use the string instructions, which
 * processors run at full width without vector registers; by eight bytes, because an emulator counts
 * every repetition.
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

int memcmp(const void *a, const void *b, size_t bytes)
{
	const unsigned char *left = a;
	const unsigned char *right = b;

	for (size_t i = 0; i < bytes; i++) {
		if (left[i] != right[i]) {
			return left[i] < right[i] ? -1 : 1;
		}
	}
	return 0;
}

size_t strlen(const char *text)
{
	size_t length = 0;

	while (text[length] != '\0') {
		length++;
		__asm__ volatile(""); /* or this becomes a call of strlen */
	}
	return length;
}

size_t strnlen(const char *text, size_t limit)
{
	size_t length = 0;

	while (length < limit && text[length] != '\0') {
		length++;
	}
	return length;
}

int strncmp(const char *a, const char *b, size_t limit)
{
	for (size_t i = 0; i < limit; i++) {
		unsigned char left = (unsigned char)a[i];
		unsigned char right = (unsigned char)b[i];

		if (left != right) {
			return left < right ? -1 : 1;
		}
		if (left == '\0') {
			return 0;
		}
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}
