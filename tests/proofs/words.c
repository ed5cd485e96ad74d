/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Words and numbers of texts that come from outside. Real: kernel/lib/words.c.
 * Stubbed: nothing. Texts end where their array ends: a read beyond
 * is a failed bounds check.
 */
#include "tests/proofs/proof.h"

#include "kernel/lib/words.c"

#define DIGITS 21

static struct word any_word(const char *text, size_t most)
{
	return (struct word){text, any_below(most + 1)};
}

/*
 * PROOF words_decimal_is_exact
 * Shows: a decimal number is taken only when all of it is digits; no step of its 64-bit sum wraps,
 * and the last digit is the last of the number; it is read inside the word only
 * Bound: words of up to 21 characters of any content
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/lib/words.c
 * Options: --unwind 23 --unsigned-overflow-check
 * Mutants: number-wraps
 */
void words_decimal_is_exact(void)
{
	char text[DIGITS];
	HAVOC(text);
	struct word word = any_word(text, DIGITS);
	uint64_t value;
	if (!word_parse_decimal(word, &value)) {
		return;
	}
	for (size_t i = 0; i < word.length; i++) {
		PROVE(text[i] >= '0' && text[i] <= '9');
	}
	PROVE(word.length > 0);
	PROVE(word.length > 1 || value == (uint64_t)(text[0] - '0'));
}

/*
 * PROOF words_hexadecimal_is_exact
 * Shows: the same for digits behind 0x: no digit is lost at the top
 * Bound: words of 3 to 20 characters of any content
 * Assumes: it begins with 0x
 * Classes: files
 * Sources: kernel/lib/words.c
 * Options: --unwind 21
 * Fault: kernel/lib/words.c | if (digit == 16 || *value >> 60 != 0) { | if (digit == 16) {
 */
void words_hexadecimal_is_exact(void)
{
	char text[20];
	HAVOC(text);
	text[0] = '0';
	text[1] = 'x';
	struct word word = any_word(text, sizeof(text));
	ASSUME(word.length >= 3);
	uint64_t value;
	if (!word_parse_number(word, &value)) {
		return;
	}
	for (size_t i = word.length; i > 2; i--) {
		PROVE(hexadecimal(text[i - 1]) == (value & 15));
		value >>= 4;
	}
	PROVE(value == 0);
}

/*
 * PROOF words_next_stays_in_text
 * Shows: the words of a text lie inside it, in order, hold no space, and end at its end
 * Bound: texts of up to 7 characters of any content
 * Assumes: the text is terminated
 * Classes: files
 * Sources: kernel/lib/words.c
 * Options: --unwind 9
 * Fault: kernel/lib/words.c | while (**text != '\0' && **text != ' ') { | while (**text != ' ') {
 */
void words_next_stays_in_text(void)
{
	char text[8];
	HAVOC(text);
	text[7] = '\0';
	const char *at = text;
	struct word word = word_next(&at);
	PROVE(word.text >= text && word.text + word.length == at && at <= text + 7);
	for (size_t i = 0; i < word.length; i++) {
		PROVE(word.text[i] != ' ' && word.text[i] != '\0');
	}
	PROVE(*at == ' ' || *at == '\0');
	PROVE(word.length > 0 || *at == '\0');
}

/*
 * PROOF words_part_is_taken_off
 * Shows: a part and the rest of a list are the list, without the one separator between them
 * Bound: lists of up to 8 characters of any content, any separator
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/lib/words.c
 * Options: --unwind 10
 * Fault: kernel/lib/words.c | size_t taken = part.length + (part.length < list->length ? 1 : 0); |
 * size_t taken = part.length + 1;
 */
void words_part_is_taken_off(void)
{
	char text[8];
	HAVOC(text);
	struct word list = any_word(text, sizeof(text));
	size_t length = list.length;
	char separator = (char)any_u8();
	struct word part = word_take_part(&list, separator);
	PROVE(part.text == text && part.length <= length);
	for (size_t i = 0; i < part.length; i++) {
		PROVE(text[i] != separator);
	}
	PROVE(part.length == length || text[part.length] == separator);
	PROVE(list.length == length - part.length - (part.length < length ? 1 : 0));
	PROVE(list.text == text + (length - list.length));
}
