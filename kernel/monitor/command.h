/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Commands of the monitor. Each group is a table in a file of its own
 * (kernel/monitor/commands_*.c); a new command is one entry there and one function. What a command
 * wants to know is checked here: that there are as many arguments as it takes, and that the VM it
 * names exists. Boot CPU only.
 */
#ifndef KERNEL_MONITOR_COMMAND_H
#define KERNEL_MONITOR_COMMAND_H

#include "base/error.h"
#include "base/types.h"
#include "kernel/lib/words.h"

#define COMMAND_WORDS_MAX 16
#define COMMAND_LINE_BYTES 256

struct vm;

/* The line without its command, and the VM that the first of them names. */
struct command_call {
	unsigned count;
	struct word words[COMMAND_WORDS_MAX];
	struct vm *vm; /* NULL: the command takes none */
	bool script;   /* no operator watches it */
};

struct command {
	const char *name;
	const char *arguments; /* for help: "NAME SIZE|auto" */
	const char *meaning;
	const char *example;
	unsigned least; /* arguments, the VM's name included */
	unsigned most;
	bool takes_vm;	     /* the first argument is the name of a VM */
	bool takes_host;     /* or the word host, before a VM of that name: `vm` is NULL then */
	bool takes_many;     /* NAME* stands for each that runs and whose name begins so */
	const char *choices; /* words that may follow, for completion: "min mem" */
	/* INVALID or another failure: *error says why, and nothing has changed. */
	enum status (*run)(const struct command_call *call, struct error *error);
};

struct command_group {
	const char *title;
	const struct command *commands;
	unsigned count;
};

/* By number, over all groups; NULL behind the last. */
const struct command *command_at(unsigned index);
const struct command_group *command_group_at(unsigned index);

const struct command *command_find(struct word name);

/* The name of the command that `word` was probably meant to be, or NULL. */
const char *command_nearest(struct word word);

/* How many changes of one letter, or swaps of two, lead from one word to the other, at most `most`.
 */
unsigned command_distance(struct word from, struct word to, unsigned most);

/* A command begins with these letters. */
bool command_is_begun(struct word word);

/*
 * Runs one line; an empty one, or one that begins with #, does nothing. Anything but OK: *error
 * says in one line what is wrong with it, and nothing has changed.
 */
MUST_CHECK enum status command_run(const char *line, bool script, struct error *error);

/*
 * What can stand behind `line`: the letters that all possible ends have in common, and how many
 * ends there are; with `show` they are printed.
 */
unsigned command_complete(const char *line, bool show, char *common, size_t bytes);

/*
 * A command that is not done at once leaves a step behind, which is called between two guests, with
 * a key of the operator or -1, until it returns false. The output may have no room: the step looks.
 */
typedef bool (*command_stepper)(uint64_t now_tsc, int key);
void command_go_on(command_stepper step);
bool command_is_busy(void);
void command_step(uint64_t now_tsc, int key);

/* The operator has had enough of it. */
void command_stop(void);

#endif
