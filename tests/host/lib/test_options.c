/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/lib/options.c: every option, every malformed value, and error messages that name the word.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/bits.h"
#include "kernel/lib/options.h"

static struct options options;
static struct options_complaints complaints;

/* The text is parsed from memory that ends with it, so that reading on is noticed. */
static void parse(const char *text)
{
	size_t bytes = strlen(text) + 1;
	char *copy = malloc(bytes);
	memcpy(copy, text, bytes);
	memset(&options, 0xa5, sizeof(options));
	memset(&complaints, 0xa5, sizeof(complaints));
	options_parse(copy, &options, &complaints);
	free(copy);
	for (unsigned i = 0; i < complaints.count && i < OPTIONS_COMPLAINTS_MAX; i++) {
		assert_non_null(memchr(complaints.errors[i].text, '\0', ERROR_TEXT_BYTES));
	}
}

static void expect_port(uint16_t port, uint16_t divisor)
{
	assert_int_equal(options.console.kind, CONSOLE_PORT);
	assert_int_equal(options.console.port, port);
	assert_int_equal(options.console.divisor, divisor);
}

static void expect_card(uint32_t function, uint16_t divisor)
{
	assert_int_equal(options.console.kind, CONSOLE_PCI);
	assert_int_equal(options.console.function, function);
	assert_int_equal(options.console.divisor, divisor);
}

static void expect_defaults(void)
{
	assert_false(options.batch);
	assert_true(options.table);
	assert_int_equal(options.timeout_seconds, 0);
	assert_int_equal(options.audit_ms, 0);
	assert_int_equal(options.cpus_max, 0);
	assert_int_equal(options.vms, 0);
	assert_int_equal(options.end, END_POWER_OFF);
	expect_port(0x3f8, 1);
	assert_string_equal(options.console_name, "com1");
	assert_false(options.mitigations_off);
	assert_string_equal(options.policy, "");
	assert_string_equal(options.host_floor, "");
	assert_string_equal(options.host_reserve, "");
}

static void test_nothing_given(void **state)
{
	static const char *const texts[] = {"", " ", "     "};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
		parse(texts[i]);
		expect_defaults();
		assert_int_equal(complaints.count, 0);
	}
}

static void test_every_option(void **state)
{
	(void)state;
	parse("batch");
	assert_true(options.batch);
	assert_false(options.table); /* off in batch unless it is asked for */
	parse("  batch   table=on  ");
	assert_true(options.batch && options.table);
	parse("table=on batch");
	assert_true(options.batch && options.table);
	parse("table=off");
	assert_false(options.table || options.batch);
	parse("end=halt");
	assert_int_equal(options.end, END_HALT);
	parse("end=reboot");
	assert_int_equal(options.end, END_REBOOT);
	parse("end=reboot end=poweroff");
	assert_int_equal(options.end, END_POWER_OFF);
	parse("timeout=1 audit=1000000");
	assert_int_equal(options.timeout_seconds, 1);
	assert_int_equal(options.audit_ms, 1000000);
	parse("audit=7 timeout=1000000 console=e9 batch");
	assert_int_equal(options.timeout_seconds, 1000000);
	assert_int_equal(options.audit_ms, 7);
	parse("maxcpus=1");
	assert_int_equal(options.cpus_max, 1);
	parse("batch maxcpus=64");
	assert_int_equal(options.cpus_max, 64);
	parse("vms=1");
	assert_int_equal(options.vms, 1);
	parse("vms=65 batch");
	assert_int_equal(options.vms, 65);
	parse("policy=shares policy=demand");
	assert_string_equal(options.policy, "demand");
	parse("host-floor=64M host-reserve=123456789012345");
	assert_string_equal(options.host_floor, "64M");
	assert_string_equal(options.host_reserve, "123456789012345");
	parse("policy=123456789012345");
	assert_string_equal(options.policy, "123456789012345");
	parse("mitigations=off");
	assert_true(options.mitigations_off);
	parse("mitigations=off mitigations=auto");
	assert_false(options.mitigations_off);
	parse("maxcpus=007 maxcpus=3");
	assert_int_equal(options.cpus_max, 3);
	assert_int_equal(complaints.count, 0);
}

static void test_every_screen(void **state)
{
	(void)state;
	parse("");
	assert_int_equal(options.screen, SCREEN_USE_AUTO);
	parse("screen=no");
	assert_int_equal(options.screen, SCREEN_USE_NO);
	parse("screen=text");
	assert_int_equal(options.screen, SCREEN_USE_TEXT);
	parse("screen=map");
	assert_int_equal(options.screen, SCREEN_USE_MAP);
	parse("screen=map screen=auto");
	assert_int_equal(options.screen, SCREEN_USE_AUTO);
	assert_int_equal(complaints.count, 0);
	static const char *const wrong[] = {"screen=", "screen=maps", "screen=Map", "screen=ma"};
	for (unsigned i = 0; i < ARRAY_COUNT(wrong); i++) {
		parse(wrong[i]);
		assert_int_equal(options.screen, SCREEN_USE_AUTO);
		assert_int_equal(complaints.count, 1);
		assert_non_null(strstr(complaints.errors[0].text, "auto, no, text or map"));
	}
}

static void test_every_console(void **state)
{
	(void)state;
	parse("console=none");
	assert_int_equal(options.console.kind, CONSOLE_NONE);
	parse("console=e9");
	assert_int_equal(options.console.kind, CONSOLE_E9);
	parse("console=com1");
	expect_port(0x3f8, 1);
	parse("console=com2,115200");
	expect_port(0x2f8, 1);
	assert_string_equal(options.console_name, "com2,115200");
	parse("console=com3,57600n8");
	expect_port(0x3e8, 2);
	parse("console=com4,9600,8n1");
	expect_port(0x2e8, 12);
	parse("console=ttyS1,1200");
	expect_port(0x2f8, 96);
	parse("console=0x100");
	expect_port(0x100, 1);
	parse("console=0xFFf8,auto");
	expect_port(0xfff8, CONSOLE_DIVISOR_KEPT);
	parse("console=pci");
	expect_card(CONSOLE_PCI_FIRST, 1);
	parse("console=pci,38400");
	expect_card(CONSOLE_PCI_FIRST, 3);
	parse("console=pci:fe:1f.7,auto");
	expect_card(0xfeff, CONSOLE_DIVISOR_KEPT);
	parse("console=pci:0000:03:02.1");
	expect_card(0x311, 1);
	assert_int_equal(complaints.count, 0);
	/* One that nobody can read changes nothing of the one before. */
	parse("console=com2,9600 console=com7");
	expect_port(0x2f8, 12);
	assert_string_equal(options.console_name, "com2,9600");
	assert_int_equal(complaints.count, 1);
}

static void test_the_last_one_counts(void **state)
{
	(void)state;
	parse("timeout=5 timeout=6 console=e9 console=none table=on table=off audit=1 audit=2");
	assert_int_equal(complaints.count, 0);
	assert_int_equal(options.timeout_seconds, 6);
	assert_int_equal(options.audit_ms, 2);
	assert_int_equal(options.console.kind, CONSOLE_NONE);
	assert_string_equal(options.console_name, "none");
	assert_false(options.table);
}

static void test_trace(void **state)
{
	(void)state;
	parse("");
	assert_string_equal(options.trace, "");
	assert_false(options.has_trace_port);
	parse("trace=on trace=exits,faults trace-port=com2,57600");
	assert_int_equal(complaints.count, 0);
	assert_string_equal(options.trace, "exits,faults");
	assert_true(options.has_trace_port);
	assert_int_equal(options.trace_port.port, 0x2f8);
	assert_int_equal(options.trace_port.divisor, 2);
	assert_int_equal(options.console.port, 0x3f8);
}

/* Cut short, a list could name another event: it is whole as long as it fits, else nothing. */
static void test_a_trace_is_never_cut(void **state)
{
	(void)state;
	for (unsigned length = 1; length < 200; length++) {
		char text[256] = "trace=";
		memset(text + 6, 'e', length);
		text[6 + length] = '\0';
		parse(text);
		if (options.trace[0] != '\0') {
			assert_string_equal(options.trace, text + 6);
			assert_int_equal(complaints.count, 0);
		} else {
			assert_true(length >= 58);
			assert_int_equal(complaints.count, 1);
			assert_non_null(strstr(complaints.errors[0].text, "it is too long"));
		}
	}
}

/* Ignored, said so in one error message that names the word, and nothing else is disturbed. */
static void test_malformed_words(void **state)
{
	static const char *const words[] = {
		"bathc",
		"batch=1",
		"Batch",
		"batch\t",
		"console=",
		"console=com",
		"console=com0",
		"console=com5",
		"console=com11",
		"console=COM1",
		"console=none,9600",
		"console=e9,9600",
		"console=com1,",
		"console=com1,0",
		"console=com1,600",
		"console=com1,14401",
		"console=com1,230400",
		"console=com1,9600n7",
		"console=com1,9600,8n1,",
		"console=com1,auton8",
		"console=com1,4294976896",
		"console=ttyS4",
		"console=0x",
		"console=0xf8",
		"console=0x3f9",
		"console=0x10000",
		"console=0x1000003f8",
		"console=3f8",
		"console=1016",
		"console=pci,",
		"console=pci0",
		"console=pci:",
		"console=pci:1:2",
		"console=pci:100:0.0",
		"console=pci:0:20.0",
		"console=pci:0:0.8",
		"console=pci:0:0.0.0",
		"console=pci:0001:00:00.0",
		"console=pci:-1:0.0",
		"end",
		"end=",
		"end=off",
		"end=Halt",
		"end=reboot,",
		"console=E9",
		"console",
		"table=",
		"table=yes",
		"table=offf",
		"timeout=",
		"timeout=0",
		"timeout=-1",
		"timeout=+1",
		"timeout=1s",
		"timeout=0x10",
		"timeout=1000001",
		"timeout=18446744073709551617",
		"timeout=9999999999999999999999",
		"audit=",
		"audit=0",
		"audit=1.5",
		"audit=1000001",
		"maxcpus",
		"maxcpus=",
		"maxcpus=0",
		"maxcpus=65",
		"maxcpus=-1",
		"maxcpus=4,",
		"maxcpus=0-3",
		"maxcpus=all",
		"maxcpus=18446744073709551617",
		"vms=",
		"vms=0",
		"vms=two",
		"vms=1000001",
		"mitigations",
		"policy=",
		"policy=1234567890123456",
		"host-floor=",
		"host-floor=1234567890123456",
		"host-reserve=",
		"mitigations=",
		"mitigations=on",
		"mitigations=OFF",
		"mitigations=off,",
		"trace",
		"trace-port",
		"trace-port=",
		"trace-port=e9",
		"trace-port=none",
		"trace-port=pci",
		"trace-port=com2,1",
		"trace-port=com2,x",
		"=",
		"=1",
		"%s%n",
		"timeout",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(words); i++) {
		parse(words[i]);
		expect_defaults();
		assert_int_equal(complaints.count, 1);
		assert_non_null(strstr(complaints.errors[0].text, words[i]));
		char text[128];
		snprintf(text, sizeof(text), "timeout=5 %s audit=6", words[i]);
		parse(text);
		assert_int_equal(complaints.count, 1);
		assert_int_equal(options.timeout_seconds, 5);
		assert_int_equal(options.audit_ms, 6);
	}
}

/* The longest error message of all is complete. */
static void test_message_is_complete(void **state)
{
	static const char end[] = "mitigations= trace= trace-port= exec=";
	char word[41];
	(void)state;
	memset(word, 'y', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	parse(word);
	const char *message = complaints.errors[0].text;
	assert_string_equal(message + strlen(message) - strlen(end), end);
}

static void test_long_words(void **state)
{
	char text[300];
	(void)state;
	for (unsigned length = 1; length < sizeof(text); length++) {
		memset(text, 'x', sizeof(text));
		text[length] = '\0';
		parse(text);
		expect_defaults();
		assert_int_equal(complaints.count, 1);
		assert_non_null(strstr(complaints.errors[0].text, length < 40 ? text : "xxxxxxxx"));
		assert_true((strstr(complaints.errors[0].text, "too long") != NULL) ==
			    (length > 63));
	}
	/* What follows a word that is too long still counts. */
	memset(text, 'x', sizeof(text));
	memcpy(text + 200, " batch", 7);
	parse(text);
	assert_true(options.batch);
	/* As many digits as fit into a word are still a number that is too large. */
	memset(text, '0', sizeof(text));
	memcpy(text, "timeout=", 8);
	memcpy(text + 60, "12", 3);
	parse(text);
	assert_int_equal(complaints.count, 0);
	assert_int_equal(options.timeout_seconds, 12);
}

static void test_more_complaints_than_room(void **state)
{
	(void)state;
	parse("a b c d e f batch");
	assert_int_equal(complaints.count, 6);
	assert_true(options.batch);
	for (unsigned i = 0; i < OPTIONS_COMPLAINTS_MAX; i++) {
		char begin[40];
		snprintf(begin, sizeof(begin), "the option %c is ignored: ", 'a' + (int)i);
		assert_memory_equal(complaints.errors[i].text, begin, strlen(begin));
	}
}

static void test_random_text(void **state)
{
	static const char letters[] =
		"batch=tableonoffconsole e9comtimeout0123456789audit maxcpus  =-pci:.,x\x80\x7f";
	uint64_t seed = 1;
	(void)state;
	for (unsigned round = 0; round < 20000; round++) {
		char text[160];
		unsigned length = 0;
		while (length < sizeof(text) - 1) {
			seed = seed * 6364136223846793005 + 1442695040888963407;
			if (seed >> 58 == 0) {
				break;
			}
			text[length++] = letters[(seed >> 33) % (sizeof(letters) - 1)];
		}
		text[length] = '\0';
		parse(text);
		assert_true(options.timeout_seconds <= 1000000 && options.audit_ms <= 1000000);
		assert_true(options.cpus_max <= 64);
		assert_true(options.console.kind <= CONSOLE_PCI && options.end <= END_HALT);
	}
}

/* The one value that may be longer than other words. */
static void test_commands(void **state)
{
	static char text[700];
	(void)state;
	parse("batch exec=wait,until,a,state,=,finished;vms table=on");
	assert_int_equal(complaints.count, 0);
	assert_string_equal(options.exec, "wait,until,a,state,=,finished;vms");
	assert_true(options.batch && options.table);
	parse("exec=");
	assert_int_equal(complaints.count, 1);
	assert_string_equal(options.exec, "");
	memset(text, 'x', sizeof(text) - 1);
	memcpy(text, "exec=", 5);
	text[5 + OPTIONS_EXEC_MOST] = '\0';
	parse(text);
	assert_int_equal(complaints.count, 0);
	assert_int_equal(strlen(options.exec), OPTIONS_EXEC_MOST);
	text[5 + OPTIONS_EXEC_MOST] = 'x';
	parse(text);
	assert_string_equal(complaints.errors[0].text,
			    "the option exec= is ignored: commands are 1 to 511 bytes");
	assert_string_equal(options.exec, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_nothing_given),
		cmocka_unit_test(test_every_option),
		cmocka_unit_test(test_every_screen),
		cmocka_unit_test(test_every_console),
		cmocka_unit_test(test_the_last_one_counts),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_a_trace_is_never_cut),
		cmocka_unit_test(test_malformed_words),
		cmocka_unit_test(test_message_is_complete),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_more_complaints_than_room),
		cmocka_unit_test(test_commands),
		cmocka_unit_test(test_random_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
