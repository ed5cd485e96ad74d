/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest's arguments: words of the form key=value, separated by blanks. */
#ifndef GUESTS_LIB_ARGUMENTS_H
#define GUESTS_LIB_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>

enum argument_kind {
	ARGUMENT_COUNT, /* decimal number */
	ARGUMENT_SIZE,	/* bytes with an optional K, M or G, a multiple of 4 KiB; stored in pages */
	ARGUMENT_WORD,	/* one of `words`; its index is stored */
};

struct argument {
	const char *key;
	enum argument_kind kind;
	bool required;
	uint64_t *value;	  /* keeps its default when the key is not there */
	const char *const *words; /* NULL-terminated */
};

/*
 * False after one error message on the console about an unknown key, key given twice, bad value
 * or missing key. At most 32 keys.
 */
bool arguments_parse(const char *text, const struct argument *known, unsigned known_count);

#endif
