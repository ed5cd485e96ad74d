/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/vm/vm_config.c: every key, every malformed value, and that the error message quotes the
 * value.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/vm/vm_config.h"

static struct vm_config config;
static struct error error;

static enum status parse(const char *text)
{
	memset(&config, 0xa5, sizeof(config));
	memset(&error, 0xa5, sizeof(error));
	/* An exact copy, which the arguments are part of: reading beyond its end is noticed. */
	static char *copy;
	free(copy);
	copy = strdup(text);
	enum status status = vm_config_parse(copy, &config, &error);
	assert_non_null(memchr(error.text, 0, sizeof(error.text)));
	assert_int_equal(status == STATUS_OK, error.text[0] == '\0');
	return status;
}

/* Refused, and the error message contains both. */
static void refused(const char *text, const char *one, const char *two)
{
	assert_int_equal(parse(text), STATUS_INVALID);
	if (strstr(error.text, one) == NULL || strstr(error.text, two) == NULL) {
		fail_msg("\"%s\": the error message is \"%s\", expected \"%s\" and \"%s\"", text,
			 error.text, one, two);
	}
}

static void test_personality(void **state)
{
	(void)state;
	assert_int_equal(parse("name=a mem=1M"), STATUS_OK);
	assert_int_equal(config.as, AS_PLAIN);
	for (unsigned i = 0; i < PERSONALITY_COUNT; i++) {
		char text[64];
		snprintf(text, sizeof(text), "name=a mem=1M as=%s",
			 personality_name((enum personality)i));
		assert_int_equal(parse(text), STATUS_OK);
		assert_int_equal(config.as, i);
	}
	refused("name=host mem=1M", "name=host is no name", "mean the host by it");
	assert_int_equal(parse("name=host1 mem=1M"), STATUS_OK);
	refused("name=a mem=1M as=xen", "as=xen", "plain, kvm, vmware or hyper-v");
	refused("name=a mem=1M as=", "as=", "hyper-v");
	refused("name=a mem=1M as=kvm as=kvm", "as=", "twice");
}

/* What the kernel is told of at boot: all of it, but where a device adds the rest. */
static void test_startup(void **state)
{
	(void)state;
	assert_int_equal(parse("name=a mem=8M max=16M"), STATUS_OK);
	assert_int_equal(config.boot_pages, 4096);
	assert_int_equal(parse("name=a mem=8M max=16M as=kvm"), STATUS_OK);
	assert_int_equal(config.boot_pages, 4096);
	assert_int_equal(parse("name=a mem=8M max=16M as=hyper-v"), STATUS_OK);
	assert_int_equal(config.boot_pages, 2048);
	assert_int_equal(parse("name=a startup=4M mem=8M as=hyper-v max=16M"), STATUS_OK);
	assert_int_equal(config.boot_pages, 1024);
	assert_int_equal(parse("name=a mem=8M min=4M max=16M startup=16M as=hyper-v"), STATUS_OK);
	assert_int_equal(config.boot_pages, 4096);
	refused("name=a mem=8M startup=4M", "startup= is for as=hyper-v", "as=plain");
	refused("name=a mem=8M startup=4M as=kvm", "startup= is for as=hyper-v", "as=kvm");
	refused("name=a mem=8M max=16M startup=17M as=hyper-v", "startup=17408K", "max=16384K");
	refused("name=a mem=8M min=4M startup=3M as=hyper-v", "startup=3072K", "min=4096K");
	refused("name=a mem=8M startup=x as=hyper-v", "startup=x", "size");
	refused("name=a mem=8M startup=4M startup=4M as=hyper-v", "startup=", "twice");
}

static void test_all_keys(void **state)
{
	(void)state;
	assert_int_equal(parse("name=hungry mem=32M min=8M max=64M shares=250 buffer=35 "
			       "on-touch=fault -- rounds=3 digest"),
			 STATUS_OK);
	assert_string_equal(config.name, "hungry");
	assert_int_equal(config.mem_pages, 8192);
	assert_int_equal(config.min_pages, 2048);
	assert_int_equal(config.max_pages, 16384);
	assert_int_equal(config.shares, 250);
	assert_int_equal(config.buffer_percent, 35);
	assert_int_equal(config.on_touch, ON_TOUCH_FAULT);
	assert_string_equal(config.arguments, "rounds=3 digest");
}

static void test_defaults(void **state)
{
	(void)state;
	assert_int_equal(parse("mem=10M name=a"), STATUS_OK);
	assert_int_equal(config.max_pages, 2560);
	assert_int_equal(config.min_pages, 640);
	assert_int_equal(config.shares, 100);
	assert_int_equal(config.buffer_percent, 20);
	assert_int_equal(config.on_touch, ON_TOUCH_ZERO);
	assert_int_equal(config.vcpus, 1);
	assert_true(config.cpu_mask == UINT64_MAX);
	assert_int_equal(config.weight, 100);
	assert_string_equal(config.arguments, "");
	assert_int_equal(parse("mem=4K name=a"), STATUS_OK);
	assert_int_equal(config.min_pages, 1);
	assert_int_equal(parse("mem=17179869180K name=a"),
			 STATUS_OK); /* the most: 2^32 - 1 pages */
	assert_int_equal(config.min_pages, 0x40000000);
}

static void test_blanks_and_order(void **state)
{
	(void)state;
	assert_int_equal(parse("   max=8M    on-touch=stop mem=4M   name=x-1_Y   "), STATUS_OK);
	assert_string_equal(config.name, "x-1_Y");
	assert_int_equal(config.on_touch, ON_TOUCH_STOP);
	assert_int_equal(parse("name=x mem=4M --"), STATUS_OK);
	assert_string_equal(config.arguments, "");
	assert_int_equal(parse("name=x mem=4M --    a  b "), STATUS_OK);
	assert_string_equal(config.arguments, "a  b ");
	/* What follows is the guest's, keys and dashes included. */
	assert_int_equal(parse("name=x mem=4M -- mem=9Q -- --"), STATUS_OK);
	assert_string_equal(config.arguments, "mem=9Q -- --");
	refused("name=x mem=4M --x", "--x", "is not one of");
}

static void test_sizes(void **state)
{
	static const struct {
		const char *text;
		uint64_t pages;
	} good[] = {
		{"4096", 1},
		{"4K", 1},
		{"00004K", 1},
		{"8192", 2},
		{"1M", 256},
		{"1G", 262144},
		{"0", 0},
		{"16383G", 16383ull << 18},
		{"17592186040320", UINT32_MAX},
	};
	static const char *const bad[] = {
		"",
		"K",
		"M",
		"4",
		"4095",
		"4097",
		"1K",
		"6K",
		"-4K",
		"+4K",
		"4k",
		"4m",
		"4KB",
		"4 K",
		"0x1000",
		"4.5M",
		"4KK",
		"K4",
		"16384G",
		"17592186044416",
		"18446744073709551615",
		"18446744073709551616",
		"18446744073709551616K",
		"4503599627370496M",
		"17179869184G",
		"17179869185G",
		"99999999999999999999999999999999999999K",
		"1T",
		"4K\t",
		"\xff",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(good); i++) {
		uint64_t pages = 99;
		assert_int_equal(vm_config_parse_size(good[i].text, strlen(good[i].text), &pages),
				 STATUS_OK);
		assert_int_equal(pages, good[i].pages);
	}
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		uint64_t pages;
		if (vm_config_parse_size(bad[i], strlen(bad[i]), &pages) != STATUS_INVALID) {
			fail_msg("size \"%s\" was accepted", bad[i]);
		}
	}
}

static void test_malformed_sizes_are_quoted(void **state)
{
	static const char *const keys[] = {"mem", "min", "max"};
	static const char *const values[] = {
		"12Q", "0", "5000", "-1M", "1m", "99999999999999999G", "16384G", "0x10", "1M,"};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
		for (unsigned j = 0; j < ARRAY_COUNT(values); j++) {
			char text[128];
			char quoted[64];
			snprintf(text, sizeof(text), "name=v %s=%s", keys[i], values[j]);
			snprintf(quoted, sizeof(quoted), "%s=%s", keys[i], values[j]);
			refused(text, quoted, "size");
			assert_string_equal(config.name, "v");
		}
	}
	refused("name=v mem=", "mem=", "size");
}

static void test_names(void **state)
{
	(void)state;
	assert_int_equal(parse("mem=4M name=ABCabc019-_"), STATUS_OK);
	assert_int_equal(parse("mem=4M name=12345678901234567890123"), STATUS_OK);
	refused("mem=4M name=123456789012345678901234", "name=1234", "23");
	refused("mem=4M name=", "name=", "letters");
	refused("mem=4M name=a.b", "a.b", "letters");
	refused("mem=4M name=a=b", "a=b", "letters");
	refused("mem=4M name=\xc3\xa4", "name=", "letters");
	refused("mem=4M name=a\tb", "name=", "letters");
	assert_string_equal(config.name, "");
	char text[2000];
	memset(text, 'n', sizeof(text));
	memcpy(text, "mem=4M name=", 12);
	text[sizeof(text) - 1] = '\0';
	refused(text, "name=nnnn", "letters");
}

static void test_shares_and_touch(void **state)
{
	(void)state;
	assert_int_equal(parse("name=a mem=4M shares=1"), STATUS_OK);
	assert_int_equal(parse("name=a mem=4M shares=10000"), STATUS_OK);
	assert_int_equal(parse("name=a mem=4M buffer=2000"), STATUS_OK);
	refused("name=a mem=4M buffer=0", "buffer=0", "2000");
	refused("name=a mem=4M buffer=2001", "buffer=2001", "2000");
	refused("name=a mem=4M buffer=20%", "buffer=20%", "number");
	refused("name=a mem=4M shares=0", "shares=0", "10000");
	refused("name=a mem=4M shares=10001", "shares=10001", "10000");
	refused("name=a mem=4M shares=", "shares=", "number");
	refused("name=a mem=4M shares=-1", "shares=-1", "number");
	refused("name=a mem=4M shares=18446744073709551617", "18446744073709551617", "number");
	refused("name=a mem=4M shares=1x", "shares=1x", "number");
	refused("name=a mem=4M on-touch=Zero", "on-touch=Zero", "zero, fault or stop");
	refused("name=a mem=4M on-touch=", "on-touch=", "zero, fault or stop");
	refused("name=a mem=4M on-touch=zeros", "zeros", "zero, fault or stop");
	refused("name=a mem=4M on-touch=zer", "on-touch=zer", "zero, fault or stop");
}

static void test_vcpus_and_weight(void **state)
{
	static const char *const keys[] = {"vcpus", "weight"};
	static const unsigned most[] = {8, 10000};
	(void)state;
	for (unsigned vcpus = 1; vcpus <= 8; vcpus++) {
		char text[64];
		snprintf(text, sizeof(text), "name=a mem=4M vcpus=%u", vcpus);
		assert_int_equal(parse(text), STATUS_OK);
		assert_int_equal(config.vcpus, vcpus);
	}
	assert_int_equal(parse("weight=1 name=a mem=4M"), STATUS_OK);
	assert_int_equal(config.weight, 1);
	assert_int_equal(parse("name=a mem=4M weight=10000 vcpus=00002"), STATUS_OK);
	assert_int_equal(config.weight, 10000);
	assert_int_equal(config.vcpus, 2);
	for (unsigned i = 0; i < ARRAY_COUNT(keys); i++) {
		static const char *const values[] = {"",
						     "0",
						     "-1",
						     "+1",
						     "1x",
						     "x",
						     "1,2",
						     "1-2",
						     "0x1",
						     "1.5",
						     "18446744073709551617"};
		char text[128];
		char quoted[64];
		char limit[32];
		snprintf(limit, sizeof(limit), "from 1 to %u", most[i]);
		for (unsigned j = 0; j < ARRAY_COUNT(values); j++) {
			snprintf(text, sizeof(text), "name=a mem=4M %s=%s", keys[i], values[j]);
			snprintf(quoted, sizeof(quoted), "%s=%s is not", keys[i], values[j]);
			refused(text, quoted, limit);
		}
		snprintf(text, sizeof(text), "name=a mem=4M %s=%u", keys[i], most[i] + 1);
		refused(text, keys[i], limit);
		snprintf(text, sizeof(text), "name=a mem=4M %s=1 %s=1", keys[i], keys[i]);
		refused(text, keys[i], "twice");
	}
}

/* Numbers and ranges, in any order, also twice. */
static void test_cpu_lists(void **state)
{
	static const struct {
		const char *text;
		uint64_t mask;
	} cases[] = {
		{"0", BIT(0)},
		{"63", BIT(63)},
		{"1,3", BIT(1) | BIT(3)},
		{"3,1", BIT(1) | BIT(3)},
		{"0-2", 7},
		{"5-5", BIT(5)},
		{"0-63", UINT64_MAX},
		{"1-63", UINT64_MAX - 1},
		{"0-62", UINT64_MAX >> 1},
		{"0,2-4,63", BIT(0) | BIT(2) | BIT(3) | BIT(4) | BIT(63)},
		{"2-4,3-5,4", BIT(2) | BIT(3) | BIT(4) | BIT(5)},
		{"007,08", BIT(7) | BIT(8)},
		{"62-63,0", BIT(62) | BIT(63) | BIT(0)},
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(cases); i++) {
		char text[128];
		snprintf(text, sizeof(text), "name=a cpu=%s mem=4M", cases[i].text);
		assert_int_equal(parse(text), STATUS_OK);
		if (config.cpu_mask != cases[i].mask) {
			fail_msg("cpu=%s is %#llx", cases[i].text,
				 (unsigned long long)config.cpu_mask);
		}
	}
}

static void test_malformed_cpu_lists(void **state)
{
	static const char *const values[] = {
		"",
		"64",
		"0,64",
		"0-64",
		"2-1",
		"63-0",
		",",
		"0,",
		",0",
		"0,,1",
		"-",
		"0-",
		"-0",
		"-1",
		"0-1-2",
		"a",
		"0x1",
		"all",
		"0;1",
		"0,-1",
		"1-,2",
		"0--1",
		"+1",
		"0-1,",
		"18446744073709551616",
		"18446744073709551615",
		"0-18446744073709551616",
		"99999999999999999999999",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(values); i++) {
		char text[128];
		char quoted[64];
		snprintf(text, sizeof(text), "mem=4M cpu=%s name=a", values[i]);
		snprintf(quoted, sizeof(quoted), "cpu=%s is not a list", values[i]);
		refused(text, quoted, "below 64");
		assert_string_equal(config.name, "a");
	}
	refused("name=a mem=4M cpu", "cpu", "is not one of");
	refused("name=a mem=4M cpu=1 -2", "-2", "is not one of");
	refused("name=a mem=4M cpu=0 cpu=1", "cpu=", "twice");
	refused("name=a mem=4M cpus=0", "cpus=0", "cpu= weight=");
	/* A long one is cut in the error message. */
	char text[400] = "name=a mem=4M cpu=";
	for (unsigned i = 0; i < 100; i++) {
		strcat(text, "0,");
	}
	refused(text, "cpu=0,0,0,", "list");
}

static void test_missing_unknown_and_twice(void **state)
{
	(void)state;
	refused("", "name=", "missing");
	refused("    ", "name=", "missing");
	refused("mem=4M", "name=", "missing");
	refused("name=a", "mem=", "missing");
	refused("name=a max=4M -- mem=4M", "mem=", "missing");
	refused("name=a mem=4M color=red", "color=red", "is not one of");
	refused("name=a mem=4M verbose", "verbose", "is not one of");
	refused("name=a mem=4M mem", "mem", "is not one of");
	refused("name=a mem=4M =", "=", "is not one of");
	refused("name=a mem=4M =4M", "=4M", "is not one of");
	refused("name=a mem=4M Mem=4M", "Mem=4M", "is not one of");
	refused("name=a mem=4M mem=4M", "mem=", "twice");
	refused("name=a name=a mem=4M", "name=", "twice");
	refused("name=a mem=4M shares=1 shares=1", "shares=", "twice");
}

static void test_sizes_against_each_other(void **state)
{
	(void)state;
	refused("name=a mem=8M min=16M max=12M", "min=16384K is more than", "max=12288K");
	refused("name=a mem=8M min=12M max=16M", "mem=8192K", "min=12288K");
	refused("name=a mem=32M min=1M max=16M", "mem=32768K", "max=16384K");
	refused("name=a mem=8M min=12M", "min=12288K", "max=8192K");
	assert_int_equal(parse("name=a mem=8M min=8M max=8M"), STATUS_OK);
}

/* They are not copied; how long they may be is what the kernel says that they are for. */
static void test_arguments_of_any_length(void **state)
{
	char text[4000];
	(void)state;
	memset(text, 'x', sizeof(text));
	memcpy(text, "name=a mem=4M -- ", 17);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(parse(text), STATUS_OK);
	assert_int_equal(strlen(config.arguments), sizeof(text) - 18);
}

static void test_devices(void **state)
{
	(void)state;
	assert_int_equal(parse("name=a mem=4M"), STATUS_OK);
	assert_int_equal(config.devices, DEVICES_BY_IMAGE);
	assert_int_equal(config.on_reboot, ON_REBOOT_DEFAULT);
	assert_int_equal(config.files, 0);
	assert_int_equal(parse("name=a devices=none mem=4M"), STATUS_OK);
	assert_int_equal(config.devices, DEVICES_NONE);
	assert_int_equal(parse("name=a mem=4M on-reboot=stop devices=pc files=15"), STATUS_OK);
	assert_int_equal(config.devices, DEVICES_PC);
	assert_int_equal(config.on_reboot, ON_REBOOT_STOP);
	assert_int_equal(config.files, 15);
	assert_int_equal(parse("name=a mem=4M on-reboot=restart"), STATUS_OK);
	assert_int_equal(config.on_reboot, ON_REBOOT_RESTART);
	refused("name=a mem=4M devices=", "devices= ", "none or pc");
	refused("name=a mem=4M devices=PC", "devices=PC", "none or pc");
	refused("name=a mem=4M on-reboot=pc", "on-reboot=pc", "restart or stop");
	refused("name=a mem=4M devices=pc devices=pc", "devices=", "twice");
	refused("name=a mem=4M files=0", "files=0", "1 to 15");
	refused("name=a mem=4M files=16", "files=16", "1 to 15");
	refused("name=a mem=4M of=b", "of=b", "devices= on-reboot= files=");
}

static struct vm_file_config file;

static enum status parse_file(const char *text)
{
	static char *copy;
	free(copy);
	copy = strdup(text);
	memset(&file, 0xa5, sizeof(file));
	memset(&error, 0xa5, sizeof(error));
	assert_true(vm_config_is_file(copy));
	enum status status = vm_config_parse_file(copy, &file, &error);
	assert_non_null(memchr(error.text, 0, sizeof(error.text)));
	assert_int_equal(status == STATUS_OK, error.text[0] == '\0');
	assert_non_null(memchr(file.of, 0, sizeof(file.of)));
	return status;
}

static void test_further_files(void **state)
{
	(void)state;
	assert_int_equal(parse_file("of=web"), STATUS_OK);
	assert_string_equal(file.of, "web");
	assert_string_equal(file.arguments, "");
	assert_int_equal(parse_file("  of=we-b_1   --   of=x  -- y "), STATUS_OK);
	assert_string_equal(file.of, "we-b_1");
	assert_string_equal(file.arguments, "of=x  -- y ");
	assert_int_equal(parse_file("of=web --"), STATUS_OK);
	assert_string_equal(file.arguments, "");
	/* Whose mistake it was is known where the name is good. */
	assert_int_equal(parse_file("of=web initrd -- x"), STATUS_INVALID);
	assert_non_null(strstr(error.text, "of=web stands initrd"));
	assert_string_equal(file.of, "web");
	assert_string_equal(file.arguments, "");
	static const char *const bad[] = {"of=", "of= web", "of=we.b", "of=web/",
					  "of=aaaaaaaaaaaaaaaaaaaaaaaa"};
	for (unsigned i = 0; i < ARRAY_COUNT(bad); i++) {
		assert_int_equal(parse_file(bad[i]), STATUS_INVALID);
		assert_non_null(strstr(error.text, "of="));
		assert_string_equal(file.of, "");
	}
	assert_false(vm_config_is_file(""));
	assert_false(vm_config_is_file("of"));
	assert_false(vm_config_is_file("name=a of=b"));
	assert_false(vm_config_is_file("Of=b"));
}

/* Regression: with the mistake before the name, the report could not say whose it was. */
static void test_name_is_known_whatever_is_wrong(void **state)
{
	static const char *const texts[] = {
		"mem=12Q name=late",	   "color=red name=late mem=4M",
		"mem=1M mem=1M name=late", "shares=0 mem=1M name=late",
		"name=late mem=9M max=1M", "mem=1M x name=late y",
	};
	(void)state;
	for (unsigned i = 0; i < ARRAY_COUNT(texts); i++) {
		assert_int_equal(parse(texts[i]), STATUS_INVALID);
		assert_string_equal(config.name, "late");
	}
	/* The first mistake is the one that is told. */
	refused("mem=12Q color=red name=late", "mem=12Q", "size");
	/* What looks like a name behind -- is the guest's. */
	assert_int_equal(parse("mem=12Q -- name=no"), STATUS_INVALID);
	assert_string_equal(config.name, "");
}

static void test_random_text(void **state)
{
	static const char *const words[] = {
		"name=", "mem=", "min=",   "max=", "shares=", "on-touch=",  "zero", "4M",
		"64K",	 "--",	 " ",	   "=",	   "a",	      "9999999999", "G",    "-",
		"\x01",	 "\xff", "vcpus=", "cpu=", "weight=", ",",	    "0-1",  "63"};
	(void)state;
	srand(5);
	for (unsigned i = 0; i < 30000; i++) {
		char text[200] = "";
		for (unsigned j = (unsigned)rand() % 12; j > 0; j--) {
			strcat(text, words[(unsigned)rand() % ARRAY_COUNT(words)]);
		}
		if (parse(text) == STATUS_OK) {
			assert_in_range(strlen(config.name), 1, VM_NAME_BYTES - 1);
			assert_in_range(config.mem_pages, config.min_pages, config.max_pages);
			assert_in_range(config.min_pages, 1, config.max_pages);
			assert_in_range(config.shares, 1, 10000);
			assert_in_range(config.vcpus, 1, AEROSTAT_VCPUS_MAX);
			assert_in_range(config.weight, 1, 10000);
			assert_true(config.cpu_mask != 0);
		}
	}
}

static void test_scripts(void **state)
{
	(void)state;
	assert_true(vm_config_is_script("script"));
	assert_true(vm_config_is_script("  script "));
	assert_false(vm_config_is_script("scripts"));
	assert_false(vm_config_is_script("script name=a"));
	assert_false(vm_config_is_script("name=script mem=1M"));
	assert_false(vm_config_is_script(""));
	assert_false(vm_config_is_file("script"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_keys),
		cmocka_unit_test(test_personality),
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_blanks_and_order),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_malformed_sizes_are_quoted),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_shares_and_touch),
		cmocka_unit_test(test_vcpus_and_weight),
		cmocka_unit_test(test_cpu_lists),
		cmocka_unit_test(test_malformed_cpu_lists),
		cmocka_unit_test(test_missing_unknown_and_twice),
		cmocka_unit_test(test_sizes_against_each_other),
		cmocka_unit_test(test_arguments_of_any_length),
		cmocka_unit_test(test_devices),
		cmocka_unit_test(test_further_files),
		cmocka_unit_test(test_name_is_known_whatever_is_wrong),
		cmocka_unit_test(test_scripts),
		cmocka_unit_test(test_random_text),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
