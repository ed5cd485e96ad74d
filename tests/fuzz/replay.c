/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target as a host test: every line of its corpus, then pseudo-random mutations of
 * those. The same inputs every time; FUZZ_ROUNDS and FUZZ_SEED ask for others. A failure prints the
 * input as a line that can be added to the corpus.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fake/environment.h"
#include "fuzz.h"

#define INPUT_BYTES_MAX 16384
#define INPUTS_MAX 4096
#define ROUNDS 300

struct text {
	uint8_t *data;
	size_t bytes;
};

static struct text inputs[INPUTS_MAX];
static unsigned input_count;
static struct text current; /* what runs now */
static uint64_t random_state;

static uint64_t random_below(uint64_t limit)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % limit;
}

static void add_line(const char *line)
{
	size_t bytes = strlen(line) / 2;
	uint8_t *data = malloc(bytes + 1);
	for (size_t i = 0; i < bytes; i++) {
		unsigned value;
		assert_int_equal(sscanf(line + 2 * i, "%2x", &value), 1);
		data[i] = (uint8_t)value;
	}
	assert_true(input_count < INPUTS_MAX);
	inputs[input_count++] = (struct text){data, bytes};
}

static int read_corpus(void **state)
{
	char path[128];
	static char line[2 * INPUT_BYTES_MAX + 2];
	(void)state;
	snprintf(path, sizeof(path), "tests/fuzz/corpus/%s.hex", fuzz_name);
	FILE *file = fopen(path, "r");
	if (file == NULL) {
		print_error("%s cannot be read; run this from the top of the tree\n", path);
		return -1;
	}
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] != '#') {
			add_line(line);
		}
	}
	fclose(file);
	return input_count > 0 ? 0 : -1;
}

static int forget(void **state)
{
	(void)state;
	while (input_count > 0) {
		free(inputs[--input_count].data);
	}
	free(current.data);
	current = (struct text){0};
	return 0;
}

/* After a failure: the input that did it. */
static int show_current(void **state)
{
	(void)state;
	if (current.data != NULL) {
		print_error("the input was:\n");
		for (size_t i = 0; i < current.bytes; i++) {
			print_error("%02x", current.data[i]);
		}
		print_error("\n");
	}
	return 0;
}

static void run(const uint8_t *data, size_t bytes)
{
	free(current.data);
	current.data = malloc(bytes + 1);
	current.bytes = bytes;
	memcpy(current.data, data, bytes);
	LLVMFuzzerTestOneInput(current.data, bytes);
	free(current.data);
	current = (struct text){0};
}

static void corpus(void **state)
{
	(void)state;
	for (unsigned i = 0; i < input_count; i++) {
		run(inputs[i].data, inputs[i].bytes);
	}
}

/* Some bytes changed, some cut out, or the end of another input behind it. */
static size_t mutate(uint8_t *data, size_t bytes)
{
	for (uint64_t edits = random_below(4) + 1; edits > 0 && bytes > 0; edits--) {
		size_t at = random_below(bytes);
		size_t length = random_below(8) + 1;
		switch (random_below(4)) {
		case 0:
			data[at] = (uint8_t)random_below(256);
			break;
		case 1:
			data[at] ^= (uint8_t)(1u << random_below(8));
			break;
		case 2:
			length = length < bytes - at ? length : bytes - at;
			memmove(data + at, data + at + length, bytes - at - length);
			bytes -= length;
			break;
		default: {
			const struct text *other = &inputs[random_below(input_count)];
			size_t from = other->bytes > 0 ? random_below(other->bytes) : 0;
			size_t more = other->bytes - from;
			more = more < INPUT_BYTES_MAX - at ? more : INPUT_BYTES_MAX - at;
			memcpy(data + at, other->data + from, more);
			bytes = at + more;
		}
		}
	}
	return bytes;
}

static void mutations(void **state)
{
	static uint8_t data[INPUT_BYTES_MAX];
	uint64_t rounds = environment_number("FUZZ_ROUNDS", ROUNDS);
	uint64_t seed = environment_number("FUZZ_SEED", 1);
	(void)state;
	random_state = seed * 0x9e3779b97f4a7c15 | 1;
	for (uint64_t i = 0; i < rounds; i++) {
		const struct text *from = &inputs[random_below(input_count)];
		size_t bytes = from->bytes < INPUT_BYTES_MAX ? from->bytes : INPUT_BYTES_MAX;
		memcpy(data, from->data, bytes);
		run(data, mutate(data, bytes));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(corpus, show_current),
		cmocka_unit_test_teardown(mutations, show_current),
	};
	return cmocka_run_group_tests_name(fuzz_name, tests, read_corpus, forget);
}
