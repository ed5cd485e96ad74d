/* SPDX-License-Identifier: BSD-2-Clause */
/* See check.h. */
#include "labs/check.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SECONDS_OF_CPU 2    /* of a check that takes some hundredths: it does not end */
#define SECONDS_OF_SLEEP 60 /* a process that sleeps uses no CPU */
#define LIMITS_MOST 8
#define SECONDS_OF_CPU_OF_ALL 40 /* of right files that take one or two */
#define SECONDS_OF_ALL 100	 /* of the clock on the wall, against sleep only */
#define LIMIT_STATUS 3
#define OUTPUT_BYTES (1024 * 1024)
#define SAID_LINES 12
#define WORD_BYTES 128

static _Noreturn void __attribute__((format(printf, 2, 0)))
say_and_end(int status, const char *format, va_list arguments)
{
	vprintf(format, arguments);
	printf("\n");
	fflush(stdout);
	_exit(status);
}

void lost(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say_and_end(1, format, arguments);
}

void lost_at_limit(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	say_and_end(LIMIT_STATUS, format, arguments);
}

void want_number(const char *what, uint64_t found, uint64_t right)
{
	want(found == right, "%s is %llu (0x%llx), should be %llu (0x%llx)", what,
	     (unsigned long long)found, (unsigned long long)found, (unsigned long long)right,
	     (unsigned long long)right);
}

const char *text_of(uint64_t number)
{
	static char texts[4][24];
	static unsigned next;
	char *text = texts[next++ % 4];
	snprintf(text, sizeof(texts[0]), "%llu", (unsigned long long)number);
	return text;
}

/* ---- One check --------------------------------------------------------------------------------
 */

static const struct check *runs;
static bool inside; /* in the process of a check, and in those that it makes */

const struct check *labs_check(void)
{
	return runs;
}

void labs_forget(void)
{
	runs = NULL;
}

/* The environment may say less than the limit, which is what tests do. */
static unsigned seconds_of(const char *variable, unsigned most)
{
	const char *text = getenv(variable);
	unsigned long seconds = text == NULL ? 0 : strtoul(text, NULL, 10);
	return seconds > 0 && seconds < most ? (unsigned)seconds : most;
}

static unsigned seconds_of_cpu(void)
{
	return seconds_of("LAB_SECONDS", SECONDS_OF_CPU);
}

static unsigned seconds_of_sleep(void)
{
	return seconds_of("LAB_SLEEP", SECONDS_OF_SLEEP);
}

static _Noreturn void fail(const char *what)
{
	perror(what);
	exit(2);
}

/* The token says that run() has returned: an exit before it, with whatever status, has none. */
static _Noreturn void be_the_check(void (*run)(void), FILE *said, int pipe_end, uint64_t token)
{
	const struct rlimit time = {seconds_of_cpu(), seconds_of_cpu()};
	const struct rlimit output = {OUTPUT_BYTES, OUTPUT_BYTES};
	inside = true;
	setrlimit(RLIMIT_CPU, &time);
	setrlimit(RLIMIT_FSIZE, &output);
	alarm(seconds_of_sleep());
	dup2(fileno(said), STDOUT_FILENO);
	dup2(fileno(said), STDERR_FILENO);
	setenv("CMOCKA_TEST_ABORT", "1", 1); /* else a failed assertion of a model says nothing */
	run();
	fflush(NULL);
	bool sent = write(pipe_end, &token, sizeof(token)) == (ssize_t)sizeof(token);
	_exit(sent ? 0 : 1); /* without the search for leaks: a world is not taken down */
}

/* Does not wait: a process that the check has left behind may hold the other end. */
static bool token_came(int pipe_end, uint64_t token)
{
	uint64_t found = ~token;
	fcntl(pipe_end, F_SETFL, O_NONBLOCK);
	return read(pipe_end, &found, sizeof(found)) == (ssize_t)sizeof(found) && found == token;
}

/* ---- All checks -------------------------------------------------------------------------------
 */

static struct {
	unsigned limits; /* checks that were ended at a limit */
	struct timespec began;
} spent;

static bool ended_at_limit(int status)
{
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	return signal == SIGKILL || signal == SIGXCPU || signal == SIGALRM || signal == SIGXFSZ ||
	       (WIFEXITED(status) && WEXITSTATUS(status) == LIMIT_STATUS);
}

/* Of the checks that have ended, and of the processes that these have waited for. */
static unsigned cpu_seconds_of_all(void)
{
	struct rusage used;
	if (getrusage(RUSAGE_CHILDREN, &used) != 0) {
		fail("the time that checks have taken");
	}
	long micros = used.ru_utime.tv_usec + used.ru_stime.tv_usec;
	return (unsigned)(used.ru_utime.tv_sec + used.ru_stime.tv_sec + micros / 1000000);
}

static unsigned seconds_of_all(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (unsigned)(now.tv_sec - spent.began.tv_sec);
}

/* Why no further check is to run; NULL: one may. */
static const char *time_used_up(void)
{
	static char why[WORD_BYTES];
	unsigned cpu_most = seconds_of("LAB_SECONDS_OF_ALL", SECONDS_OF_CPU_OF_ALL);
	unsigned most = seconds_of("LAB_SLEEP_OF_ALL", SECONDS_OF_ALL);
	if (spent.limits >= LIMITS_MOST) {
		snprintf(why, sizeof(why), "%u checks before this one did not end", spent.limits);
	} else if (cpu_seconds_of_all() >= cpu_most) {
		snprintf(why, sizeof(why), "the checks before this one took %u seconds of CPU time",
			 cpu_most);
	} else if (seconds_of_all() >= most) {
		snprintf(why, sizeof(why), "the checks before this one took %u seconds", most);
	} else {
		return NULL;
	}
	return why;
}

static void report(bool passed, const struct check *check, unsigned number)
{
	printf("%sok %u - %s\n# points %u\n", passed ? "" : "not ", number, check->name,
	       check->points);
}

/*
 * Every lost point has a reason; tools/lab_grade.py knows these lines by their first words.
 * `nothing_said`: the check's process has printed none.
 */
static void explain_the_end(int status, bool nothing_said)
{
	int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
	if (signal == SIGKILL || signal == SIGXCPU) {
		printf("# it did not end within %u seconds of processor time\n", seconds_of_cpu());
	} else if (signal == SIGALRM) {
		printf("# it did not end within %u seconds\n", seconds_of_sleep());
	} else if (signal == SIGXFSZ) {
		printf("# it did not end within %u bytes of output\n", OUTPUT_BYTES);
	} else if (WIFEXITED(status) && WEXITSTATUS(status) == 0) {
		printf("# it ended its process (exit status 0) before the check was through\n");
	} else if (nothing_said && WIFSIGNALED(status)) {
		printf("# it was ended by signal %d (%s)\n", signal, strsignal(signal));
	} else if (nothing_said) {
		printf("# it ended its process with exit status %d\n", WEXITSTATUS(status));
	}
}

/* What the check's process has printed, in lines that are no results themselves. */
static void repeat(FILE *said)
{
	char line[400];
	rewind(said);
	for (unsigned i = 0; i < SAID_LINES && fgets(line, sizeof(line), said) != NULL;) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '\0') {
			printf("# %s\n", line);
			i++;
		}
	}
}

static bool run_check(const struct check *check, unsigned number)
{
	int status = 0;
	int ends[2];
	uint64_t token;
	FILE *said = tmpfile();
	runs = check;
	if (said == NULL || pipe(ends) != 0 ||
	    getrandom(&token, sizeof(token), 0) != (ssize_t)sizeof(token)) {
		fail("a file and a pipe for a check");
	}
	fflush(NULL);
	pid_t child = fork();
	if (child < 0) {
		fail("fork");
	}
	if (child == 0) {
		close(ends[0]);
		be_the_check(check->run, said, ends[1], token);
	}
	close(ends[1]);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	bool passed = token_came(ends[0], token) && WIFEXITED(status) && WEXITSTATUS(status) == 0;
	close(ends[0]);
	report(passed, check, number);
	if (!passed) {
		spent.limits += ended_at_limit(status) ? 1 : 0;
		fseek(said, 0, SEEK_END);
		explain_the_end(status, ftell(said) == 0);
		repeat(said);
	}
	fclose(said);
	return passed;
}

/* ---- Questions --------------------------------------------------------------------------------
 */

/* The answer to `name` in the file, without blanks at both ends; "" when there is none. */
static void read_answer(const char *path, const char *name, char word[WORD_BYTES])
{
	char line[512];
	FILE *file = fopen(path, "r");
	word[0] = '\0';
	while (file != NULL && fgets(line, sizeof(line), file) != NULL) {
		char key[64];
		line[strcspn(line, "#\n\r")] = '\0';
		if (sscanf(line, " %63[^= \t] = %127s", key, word) == 2 && strcmp(key, name) == 0) {
			break;
		}
		word[0] = '\0';
	}
	if (file != NULL) {
		fclose(file);
	}
}

/* The same number in any notation, or the same word. */
static bool same(const char *answer, const char *right)
{
	char *end;
	char *right_end;
	uint64_t number = strtoull(answer, &end, 0);
	uint64_t right_number = strtoull(right, &right_end, 0);
	if (*end == '\0' && *right_end == '\0' && end != answer && right_end != right) {
		return answer[0] != '-' && number == right_number;
	}
	return strcasecmp(answer, right) == 0;
}

static const struct question *asked;
static const char *answers_path;
static const char *right_path;

/* In the process of a check. */
static void ask(void)
{
	char word[WORD_BYTES];
	char right[WORD_BYTES];
	read_answer(answers_path, asked->name, word);
	want(word[0] != '\0', "there is no answer to it in answers.txt: %s", asked->hint);
	if (right_path == NULL) {
		snprintf(right, sizeof(right), "%s", asked->worked_out());
	} else {
		read_answer(right_path, asked->name, right);
		want(right[0] != '\0', "the lab itself has no answer to it: tell its author");
	}
	want(same(word, right), "%s is not right: %s", word, asked->hint);
}

int labs_run(const struct check *checks, unsigned checks_count, const struct question *questions,
	     unsigned questions_count)
{
	unsigned number = 0;
	bool passed = true;
	char key[WORD_BYTES] = "";
	want(!inside, "the checks are run from inside a check");
	if (getenv("LAB_KEY") != NULL) {
		snprintf(key, sizeof(key), "%s", getenv("LAB_KEY"));
		unsetenv("LAB_KEY"); /* no check's environment has it */
	}
	clock_gettime(CLOCK_MONOTONIC, &spent.began);
	for (unsigned i = 0; i < checks_count; i++) {
		const char *why = time_used_up();
		if (why != NULL) {
			report(false, &checks[i], ++number);
			printf("# not run: time used up: %s\n", why);
		}
		passed &= why == NULL && run_check(&checks[i], ++number);
	}
	answers_path = getenv("LAB_ANSWERS");
	right_path = getenv("LAB_RIGHT");
	for (unsigned i = 0; answers_path != NULL && i < questions_count; i++) {
		const struct check question = {questions[i].name, questions[i].points, ask};
		asked = &questions[i];
		passed &= run_check(&question, ++number);
	}
	printf("1..%u\n", number);
	if (key[0] != '\0') {
		printf("# key %s\n", key);
	}
	return passed ? 0 : 1;
}
