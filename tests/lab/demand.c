/* SPDX-License-Identifier: BSD-2-Clause */
/* See demand.h. */
#include "tests/lab/demand.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tests/lab/world.h"

#define LINE_SIZE 512
#define STEP_MS_MAX 60000
#define PAGES_MAX (1ull << 28) /* 1 TiB: products of two such numbers stay below 2^64 */

struct reader {
	FILE *file;
	unsigned line_number;
	char line[LINE_SIZE];
	char *at; /* what of the line has not been read yet */
	char *error;
	bool failed;
};

static void fail(struct reader *reader, const char *what)
{
	if (!reader->failed) {
		(void)snprintf(reader->error, DEMAND_ERROR_SIZE, "line %u: %s", reader->line_number,
			       what);
	}
	reader->failed = true;
}

static void next_line(struct reader *reader)
{
	reader->line_number++;
	reader->at = reader->line;
	if (fgets(reader->line, sizeof(reader->line), reader->file) == NULL) {
		reader->line[0] = '\0';
		fail(reader, "the file ends here");
	} else if (strchr(reader->line, '\n') == NULL) {
		fail(reader, "it is too long, or not ended");
	}
}

/* The next word, behind one blank or at the start of the line; "" if there is none. */
static char *next_word(struct reader *reader)
{
	char *word = reader->at;
	size_t length = strcspn(word, " \n");
	reader->at += length + (word[length] != '\0' ? 1 : 0);
	word[length] = '\0';
	return word;
}

static void expect(struct reader *reader, const char *wanted, const char *what)
{
	if (strcmp(next_word(reader), wanted) != 0) {
		fail(reader, what);
	}
}

static void expect_end(struct reader *reader)
{
	if (*reader->at != '\0') {
		fail(reader, "there is more on it than should be");
	}
}

/* `least` where there is none. */
static uint64_t next_number(struct reader *reader, uint64_t least, uint64_t most)
{
	const char *word = next_word(reader);
	size_t digits = strspn(word, "0123456789");
	uint64_t value = digits > 0 && digits < 18 ? strtoull(word, NULL, 10) : most + 1;
	if (word[digits] != '\0' || value < least || value > most) {
		fail(reader, "a number is missing or out of its range");
		return least;
	}
	return value;
}

static uint64_t line_of_number(struct reader *reader, const char *name, uint64_t least,
			       uint64_t most)
{
	next_line(reader);
	expect(reader, name, "it should say step_ms, vms or samples, in this order");
	uint64_t value = next_number(reader, least, most);
	expect_end(reader);
	return value;
}

static void read_vm(struct reader *reader, struct demand *demand, unsigned vm)
{
	next_line(reader);
	expect(reader, "vm", "it should be of a VM");
	if (*next_word(reader) == '\0') {
		fail(reader, "the VM has no name");
	}
	expect(reader, "mem_pages", "it should say the VM's mem_pages");
	demand->mem_pages[vm] = next_number(reader, 1, PAGES_MAX);
	expect(reader, "max_pages", "it should say the VM's max_pages");
	demand->max_pages[vm] = next_number(reader, demand->mem_pages[vm], PAGES_MAX);
	expect_end(reader);
}

bool demand_read(struct demand *demand, FILE *file, char error[DEMAND_ERROR_SIZE])
{
	struct reader reader = {.file = file, .error = error};
	next_line(&reader);
	expect(&reader, "aerostat-demand", "this is no recorded demand");
	expect(&reader, "1", "it is of a version that is not known");
	expect_end(&reader);
	uint64_t step_ms = line_of_number(&reader, "step_ms", LAB_PERIOD_MS, STEP_MS_MAX);
	if (step_ms % LAB_PERIOD_MS != 0) {
		fail(&reader, "the step is no multiple of 10 ms");
	}
	demand->step_periods = (unsigned)(step_ms / LAB_PERIOD_MS);
	demand->vms = (unsigned)line_of_number(&reader, "vms", 1, DEMAND_VMS_MAX);
	for (unsigned vm = 0; vm < demand->vms && !reader.failed; vm++) {
		read_vm(&reader, demand, vm);
	}
	demand->samples = (unsigned)line_of_number(&reader, "samples", 1, DEMAND_SAMPLES_MAX);
	for (unsigned i = 0; i < demand->samples && !reader.failed; i++) {
		next_line(&reader);
		for (unsigned vm = 0; vm < demand->vms; vm++) {
			demand->pages[i][vm] = next_number(&reader, 0, demand->max_pages[vm]);
		}
		expect_end(&reader);
	}
	if (!reader.failed && fgetc(file) != EOF) {
		reader.line_number++;
		fail(&reader, "there are more lines than samples");
	}
	return !reader.failed;
}

uint64_t demand_pages(const struct demand *demand, unsigned number, uint64_t mem_pages,
		      uint64_t period)
{
	unsigned vm = number % demand->vms;
	uint64_t at = period / demand->step_periods % demand->samples;
	return mem_pages * demand->pages[at][vm] / demand->mem_pages[vm];
}
