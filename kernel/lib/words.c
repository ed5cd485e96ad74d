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
