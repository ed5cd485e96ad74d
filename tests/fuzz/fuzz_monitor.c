/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The monitor's line and its script: bytes of all kinds become lines, lines become calls of
 * commands that have what they ask for, or one error message; a script stops at the first bad line.
 * The commands themselves are those below, which change nothing.
 */
#include "fuzz.h"

#include "base/bits.h"
#include "base/log.h"
#include "arch/arch.h"
#include "kernel/log/log.h"
#include "kernel/monitor/command.h"
#include "kernel/monitor/commands.h"
#include "kernel/monitor/commands_vm.h"
#include "kernel/monitor/line.h"
#include "kernel/monitor/output.h"
#include "kernel/monitor/script.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/vm/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

#define POLLS 3000

const char fuzz_name[] = "monitor";

struct vm vms[VMS_MAX];
unsigned vm_count = 1;
uint64_t frame_table_count;

static unsigned calls;

uint64_t arch_tsc_khz(void)
{
	return 1000;
}

void log_event(const char *vm, const char *format, ...)
{
	(void)vm;
	(void)format;
}

void log_text(const char *text, size_t bytes)
{
	FUZZ_CHECK(bytes > 0 && text[bytes - 1] == '\n');
}

uint64_t frame_count_free(void)
{
	return 7;
}

struct host_report host_limits_report(void)
{
	return (struct host_report){.state = HOST_SOFT};
}

uint64_t promise_spare(void)
{
	return 8;
}

uint64_t vm_fault_count(const struct vm *vm)
{
	return vm->id;
}

uint64_t vm_hypercall_count(const struct vm *vm)
{
	return vm->id;
}

uint64_t vm_exit_count(const struct vm *vm)
{
	return vm->id;
}

struct vm *commands_vm_find(struct word name, struct error *error)
{
	if (word_is(name, "one")) {
		return &vms[0];
	}
	return error_set(error, STATUS_NOT_FOUND, "no VM %.*s", word_shown(name), name.text) ==
			       STATUS_OK
		       ? &vms[0]
		       : NULL;
}

static bool step(uint64_t now_tsc, int key)
{
	(void)now_tsc;
	(void)key;
	output_print("a line");
	return --calls % 7 != 0;
}

static enum status call(const struct command_call *call, struct error *error)
{
	(void)error;
	FUZZ_CHECK(call->count <= COMMAND_WORDS_MAX);
	for (unsigned i = 0; i < call->count; i++) {
		FUZZ_CHECK(call->words[i].length > 0);
		FUZZ_CHECK(memchr(call->words[i].text, ' ', call->words[i].length) == NULL);
	}
	FUZZ_CHECK(call->vm == NULL || call->vm == &vms[0]);
	calls++;
	if (call->count == 2) {
		command_go_on(step);
	}
	return STATUS_OK;
}

static const struct command some[] = {
	{.name = "vms", .arguments = "", .meaning = "a", .example = "vms", .run = call},
	{.name = "vm",
	 .arguments = "NAME",
	 .meaning = "b",
	 .example = "vm one",
	 .least = 1,
	 .most = 1,
	 .takes_vm = true,
	 .run = call},
	{.name = "set",
	 .arguments = "NAME a|b VALUE",
	 .meaning = "c",
	 .example = "set one a 1",
	 .least = 2,
	 .most = 3,
	 .takes_vm = true,
	 .choices = "min mem shares",
	 .run = call},
};

const struct command_group commands_vm = {"one", some, ARRAY_COUNT(some)};
const struct command_group commands_steer = {"two", some, 0};
const struct command_group commands_memory = {"three", some, 0};
const struct command_group commands_trace = {"five", some, 0};
const struct command_group commands_host = {"four", some, 0};

static void check_line(const struct line *line)
{
	FUZZ_CHECK(line->length < LINE_BYTES && line->cursor <= line->length);
	FUZZ_CHECK(strlen(line->text) == line->length);
	for (size_t i = 0; i < line->length; i++) {
		FUZZ_CHECK(line->text[i] >= ' ' && line->text[i] <= '~');
	}
}

static void run(const char *text)
{
	struct error error;
	if (command_run(text, false, &error) != STATUS_OK) {
		fuzz_check_error(&error, true);
	}
	for (unsigned i = 0; command_is_busy() && i < 10; i++) {
		command_step(i, -1);
	}
	command_stop();
	output_flush();
}

static void type(const uint8_t *data, size_t bytes)
{
	static struct line line;
	char text[LINE_BYTES];
	size_t behind;
	line_init(&line);
	for (size_t i = 0; i < bytes; i++) {
		switch (line_key(&line, data[i])) {
		case LINE_ENTERED:
			run(line.text);
			line_clear(&line, true);
			break;
		case LINE_COMPLETION:
			memcpy(text, line.text, sizeof(text));
			text[line.cursor] = '\0';
			(void)command_complete(text, true, text, sizeof(text));
			line_insert(&line, text, strlen(text));
			output_flush();
			break;
		default:
			break;
		}
		check_line(&line);
		FUZZ_CHECK(line_show(&line, "> ", 40, text, &behind) <= 40 && behind <= 38);
	}
}

static void run_script(const uint8_t *data, size_t bytes)
{
	struct error error;
	uint64_t now = 0;
	script_forget();
	if (script_take((const char *)data, bytes, &error) != STATUS_OK) {
		fuzz_check_error(&error, true);
		FUZZ_CHECK(bytes >= SCRIPT_BYTES);
		return;
	}
	for (unsigned i = 0; script_is_busy() && i < POLLS; i++) {
		now += 1000000ull * 1000;
		command_step(now, -1);
		script_poll(now, i > POLLS / 2);
		output_flush();
	}
	FUZZ_CHECK(bytes > POLLS / 4 || !script_is_busy());
	command_stop();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	vms[0].id = 1;
	vms[0].config.vcpus = 1;
	memcpy(vms[0].config.name, "one", 4);
	if (bytes == 0) {
		return 0;
	}
	if (data[0] == 's') {
		run_script(data + 1, bytes - 1);
	} else {
		type(data + 1, bytes - 1);
	}
	return 0;
}
