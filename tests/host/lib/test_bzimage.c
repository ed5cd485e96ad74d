/* SPDX-License-Identifier: BSD-2-Clause */
/* kernel/lib/bzimage.c: a small kernel made here, and every field of its setup header damaged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "kernel/lib/bzimage.h"

#define SETUP_BYTES (3 * 512)
#define KERNEL_BYTES 0x800
#define FILE_BYTES (SETUP_BYTES + KERNEL_BYTES)

static uint8_t file[FILE_BYTES + 64];
static struct bzimage image;
static struct error error;

static void put(unsigned offset, uint64_t value, unsigned bytes)
{
	memcpy(file + offset, &value, bytes);
}

/* As Linux 6.1 has it, but small. */
static void make(void)
{
	memset(file, 0, sizeof(file));
	put(0x1f1, 2, 1);		  /* setup_sects */
	put(0x1f4, KERNEL_BYTES / 16, 4); /* syssize */
	put(0x1fe, 0xaa55, 2);		  /* boot_flag */
	put(0x200, 0x6aeb, 2);		  /* jump, over the header to 0x26c */
	memcpy(file + 0x202, "HdrS", 4);
	put(0x206, 0x20f, 2);	   /* version */
	put(0x211, 1, 1);	   /* loadflags */
	put(0x214, 0x100000, 4);   /* code32_start */
	put(0x22c, 0x7fffffff, 4); /* initrd_addr_max */
	put(0x230, 0x200000, 4);   /* kernel_alignment */
	put(0x234, 1, 1);	   /* relocatable_kernel */
	put(0x236, 0x7f, 2);	   /* xloadflags */
	put(0x238, 2047, 4);	   /* cmdline_size */
	put(0x258, 0x1000000, 8);  /* pref_address */
	put(0x260, 0x300000, 4);   /* init_size */
}

/* Each look is at an exact copy, so that reading beyond its end is noticed. */
static enum status check_part(size_t bytes)
{
	uint8_t *copy = malloc(bytes > 0 ? bytes : 1);
	memcpy(copy, file, bytes);
	memset(&image, 0xa5, sizeof(image));
	memset(&error, 0xa5, sizeof(error));
	enum status status = bzimage_check(copy, bytes, &image, &error);
	(void)bzimage_is(copy, bytes);
	free(copy);
	assert_non_null(memchr(error.text, 0, sizeof(error.text)));
	assert_int_equal(status == STATUS_OK, error.text[0] == '\0');
	return status;
}

static void check_good(void)
{
	if (check_part(FILE_BYTES) != STATUS_OK) {
		fail_msg("%s", error.text);
	}
}

static void check_refused(const char *reason)
{
	assert_int_equal(check_part(FILE_BYTES), STATUS_INVALID);
	if (strstr(error.text, reason) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.text, reason);
	}
}

/* With one field set to `value`. */
static void refused_with(unsigned offset, uint64_t value, unsigned bytes, const char *reason)
{
	make();
	put(offset, value, bytes);
	check_refused(reason);
}

static void test_good(void **state)
{
	(void)state;
	make();
	check_good();
	assert_int_equal(image.version, 0x20f);
	assert_int_equal(image.header_end, 0x26c);
	assert_int_equal(image.kernel_offset, SETUP_BYTES);
	assert_int_equal(image.kernel_bytes, KERNEL_BYTES);
	assert_int_equal(image.load, 0x1000000);
	assert_int_equal(image.entry, 0x1000000);
	assert_int_equal(image.end, 0x1300000);
	assert_int_equal(image.initrd_end_max, 0x80000000);
	assert_int_equal(image.command_line_max, 2047);
}

static void test_setup_sectors(void **state)
{
	(void)state;
	make();
	put(0x1f1, 0, 1); /* means 4 */
	put(0x1f4, (FILE_BYTES - 5 * 512) / 16, 4);
	check_good();
	assert_int_equal(image.kernel_offset, 5 * 512);
	refused_with(0x1f1, 200, 1, "truncated");
	/* Setup code that ends before the header does. */
	make();
	put(0x1f1, 255, 1);
	check_refused("truncated");
}

static void test_kernel_size(void **state)
{
	(void)state;
	refused_with(0x1f4, 0, 4, "no kernel");
	refused_with(0x1f4, UINT32_MAX, 4, "truncated");
	refused_with(0x1f4, KERNEL_BYTES / 16 + 1, 4, "truncated");
	/* A last paragraph that is not full is how memtest86+ 6.10 comes. */
	make();
	assert_int_equal(check_part(FILE_BYTES - 15), STATUS_OK);
	assert_int_equal(image.kernel_bytes, KERNEL_BYTES - 15);
	assert_int_equal(check_part(FILE_BYTES - 16), STATUS_INVALID);
	/* What syssize does not count belongs to it, as far as there is memory for it. */
	put(0x1f4, 1, 4);
	check_good();
	assert_int_equal(image.kernel_bytes, KERNEL_BYTES);
	put(0x260, 0x20, 4);
	check_good();
	assert_int_equal(image.kernel_bytes, 0x20);
	refused_with(0x260, KERNEL_BYTES - 1, 4, "less than its own");
	refused_with(0x260, 0, 4, "less than its own");
}

static void test_form(void **state)
{
	(void)state;
	refused_with(0x1fe, 0x55aa, 2, "not a Linux bzImage");
	refused_with(0x202, 0x53726449, 4, "not a Linux bzImage");
	refused_with(0x200, 0x90, 1, "impossible length");
	refused_with(0x201, 0x61, 1, "impossible length"); /* ends before init_size does */
	refused_with(0x201, 0x8f, 1, "impossible length"); /* into the rest of the zero page */
	refused_with(0x201, 0x00, 1, "impossible length");
	make();
	put(0x201, 0x62, 1);
	check_good();
	assert_int_equal(image.header_end, 0x264);
	put(0x201, 0x8e, 1);
	check_good();
	assert_int_equal(image.header_end, 0x290);
	refused_with(0x206, 0x20b, 2, "2.11, older than 2.12");
	refused_with(0x206, 0x000, 2, "0.00, older");
	make();
	put(0x206, 0x20c, 2);
	check_good();
	refused_with(0x211, 0xfe, 1, "zImage");
}

static void test_truncated_at_every_length(void **state)
{
	(void)state;
	make();
	for (size_t bytes = 0; bytes <= FILE_BYTES - 16; bytes++) {
		assert_int_equal(check_part(bytes), STATUS_INVALID);
	}
}

static void test_places(void **state)
{
	(void)state;
	/* A place that is not aligned, or none: the next one up, from 1 MiB on. */
	make();
	put(0x258, 0x1000001, 8);
	check_good();
	assert_int_equal(image.load, 0x1200000);
	put(0x258, 0, 8);
	check_good();
	assert_int_equal(image.load, 0x200000);
	put(0x230, 1, 4);
	check_good();
	assert_int_equal(image.load, 0x100000);
	/* One that is not relocatable is loaded at 1 MiB, wherever it runs then. */
	make();
	put(0x234, 0, 1);
	put(0x230, 3, 4); /* is not looked at */
	put(0x214, 0x100200, 4);
	check_good();
	assert_int_equal(image.load, 0x100000);
	assert_int_equal(image.entry, 0x100200);
	assert_int_equal(image.end, 0x1300000);
	refused_with(0x230, 0, 4, "alignment 0x0");
	refused_with(0x230, 3, 4, "alignment 0x3");
	refused_with(0x230, 0x80000000, 4, "alignment 0x80000000");
	refused_with(0x258, UINT64_MAX, 8, "beyond 4G");
	refused_with(0x258, 0xffffffff, 8, "beyond 4G");
	refused_with(0x258, 0xffe00000, 8, "beyond 4G");
	refused_with(0x260, UINT32_MAX, 4, "beyond 4G");
	refused_with(0x214, 0xfffff, 4, "entry 0xfffff");
	refused_with(0x214, 0x100000 + KERNEL_BYTES, 4, "not in the kernel");
	make();
	put(0x214, 0x100000 + KERNEL_BYTES - 1, 4);
	check_good();
	assert_int_equal(image.entry, 0x1000000 + KERNEL_BYTES - 1);
}

static void place_refused(uint64_t ram, uint64_t bytes, const char *reason)
{
	uint64_t initrd;
	assert_int_equal(bzimage_place(&image, ram, bytes, &initrd, &error), STATUS_INVALID);
	if (strstr(error.text, reason) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", error.text, reason);
	}
}

static void test_initrd(void **state)
{
	uint64_t initrd;
	(void)state;
	make();
	check_good(); /* ends at 0x1300000, 19 MiB */
	assert_int_equal(bzimage_place(&image, MIB(64), 5000, &initrd, &error), STATUS_OK);
	assert_int_equal(initrd, MIB(64) - 8192);
	/* As high as the kernel allows. */
	assert_int_equal(bzimage_place(&image, GIB(3), 4096, &initrd, &error), STATUS_OK);
	assert_int_equal(initrd, GIB(2) - 4096);
	assert_int_equal(bzimage_place(&image, MIB(19), 0, &initrd, &error), STATUS_OK);
	assert_int_equal(initrd, 0);
	assert_int_equal(bzimage_place(&image, MIB(20), MIB(1), &initrd, &error), STATUS_OK);
	assert_int_equal(initrd, MIB(19));
	place_refused(MIB(19) - 4096, 0, "needs 19456K");
	place_refused(MIB(20), MIB(1) + 1, "its initrd 1028K");
	place_refused(0, 1, "too small");
	image.initrd_end_max = MIB(19) + 4096;
	assert_int_equal(bzimage_place(&image, MIB(64), 4096, &initrd, &error), STATUS_OK);
	assert_int_equal(initrd, MIB(19));
	place_refused(MIB(64), 4097, "no place");
	image.initrd_end_max = 1;
	place_refused(MIB(64), 1, "no place");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_setup_sectors),
		cmocka_unit_test(test_kernel_size),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_truncated_at_every_length),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_initrd),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
