/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser of a guest's module string. Pure; every refusal is one error message with the value. */
#include "kernel/vm/vm_config.h"

#include "base/bits.h"
#include "base/limits.h"
#include "base/string.h"

enum key {
	KEY_NAME,
	KEY_MEM,
	KEY_MIN,
	KEY_MAX,
	KEY_SHARES,
	KEY_ON_TOUCH,
	KEY_VCPUS,
	KEY_CPU,
	KEY_WEIGHT,
	KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
	[KEY_NAME] = "name",   [KEY_MEM] = "mem",	[KEY_MIN] = "min",
	[KEY_MAX] = "max",     [KEY_SHARES] = "shares", [KEY_ON_TOUCH] = "on-touch",
	[KEY_VCPUS] = "vcpus", [KEY_CPU] = "cpu",	[KEY_WEIGHT] = "weight",
};

#define SHARES_MAX 10000
#define WEIGHT_MAX 10000
#define PAGES_LIMIT UINT32_MAX /* the frame table keeps guest frame numbers in 32 bits */

struct word {
	const char *text;
	size_t length;
};

static bool word_is(struct word word, const char *text)
{
	return strlen(text) == word.length && memcmp(word.text, text, word.length) == 0;
}

static bool parse_decimal(struct word word, uint64_t *value)
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

enum status vm_config_parse_size(const char *text, size_t length, uint64_t *pages)
{
	unsigned shift = 0;
	if (length > 0) {
		char suffix = text[length - 1];
		shift = suffix == 'K' ? 10 : suffix == 'M' ? 20 : suffix == 'G' ? 30 : 0;
	}
	uint64_t number;
	if (!parse_decimal((struct word){text, shift > 0 ? length - 1 : length}, &number) ||
	    number > UINT64_MAX >> shift) {
		return STATUS_INVALID;
	}
	uint64_t bytes = number << shift;
	if (!is_aligned_u64(bytes, PAGE_BYTES) || bytes >> PAGE_SHIFT > PAGES_LIMIT) {
		return STATUS_INVALID;
	}
	*pages = bytes >> PAGE_SHIFT;
	return STATUS_OK;
}

static bool name_is_good(struct word word)
{
	for (size_t i = 0; i < word.length; i++) {
		char c = word.text[i];
		bool good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			    (c >= '0' && c <= '9') || c == '-' || c == '_';
		if (!good) {
			return false;
		}
	}
	return word.length > 0 && word.length < VM_NAME_BYTES;
}

static enum status parse_name(struct word value, struct vm_config *config, struct error *error)
{
	if (!name_is_good(value)) {
		return error_set(error, STATUS_INVALID,
				 "name=%.*s is not 1 to %d letters, digits, - or _",
				 (int)min_u64(value.length, 60), value.text, VM_NAME_BYTES - 1);
	}
	memcpy(config->name, value.text, value.length);
	config->name[value.length] = '\0';
	return STATUS_OK;
}

static enum status parse_size(enum key key, struct word value, uint64_t *pages, struct error *error)
{
	enum status status = vm_config_parse_size(value.text, value.length, pages);
	if (status != STATUS_OK || *pages == 0) {
		return error_set(error, STATUS_INVALID,
				 "%s=%.*s is not a size such as 64M, a multiple of 4K below 16384G",
				 key_names[key], (int)min_u64(value.length, 60), value.text);
	}
	return STATUS_OK;
}

static enum status parse_number(enum key key, struct word value, uint64_t most, uint64_t *number,
				struct error *error)
{
	if (!parse_decimal(value, number) || *number == 0 || *number > most) {
		return error_set(error, STATUS_INVALID, "%s=%.*s is not a number from 1 to %lu",
				 key_names[key], (int)min_u64(value.length, 60), value.text, most);
	}
	return STATUS_OK;
}

static enum status parse_vcpus(struct word value, struct vm_config *config, struct error *error)
{
	uint64_t number;
	enum status status = parse_number(KEY_VCPUS, value, AEROSTAT_VCPUS_MAX, &number, error);
	if (status == STATUS_OK) {
		config->vcpus = (unsigned)number;
	}
	return status;
}

/* The part of `list` in front of `separator`, which both are taken off it. */
static struct word take_part(struct word *list, char separator)
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

/* One number or `first-last`, added to *mask. */
static bool add_cpus(struct word part, uint64_t *mask)
{
	struct word rest = part;
	struct word head = take_part(&rest, '-');
	bool is_range = head.length < part.length;
	uint64_t first;
	if (!parse_decimal(head, &first)) {
		return false;
	}
	uint64_t last = first;
	if (is_range && !parse_decimal(rest, &last)) {
		return false;
	}
	if (first > last || last >= CPUS_MAX) {
		return false;
	}
	*mask |= (~0ull >> (CPUS_MAX - 1 - (last - first))) << first;
	return true;
}

static enum status parse_cpu(struct word value, struct vm_config *config, struct error *error)
{
	struct word rest = value;
	bool good = value.length > 0 && value.text[value.length - 1] != ',';
	config->cpu_mask = 0;
	while (good && rest.length > 0) {
		good = add_cpus(take_part(&rest, ','), &config->cpu_mask);
	}
	if (!good) {
		return error_set(error, STATUS_INVALID,
				 "cpu=%.*s is not a list such as 0, 1,3 or 0-2 of numbers below %d",
				 (int)min_u64(value.length, 60), value.text, CPUS_MAX);
	}
	return STATUS_OK;
}

static enum status parse_on_touch(struct word value, struct vm_config *config, struct error *error)
{
	if (word_is(value, "zero")) {
		config->on_touch = ON_TOUCH_ZERO;
	} else if (word_is(value, "fault")) {
		config->on_touch = ON_TOUCH_FAULT;
	} else if (word_is(value, "stop")) {
		config->on_touch = ON_TOUCH_STOP;
	} else {
		return error_set(error, STATUS_INVALID, "on-touch=%.*s is not zero, fault or stop",
				 (int)min_u64(value.length, 60), value.text);
	}
	return STATUS_OK;
}

static enum status parse_value(enum key key, struct word value, struct vm_config *config,
			       struct error *error)
{
	switch (key) {
	case KEY_NAME:
		return parse_name(value, config, error);
	case KEY_MEM:
		return parse_size(key, value, &config->mem_pages, error);
	case KEY_MIN:
		return parse_size(key, value, &config->min_pages, error);
	case KEY_MAX:
		return parse_size(key, value, &config->max_pages, error);
	case KEY_SHARES:
		return parse_number(key, value, SHARES_MAX, &config->shares, error);
	case KEY_ON_TOUCH:
		return parse_on_touch(value, config, error);
	case KEY_VCPUS:
		return parse_vcpus(value, config, error);
	case KEY_CPU:
		return parse_cpu(value, config, error);
	case KEY_WEIGHT:
		return parse_number(key, value, WEIGHT_MAX, &config->weight, error);
	case KEY_COUNT:
		break;
	}
	return STATUS_INVALID;
}

/* One `key=value`; *seen has a bit for each key so far. */
static enum status parse_pair(struct word word, struct vm_config *config, unsigned *seen,
			      struct error *error)
{
	const char *equals = word.text;
	while (equals < word.text + word.length && *equals != '=') {
		equals++;
	}
	struct word name = {word.text, (size_t)(equals - word.text)};
	for (unsigned key = 0; key < KEY_COUNT; key++) {
		if (name.length == word.length || !word_is(name, key_names[key])) {
			continue;
		}
		if (*seen & 1u << key) {
			return error_set(error, STATUS_INVALID, "%s= is given twice",
					 key_names[key]);
		}
		*seen |= 1u << key;
		struct word value = {equals + 1, word.length - name.length - 1};
		return parse_value((enum key)key, value, config, error);
	}
	return error_set(
		error, STATUS_INVALID,
		"%.*s is not one of name= mem= min= max= shares= on-touch= vcpus= cpu= weight=",
		(int)min_u64(word.length, 60), word.text);
}

/* Defaults for what was not given, and how the sizes must stand to each other. */
static enum status complete(struct vm_config *config, unsigned seen, struct error *error)
{
	if (!(seen & 1u << KEY_NAME) || !(seen & 1u << KEY_MEM)) {
		return error_set(error, STATUS_INVALID, "%s= is missing",
				 seen & 1u << KEY_NAME ? "mem" : "name");
	}
	if (!(seen & 1u << KEY_MAX)) {
		config->max_pages = config->mem_pages;
	}
	if (!(seen & 1u << KEY_MIN)) {
		config->min_pages = (config->mem_pages + 3) / 4;
	}
	if (config->min_pages > config->max_pages) {
		return error_set(error, STATUS_INVALID, "min=%luK is more than max=%luK",
				 config->min_pages * 4, config->max_pages * 4);
	}
	if (config->mem_pages < config->min_pages || config->mem_pages > config->max_pages) {
		return error_set(
			error, STATUS_INVALID, "mem=%luK is not between min=%luK and max=%luK",
			config->mem_pages * 4, config->min_pages * 4, config->max_pages * 4);
	}
	return STATUS_OK;
}

static enum status copy_arguments(const char *text, struct vm_config *config, struct error *error)
{
	while (*text == ' ') {
		text++;
	}
	size_t length = strlen(text);
	if (length >= sizeof(config->arguments)) {
		return error_set(error, STATUS_INVALID,
				 "the guest's arguments are %lu bytes long, more than %lu", length,
				 sizeof(config->arguments) - 1);
	}
	memcpy(config->arguments, text, length + 1);
	return STATUS_OK;
}

/* The next word of *text, which moves behind it; empty at the end. */
static struct word next_word(const char **text)
{
	while (**text == ' ') {
		(*text)++;
	}
	struct word word = {*text, 0};
	while (**text != '\0' && **text != ' ') {
		(*text)++;
		word.length++;
	}
	return word;
}

/* Behind a mistake only the name is still of interest: it says whose mistake it was. */
static void find_name(const char *text, struct vm_config *config)
{
	static const char key[] = "name=";
	const size_t key_length = sizeof(key) - 1;
	struct word word = next_word(&text);
	while (config->name[0] == '\0' && word.length > 0 && !word_is(word, "--")) {
		if (word.length > key_length && memcmp(word.text, key, key_length) == 0) {
			struct word value = {word.text + key_length, word.length - key_length};
			struct error ignored;
			(void)(parse_name(value, config, &ignored) == STATUS_OK);
		}
		word = next_word(&text);
	}
}

enum status vm_config_parse(const char *text, struct vm_config *config, struct error *error)
{
	unsigned seen = 0;
	enum status status = STATUS_OK;
	memset(config, 0, sizeof(*config));
	config->shares = 100;
	config->vcpus = 1;
	config->cpu_mask = ~0ull;
	config->weight = 100;
	error->text[0] = '\0';
	struct word word = next_word(&text);
	while (status == STATUS_OK && word.length > 0) {
		if (word_is(word, "--")) {
			status = copy_arguments(text, config, error);
			break;
		}
		status = parse_pair(word, config, &seen, error);
		if (status != STATUS_OK) {
			find_name(text, config);
		}
		word = next_word(&text);
	}
	return status != STATUS_OK ? status : complete(config, seen, error);
}
