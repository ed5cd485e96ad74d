/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/lifecycle: VMs of boot modules. Which module belongs to which VM and what is refused; what
 * lies in the RAM of a Linux, a PVH and a multiboot kernel when it begins; and that a module's
 * frames stay as long as a restart needs them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake/kernel.h"
#include "fake/platform.h"

#include "arch/boot_info.h"
#include "base/bits.h"
#include "base/time.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/files.h"
#include "kernel/lifecycle/restart.h"
#include "kernel/sched/scheduler.h"
#include "mm/guest_copy.h"
#include "mm/phys.h"

#define FRAMES 3000
#define IMAGE_BYTES 0x2000

/* ---- Modules --------------------------------------------------------------------------------- */

static struct boot_module modules[BOOT_MODULES_MAX];
static unsigned module_count;
static struct vms_pages pages;

static void begin(void)
{
	kernel_start(FRAMES, 1);
	fake_log_clear();
	memset(modules, 0, sizeof(modules));
	module_count = 0;
}

/* As if the boot loader had put it at the start of a page. */
static struct boot_module *add(const void *bytes, size_t count, const char *text)
{
	struct boot_module *module = &modules[module_count++];
	module->start = (uintptr_t)bytes - direct_map_base;
	module->end = module->start + count;
	module->text = text;
	return module;
}

static void start(void)
{
	vms_start(modules, module_count, &pages);
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING) {
			world_adopt(&vms[i].s2);
		}
	}
	world_check();
}

static uint8_t images[4][IMAGE_BYTES] __attribute__((aligned(4096)));
static uint8_t data[3][8192] __attribute__((aligned(4096)));

static void put(uint8_t *image, unsigned offset, uint64_t value, unsigned bytes)
{
	memcpy(image + offset, &value, bytes);
}

/* bzImage: 512 bytes of setup, a kernel of 0xe00 bytes that wants to be at 1 MiB and needs 2 MiB.
 */
static const uint8_t *make_linux(uint8_t *image)
{
	memset(image, 0xee, IMAGE_BYTES);
	memset(image, 0, 0x400);
	put(image, 0x1f1, 1, 1);
	put(image, 0x1f4, 0xe0, 4);
	put(image, 0x1fe, 0xaa55, 2);
	put(image, 0x200, 0x6aeb, 2);
	memcpy(image + 0x202, "HdrS", 4);
	put(image, 0x206, 0x20f, 2);
	put(image, 0x211, 0xc1, 1);
	put(image, 0x214, 0x100000, 4);
	put(image, 0x22c, 0x7fffffff, 4);
	put(image, 0x230, 0x1000, 4);
	put(image, 0x234, 1, 1);
	put(image, 0x236, 0x7f, 2);
	put(image, 0x238, 100, 4);
	put(image, 0x250, 0xdead, 8);
	put(image, 0x258, 0x100000, 8);
	put(image, 0x260, 0x200000, 4);
	return image;
}
#define LINUX_BYTES (0x400 + 0xe00)

/* ELF64 with two segments at 2 MiB and 3 MiB; `note`: a PVH entry, of a Linux or not. */
static const uint8_t *make_elf(uint8_t *image, bool note, bool is_linux)
{
	memset(image, 0, IMAGE_BYTES);
	memcpy(image, "\177ELF\2\1\1", 7);
	put(image, 16, 2, 2);
	put(image, 18, 62, 2);
	put(image, 24, 0x200000, 8);
	put(image, 32, 64, 8);
	put(image, 54, 56, 2);
	put(image, 56, 3, 2);
	static const uint64_t programs[3][7] = {
		{1 | 5ull << 32, 0x1000, 0x200000, 0x200000, 0x800, 0x1000, 1},
		{1 | 6ull << 32, 0x1800, 0x300000, 0x300000, 0x800, 0x800, 1},
		{4, 0x400, 0, 0, 0x30, 0x30, 4},
	};
	memcpy(image + 64, programs, sizeof(programs));
	memset(image + 0x1000, 0xdd, 0x1000);
	if (note) {
		memcpy(image + 0x400, "\4\0\0\0\4\0\0\0\x12\0\0\0Xen\0\x40\0\x20\0", 20);
		memcpy(image + 0x414,
		       is_linux ? "\6\0\0\0\0\0\0\0\0\1\0\0Linux\0\0\0"
				: "\4\0\0\0\0\0\0\0\0\1\0\0GNU\0",
		       is_linux ? 20 : 16);
	}
	return image;
}

static const uint8_t *make_multiboot(uint8_t *image)
{
	make_elf(image, false, false);
	put(image, 0x800, 0x1badb002, 4);
	put(image, 0x804, 3, 4);
	put(image, 0x808, -(0x1badb002u + 3), 4);
	return image;
}

/* ---- What is in a VM's RAM ------------------------------------------------------------------- */

static void read_ram(struct vm *vm, uint64_t address, void *to, size_t bytes)
{
	struct s2_locked locked = s2_lock(&vm->s2);
	assert_int_equal(guest_copy_in(locked, (gpa_t){address}, to, bytes), STATUS_OK);
	s2_unlock(locked);
}

static uint64_t ram(struct vm *vm, uint64_t address, unsigned bytes)
{
	uint64_t value = 0;
	read_ram(vm, address, &value, bytes);
	return value;
}

static void check_ram(struct vm *vm, uint64_t address, const void *bytes, size_t count)
{
	uint8_t *copy = malloc(count);
	read_ram(vm, address, copy, count);
	assert_memory_equal(copy, bytes, count);
	free(copy);
}

static void check_text(struct vm *vm, uint64_t address, const char *text)
{
	check_ram(vm, address, text, strlen(text) + 1);
}

static void refused(const struct vm *vm, const char *reason)
{
	assert_int_equal(vm->state, VM_REFUSED);
	assert_false(vm->s2_exists);
	assert_null(vm->platform);
	if (strstr(fake_log_text, reason) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", fake_log_text, reason);
	}
}

/* One module of this kind and text; refused with this reason. */
static void check_refused(const uint8_t *image, size_t bytes, const char *text, const char *reason)
{
	begin();
	uint64_t free_before = frame_count_free();
	add(image, bytes, text);
	start();
	assert_int_equal(vm_count, 1);
	refused(&vms[0], reason);
	assert_int_equal(frame_count_free(), free_before);
	assert_true(modules[0].released);
	assert_int_equal(fake_platform_count, 0);
	world_stop();
}

static void end_all(void)
{
	for (unsigned i = 0; i < vm_count; i++) {
		if (vms[i].state == VM_RUNNING) {
			kernel_vm_end(&vms[i]);
		}
	}
	assert_int_equal(fake_platform_count, 0);
	for (unsigned i = 0; i < module_count; i++) {
		assert_true(modules[i].released);
	}
}

static void test_linux(void **state)
{
	(void)state;
	begin();
	const uint8_t *kernel = make_linux(images[0]);
	memset(data, 0x77, sizeof(data));
	add(kernel, LINUX_BYTES, "name=tux mem=4M max=16M -- console=ttyS0 quiet");
	add(data[0], 5001, "of=tux");
	add(data[1], 100, "of=tux");
	start();
	struct vm *vm = &vms[0];
	const struct vcpu *first = &vm->vcpus[0];
	assert_int_equal(vm_count, 1);
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(vm->config.devices, DEVICES_PC);
	assert_non_null(strstr(fake_log_text,
			       "tux started mem=4096K min=1024K max=16384K shares=100 "
			       "devices=pc kernel=Linux"));
	/* The entry, and the zero page. */
	assert_int_equal(first->entry, 0x100000);
	uint64_t zero_page = first->regs[GPR_RSI];
	assert_int_equal(zero_page, 0x80000);
	check_ram(vm, 0x100000, kernel + 0x400, 0xe00);
	assert_int_equal(ram(vm, zero_page + 0x202, 4), 0x53726448);
	assert_int_equal(ram(vm, zero_page + 0x210, 1), 0xff);
	/* Neither segments to be kept nor a heap, and no setup data, whatever was in the file. */
	assert_int_equal(ram(vm, zero_page + 0x211, 1), 0x01);
	assert_int_equal(ram(vm, zero_page + 0x250, 8), 0);
	assert_int_equal(ram(vm, zero_page + 0x214, 4), 0x100000);
	assert_int_equal(ram(vm, zero_page + 0x1ef, 1), 0);
	assert_int_equal(ram(vm, zero_page + 0x070, 8), 0xe0000);
	/* Both initrds as one, as high as there is RAM, the second at a multiple of 4. */
	uint64_t initrd = ram(vm, zero_page + 0x218, 4);
	assert_int_equal(ram(vm, zero_page + 0x21c, 4), 5004 + 100);
	assert_int_equal(initrd, MIB(16) - 8192);
	check_ram(vm, initrd, data[0], 5001);
	assert_int_equal(ram(vm, initrd + 5001, 3), 0);
	check_ram(vm, initrd + 5004, data[1], 100);
	/* The map. */
	static const uint64_t map[3][3] = {
		{0, 0x9f000, 1}, {0x9f000, 0x61000, 2}, {0x100000, MIB(15), 1}};
	assert_int_equal(ram(vm, zero_page + 0x1e8, 1), 3);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(ram(vm, zero_page + 0x2d0 + i * 20, 8), map[i][0]);
		assert_int_equal(ram(vm, zero_page + 0x2d8 + i * 20, 8), map[i][1]);
		assert_int_equal(ram(vm, zero_page + 0x2e0 + i * 20, 4), map[i][2]);
	}
	/* The command line says the rate of the clock, and ACPI is where it says. */
	char line[100];
	snprintf(line, sizeof(line), "console=ttyS0 quiet tsc_early_khz=%llu",
		 (unsigned long long)arch_tsc_khz());
	check_text(vm, ram(vm, zero_page + 0x228, 4), line);
	check_ram(vm, 0xe0000, "RSD PTR ", 8);
	/* The BIOS's data area: COM1, the extended area, equipment, conventional memory in KiB. */
	assert_int_equal(ram(vm, 0x400, 8), 0x3f8);
	assert_int_equal(ram(vm, 0x40e, 2), 0x9f00);
	assert_int_equal(ram(vm, 0x410, 2), 0x200);
	assert_int_equal(ram(vm, 0x413, 2), 636);
	end_all();
	world_stop();
}

static void check_command_line(const char *text, const char *wanted)
{
	begin();
	add(make_linux(images[0]), LINUX_BYTES, text);
	start();
	assert_int_equal(vms[0].state, VM_RUNNING);
	check_text(&vms[0], ram(&vms[0], 0x80228, 4), wanted);
	assert_int_equal(ram(&vms[0], 0x80218, 8), 0); /* there is no initrd */
	end_all();
	world_stop();
}

/* startup=: the map and the initrd end there, and calls go to the device from the first one on. */
static void test_startup(void **state)
{
	(void)state;
	begin();
	const uint8_t *kernel = make_linux(images[0]);
	memset(data, 0x77, sizeof(data));
	add(kernel, LINUX_BYTES, "name=tux mem=8M max=16M startup=4M as=hyper-v vcpus=2");
	add(data[0], 4096, "of=tux");
	add(make_linux(images[1]), LINUX_BYTES, "name=plain mem=4M");
	start();
	struct vm *vm = &vms[0];
	uint64_t zero_page = vm->vcpus[0].regs[GPR_RSI];
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(ram(vm, zero_page + 0x218, 4), MIB(4) - 4096);
	assert_int_equal(ram(vm, zero_page + 0x2d0 + 2 * 20, 8), MIB(1));
	assert_int_equal(ram(vm, zero_page + 0x2d8 + 2 * 20, 8), MIB(3));
	assert_int_equal(vm->s2.limit_pages, MIB(16) >> PAGE_SHIFT);
	assert_true(vm->vcpus[0].calls_platform && vm->vcpus[1].calls_platform);
	assert_false(vms[1].vcpus[0].calls_platform);
	end_all();
	world_stop();
	check_refused(images[0], LINUX_BYTES, "name=a mem=4M min=1M startup=1M as=hyper-v",
		      "startup=1024K is less than the 2048K that devices=pc needs");
}

static void test_command_line(void **state)
{
	char text[200];
	char wanted[200];
	char clock[40];
	(void)state;
	snprintf(clock, sizeof(clock), "tsc_early_khz=%llu", (unsigned long long)arch_tsc_khz());
	check_command_line("name=a mem=4M", clock);
	check_command_line("name=a mem=4M -- tsc_early_khz=5", "tsc_early_khz=5");
	check_command_line("name=a mem=4M -- x tsc_early_khz=5  y", "x tsc_early_khz=5  y");
	snprintf(wanted, sizeof(wanted), "xtsc_early_khz=5 tsc_early_kh %s", clock);
	check_command_line("name=a mem=4M -- xtsc_early_khz=5 tsc_early_kh", wanted);
	/* The kernel says how long it may be, the clock included: here 100 characters. */
	int room = 100 - (int)strlen(clock) - 1;
	snprintf(text, sizeof(text), "name=a mem=4M -- %0*d", room, 0);
	snprintf(wanted, sizeof(wanted), "%0*d %s", room, 0, clock);
	check_command_line(text, wanted);
	snprintf(text, sizeof(text), "name=a mem=4M -- %0*d", room + 1, 0);
	check_refused(make_linux(images[0]), LINUX_BYTES, text,
		      "101 characters long, and its kernel takes 100");
}

static void test_pvh(void **state)
{
	(void)state;
	begin();
	const uint8_t *kernel = make_elf(images[0], true, false);
	add(kernel, IMAGE_BYTES, "name=web mem=4M max=8M on-reboot=stop -- hello");
	add(data[0], 5001, "of=web -- first  one");
	add(data[1], 4096, "of=web");
	start();
	struct vm *vm = &vms[0];
	assert_int_equal(vm->state, VM_RUNNING);
	assert_non_null(strstr(fake_log_text, "kernel=PVH"));
	assert_int_equal(vm->vcpus[0].entry, 0x200040);
	check_ram(vm, 0x200000, kernel + 0x1000, 0x800);
	check_ram(vm, 0x300000, kernel + 0x1800, 0x800);
	uint64_t info = vm->vcpus[0].regs[GPR_RBX];
	assert_int_equal(ram(vm, info, 4), 0x336ec578);
	assert_int_equal(ram(vm, 0x413, 2), 636);
	check_ram(vm, 0xe0000, "RSD PTR ", 8);
	assert_int_equal(ram(vm, info + 4, 4), 1);
	assert_int_equal(ram(vm, info + 8, 4), 0);
	assert_int_equal(ram(vm, info + 12, 4), 2);
	check_text(vm, ram(vm, info + 24, 8), "hello");
	assert_int_equal(ram(vm, info + 32, 8), 0xe0000);
	assert_int_equal(ram(vm, info + 48, 4), 3);
	uint64_t map = ram(vm, info + 40, 8);
	assert_int_equal(ram(vm, map + 8, 8), 0x9f000);
	assert_int_equal(ram(vm, map + 40, 4), 2);
	assert_int_equal(ram(vm, map + 48, 8), 0x100000);
	assert_int_equal(ram(vm, map + 56, 8), MIB(7));
	assert_int_equal(ram(vm, map + 64, 4), 1);
	/* Modules: behind the kernel, in order, with their texts. */
	uint64_t list = ram(vm, info + 16, 8);
	assert_int_equal(ram(vm, list, 8), 0x301000);
	assert_int_equal(ram(vm, list + 8, 8), 5001);
	check_text(vm, ram(vm, list + 16, 8), "first  one");
	assert_int_equal(ram(vm, list + 32, 8), 0x303000);
	assert_int_equal(ram(vm, list + 40, 8), 4096);
	assert_int_equal(ram(vm, list + 48, 8), 0);
	check_ram(vm, 0x301000, data[0], 5001);
	check_ram(vm, 0x303000, data[1], 4096);
	end_all();
	world_stop();

	/* A Linux gets its initrd high, and its clock. */
	begin();
	add(make_elf(images[0], true, true), IMAGE_BYTES, "name=web mem=4M max=8M");
	add(data[0], 5001, "of=web");
	start();
	vm = &vms[0];
	assert_int_equal(vm->state, VM_RUNNING);
	info = vm->vcpus[0].regs[GPR_RBX];
	assert_int_equal(ram(vm, ram(vm, info + 16, 8), 8), MIB(8) - 8192);
	assert_int_equal(ram(vm, ram(vm, info + 24, 8), 8), 0x6c7261655f637374); /* tsc_earl */
	end_all();
	world_stop();

	make_elf(images[0], true, true);
	put(images[0], 0x410, 0x201000, 4); /* one byte behind the segment */
	check_refused(images[0], IMAGE_BYTES, "name=a mem=8M",
		      "entry 0x201000 is not in a segment");
}

static void test_multiboot(void **state)
{
	(void)state;
	begin();
	const uint8_t *kernel = make_multiboot(images[0]);
	add(kernel, IMAGE_BYTES, "name=mb mem=4M max=8M -- a b");
	add(data[0], 5001, "of=mb -- one");
	add(data[1], 4096, "of=mb");
	start();
	struct vm *vm = &vms[0];
	const struct vcpu *first = &vm->vcpus[0];
	assert_int_equal(vm->state, VM_RUNNING);
	assert_non_null(strstr(fake_log_text, "kernel=multiboot"));
	assert_int_equal(first->entry, 0x200000);
	assert_int_equal(first->regs[GPR_RAX], 0x2badb002);
	check_ram(vm, 0x200000, kernel + 0x1000, 0x800);
	uint64_t info = first->regs[GPR_RBX];
	assert_int_equal(ram(vm, info, 4), 0x24d);
	assert_int_equal(ram(vm, 0x413, 2), 636);
	check_ram(vm, 0xe0000, "RSD PTR ", 8);
	assert_int_equal(ram(vm, info + 4, 4), 636);
	assert_int_equal(ram(vm, info + 8, 4), 7 * 1024);
	check_text(vm, ram(vm, info + 16, 4), "a b");
	check_text(vm, ram(vm, info + 64, 4), "Aerostat");
	assert_int_equal(ram(vm, info + 20, 4), 2);
	uint64_t list = ram(vm, info + 24, 4);
	assert_int_equal(ram(vm, list, 4), 0x301000);
	assert_int_equal(ram(vm, list + 4, 4), 0x301000 + 5001);
	check_text(vm, ram(vm, list + 8, 4), "one");
	assert_int_equal(ram(vm, list + 16, 4), 0x303000);
	check_text(vm, ram(vm, list + 24, 4), "");
	check_ram(vm, 0x301000, data[0], 5001);
	uint64_t map = ram(vm, info + 48, 4);
	assert_int_equal(ram(vm, info + 44, 4), 72);
	assert_int_equal(ram(vm, map, 4), 20);
	assert_int_equal(ram(vm, map + 12, 8), 0x9f000);
	assert_int_equal(ram(vm, map + 24 + 20, 4), 2);
	assert_int_equal(ram(vm, map + 48 + 4, 8), 0x100000);
	assert_int_equal(ram(vm, map + 48 + 12, 8), MIB(7));
	assert_int_equal(ram(vm, map + 48 + 20, 4), 1);
	end_all();
	world_stop();
}

/* Regression by design: a native guest has no devices, and its module goes at once. */
static void test_native(void **state)
{
	(void)state;
	begin();
	add(make_elf(images[0], false, false), IMAGE_BYTES, "name=old mem=4M -- x");
	add(make_multiboot(images[1]), IMAGE_BYTES, "name=forced mem=4M devices=none");
	add(make_elf(images[2], true, true), IMAGE_BYTES, "name=too mem=4M devices=none");
	add(make_elf(images[3], false, false), IMAGE_BYTES, "name=pc mem=4M devices=pc");
	start();
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(vms[i].state, VM_RUNNING);
		assert_int_equal(vms[i].vcpus[0].entry, 0x200000);
		uint64_t info = vms[i].vcpus[0].regs[GPR_RBX];
		assert_int_equal(info, 0x301000);
		assert_int_equal(ram(&vms[i], info, 4), AEROSTAT_START_MAGIC);
		assert_int_equal(modules[i].released, i != 3);
		assert_int_equal(vms[i].platform != NULL, i == 3);
	}
	assert_int_equal(fake_platform_count, 1);
	assert_int_equal(pages.freed, 6);
	assert_int_equal(pages.kept, 2);
	end_all();
	world_stop();
	char text[600] = "name=a mem=4M -- ";
	memset(text + 17, 'x', AEROSTAT_COMMAND_LINE_BYTES);
	check_refused(images[0], IMAGE_BYTES, text, "512 bytes long, more than 511");
}

static void test_refused_kernels(void **state)
{
	(void)state;
	make_linux(images[0]);
	check_refused(images[0], LINUX_BYTES, "name=a mem=4M devices=none",
		      "devices=none is not for its Linux kernel");
	check_refused(images[0], LINUX_BYTES, "name=a mem=2M",
		      "max=2048K is too small: its kernel needs 3072K");
	check_refused(images[0], LINUX_BYTES, "name=a mem=4M max=3145732K", "3145728K");
	check_refused(images[0], LINUX_BYTES, "name=a mem=1M", "2048K to");
	check_refused(images[0], LINUX_BYTES - 16, "name=a mem=4M", "truncated");
	make_multiboot(images[0]);
	put(images[0], 4, 1, 1); /* ELF32 now, so it cannot be native */
	put(images[0], 18, 3, 2);
	check_refused(images[0], IMAGE_BYTES, "name=a mem=4M devices=none",
		      "devices=none is not for its multiboot kernel");
	check_refused(images[0], IMAGE_BYTES, "name=a mem=4M", "program headers");
	make_elf(images[0], true, false);
	check_refused(images[0], IMAGE_BYTES, "name=a mem=2M", "does not lie in the RAM");
	make_elf(images[0], false, false);
	check_refused(images[0], IMAGE_BYTES, "name=a mem=4M on-reboot=stop",
		      "on-reboot= is for VMs with devices=pc");
	check_refused(images[0], IMAGE_BYTES, "name=a mem=4M as=kvm",
		      "as=kvm is for VMs with devices=pc");
	memset(images[0], 0, IMAGE_BYTES);
	check_refused(images[0], IMAGE_BYTES, "name=a mem=4M", "not an ELF file");
	/* RAM that the host has not. */
	make_linux(images[0]);
	memset(images[1], 0, IMAGE_BYTES);
	begin();
	uint64_t free_before = frame_count_free();
	add(images[0], LINUX_BYTES, "name=a mem=64M min=4K");
	add((const void *)(direct_map_base + PAGE_BYTES), (FRAMES + 100) * PAGE_BYTES, "of=a");
	start();
	refused(&vms[0], "the host is too small: its image needs");
	assert_int_equal(frame_count_free(), free_before);
	world_stop();
	/* Devices that it has no memory for. */
	begin();
	fake_platform_fails = true;
	add(images[0], LINUX_BYTES, "name=a mem=4M");
	start();
	refused(&vms[0], "the host is too small");
	assert_int_equal(frame_count_free(), free_before);
	world_stop();
}

/* ---- Which module belongs to which VM -------------------------------------------------------- */

/* A Linux called web, the module texts given, and a good native VM: web is refused, as a whole. */
static void check_files_refused(const char *text, const char *one, const char *two,
				const char *reason)
{
	begin();
	uint64_t free_before = frame_count_free();
	make_linux(images[0]);
	make_elf(images[1], false, false);
	add(images[0], LINUX_BYTES, text);
	add(data[0], 4096, one);
	if (two != NULL) {
		add(data[1], two[0] == '!' ? 0 : 4096, two[0] == '!' ? two + 1 : two);
	}
	add(images[1], IMAGE_BYTES, "name=good mem=4M");
	start();
	assert_int_equal(vm_count, 2);
	refused(&vms[0], reason);
	assert_string_equal(vms[0].config.name, "web");
	assert_int_equal(vms[1].state, VM_RUNNING);
	assert_int_equal(fake_released_modules, module_count);
	end_all();
	assert_int_equal(frame_count_free(), free_before);
	world_stop();
}

static void test_bad_files(void **state)
{
	(void)state;
	check_files_refused("name=web mem=4M", "of=web", "of=web junk", "of=web stands junk");
	check_files_refused("name=web mem=4M", "of=web -- text", NULL, "takes no text");
	check_files_refused("name=web mem=4M", "of=web", "!of=web", "empty");
	check_files_refused("name=web mem=4M files=1", "of=web", "of=web",
			    "files=1, but the boot loader passed 2 modules with of=web");
	check_files_refused("name=web mem=4M files=2", "of=web", NULL, "passed 1 modules");
	check_files_refused("name=web mem=4Q", "of=web", NULL, "mem=4Q");
	/* A native guest takes none. */
	begin();
	add(make_elf(images[0], false, false), IMAGE_BYTES, "name=web mem=4M");
	add(data[0], 10, "of=web");
	start();
	refused(&vms[0], "a native guest takes no further file");
	assert_int_equal(fake_released_modules, 2);
	world_stop();
	/* One that stands before its VM, and one whose text was cut. */
	make_linux(images[0]);
	begin();
	add(data[0], 10, "of=web");
	add(images[0], LINUX_BYTES, "name=web mem=4M");
	start();
	assert_int_equal(vm_count, 1);
	refused(&vms[0], "the module with of=web stands before its own");
	assert_int_equal(fake_released_modules, 2);
	world_stop();
	begin();
	add(images[0], LINUX_BYTES, "name=web mem=4M");
	add(data[0], 10, "of=web")->text_truncated = true;
	start();
	refused(&vms[0], "longer than the hypervisor keeps");
	world_stop();
}

static void test_number_of_files(void **state)
{
	(void)state;
	for (unsigned count = VM_FILES_MAX; count <= VM_FILES_MAX + 1; count++) {
		begin();
		add(make_linux(images[0]), LINUX_BYTES, "name=web mem=4M");
		for (unsigned i = 0; i < count; i++) {
			add(data[0], 10, "of=web");
		}
		start();
		if (count <= VM_FILES_MAX) {
			assert_int_equal(vms[0].state, VM_RUNNING);
			assert_int_equal(ram(&vms[0], 0x8021c, 4), 12 * (VM_FILES_MAX - 1) + 10);
		} else {
			refused(&vms[0], "16 modules have of=web, and a VM takes at most 15");
		}
		end_all();
		world_stop();
	}
}

/* Files that no VM will ever take: each leaves a REFUSED slot, which makes the verdict a failure.
 */
static void test_orphans(void **state)
{
	(void)state;
	begin();
	add(data[0], 10, "of=nobody");
	add(make_linux(images[0]), LINUX_BYTES, "name=web mem=4M");
	add(data[0], 10, "of=we!b");
	add(data[0], 10, "of=web");
	start();
	assert_int_equal(vm_count, 3);
	refused(&vms[0], "module1 refused: of=nobody is the name of no VM");
	assert_int_equal(vms[1].state, VM_RUNNING);
	refused(&vms[2], "module3 refused: of=we!b is not 1 to 23 letters");
	assert_int_equal(ram(&vms[1], 0x8021c, 4), 10);
	assert_int_equal(fake_released_modules, 2);
	end_all();
	world_stop();
}

/* A second VM of the name is refused, and takes nothing from the first. */
static void test_name_twice(void **state)
{
	(void)state;
	begin();
	make_linux(images[0]);
	add(images[0], LINUX_BYTES, "name=web mem=4M");
	add(images[0], LINUX_BYTES, "name=web mem=4M");
	add(data[0], 10, "of=web");
	start();
	assert_int_equal(vms[0].state, VM_RUNNING);
	refused(&vms[1], "name=web is used twice");
	assert_int_equal(ram(&vms[0], 0x8021c, 4), 10);
	assert_false(modules[0].released);
	assert_true(modules[1].released);
	assert_false(modules[2].released);
	end_all();
	world_stop();
}

/* ---- Restart --------------------------------------------------------------------------------- */

static void test_modules_stay_for_a_restart(void **state)
{
	struct error error;
	(void)state;
	begin();
	make_linux(images[0]);
	add(images[0], LINUX_BYTES, "name=again mem=4M");
	add(data[0], 5000, "of=again");
	add(images[0], LINUX_BYTES, "name=once mem=4M on-reboot=stop");
	add(data[0], 5000, "of=once");
	start();
	assert_int_equal(pages.kept, 2 + 2);
	assert_int_equal(pages.freed, 2 + 2);
	assert_false(modules[0].released || modules[1].released);
	assert_true(modules[2].released && modules[3].released);
	/* As it is after a reset: memory gone, registers of who knows what. */
	struct vm *vm = &vms[0];
	vm_restart_or_finish(vm);
	assert_int_equal(vm->state, VM_RESTARTING);
	assert_true(scheduler_retire(vm));
	memset(vm->vcpus[0].regs, 0x5a, sizeof(vm->vcpus[0].regs));
	vm->vcpus[0].entry = 0x1234;
	vm->vcpus[0].exit_count = 7;
	world_forget(&vm->s2);
	while (!vm_teardown_step(vm)) {
	}
	assert_int_equal(vm_build_again(vm, &error), STATUS_OK);
	world_adopt(&vm->s2);
	vm->state = VM_RUNNING;
	assert_int_equal(vm->vcpus[0].exit_count, 7);
	assert_int_equal(vm->vcpus[0].entry, 0x100000);
	assert_int_equal(vm->vcpus[0].regs[GPR_RSI], 0x80000);
	assert_int_equal(vm->vcpus[0].regs[GPR_RBX], 0);
	check_ram(vm, 0x100000, images[0] + 0x400, 0xe00);
	check_ram(vm, ram(vm, 0x80218, 4), data[0], 5000);
	assert_false(modules[0].released);
	/* When it is over for good they go, once. */
	end_all();
	assert_int_equal(fake_released_modules, 4);
	assert_int_equal(fake_released_pages, 8);
	assert_int_equal(files_release(vm), 0);
	world_stop();
}

/* More VMs than there are slots: those behind are left out, and so are their files. */
static void test_more_modules_than_slots(void **state)
{
	(void)state;
	begin();
	make_elf(images[0], false, false);
	for (unsigned i = 0; i < VMS_MAX + 2; i++) {
		add(images[0], IMAGE_BYTES, "x");
	}
	add(images[0], IMAGE_BYTES, "name=web mem=4M");
	add(data[0], 10, "of=web");
	add(data[0], 10, "of=nobody");
	start();
	assert_int_equal(vm_count, VMS_MAX);
	for (unsigned i = 0; i < vm_count; i++) {
		assert_int_equal(vms[i].state, VM_REFUSED);
	}
	assert_int_equal(fake_released_modules, module_count);
	assert_int_equal(pages.freed, fake_released_pages);
	assert_int_equal(pages.kept, 0);
	world_stop();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_linux),
		cmocka_unit_test(test_startup),
		cmocka_unit_test(test_command_line),
		cmocka_unit_test(test_pvh),
		cmocka_unit_test(test_multiboot),
		cmocka_unit_test(test_native),
		cmocka_unit_test(test_refused_kernels),
		cmocka_unit_test(test_bad_files),
		cmocka_unit_test(test_number_of_files),
		cmocka_unit_test(test_orphans),
		cmocka_unit_test(test_name_twice),
		cmocka_unit_test(test_modules_stay_for_a_restart),
		cmocka_unit_test(test_more_modules_than_slots),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
