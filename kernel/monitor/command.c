/* SPDX-License-Identifier: BSD-2-Clause */
/* See command.h. */
#include "kernel/monitor/command.h"

#include "base/bits.h"
#include "base/string.h"
#include "kernel/monitor/commands.h"
#include "kernel/monitor/commands_vm.h"
#include "kernel/monitor/output.h"
#include "kernel/vm/vm.h"

#define NEAR_MOST 3 /* so many changes away, a word is another word */
#define DISTANCE_BYTES 32

static const struct command_group *const groups[] = {
	&commands_vm, &commands_steer, &commands_memory, &commands_trace, &commands_host,
};

static command_stepper stepper;

const struct command_group *command_group_at(unsigned index)
{
	return index < ARRAY_COUNT(groups) ? groups[index] : NULL;
}

const struct command *command_at(unsigned index)
{
	for (unsigned i = 0; i < ARRAY_COUNT(groups); i++) {
		if (index < groups[i]->count) {
			return &groups[i]->commands[index];
		}
		index -= groups[i]->count;
	}
	return NULL;
}

const struct command *command_find(struct word name)
{
	const struct command *command;
	for (unsigned i = 0; (command = command_at(i)) != NULL; i++) {
		if (word_is(name, command->name)) {
			return command;
		}
	}
	return NULL;
}

static struct word word_of(const char *text)
{
	return (struct word){text, strlen(text)};
}

static bool begins_with(const char *name, struct word word)
{
	return strncmp(name, word.text, word.length) == 0;
}

bool command_is_begun(struct word word)
{
	const struct command *command;
	for (unsigned i = 0; (command = command_at(i)) != NULL; i++) {
		if (begins_with(command->name, word)) {
			return true;
		}
	}
	return false;
}

static bool is_swap(struct word from, struct word to, size_t i, size_t j)
{
	return i > 1 && j > 1 && from.text[i - 1] == to.text[j - 2] &&
	       from.text[i - 2] == to.text[j - 1];
}

/* Optimal string alignment, row by row. */
unsigned command_distance(struct word from, struct word to, unsigned most)
{
	unsigned rows[3][DISTANCE_BYTES + 1];
	if (from.length > DISTANCE_BYTES || to.length > DISTANCE_BYTES) {
		return most + 1;
	}
	for (unsigned j = 0; j <= to.length; j++) {
		rows[0][j] = j;
	}
	for (unsigned i = 1; i <= from.length; i++) {
		unsigned *row = rows[i % 3];
		const unsigned *above = rows[(i - 1) % 3];
		row[0] = i;
		for (unsigned j = 1; j <= to.length; j++) {
			unsigned change = from.text[i - 1] == to.text[j - 1] ? 0 : 1;
			unsigned best = above[j - 1] + change;
			best = (unsigned)min_u64(best, min_u64(above[j], row[j - 1]) + 1);
			if (is_swap(from, to, i, j)) {
				best = (unsigned)min_u64(best, rows[(i + 1) % 3][j - 2] + 1);
			}
			row[j] = best;
		}
	}
	return rows[from.length % 3][to.length];
}

const char *command_nearest(struct word word)
{
	const char *nearest = NULL;
	unsigned least = (unsigned)min_u64(NEAR_MOST, word.length);
	const struct command *command;
	for (unsigned i = 0; (command = command_at(i)) != NULL; i++) {
		unsigned distance = command_distance(word, word_of(command->name), NEAR_MOST);
		distance = word.length > 0 && begins_with(command->name, word) ? 0 : distance;
		if (distance < least || (distance == least && nearest == NULL)) {
			nearest = command->name;
			least = distance;
		}
	}
	return nearest;
}

static enum status refuse_name(struct word name, struct error *error)
{
	const char *nearest = command_nearest(name);
	return error_set(error, STATUS_NOT_FOUND, "there is no command %.*s: %s%s",
			 word_shown(name), name.text,
			 nearest != NULL ? "the nearest is " : "help lists them all",
			 nearest != NULL ? nearest : "");
}

static enum status refuse_count(const struct command *command, unsigned count, struct error *error)
{
	return error_set(error, STATUS_INVALID, "%s: %s; it is used as: %s%s%s (%s)", command->name,
			 count < command->least ? "an argument is missing" : "an argument too many",
			 command->name, command->arguments[0] != '\0' ? " " : "",
			 command->arguments, command->example);
}

/* False: the line has more words than any command takes. */
static bool split(const char *line, struct word *name, struct command_call *call)
{
	*name = word_next(&line);
	call->count = 0;
	for (struct word word = word_next(&line); word.length > 0; word = word_next(&line)) {
		if (call->count == COMMAND_WORDS_MAX) {
			return false;
		}
		call->words[call->count++] = word;
	}
	return true;
}

/* With NAME*: true, and the beginning. */
static bool takes_beginning(const struct command *command, struct word *name)
{
	if (!command->takes_many || name->length == 0 || name->text[name->length - 1] != '*') {
		return false;
	}
	name->length--;
	return true;
}

/* Those that have ended, or end meanwhile, are passed over; one that was not started is not. Any
 * other refusal ends it. */
static enum status run_for_each(const struct command *command, struct command_call *call,
				struct word beginning, struct error *error)
{
	bool found = false;
	for (unsigned i = 0; i < vm_count; i++) {
		if (!begins_with(vm_name(&vms[i]), beginning)) {
			continue;
		}
		found = true;
		call->vm = &vms[i];
		enum vm_state is = vm_state_now(call->vm);
		if (is != VM_RUNNING && is != VM_LATER) {
			continue;
		}
		enum status status = command->run(call, error);
		if (status != STATUS_OK && vm_state_now(call->vm) == VM_RUNNING) {
			return status;
		}
	}
	return found ? STATUS_OK
		     : error_set(error, STATUS_NOT_FOUND, "no VM's name begins with %.*s",
				 word_shown(beginning), beginning.text);
}

enum status command_run(const char *line, bool script, struct error *error)
{
	struct command_call call = {.script = script};
	struct word name;
	error->text[0] = '\0';
	bool fits = split(line, &name, &call);
	if (name.length == 0 || name.text[0] == '#') {
		return STATUS_OK;
	}
	const struct command *command = command_find(name);
	if (command == NULL) {
		return refuse_name(name, error);
	}
	if (!fits || call.count < command->least || call.count > command->most) {
		return refuse_count(command, fits ? call.count : command->most + 1, error);
	}
	struct word beginning = call.count > 0 ? call.words[0] : name;
	if (takes_beginning(command, &beginning)) {
		return run_for_each(command, &call, beginning, error);
	}
	bool is_host = command->takes_host && call.count > 0 && word_is(call.words[0], "host");
	if (command->takes_vm && call.count > 0 && !is_host) {
		call.vm = commands_vm_find(call.words[0], error);
		if (call.vm == NULL) {
			return STATUS_NOT_FOUND;
		}
	}
	return command->run(&call, error);
}

/* Of a completion: what the ends that fit have in common. */
struct ends {
	struct word begun;
	unsigned count;
	bool show;
	char *common;
	size_t length;
	size_t bytes;
};

static void consider(struct ends *ends, struct word candidate)
{
	if (candidate.length < ends->begun.length ||
	    memcmp(candidate.text, ends->begun.text, ends->begun.length) != 0) {
		return;
	}
	const char *rest = candidate.text + ends->begun.length;
	size_t length = min_u64(candidate.length - ends->begun.length, ends->bytes - 1);
	if (ends->count++ == 0) {
		memcpy(ends->common, rest, length);
		ends->length = length;
	}
	size_t same = 0;
	while (same < ends->length && same < length && rest[same] == ends->common[same]) {
		same++;
	}
	ends->length = same;
	ends->common[same] = '\0';
	if (ends->show) {
		output_print("  %.*s", (int)candidate.length, candidate.text);
	}
}

static void consider_commands(struct ends *ends)
{
	const struct command *command;
	for (unsigned i = 0; (command = command_at(i)) != NULL; i++) {
		consider(ends, word_of(command->name));
	}
}

/* The last word of the line, and how many stand before it. */
static struct word last_word(const char *line, struct word *first, unsigned *before)
{
	struct word word = word_next(&line);
	*first = word;
	*before = 0;
	while (*line == ' ') {
		word = word_next(&line);
		(*before)++;
	}
	return word;
}

unsigned command_complete(const char *line, bool show, char *common, size_t bytes)
{
	struct word name;
	unsigned before;
	struct ends ends = {.show = show, .common = common, .bytes = bytes};
	common[0] = '\0';
	ends.begun = last_word(line, &name, &before);
	if (before == 0) {
		consider_commands(&ends);
		return ends.count;
	}
	const struct command *command = command_find(name);
	if (command == NULL || before > command->most) {
		return 0;
	}
	if (command->takes_vm && before == 1) {
		for (unsigned i = 0; i < vm_count; i++) {
			consider(&ends, word_of(vm_name(&vms[i])));
		}
		if (command->takes_host) {
			consider(&ends, word_of("host"));
		}
		return ends.count;
	}
	if (word_is(name, "help")) {
		consider_commands(&ends);
	}
	const char *choices = command->choices != NULL ? command->choices : "";
	for (struct word word = word_next(&choices); word.length > 0; word = word_next(&choices)) {
		consider(&ends, word);
	}
	return ends.count;
}

void command_go_on(command_stepper step)
{
	stepper = step;
}

bool command_is_busy(void)
{
	return stepper != NULL;
}

void command_stop(void)
{
	stepper = NULL;
}

void command_step(uint64_t now_tsc, int key)
{
	if (stepper != NULL && !stepper(now_tsc, key)) {
		stepper = NULL;
	}
}
