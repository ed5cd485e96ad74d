/* SPDX-License-Identifier: BSD-2-Clause */
/* See script.h. */
#include "kernel/monitor/script.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "kernel/lib/words.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/commands_vm.h"
#include "kernel/monitor/output.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/vm/vm_stats.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define SECONDS_MOST 1000000

enum comparison { IS, IS_NOT, BELOW, AT_MOST, ABOVE, AT_LEAST, COMPARISONS };

static const char *const comparison_words[COMPARISONS] = {"=", "!=", "<", "<=", ">", ">="};

enum host_value { HOST_VALUE_FREE, HOST_VALUE_SPARE, HOST_VALUE_STATE, HOST_VALUES };

static const char *const host_value_words[HOST_VALUES] = {"free", "spare", "state"};

struct condition {
	const struct vm *vm; /* NULL: of the host */
	enum vm_stat stat;
	enum host_value host;
	enum comparison comparison;
	uint64_t value;
};

static struct {
	char text[SCRIPT_BYTES];
	size_t bytes;
	size_t at; /* the first byte of the next line */
	unsigned line;
	bool failed;
	bool waiting; /* for a time, or, until that, for a condition */
	bool conditional;
	uint64_t until_tsc; /* UINT64_MAX: no limit */
	struct condition condition;
} script;

void script_forget(void)
{
	memset(&script, 0, sizeof(script));
}

enum status script_take(const char *text, size_t bytes, struct error *error)
{
	if (script.bytes > 0) {
		return error_set(error, STATUS_EXISTS, "there is a script already");
	}
	if (bytes >= SCRIPT_BYTES) {
		return error_set(error, STATUS_INVALID, "a script is shorter than %d bytes",
				 SCRIPT_BYTES);
	}
	script_forget();
	memcpy(script.text, text, bytes);
	script.bytes = bytes;
	return STATUS_OK;
}

enum status script_take_option(const char *text, struct error *error)
{
	enum status status = script_take(text, strlen(text), error);
	for (size_t i = 0; status == STATUS_OK && i < script.bytes; i++) {
		char c = script.text[i];
		script.text[i] = (char)(c == ';' ? '\n' : c == ',' ? ' ' : c);
	}
	return status;
}

bool script_is_busy(void)
{
	return !script.failed && (script.at < script.bytes || script.waiting);
}

bool script_has_failed(void)
{
	return script.failed;
}

static void fail(const char *why)
{
	script.failed = true;
	script.waiting = false;
	log_event(NULL, "script: line %u: %s; the rest is left out", script.line, why);
}

void script_stop(void)
{
	if (script_is_busy()) {
		fail("the operator stopped it");
	}
}

static enum status parse_seconds(struct word word, uint64_t *seconds, struct error *error)
{
	if (!word_parse_decimal(word, seconds) || *seconds > SECONDS_MOST) {
		return error_set(error, STATUS_INVALID, "%.*s is not a number of seconds to %d",
				 word_shown(word), word.text, SECONDS_MOST);
	}
	return STATUS_OK;
}

static enum status parse_comparison(struct word word, struct condition *condition,
				    struct error *error)
{
	for (unsigned i = 0; i < COMPARISONS; i++) {
		if (word_is(word, comparison_words[i])) {
			condition->comparison = (enum comparison)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_INVALID,
			 "%.*s is not one of = != < <= > >=", word_shown(word), word.text);
}

/* A statistic in pages takes a size as well, one that is a state its word. */
static enum status parse_value(struct word word, enum vm_stat_unit unit, uint64_t *value,
			       struct error *error)
{
	if (unit == STAT_NAME) {
		for (unsigned state = VM_REFUSED; state < VM_STATES; state++) {
			if (word_is(word, vm_state_name((enum vm_state)state))) {
				*value = state;
				return STATUS_OK;
			}
		}
		return error_set(error, STATUS_INVALID, "%.*s is not a state", word_shown(word),
				 word.text);
	}
	char last = word.length > 0 ? word.text[word.length - 1] : '0';
	bool is_size = unit == STAT_PAGES && (last == 'K' || last == 'M' || last == 'G');
	if (is_size && vm_config_parse_size(word.text, word.length, value) == STATUS_OK) {
		return STATUS_OK;
	}
	if (!is_size && word_parse_number(word, value)) {
		return STATUS_OK;
	}
	return error_set(error, STATUS_INVALID, "%.*s is not a number%s", word_shown(word),
			 word.text, unit == STAT_PAGES ? " of pages or a size such as 8M" : "");
}

static enum status parse_stat(struct word word, enum vm_stat *stat, struct error *error)
{
	for (unsigned i = 0; i < VM_STAT_COUNT; i++) {
		if (word_is(word, vm_stat_infos[i].name)) {
			*stat = (enum vm_stat)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_INVALID, "there is no statistic %.*s (docs/testing.md)",
			 word_shown(word), word.text);
}

static enum status parse_host_value(struct word word, enum host_value *value, struct error *error)
{
	for (unsigned i = 0; i < HOST_VALUES; i++) {
		if (word_is(word, host_value_words[i])) {
			*value = (enum host_value)i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_INVALID, "of the host, free, spare and state are known");
}

/* In the order of need: `> soft` is hard or low. */
static enum status parse_host_state(struct word word, uint64_t *value, struct error *error)
{
	for (unsigned i = 0; i < HOST_STATES; i++) {
		if (word_is(word, host_state_name((enum host_state)i))) {
			*value = i;
			return STATUS_OK;
		}
	}
	return error_set(error, STATUS_INVALID, "%.*s is not high, soft, hard or low",
			 word_shown(word), word.text);
}

/* `words`: NAME STATISTIC OP VALUE. */
static enum status parse_condition(const struct word *words, struct condition *condition,
				   struct error *error)
{
	enum vm_stat_unit unit = STAT_PAGES;
	enum status status = STATUS_OK;
	*condition = (struct condition){0};
	if (word_is(words[0], "host")) {
		status = parse_host_value(words[1], &condition->host, error);
	} else {
		condition->vm = commands_vm_find(words[0], error);
		if (condition->vm == NULL) {
			return STATUS_NOT_FOUND;
		}
		status = parse_stat(words[1], &condition->stat, error);
		unit = status == STATUS_OK ? vm_stat_infos[condition->stat].unit : unit;
	}
	if (status == STATUS_OK) {
		status = parse_comparison(words[2], condition, error);
	}
	if (status == STATUS_OK && condition->vm == NULL && condition->host == HOST_VALUE_STATE) {
		status = parse_host_state(words[3], &condition->value, error);
	} else if (status == STATUS_OK) {
		status = parse_value(words[3], unit, &condition->value, error);
	}
	return status;
}

static uint64_t host_value(enum host_value value)
{
	return value == HOST_VALUE_FREE	   ? frame_count_free()
	       : value == HOST_VALUE_SPARE ? promise_spare()
					   : host_limits_report().state;
}

static bool holds(const struct condition *condition)
{
	uint64_t value = condition->vm != NULL ? vm_stat_read(condition->vm, condition->stat)
					       : host_value(condition->host);
	switch (condition->comparison) {
	case IS:
		return value == condition->value;
	case IS_NOT:
		return value != condition->value;
	case BELOW:
		return value < condition->value;
	case AT_MOST:
		return value <= condition->value;
	case ABOVE:
		return value > condition->value;
	case AT_LEAST:
		return value >= condition->value;
	case COMPARISONS:
		break;
	}
	return false;
}

/* `words` are those behind `wait`. */
static enum status begin_wait(const struct word *words, unsigned count, uint64_t now_tsc,
			      struct error *error)
{
	uint64_t seconds = 0;
	struct condition condition;
	bool limited = count == 7 && word_is(words[5], "within");
	bool conditional = count >= 5 && word_is(words[0], "until");
	enum status status;
	if (count == 1) {
		status = parse_seconds(words[0], &seconds, error);
		limited = true;
	} else if (conditional && (count == 5 || limited)) {
		status = parse_condition(words + 1, &condition, error);
		if (status == STATUS_OK && limited) {
			status = parse_seconds(words[6], &seconds, error);
		}
	} else {
		status = error_set(error, STATUS_INVALID,
				   "wait is used as: wait SECONDS, or wait until NAME STATISTIC OP "
				   "VALUE [within SECONDS]");
	}
	if (status != STATUS_OK) {
		return status;
	}
	uint64_t end;
	bool over = __builtin_add_overflow(now_tsc, ticks_from_seconds(seconds), &end);
	script.until_tsc = !limited || over ? UINT64_MAX : end;
	script.conditional = conditional;
	script.waiting = true;
	if (conditional) {
		script.condition = condition;
	}
	return STATUS_OK;
}

static void keep_waiting(uint64_t now_tsc, bool over)
{
	bool late = now_tsc >= script.until_tsc;
	if (script.conditional && holds(&script.condition)) {
		script.waiting = false;
	} else if (late && !script.conditional) {
		script.waiting = false;
	} else if (late || (over && script.conditional)) {
		fail(late ? "it has not come true in that time"
			  : "it can never come true: all VMs have ended");
	}
}

/* The next line without its blanks at both ends, terminated. False: it is longer than any may be.
 */
static bool take_line(char *line, size_t bytes)
{
	size_t used = 0;
	bool fits = true;
	while (script.at < script.bytes) {
		char c = script.text[script.at++];
		if (c == '\n') {
			break;
		}
		c = (char)(c == '\t' || c == '\r' ? ' ' : c);
		fits = fits && used < bytes - 1;
		if (fits && (used > 0 || c != ' ')) {
			line[used++] = c;
		}
	}
	while (used > 0 && line[used - 1] == ' ') {
		used--;
	}
	line[used] = '\0';
	script.line++;
	return fits;
}

static bool is_printable(const char *line)
{
	for (; *line != '\0'; line++) {
		if (*line < ' ' || *line > '~') {
			return false;
		}
	}
	return true;
}

static void run_line(const char *line, uint64_t now_tsc)
{
	struct word words[COMMAND_WORDS_MAX];
	unsigned count = 0;
	struct error error;
	enum status status;
	const char *rest = line;
	struct word name = word_next(&rest);
	log_event(NULL, "script: line %u: %s", script.line, line);
	if (!word_is(name, "wait")) {
		status = command_run(line, true, &error);
	} else {
		for (struct word word = word_next(&rest);
		     word.length > 0 && count < COMMAND_WORDS_MAX; word = word_next(&rest)) {
			words[count++] = word;
		}
		status = begin_wait(words, count, now_tsc, &error);
	}
	if (status != STATUS_OK) {
		fail(error.text);
	}
}

void script_poll(uint64_t now_tsc, bool over)
{
	char line[COMMAND_LINE_BYTES];
	if (!script_is_busy() || command_is_busy() || !output_is_empty()) {
		return;
	}
	if (script.waiting) {
		keep_waiting(now_tsc, over);
		return;
	}
	if (!take_line(line, sizeof(line))) {
		fail("it is longer than 255 bytes");
	} else if (!is_printable(line)) {
		fail("it has bytes that are not text");
	} else if (line[0] != '\0' && line[0] != '#') {
		run_line(line, now_tsc);
	}
}
