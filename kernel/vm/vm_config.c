/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Parser of a guest's module string. Pure; every refusal is one error message with the value.
 * Longer than 400 lines: each key has a function, and all of them are needed to read one string.
 */
#include "kernel/vm/vm_config.h"

#include "base/bits.h"
#include "base/limits.h"
#include "base/string.h"
#include "kernel/lib/words.h"

enum key {
	KEY_NAME,
	KEY_MEM,
	KEY_MIN,
	KEY_MAX,
	KEY_SHARES,
	KEY_BUFFER,
	KEY_ON_TOUCH,
	KEY_VCPUS,
	KEY_CPU,
	KEY_WEIGHT,
	KEY_DEVICES,
	KEY_ON_REBOOT,
	KEY_FILES,
	KEY_AS,
	KEY_STARTUP,
	KEY_START,
	KEY_COUNT
};

static const char *const key_names[KEY_COUNT] = {
	[KEY_NAME] = "name",	     [KEY_MEM] = "mem",		[KEY_MIN] = "min",
	[KEY_MAX] = "max",	     [KEY_SHARES] = "shares",	[KEY_BUFFER] = "buffer",
	[KEY_ON_TOUCH] = "on-touch", [KEY_VCPUS] = "vcpus",	[KEY_CPU] = "cpu",
	[KEY_WEIGHT] = "weight",     [KEY_DEVICES] = "devices", [KEY_ON_REBOOT] = "on-reboot",
	[KEY_FILES] = "files",	     [KEY_AS] = "as",		[KEY_STARTUP] = "startup",
	[KEY_START] = "start",
};

#define SHARES_MAX 10000
#define WEIGHT_MAX 10000
#define PAGES_LIMIT UINT32_MAX /* the frame table keeps guest frame numbers in 32 bits */

enum status vm_config_parse_size(const char *text, size_t length, uint64_t *pages)
{
	unsigned shift = 0;
	if (length > 0) {
		char suffix = text[length - 1];
		shift = suffix == 'K' ? 10 : suffix == 'M' ? 20 : suffix == 'G' ? 30 : 0;
	}
	uint64_t number;
	if (!word_parse_decimal((struct word){text, shift > 0 ? length - 1 : length}, &number) ||
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

/* A name for `to`, which has room for VM_NAME_BYTES. */
static enum status parse_name(const char *key, struct word value, char *to, struct error *error)
{
	if (!name_is_good(value)) {
		return error_set(error, STATUS_INVALID,
				 "%s=%.*s is not 1 to %d letters, digits, - or _", key,
				 word_shown(value), value.text, VM_NAME_BYTES - 1);
	}
	if (word_is(value, "host")) {
		return error_set(
			error, STATUS_INVALID,
			"%s=host is no name for a VM: the monitor's commands mean the host "
			"by it",
			key);
	}
	memcpy(to, value.text, value.length);
	to[value.length] = '\0';
	return STATUS_OK;
}

static enum status parse_size(enum key key, struct word value, uint64_t *pages, struct error *error)
{
	enum status status = vm_config_parse_size(value.text, value.length, pages);
	if (status != STATUS_OK || *pages == 0) {
		return error_set(error, STATUS_INVALID,
				 "%s=%.*s is not a size such as 64M, a multiple of 4K below 16384G",
				 key_names[key], word_shown(value), value.text);
	}
	return STATUS_OK;
}

static enum status parse_number(enum key key, struct word value, uint64_t most, uint64_t *number,
				struct error *error)
{
	if (!word_parse_decimal(value, number) || *number == 0 || *number > most) {
		return error_set(error, STATUS_INVALID, "%s=%.*s is not a number from 1 to %lu",
				 key_names[key], word_shown(value), value.text, most);
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

/* One number or `first-last`, added to *mask. */
static bool add_cpus(struct word part, uint64_t *mask)
{
	struct word rest = part;
	struct word head = word_take_part(&rest, '-');
	bool is_range = head.length < part.length;
	uint64_t first;
	if (!word_parse_decimal(head, &first)) {
		return false;
	}
	uint64_t last = first;
	if (is_range && !word_parse_decimal(rest, &last)) {
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
		good = add_cpus(word_take_part(&rest, ','), &config->cpu_mask);
	}
	if (!good) {
		return error_set(error, STATUS_INVALID,
				 "cpu=%.*s is not a list such as 0, 1,3 or 0-2 of numbers below %d",
				 word_shown(value), value.text, CPUS_MAX);
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
				 word_shown(value), value.text);
	}
	return STATUS_OK;
}

static enum status parse_devices(struct word value, struct vm_config *config, struct error *error)
{
	if (word_is(value, "none")) {
		config->devices = DEVICES_NONE;
	} else if (word_is(value, "pc")) {
		config->devices = DEVICES_PC;
	} else {
		return error_set(error, STATUS_INVALID, "devices=%.*s is not none or pc",
				 word_shown(value), value.text);
	}
	return STATUS_OK;
}

static enum status parse_on_reboot(struct word value, struct vm_config *config, struct error *error)
{
	if (word_is(value, "restart")) {
		config->on_reboot = ON_REBOOT_RESTART;
	} else if (word_is(value, "stop")) {
		config->on_reboot = ON_REBOOT_STOP;
	} else {
		return error_set(error, STATUS_INVALID, "on-reboot=%.*s is not restart or stop",
				 word_shown(value), value.text);
	}
	return STATUS_OK;
}

static enum status parse_start(struct word value, struct vm_config *config, struct error *error)
{
	config->later = word_is(value, "later");
	return config->later || word_is(value, "boot")
		       ? STATUS_OK
		       : error_set(error, STATUS_INVALID, "start=%.*s is not boot or later",
				   word_shown(value), value.text);
}

static const char *const personality_names[PERSONALITY_COUNT] = {
	[AS_PLAIN] = "plain",
	[AS_KVM] = "kvm",
	[AS_VMWARE] = "vmware",
	[AS_HYPERV] = "hyper-v",
};

const char *personality_name(enum personality personality)
{
	return personality_names[personality];
}

static enum status parse_as(struct word value, struct vm_config *config, struct error *error)
{
	for (unsigned i = 0; i < PERSONALITY_COUNT; i++) {
		if (word_is(value, personality_names[i])) {
			config->as = (enum personality)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_INVALID, "as=%.*s is not plain, kvm, vmware or hyper-v",
			 word_shown(value), value.text);
}

static enum status parse_value(enum key key, struct word value, struct vm_config *config,
			       struct error *error)
{
	switch (key) {
	case KEY_NAME:
		return parse_name(key_names[key], value, config->name, error);
	case KEY_MEM:
		return parse_size(key, value, &config->mem_pages, error);
	case KEY_MIN:
		return parse_size(key, value, &config->min_pages, error);
	case KEY_MAX:
		return parse_size(key, value, &config->max_pages, error);
	case KEY_SHARES:
		return parse_number(key, value, SHARES_MAX, &config->shares, error);
	case KEY_BUFFER:
		return parse_number(key, value, VM_BUFFER_MAX, &config->buffer_percent, error);
	case KEY_ON_TOUCH:
		return parse_on_touch(value, config, error);
	case KEY_VCPUS:
		return parse_vcpus(value, config, error);
	case KEY_CPU:
		return parse_cpu(value, config, error);
	case KEY_WEIGHT:
		return parse_number(key, value, WEIGHT_MAX, &config->weight, error);
	case KEY_DEVICES:
		return parse_devices(value, config, error);
	case KEY_ON_REBOOT:
		return parse_on_reboot(value, config, error);
	case KEY_FILES:
		return parse_number(key, value, VM_FILES_MAX, &config->files, error);
	case KEY_AS:
		return parse_as(value, config, error);
	case KEY_STARTUP:
		return parse_size(key, value, &config->boot_pages, error);
	case KEY_START:
		return parse_start(value, config, error);
	case KEY_COUNT:
		break;
	}
	return STATUS_INVALID;
}

/* One `key=value`; *seen has a bit for each key so far, `changed` for those that are not its. */
static enum status parse_pair(struct word word, unsigned changed, struct vm_config *config,
			      unsigned *seen, struct error *error)
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
		if (changed & 1u << key) {
			return STATUS_OK;
		}
		if (*seen & 1u << key) {
			return error_set(error, STATUS_INVALID, "%s= is given twice",
					 key_names[key]);
		}
		*seen |= 1u << key;
		struct word value = {equals + 1, word.length - name.length - 1};
		return parse_value((enum key)key, value, config, error);
	}
	return error_set(error, STATUS_INVALID,
			 "%.*s is not one of name= mem= min= max= shares= buffer= on-touch= vcpus= "
			 "cpu= weight= "
			 "devices= on-reboot= files= as= startup= start=",
			 word_shown(word), word.text);
}

/* RAM of which the kernel is told at boot: less than max only where a device can add the rest. */
static enum status complete_startup(struct vm_config *config, bool given, struct error *error)
{
	if (!given) {
		config->boot_pages =
			config->as == AS_HYPERV ? config->mem_pages : config->max_pages;
		return STATUS_OK;
	}
	if (config->as != AS_HYPERV) {
		return error_set(error, STATUS_INVALID,
				 "startup= is for as=hyper-v: as=%s adds no memory later",
				 personality_name(config->as));
	}
	if (config->boot_pages < config->min_pages || config->boot_pages > config->max_pages) {
		return error_set(
			error, STATUS_INVALID, "startup=%luK is not between min=%luK and max=%luK",
			config->boot_pages * 4, config->min_pages * 4, config->max_pages * 4);
	}
	return STATUS_OK;
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
	return complete_startup(config, seen & 1u << KEY_STARTUP, error);
}

/* Behind a mistake only the name is still of interest: it says whose mistake it was. */
static void find_name(const char *text, struct vm_config *config)
{
	static const char key[] = "name=";
	const size_t key_length = sizeof(key) - 1;
	struct word word = word_next(&text);
	while (config->name[0] == '\0' && word.length > 0 && !word_is(word, "--")) {
		if (word.length > key_length && memcmp(word.text, key, key_length) == 0) {
			struct word value = {word.text + key_length, word.length - key_length};
			struct error ignored;
			(void)(parse_name("name", value, config->name, &ignored) == STATUS_OK);
		}
		word = word_next(&text);
	}
}

enum status vm_config_parse(const char *text, struct vm_config *config, struct error *error)
{
	return vm_config_parse_changed(text, NULL, 0, config, error);
}

enum status vm_config_parse_changed(const char *text, const struct word *changes, unsigned count,
				    struct vm_config *config, struct error *error)
{
	unsigned seen = 0;
	enum status status = STATUS_OK;
	memset(config, 0, sizeof(*config));
	config->shares = 100;
	config->buffer_percent = 20;
	config->vcpus = 1;
	config->cpu_mask = ~0ull;
	config->weight = 100;
	config->arguments = "";
	error->text[0] = '\0';
	for (unsigned i = 0; i < count && status == STATUS_OK; i++) {
		status = parse_pair(changes[i], 0, config, &seen, error);
	}
	if (status == STATUS_OK && (seen & 1u << KEY_START)) {
		status = error_set(error, STATUS_INVALID,
				   "start= is for the string of a module: what is started starts "
				   "now");
	}
	if (status == STATUS_OK && (seen & 1u << KEY_FILES)) {
		status = error_set(
			error, STATUS_INVALID,
			"files= is for the string of a module: its files are what they are");
	}
	const unsigned changed = seen;
	struct word word = word_next(&text);
	while (status == STATUS_OK && word.length > 0) {
		if (word_is(word, "--")) {
			config->arguments = word_skip_spaces(text);
			break;
		}
		status = parse_pair(word, changed, config, &seen, error);
		if (status != STATUS_OK) {
			find_name(text, config);
		}
		word = word_next(&text);
	}
	return status != STATUS_OK ? status : complete(config, seen, error);
}

static const char of_key[] = "of=";
#define OF_KEY_LENGTH (sizeof(of_key) - 1)

bool vm_config_is_file(const char *text)
{
	return strncmp(word_skip_spaces(text), of_key, OF_KEY_LENGTH) == 0;
}

bool vm_config_is_script(const char *text)
{
	return word_is(word_next(&text), "script") && word_next(&text).length == 0;
}

enum status vm_config_parse_file(const char *text, struct vm_file_config *config,
				 struct error *error)
{
	memset(config, 0, sizeof(*config));
	config->arguments = "";
	error->text[0] = '\0';
	struct word first = word_next(&text);
	struct word name = {first.text + OF_KEY_LENGTH, first.length - OF_KEY_LENGTH};
	enum status status = parse_name("of", name, config->of, error);
	struct word next = word_next(&text);
	if (status == STATUS_OK && word_is(next, "--")) {
		config->arguments = word_skip_spaces(text);
	} else if (status == STATUS_OK && next.length > 0) {
		status = error_set(error, STATUS_INVALID,
				   "behind of=%s stands %.*s, and not -- and text for the guest",
				   config->of, word_shown(next), next.text);
	}
	return status;
}
