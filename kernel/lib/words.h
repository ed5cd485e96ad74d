/* SPDX-License-Identifier: BSD-2-Clause */
/* Words of a text, for parsers of configuration. Pure. */
#ifndef KERNEL_LIB_WORDS_H
#define KERNEL_LIB_WORDS_H

#include "base/types.h"

/* A piece of a text; not terminated. */
struct word {
	const char *text;
	size_t length;
};

bool word_is(struct word word, const char *text);

/* Its number, if it is one of decimal digits that fits. */
bool word_parse_decimal(struct word word, uint64_t *value);

/* The same, or hexadecimal digits behind 0x. */
bool word_parse_number(struct word word, uint64_t *value);

/* Cuts for %.*s: no error message shows more of a word. */
int word_shown(struct word word);

/* The text behind its leading spaces. */
const char *word_skip_spaces(const char *text);

/* The next word of *text, which moves behind it; empty at the end. */
struct word word_next(const char **text);

/* The part of `list` in front of `separator`; both are taken off it. */
struct word word_take_part(struct word *list, char separator);

#endif
