/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/lifecycle/start.c: VMs with start=later, and further ones of the same module. What bad
 * input changes (nothing), when a module's frames go, and what the auditor says of those that stay.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "fake/kernel.h"
#include "fake/platform.h"

#include "arch/boot_info.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/files.h"
#include "kernel/lifecycle/start.h"
#include "kernel/monitor/audit.h"
#include "mm/audit.h"
#include "mm/guest_copy.h"
#include "mm/phys.h"
#include "mm/promise.h"

#define FRAMES 3000
#define IMAGE_BYTES 0x2000

static struct boot_module modules[BOOT_MODULES_MAX];
static unsigned module_count;
static struct vms_pages pages;
static struct error error;

static uint8_t image[IMAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t data[8192] __attribute__((aligned(4096)));

static void put(unsigned offset, uint64_t value, unsigned bytes)
{
	memcpy(image + offset, &value, bytes);
}

/* ELF64 with one segment at 2 MiB; with a PVH entry, or else native. */
static void make_elf(bool pvh)
{
	static const uint64_t programs[2][7] = {
		{1 | 5ull << 32, 0x1000, 0x200000, 0x200000, 0x800, 0x2000, 1},
		{4, 0x400, 0, 0, 0x14, 0x14, 4},
	};
	memset(image, 0, sizeof(image));
	memcpy(image, "\177ELF\2\1\1", 7);
	put(16, 2, 2);
	put(18, 62, 2);
	put(24, 0x200000, 8);
	put(32, 64, 8);
	put(54, 56, 2);
	put(56, pvh ? 2 : 1, 2);
	memcpy(image + 64, programs, sizeof(programs));
	if (pvh) {
		memcpy(image + 0x400, "\4\0\0\0\4\0\0\0\x12\0\0\0Xen\0\x40\0\x20\0", 20);
	}
	memset(image + 0x1000, 0xdd, 0x800);
}

static void add(const void *bytes, size_t count, const char *text)
{
	struct boot_module *module = &modules[module_count++];
	module->start = (uintptr_t)bytes - direct_map_base;
	module->end = module->start + count;
	module->text = text;
}

static void begin(bool pvh)
{
	kernel_start(FRAMES, 1);
	fake_log_clear();
	memset(modules, 0, sizeof(modules));
	module_count = 0;
	make_elf(pvh);
}

static void boot(void)
{
	vms_start(modules, module_count, &pages);
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING) {
			world_adopt(&vms[i].s2);
		}
	}
	vms_release();
	world_check();
}

/* `changes` are words with blanks between them. */
static enum status start(struct vm *of, const char *changes)
{
	struct word words[8];
	unsigned count = 0;
	for (struct word word = word_next(&changes); word.length > 0; word = word_next(&changes)) {
		words[count++] = word;
	}
	return vm_start(of, words, count, &error);
}

static struct vm *must_start(struct vm *of, struct vm *which, const char *changes)
{
	if (start(of, changes) != STATUS_OK) {
		fail_msg("%s", error.text);
	}
	assert_int_equal(which->state, VM_RUNNING);
	assert_true(which < &vms[vm_count]);
	world_adopt(&which->s2);
	world_check();
	return which;
}

static void refuse(struct vm *of, const char *changes, const char *why)
{
	const struct vm_config config = of->config;
	enum vm_state state = of->state;
	uint64_t free_pages = frame_count_free();
	uint64_t spare = promise_spare(); /* what is lent may have been taken back */
	unsigned count = vm_count;
	unsigned released = fake_released_modules;
	assert_int_not_equal(start(of, changes), STATUS_OK);
	if (strstr(error.text, why) == NULL) {
		fail_msg("\"%s\" is not in: %s", why, error.text);
	}
	assert_null(strchr(error.text, '\n'));
	assert_memory_equal(&of->config, &config, sizeof(config));
	assert_int_equal(of->state, state);
	assert_int_equal(frame_count_free(), free_pages);
	assert_int_equal(promise_spare(), spare);
	assert_int_equal(vm_count, count);
	assert_int_equal(fake_released_modules, released);
	world_check();
}

static uint64_t audit(const char *expected)
{
	struct audit_report report;
	vms_audit(&report);
	if (strstr(report.first_error, expected) == NULL ||
	    (expected[0] == '\0' && report.error_count != 0)) {
		fail_msg("\"%s\" is not in: %s", expected, report.first_error);
	}
	return report.module_pages;
}

static void test_a_pc_begins_later(void **state)
{
	uint8_t copy[5000];
	(void)state;
	begin(true);
	uint64_t free_before = frame_count_free();
	add(image, IMAGE_BYTES, "name=web mem=4M max=8M min=64K start=later -- quiet");
	add(data, sizeof(copy), "of=web");
	boot();
	struct vm *vm = &vms[0];
	assert_int_equal(vm->state, VM_LATER);
	assert_int_equal(frame_count_free(), free_before);
	assert_int_equal(pages.kept, 4);
	assert_int_equal(pages.freed, 0);
	assert_int_equal(audit(""), 4);
	vms_audit_and_tell();
	assert_non_null(strstr(fake_log_text, "audit clean, 16K of modules kept"));
	assert_non_null(strstr(fake_log_text, "web loaded mem=4096K min=64K max=8192K"));
	must_start(vm, vm, "mem=5M shares=7");
	assert_int_equal(vm->config.mem_pages, 1280);
	assert_int_equal(vm->config.max_pages, 2048);
	assert_int_equal(vm->config.shares, 7);
	assert_string_equal(vm->config.arguments, "quiet");
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
	assert_true(vm->start_ticks < fake_tsc + 1);
	struct s2_locked locked = s2_lock(&vm->s2);
	assert_int_equal(guest_copy_in(locked, (gpa_t){0x200000}, copy, 0x800), STATUS_OK);
	s2_unlock(locked);
	assert_memory_equal(copy, image + 0x1000, 0x800);
	/* It may restart: the modules stay with it, and go with it. */
	assert_int_equal(audit(""), 4);
	assert_int_equal(fake_released_modules, 0);
	kernel_vm_end(vm);
	assert_int_equal(fake_released_modules, 2);
	assert_int_equal(audit(""), 0);
	refuse(vm, "", "web has ended, and its module was given back");
	assert_int_equal(frame_count_free(), free_before);
}

static void test_several_of_one_module(void **state)
{
	(void)state;
	begin(false);
	add(image, IMAGE_BYTES, "name=web mem=4M min=64K start=later");
	add(image, IMAGE_BYTES, "name=other mem=4M min=64K");
	boot();
	struct vm *web = &vms[0];
	struct vm *second = must_start(web, &vms[2], "name=second");
	assert_int_equal(web->state, VM_LATER);
	assert_string_equal(vm_name(second), "second");
	assert_int_equal(second->id, 3);
	refuse(second, "", "second runs already: another VM of its module needs a name of its own");
	/* From one that is made of it, too. */
	struct vm *third = must_start(second, &vms[3], "name=third min=1M");
	assert_int_equal(third->config.min_pages, 256);
	assert_int_equal(third->files_of, web->id);
	kernel_vm_end(second);
	assert_int_equal(fake_released_modules, 1); /* that of the other one, at boot */
	refuse(second, "", "second has ended: another VM of its module needs a name of its own");
	assert_int_equal(audit(""), 2);
	/* The last one that could begin from it is the module's own, which does not restart. */
	must_start(web, web, "name=web");
	assert_int_equal(fake_released_modules, 2);
	assert_int_equal(audit(""), 0);
	refuse(web, "", "web runs already, and its module was given back");
	refuse(web, "name=fourth", "web runs already, and its module was given back");
	refuse(third, "name=fourth", "third runs already, and its module was given back");
	kernel_vm_end(web);
	kernel_vm_end(third);
	kernel_vm_end(&vms[1]);
}

/* One that restarts keeps its module, so others can begin from it; the last one gives it back. */
static void test_beside_one_that_restarts(void **state)
{
	(void)state;
	begin(true);
	add(image, IMAGE_BYTES, "name=web mem=4M min=64K");
	boot();
	struct vm *web = &vms[0];
	struct vm *once = must_start(web, &vms[1], "name=once on-reboot=stop");
	struct vm *again = must_start(once, &vms[2], "name=again");
	kernel_vm_end(web);
	assert_int_equal(fake_released_modules, 0);
	kernel_vm_end(once);
	assert_int_equal(fake_released_modules, 0);
	assert_int_equal(audit(""), 2);
	kernel_vm_end(again);
	assert_int_equal(fake_released_modules, 1);
	assert_int_equal(audit(""), 0);
}

static void test_bad_input_changes_nothing(void **state)
{
	(void)state;
	begin(false);
	add(image, IMAGE_BYTES, "name=web mem=4M min=64K start=later");
	add(image, IMAGE_BYTES, "name=other mem=4M min=64K");
	add(image, IMAGE_BYTES, "name=bad mem=4Q");
	boot();
	struct vm *web = &vms[0];
	refuse(web, "mem=4Q", "mem=4Q is not");
	refuse(web, "mem=5M mem=6M", "mem= is given twice");
	refuse(web, "colour=red", "colour=red is not one of name=");
	refuse(web, "mem", "mem is not one of name=");
	refuse(web, "start=later", "start= is for the string of a module");
	refuse(web, "files=7", "files= is for the string of a module");
	refuse(web, "mem=32K", "min=64K is more than max=32K");
	refuse(web, "name=other", "name=other is used twice");
	refuse(web, "name=bad", "name=bad is used twice");
	refuse(web, "name=a.b", "name=a.b is not 1 to");
	refuse(web, "cpu=7", "cpu= names none of the 1 processors");
	refuse(web, "name=new mem=1M", "");
	refuse(web, "min=12M mem=12M", "more than the");
	refuse(web, "name=new min=12M mem=12M", "more than the");
	refuse(&vms[1], "", "other runs already, and its module was given back");
	refuse(&vms[2], "", "bad was refused at boot, and its module was given back");
	fake_vcpu_fails = true;
	refuse(web, "", "the host is too small");
	refuse(web, "name=new", "the host is too small");
	fake_vcpu_fails = false;
	/* And then it begins all the same, in the slot that was tried before. */
	must_start(web, &vms[3], "name=new");
	must_start(web, web, "");
	kernel_vm_end(web);
	kernel_vm_end(&vms[1]);
	kernel_vm_end(&vms[3]);
}

static void test_no_slot(void **state)
{
	(void)state;
	begin(false);
	add(image, IMAGE_BYTES, "name=web mem=4M min=64K start=later");
	for (unsigned i = 1; i < VMS_MAX; i++) {
		add(image, IMAGE_BYTES, "x");
	}
	boot();
	refuse(&vms[0], "name=new", "there is place for 64 VMs");
	kernel_vm_end(must_start(&vms[0], &vms[0], "")); /* it has a place */
}

static void test_not_needed_any_more(void **state)
{
	(void)state;
	begin(true);
	add(image, IMAGE_BYTES, "name=web mem=4M min=64K start=later");
	add(image, IMAGE_BYTES, "name=spare mem=4M min=64K start=later");
	boot();
	vm_forget(&vms[1], "why not");
	assert_int_equal(vms[1].state, VM_KILLED);
	assert_true(modules[1].released);
	assert_non_null(strstr(fake_log_text, "spare killed: why not"));
	refuse(&vms[1], "", "spare has ended, and its module was given back");
	struct vm *other = must_start(&vms[0], &vms[2], "name=other");
	vm_forget(&vms[0], "why not");
	assert_false(modules[0].released);
	assert_int_equal(audit(""), 2);
	kernel_vm_end(other);
	assert_true(modules[0].released);
	assert_int_equal(audit(""), 0);
}

/* Refused at boot, as any module; and so are files of it. */
static void test_refused_at_boot(void **state)
{
	(void)state;
	begin(false);
	add(image, IMAGE_BYTES, "name=web mem=4M start=soon");
	add(image, 100, "name=cut mem=4M start=later");
	add(image, IMAGE_BYTES, "name=files mem=4M start=later");
	add(data, 100, "of=files");
	boot();
	assert_non_null(strstr(fake_log_text, "start=soon is not boot or later"));
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(vms[i].state, VM_REFUSED);
	}
	assert_int_equal(fake_released_modules, 4);
	assert_int_equal(audit(""), 0);
}

static void test_the_auditor_looks(void **state)
{
	(void)state;
	begin(false);
	add(image, IMAGE_BYTES, "name=web mem=4M min=64K start=later");
	boot();
	uint64_t where = modules[0].start;
	/* Frames of a module that are free: what it needs later may be gone. */
	uint64_t pfn = 0;
	while (frame_table[pfn].tag.state != FRAME_ZEROED) {
		pfn++;
	}
	modules[0].start = pfn << PAGE_SHIFT;
	modules[0].end = modules[0].start + IMAGE_BYTES;
	assert_int_equal(audit("frame of a module that is kept"), 2);
	modules[0].start = where;
	modules[0].end = where + IMAGE_BYTES;
	audit("");
	/* Kept for nobody: memory that is lost. */
	vms[0].state = VM_KILLED;
	audit("module that no VM can begin from");
	vms[0].state = VM_LATER;
	vm_forget(&vms[0], "test");
}

#define TEST(name) cmocka_unit_test_teardown(name, kernel_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_a_pc_begins_later),
		TEST(test_several_of_one_module),
		TEST(test_beside_one_that_restarts),
		TEST(test_bad_input_changes_nothing),
		TEST(test_no_slot),
		TEST(test_not_needed_any_more),
		TEST(test_refused_at_boot),
		TEST(test_the_auditor_looks),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
