/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser of the arguments; nothing is corrected silently. */
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"

#define PAGE_BYTES 4096
#define SIZE_BYTES_MAX (1ull << 44)

/* A word of the text, not terminated. */
struct word {
	const char *start;
	size_t length;
};

static bool word_equals(struct word word, const char *text)
{
	size_t i = 0;

	while (i < word.length && text[i] == word.start[i]) {
		i++;
	}
	return i == word.length && text[i] == '\0';
}

static void print_word(struct word word)
{
	for (size_t i = 0; i < word.length; i++) {
		console_print("%c", word.start[i]);
	}
}

static bool parse_digits(struct word *word, uint64_t *value)
{
	size_t i = 0;

	*value = 0;
	for (; i < word->length && word->start[i] >= '0' && word->start[i] <= '9'; i++) {
		if (*value > SIZE_BYTES_MAX) {
			return false;
		}
		*value = *value * 10 + (uint64_t)(word->start[i] - '0');
	}
	word->start += i;
	word->length -= i;
	return i > 0;
}

static bool parse_size(struct word word, uint64_t *pages)
{
	uint64_t bytes;
	unsigned shift = 0;

	if (!parse_digits(&word, &bytes)) {
		return false;
	}
	if (word_equals(word, "K")) {
		shift = 10;
	} else if (word_equals(word, "M")) {
		shift = 20;
	} else if (word_equals(word, "G")) {
		shift = 30;
	} else if (word.length > 0) {
		return false;
	}
	if (bytes == 0 || bytes > SIZE_BYTES_MAX >> shift || (bytes << shift) % PAGE_BYTES != 0) {
		return false;
	}
	*pages = (bytes << shift) / PAGE_BYTES;
	return true;
}

static bool parse_value(const struct argument *argument, struct word word)
{
	uint64_t value;

	switch (argument->kind) {
	case ARGUMENT_COUNT:
		if (!parse_digits(&word, &value) || word.length > 0) {
			return false;
		}
		*argument->value = value;
		return true;
	case ARGUMENT_SIZE:
		return parse_size(word, argument->value);
	case ARGUMENT_WORD:
		for (uint64_t i = 0; argument->words[i]; i++) {
			if (word_equals(word, argument->words[i])) {
				*argument->value = i;
				return true;
			}
		}
		return false;
	}
	return false;
}

static bool complain(struct word word, const char *why)
{
	console_print("argument \"");
	print_word(word);
	console_print("\" %s\n", why);
	return false;
}

/* One key=value; `seen` has a bit for each key that was there. */
static bool parse_word(struct word word, const struct argument *known, unsigned known_count,
		       uint32_t *seen)
{
	struct word key = {word.start, 0};
	struct word value;

	while (key.length < word.length && word.start[key.length] != '=') {
		key.length++;
	}
	if (key.length == word.length) {
		return complain(word, "is not of the form key=value");
	}
	value.start = word.start + key.length + 1;
	value.length = word.length - key.length - 1;
	for (unsigned i = 0; i < known_count; i++) {
		if (!word_equals(key, known[i].key)) {
			continue;
		}
		if (*seen & 1u << i) {
			return complain(word, "has a key that was there before");
		}
		*seen |= 1u << i;
		return parse_value(&known[i], value) || complain(word, "has no acceptable value");
	}
	return complain(word, "has a key that this guest does not know");
}

bool arguments_parse(const char *text, const struct argument *known, unsigned known_count)
{
	uint32_t seen = 0;

	for (;;) {
		while (*text == ' ' || *text == '\t') {
			text++;
		}
		if (*text == '\0') {
			break;
		}
		struct word word = {text, 0};

		while (*text != '\0' && *text != ' ' && *text != '\t') {
			text++;
		}
		word.length = (size_t)(text - word.start);
		if (!parse_word(word, known, known_count, &seen)) {
			return false;
		}
	}
	for (unsigned i = 0; i < known_count; i++) {
		if (known[i].required && !(seen & 1u << i)) {
			console_print("argument %s= is missing\n", known[i].key);
			return false;
		}
	}
	return true;
}
