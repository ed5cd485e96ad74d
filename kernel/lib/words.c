/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. */
#include "kernel/lib/words.h"

#include "base/bits.h"
#include "base/string.h"

#define SHOWN_MAX 60

bool word_is(struct word word, const char *text)
{
	return strlen(text) == word.length && memcmp(word.text, text, word.length) == 0;
}

bool word_parse_decimal(struct word word, uint64_t *value)
{
	*value = 0;
	for (size_t i = 0; i < word.length; i++) {
		if (word.text[i] < '0' || word.text[i] > '9' || *value > UINT64_MAX / 10 - 1) {
			return false;
		}
		*value = *value * 10 + (uint64_t)(word.text[i] - '0');
	}
	return word.length > 0;
}

/* 16: it is none. */
static unsigned hexadecimal(char c)
{
	if (c >= '0' && c <= '9') {
		return (unsigned)(c - '0');
	}
	if (c >= 'a' && c <= 'f') {
		return (unsigned)(c - 'a') + 10;
	}
	return c >= 'A' && c <= 'F' ? (unsigned)(c - 'A') + 10 : 16;
}

bool word_parse_number(struct word word, uint64_t *value)
{
	if (word.length < 3 || word.text[0] != '0' || word.text[1] != 'x') {
		return word_parse_decimal(word, value);
	}
	*value = 0;
	for (size_t i = 2; i < word.length; i++) {
		unsigned digit = hexadecimal(word.text[i]);
		if (digit == 16 || *value >> 60 != 0) {
			return false;
		}
		*value = *value << 4 | digit;
	}
	return true;
}

int word_shown(struct word word)
{
	return (int)min_u64(word.length, SHOWN_MAX);
}

const char *word_skip_spaces(const char *text)
{
	while (*text == ' ') {
		text++;
	}
	return text;
}

struct word word_next(const char **text)
{
	*text = word_skip_spaces(*text);
	struct word word = {*text, 0};
	while (**text != '\0' && **text != ' ') {
		(*text)++;
		word.length++;
	}
	return word;
}

struct word word_take_part(struct word *list, char separator)
{
	struct word part = {list->text, 0};
	while (part.length < list->length && part.text[part.length] != separator) {
		part.length++;
	}
	size_t taken = part.length + (part.length < list->length ? 1 : 0);
	list->text += taken;
	list->length -= taken;
	return part;
}
