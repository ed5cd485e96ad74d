/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Strings of boot modules. Real: kernel/vm/vm_config.c, kernel/lib/string.c. Stubbed: error
 * messages, numbers and the walk over words (words.c). Texts end where their array ends: a read
 * beyond is a failed bounds check.
 */
#include "tests/proofs/proof.h"

#include "kernel/vm/vm_config.c"

static uint64_t the_number;

/* A word's number is any: kernel/lib/words.c has proofs of its own. */
bool word_parse_decimal(struct word word, uint64_t *value)
{
	(void)word;
	the_number = any_u64();
	*value = the_number;
	return any_bool();
}

bool word_is(struct word word, const char *text)
{
	return strlen(text) == word.length && memcmp(word.text, text, word.length) == 0;
}

int word_shown(struct word word)
{
	(void)word;
	return 0;
}

const char *word_skip_spaces(const char *text)
{
	return text;
}

struct word word_next(const char **text)
{
	return (struct word){*text, 0};
}

struct word word_take_part(struct word *list, char separator)
{
	struct word part = {list->text, any_below(list->length + 1)};
	size_t taken = part.length + (part.length < list->length ? 1 : 0);
	(void)separator;
	list->text += taken;
	list->length -= taken;
	return part;
}

static struct word any_word(const char *text, size_t most)
{
	return (struct word){text, any_below(most + 1)};
}

/*
 * PROOF config_size_never_wraps
 * Shows: a size with any suffix is whole pages below 2^32, and its bytes are what the number says,
 * shifted without loss
 * Bound: texts of 4 characters of any content, any 64-bit number in front of the suffix
 * Assumes: nothing: the number is stubbed as any, words_decimal_is_exact is about it
 * Classes: F6
 * Sources: kernel/vm/vm_config.c
 * Mutants: size-suffix-overflows size-in-32-bits size-one-page-beyond-the-limit
 */
void config_size_never_wraps(void)
{
	char text[4];
	HAVOC(text);
	uint64_t pages;
	if (vm_config_parse_size(text, sizeof(text), &pages) != STATUS_OK) {
		return;
	}
	char suffix = text[3];
	unsigned shift = suffix == 'K' ? 10 : suffix == 'M' ? 20 : suffix == 'G' ? 30 : 0;
	PROVE(pages <= UINT32_MAX);
	PROVE((unsigned __int128)the_number << shift == (unsigned __int128)pages << PAGE_SHIFT);
}

/*
 * PROOF config_cpus_are_below_the_limit
 * Shows: a list of processors never shifts out of the mask, and each part sets one run of bits
 * Bound: parts of up to 5 characters of any content, any 64-bit numbers in them
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/vm/vm_config.c
 * Options: --unwind 7
 * Fault: kernel/vm/vm_config.c | if (first > last || last >= CPUS_MAX) { | if (first > last ||
 * last > CPUS_MAX) {
 */
void config_cpus_are_below_the_limit(void)
{
	char text[5];
	HAVOC(text);
	uint64_t mask = 0;
	struct word part = any_word(text, sizeof(text));
	if (add_cpus(part, &mask)) {
		uint64_t low = mask & -mask;
		PROVE(mask != 0 && (mask & (mask + low)) == 0);
	}
}

/*
 * PROOF config_pair_stays_inside
 * Shows: one key=value of any content is read inside the word only; no key is taken twice, nor one
 * that was given in another place before; the name that is kept is terminated and has letters, digits, - and _ only
 * Bound: words of up to 9 characters of any content
 * Assumes: nothing
 * Classes: files
 * Sources: kernel/vm/vm_config.c kernel/lib/string.c
 * Options: --unwind 18
 * Fault: kernel/vm/vm_config.c | if (*seen & 1u << key) { | if (*seen & 2u << key) {
 */
void config_pair_stays_inside(void)
{
	char text[9];
	HAVOC(text);
	struct vm_config config = {0};
	struct error error;
	unsigned seen = any_u32();
	unsigned before = seen;
	unsigned changed = any_u32();
	struct word word = any_word(text, sizeof(text));
	enum status status = parse_pair(word, changed, &config, &seen, &error);
	PROVE((seen & before) == before);
	PROVE(((seen ^ before) & changed) == 0);
	if (status == STATUS_OK) {
		PROVE(seen != before || changed != 0);
		for (unsigned i = 0; i < 5 && config.name[i] != '\0'; i++) {
			PROVE(name_is_good((struct word){&config.name[i], 1}));
		}
		PROVE(config.name[5] == '\0');
		PROVE(config.vcpus <= AEROSTAT_VCPUS_MAX && config.shares <= SHARES_MAX);
	}
}

/*
 * PROOF config_sizes_stand_in_order
 * Shows: what is accepted has 0 < min <= mem <= max and startup between min and max, no sum wraps
 * Bound: all sizes that a text can give, any set of keys
 * Assumes: sizes are 1 to 2^32 - 1 pages, as config_size_never_wraps shows
 * Classes: F6
 * Sources: kernel/vm/vm_config.c
 * Options: --unsigned-overflow-check
 * Mutants: default-minimum-in-32-bits
 */
void config_sizes_stand_in_order(void)
{
	struct vm_config config = {0};
	struct error error;
	unsigned seen = any_u32();
	config.as = (enum personality)any_below(PERSONALITY_COUNT);
	uint64_t *const sizes[4] = {&config.mem_pages, &config.min_pages, &config.max_pages,
				    &config.boot_pages};
	*sizes[0] = 1 + any_below(UINT32_MAX);
	*sizes[1] = 1 + any_below(UINT32_MAX);
	*sizes[2] = 1 + any_below(UINT32_MAX);
	*sizes[3] = 1 + any_below(UINT32_MAX);
	if (complete(&config, seen, &error) == STATUS_OK) {
		PROVE(config.min_pages > 0 && config.min_pages <= config.mem_pages);
		PROVE(config.mem_pages <= config.max_pages);
		PROVE(config.boot_pages >= config.min_pages);
		PROVE(config.boot_pages <= config.max_pages);
	}
}
