/* SPDX-License-Identifier: BSD-2-Clause */
/* The hypervisor's command line: every word is taken or complained about, and nothing overflows. */
#include <stdlib.h>

#include "fuzz.h"

#include "base/bits.h"
#include "kernel/lib/options.h"

const char fuzz_name[] = "options";

static unsigned count_words(const char *text)
{
	unsigned words = 0;
	for (size_t i = 0; text[i] != '\0'; i++) {
		words += text[i] != ' ' && (i == 0 || text[i - 1] == ' ') ? 1 : 0;
	}
	return words;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct options options;
	struct options_complaints complaints;
	char *text = malloc(bytes + 1);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	memset(&options, 'x', sizeof(options));
	options_parse(text, &options, &complaints);
	FUZZ_CHECK(complaints.count <= count_words(text));
	for (unsigned i = 0; i < min_u64(complaints.count, OPTIONS_COMPLAINTS_MAX); i++) {
		fuzz_check_error(&complaints.errors[i], true);
	}
	FUZZ_CHECK(options.console.kind <= CONSOLE_PCI && options.end <= END_HALT);
	FUZZ_CHECK(options.console.kind != CONSOLE_PORT ||
		   (options.console.port >= 0x100 && options.console.port % 8 == 0));
	FUZZ_CHECK(options.console.kind != CONSOLE_PCI ||
		   options.console.function == CONSOLE_PCI_FIRST ||
		   options.console.function <= 0xffff);
	FUZZ_CHECK(options.console.divisor <= 96);
	struct console again;
	FUZZ_CHECK(strnlen(options.console_name, sizeof(options.console_name)) <
		   sizeof(options.console_name));
	FUZZ_CHECK(strlen(options.console_name) + 1 == sizeof(options.console_name) ||
		   console_parse(options.console_name, &again));
	FUZZ_CHECK(options.timeout_seconds <= 1000000 && options.cpus_max <= 64);
	FUZZ_CHECK(options.vms <= 1000000);
	free(text);
	return 0;
}
