/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The checks of a lab (docs/labs). Each runs in a process of its own, so that one that crashes or
 * does not end (within 2 seconds of processor time; 60 seconds; 1 MiB of output) costs its own
 * points and no others. When 8 checks have ended so, or all have taken 40 seconds of processor
 * time, or 100 seconds, the rest is not run, so that a grade of anything ends. A right file takes a
 * second or two in all: seconds that are not of a processor end only what sleeps. The environment
 * may lower them (LAB_SECONDS, LAB_SLEEP, LAB_SECONDS_OF_ALL, LAB_SLEEP_OF_ALL), for tests. A check
 * passes when its function has returned: the process then sends a random token over a pipe, and an
 * exit from inside the code under test does not. What it prints, and why it was lost, is printed as
 * TAP: `ok N - NAME` or `not ok N - NAME`, then `# points N` and the explanation in lines that
 * begin with `# `. The last line is `# key KEY`, where the environment has one in LAB_KEY.
 * tools/lab makes the score of it.
 *
 * The questions of a lab are asked only where the environment names a file of answers
 * (LAB_ANSWERS): lines `NAME = ANSWER`, `#` begins a comment. The right ones are in another such
 * file (LAB_RIGHT), because the code that runs here may be unfinished. Without LAB_RIGHT they are
 * worked out by running the code: on the whole tree both must be the same.
 */
#ifndef HOST_LABS_CHECK_H
#define HOST_LABS_CHECK_H

#include <stdint.h>

struct check {
	const char *name;
	unsigned points;
	void (*run)(void); /* returns when all is right, else ends in lost() */
};

struct question {
	const char *name;
	unsigned points;
	const char *(*worked_out)(void); /* the answer, where the code is whole */
	const char *hint;		 /* what to read again */
};

/* The check that runs. */
const struct check *labs_check(void);

/* Until the next one begins labs_check() is NULL: for a process that is not to know it. */
void labs_forget(void);

/* Ends the check that runs, with this explanation. */
_Noreturn void lost(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The same, where it was a limit that ended it: these are counted. */
_Noreturn void lost_at_limit(const char *format, ...) __attribute__((format(printf, 1, 2)));

#define want(condition, ...)                                                                       \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			lost(__VA_ARGS__);                                                         \
		}                                                                                  \
	} while (0)

/* `what` is a part of an error message: "the target". */
void want_number(const char *what, uint64_t found, uint64_t right);

/* A number as text, decimal or hexadecimal, in one of some static buffers. */
const char *text_of(uint64_t number);

/* Runs them all; the exit status of the program. Inside a check it ends that check as lost. */
int labs_run(const struct check *checks, unsigned checks_count, const struct question *questions,
	     unsigned questions_count);

#define LABS_COUNT(array) (sizeof(array) / sizeof((array)[0]))

#endif
