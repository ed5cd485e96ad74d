/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What every fuzz target defines and may use. A target is one source with fuzz_name and
 * LLVMFuzzerTestOneInput(); it is linked with libFuzzer (make fuzz) and, as a host test, with
 * replay.c, which runs the corpus and pseudo-random mutations of it without a fuzzer.
 */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include <string.h>

#include "base/error.h"

extern const char fuzz_name[]; /* tests/fuzz/corpus/NAME.hex */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* A broken expectation ends the run: as a crash under the fuzzer, as a failed test elsewhere. */
#define FUZZ_CHECK(condition)                                                                      \
	do {                                                                                       \
		if (!(condition)) {                                                                \
			fail_msg("%s:%d: %s", __FILE__, __LINE__, #condition);                     \
		}                                                                                  \
	} while (0)

/* The input, taken apart from the front; what is missing at the end reads as 0. */
struct fuzz_input {
	const uint8_t *data;
	size_t bytes;
};

static inline uint64_t fuzz_take(struct fuzz_input *input, unsigned bytes)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < bytes && input->bytes > 0; i++) {
		value |= (uint64_t)*input->data << (8 * i);
		input->data++;
		input->bytes--;
	}
	return value;
}

/* An error message ends inside its buffer; it is empty unless something was refused. */
static inline void fuzz_check_error(const struct error *error, bool refused)
{
	size_t length = strnlen(error->text, sizeof(error->text));
	FUZZ_CHECK(length < sizeof(error->text));
	FUZZ_CHECK(refused == (length > 0));
}

#endif
