/* SPDX-License-Identifier: BSD-2-Clause */
/* Parser of the hypervisor's command line: words separated by spaces. Pure. */
#include "kernel/lib/options.h"

#include "base/bits.h"
#include "base/string.h"
#include "arch/arch.h"

#define WORD_BYTES 64
#define NUMBER_MAX 1000000

/* A word with a longer value is refused as too long: what is traced is never a cut name's. */
_Static_assert(WORD_BYTES - (sizeof("trace=") - 1) <= sizeof(((struct options *)NULL)->trace),
	       "the value of trace= is kept whole");

static void complain(struct options_complaints *complaints, const char *word, const char *why)
{
	if (complaints->count < OPTIONS_COMPLAINTS_MAX) {
		struct error *error = &complaints->errors[complaints->count];
		snprintf(error->text, sizeof(error->text), "the option %.40s is ignored: %s", word,
			 why);
	}
	complaints->count++;
}

/* The text behind `key` when the word starts with it, else NULL. */
static const char *value_of(const char *word, const char *key)
{
	size_t length = strlen(key);
	return strncmp(word, key, length) == 0 ? word + length : NULL;
}

static bool parse_number(const char *text, uint64_t *value)
{
	uint64_t number = 0;
	for (const char *at = text; *at != '\0'; at++) {
		if (*at < '0' || *at > '9' || number > NUMBER_MAX) {
			return false;
		}
		number = number * 10 + (uint64_t)(*at - '0');
	}
	*value = number;
	return text[0] != '\0' && number > 0 && number <= NUMBER_MAX;
}

static void take_console(const char *word, const char *value, struct options *options,
			 struct options_complaints *complaints)
{
	if (!console_parse(value, &options->console)) {
		complain(complaints, word,
			 "a console is com1 to com4, a port such as 0x2f8, pci, pci:BB:DD.F, e9 or "
			 "none, and ,BAUD may follow");
		return;
	}
	snprintf(options->console_name, sizeof(options->console_name), "%s", value);
}

static void take_screen(const char *word, const char *value, struct options *options,
			struct options_complaints *complaints)
{
	static const char *const uses[] = {
		[SCREEN_USE_AUTO] = "auto",
		[SCREEN_USE_NO] = "no",
		[SCREEN_USE_TEXT] = "text",
		[SCREEN_USE_MAP] = "map",
	};
	for (unsigned i = 0; i < ARRAY_COUNT(uses); i++) {
		if (strcmp(value, uses[i]) == 0) {
			options->screen = (enum screen_use)i;
			return;
		}
	}
	complain(complaints, word, "a screen is auto, no, text or map");
}

static void take_end(const char *word, const char *value, struct options *options,
		     struct options_complaints *complaints)
{
	if (strcmp(value, "poweroff") == 0) {
		options->end = END_POWER_OFF;
	} else if (strcmp(value, "reboot") == 0) {
		options->end = END_REBOOT;
	} else if (strcmp(value, "halt") == 0) {
		options->end = END_HALT;
	} else {
		complain(complaints, word, "the end is poweroff, reboot or halt");
	}
}

/* Which policies there are is not known here. */
static void take_policy(const char *word, const char *value, struct options *options,
			struct options_complaints *complaints)
{
	if (value[0] == '\0' || strlen(value) >= sizeof(options->policy)) {
		complain(complaints, word, "a policy has a name of 1 to 15 letters");
		return;
	}
	snprintf(options->policy, sizeof(options->policy), "%s", value);
}

/* How much a host of this size can have is not known here either. */
static void take_size(const char *word, const char *value, char *to,
		      struct options_complaints *complaints)
{
	if (value[0] == '\0' || strlen(value) >= OPTIONS_SIZE_BYTES) {
		complain(complaints, word, "a size has 1 to 15 letters, such as 64M");
		return;
	}
	snprintf(to, OPTIONS_SIZE_BYTES, "%s", value);
}

static void take_trace_port(const char *word, const char *value, struct options *options,
			    struct options_complaints *complaints)
{
	struct console port;
	if (!console_parse(value, &port) || port.kind != CONSOLE_PORT) {
		complain(complaints, word,
			 "a trace leaves by com1 to com4 or a port such as 0x2f8, and ,BAUD may "
			 "follow");
		return;
	}
	options->trace_port = port;
	options->has_trace_port = true;
}

static void take_word(const char *word, struct options *options, bool *table_given,
		      struct options_complaints *complaints)
{
	const char *value;
	uint64_t number;
	if (strcmp(word, "batch") == 0) {
		options->batch = true;
	} else if ((value = value_of(word, "console=")) != NULL) {
		take_console(word, value, options, complaints);
	} else if ((value = value_of(word, "screen=")) != NULL) {
		take_screen(word, value, options, complaints);
	} else if ((value = value_of(word, "end=")) != NULL) {
		take_end(word, value, options, complaints);
	} else if ((value = value_of(word, "trace=")) != NULL) {
		/* What it names is looked at where the names are (kernel/trace/mask.h). */
		snprintf(options->trace, sizeof(options->trace), "%s", value);
	} else if ((value = value_of(word, "trace-port=")) != NULL) {
		take_trace_port(word, value, options, complaints);
	} else if ((value = value_of(word, "table=")) != NULL) {
		if (strcmp(value, "on") == 0 || strcmp(value, "off") == 0) {
			options->table = strcmp(value, "on") == 0;
			*table_given = true;
		} else {
			complain(complaints, word, "the table is on or off");
		}
	} else if ((value = value_of(word, "timeout=")) != NULL) {
		if (parse_number(value, &number)) {
			options->timeout_seconds = number;
		} else {
			complain(complaints, word, "a time-out is 1 to 1000000 seconds");
		}
	} else if ((value = value_of(word, "audit=")) != NULL) {
		if (parse_number(value, &number)) {
			options->audit_ms = number;
		} else {
			complain(complaints, word, "an audit is every 1 to 1000000 milliseconds");
		}
	} else if ((value = value_of(word, "maxcpus=")) != NULL) {
		if (parse_number(value, &number) && number <= CPUS_MAX) {
			options->cpus_max = number;
		} else {
			complain(complaints, word,
				 "maxcpus is a number from 1 to " LIMIT_TEXT(CPUS_MAX));
		}
	} else if ((value = value_of(word, "vms=")) != NULL) {
		if (parse_number(value, &number)) {
			options->vms = number;
		} else {
			complain(complaints, word, "vms is a number from 1 to 1000000");
		}
	} else if ((value = value_of(word, "policy=")) != NULL) {
		take_policy(word, value, options, complaints);
	} else if ((value = value_of(word, "host-floor=")) != NULL) {
		take_size(word, value, options->host_floor, complaints);
	} else if ((value = value_of(word, "host-reserve=")) != NULL) {
		take_size(word, value, options->host_reserve, complaints);
	} else if ((value = value_of(word, "mitigations=")) != NULL) {
		if (strcmp(value, "auto") == 0 || strcmp(value, "off") == 0) {
			options->mitigations_off = strcmp(value, "off") == 0;
		} else {
			complain(complaints, word, "mitigations are auto or off");
		}
	} else {
		complain(complaints, word,
			 "it is not one of batch console= screen= end= table= timeout= audit= "
			 "maxcpus= vms= policy= host-floor= host-reserve= mitigations= trace= "
			 "trace-port= exec=");
	}
}

/* The one value that is longer than a word otherwise may be. True: it was that option. */
static bool take_exec(const char *text, size_t length, struct options *options,
		      struct options_complaints *complaints)
{
	const char *value = value_of(text, "exec=");
	if (value == NULL || length < (size_t)(value - text)) {
		return false;
	}
	size_t bytes = length - (size_t)(value - text);
	if (bytes == 0 || bytes >= sizeof(options->exec)) {
		complain(complaints,
			 "exec=", "commands are 1 to " LIMIT_TEXT(OPTIONS_EXEC_MOST) " bytes");
		return true;
	}
	memcpy(options->exec, value, bytes);
	options->exec[bytes] = '\0';
	return true;
}

void options_parse(const char *text, struct options *options, struct options_complaints *complaints)
{
	bool table_given = false;
	memset(options, 0, sizeof(*options));
	memset(complaints, 0, sizeof(*complaints));
	options->console = CONSOLE_DEFAULT;
	memcpy(options->console_name, "com1", 5);
	while (*text != '\0') {
		char word[WORD_BYTES];
		size_t length = 0;
		while (text[length] != '\0' && text[length] != ' ') {
			length++;
		}
		if (take_exec(text, length, options, complaints)) {
			text += length;
			text += *text == ' ' ? 1 : 0;
			continue;
		}
		if (length >= sizeof(word)) {
			memcpy(word, text, sizeof(word) - 1);
			word[sizeof(word) - 1] = '\0';
			complain(complaints, word, "it is too long");
		} else if (length > 0) {
			memcpy(word, text, length);
			word[length] = '\0';
			take_word(word, options, &table_given, complaints);
		}
		text += length;
		text += *text == ' ' ? 1 : 0;
	}
	if (!table_given) {
		options->table = !options->batch;
	}
}
