/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * kernel/lifecycle/restart.c and vm_build_again(): a VM with a real virtual PC resets itself and
 * begins again as it began the first time; while others have its memory it waits; and nothing is
 * ever lost.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "drivers/virt/pc.h"
#include "fake/kernel.h"
#include "fake/platform.h"

#include "arch/boot_info.h"
#include "base/time.h"
#include "kernel/lifecycle/build.h"
#include "kernel/lifecycle/end.h"
#include "kernel/lifecycle/files.h"
#include "kernel/lifecycle/restart.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"
#include "mm/alloc.h"
#include "mm/guest_copy.h"
#include "mm/phys.h"

#define FRAMES 3000
#define VCPUS 2

static struct boot_module module;
static uint8_t image[0x2000] __attribute__((aligned(4096)));
static struct vm *vm;
static uint64_t free_before;   /* without the VM */
static uint64_t free_at_first; /* with the VM as it begins */

static void put(unsigned offset, uint64_t value, unsigned bytes)
{
	memcpy(image + offset, &value, bytes);
}

/* ELF64 with a PVH note: one segment at 2 MiB, with a page behind it that is zero in memory. */
static void make_image(void)
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
	put(56, 2, 2);
	memcpy(image + 64, programs, sizeof(programs));
	memcpy(image + 0x400, "\4\0\0\0\4\0\0\0\x12\0\0\0Xen\0\x40\0\x20\0", 20);
	memset(image + 0x1000, 0xdd, 0x800);
}

static int setup(void **state)
{
	struct vms_pages pages;
	(void)state;
	kernel_start(FRAMES, 1);
	fake_log_clear();
	fake_tsc = 1000000;
	make_image();
	free_before = frame_count_free();
	module = (struct boot_module){
		.start = (uintptr_t)image - direct_map_base,
		.end = (uintptr_t)image - direct_map_base + sizeof(image),
		.text = "name=again mem=4M max=8M min=64K vcpus=2",
	};
	vms_start(&module, 1, &pages);
	vm = &vms[0];
	if (vm->state != VM_RUNNING) {
		fail_msg("%s", fake_log_text);
	}
	world_adopt(&vm->s2);
	world_check();
	assert_int_equal(vm->config.on_reboot, ON_REBOOT_RESTART);
	free_at_first = frame_count_free();
	vms_release();
	fake_tsc += 5000 * 1000;
	return 0;
}

static int end(void **state)
{
	if (vm->s2_exists) {
		kernel_vm_end(vm);
	}
	assert_null(vm->platform);
	assert_null(vm->console);
	assert_true(module.released);
	assert_int_equal(fake_released_modules, 1);
	assert_int_equal(frame_count_free(), free_before);
	fake_locks_check();
	return kernel_teardown(state);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, end)

static uint64_t ram(uint64_t address)
{
	uint64_t value = 0x1234;
	struct s2_locked locked = s2_lock(&vm->s2);
	assert_int_equal(guest_copy_in(locked, (gpa_t){address}, &value, sizeof(value)), STATUS_OK);
	s2_unlock(locked);
	return value;
}

/* The guest runs, has changed what it can, and resets its board. */
static void reset(void)
{
	struct device_access access = {.write = true, .bytes = 1, .value = 6};
	struct vcpu *first = &vm->vcpus[0];
	kernel_pick(first);
	for (uint64_t gfn = 0x1f0; gfn < 0x210; gfn++) {
		memset(kernel_guest_page(vm, gfn), 0x5a, PAGE_BYTES);
	}
	memset(first->regs, 0x5a, sizeof(first->regs));
	vm->balloon.target_pages = 77;
	vm->balloon.asked_pages = 78;
	vm->balloon.given_pages = 79;
	vm->balloon.driver_debt_pages = 80;
	vm->balloon.unresponsive = true;
	first->exit_count = 1000;
	platform_port(first, 0xcf9, &access);
	assert_int_equal(vm->state, VM_RESTARTING);
	assert_false(vm_is_over(vm));
	kernel_settle(first);
	assert_true(scheduler_retire(vm));
	world_check();
}

/* Steps until its address space is gone. */
static void take_apart(void)
{
	while (vm->s2_exists) {
		assert_true(vm_restart_step(vm));
		if (vm->s2_exists) {
			world_check();
		}
	}
	world_forget(&vm->s2);
	world_check();
	assert_non_null(vm->platform);
	assert_false(module.released);
}

static void expect_begun(unsigned restarts)
{
	assert_int_equal(vm->state, VM_RUNNING);
	assert_int_equal(vm->restarts, restarts);
	assert_int_equal(vm->begun_tsc, fake_tsc);
	/* Each CPU drops what it knows of the address space before. */
	assert_true(vm->s2.tlb.requested > 0);
	world_adopt(&vm->s2);
	world_check();
	/* As the first time: the same frames are free, and the image and the entry are there. */
	assert_int_equal(frame_count_free(), free_at_first);
	assert_int_equal(ram(0x200000), 0xdddddddddddddddd);
	assert_int_equal(ram(0x200800), 0);
	assert_int_equal(ram(0x201ff8), 0);
	assert_int_equal(ram(0x1ff000), 0);
	assert_int_equal(vm->vcpus[0].entry, 0x200040);
	assert_int_equal(vm->vcpus[0].state, VCPU_QUEUED);
	assert_int_equal((uint32_t)ram(vm->vcpus[0].regs[GPR_RBX]), 0x336ec578);
	assert_int_equal(vm->vcpus[0].exit_count, 1000);
	assert_int_equal(vm->vcpus[1].state, VCPU_OFF);
	/* The balloon is forgotten, and the devices are as after power-on. */
	assert_int_equal(vm->balloon.target_pages, 0);
	assert_int_equal(vm->balloon.asked_pages, 0);
	assert_int_equal(vm->balloon.given_pages, 0);
	assert_int_equal(vm->balloon.driver_debt_pages, 0);
	assert_false(vm->balloon.unresponsive);
	assert_false(vm->balloon.attached);
	assert_false(vpci_reset_wanted(&vm->platform->pci));
}

static void test_begins_again(void **state)
{
	(void)state;
	for (unsigned i = 1; i <= 8; i++) {
		reset();
		take_apart();
		assert_true(vm_restart_step(vm));
		expect_begun(i);
		fake_tsc += ticks_from_ms(RESTART_QUICK_MS);
	}
	assert_non_null(strstr(fake_log_text, "again started again restarts=1"));
}

/* Frames that others hold now; as many as there are. */
static pfn_t held[FRAMES];
static unsigned held_count;

static void hold_all(void)
{
	struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};
	held_count = 0;
	while (frame_alloc(ORDER_4K, tag, &held[held_count]) == STATUS_OK) {
		held_count++;
	}
	assert_true(held_count > 0);
}

static void let_go(unsigned count)
{
	struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, VM_ID_HOST};
	for (; count > 0; count--) {
		frame_free(held[--held_count], tag);
	}
}

/* A step that finds too little leaves nothing behind. */
static void expect_waiting(void)
{
	uint64_t before = frame_count_free();
	uint64_t spare = promise_spare();
	assert_false(vm_restart_step(vm));
	assert_int_equal(vm->state, VM_RESTARTING);
	assert_false(vm->s2_exists);
	assert_int_equal(frame_count_free(), before);
	assert_int_equal(promise_spare(), spare);
	assert_null(vm->vcpus[0].arch);
	world_check();
}

static void test_waits_for_memory(void **state)
{
	(void)state;
	reset();
	take_apart();
	hold_all();
	expect_waiting();
	fake_tsc = vm->ended_tsc + ticks_from_ms(RESTART_PATIENCE_MS) - 1;
	/* One frame more each time: whatever it is that fails, nothing stays. */
	unsigned tries = 0;
	while (!vm_restart_step(vm)) {
		expect_waiting();
		let_go(1);
		tries++;
	}
	assert_in_range(tries, 20, 2000);
	let_go(held_count);
	expect_begun(1);
}

static void test_patience_ends(void **state)
{
	(void)state;
	reset();
	take_apart();
	hold_all();
	fake_tsc = vm->ended_tsc + ticks_from_ms(RESTART_PATIENCE_MS) - 1;
	expect_waiting();
	fake_tsc++;
	assert_true(vm_restart_step(vm));
	assert_int_equal(vm->state, VM_KILLED);
	assert_string_equal(vm->end_reason, "there was no memory for its restart");
	assert_non_null(strstr(fake_log_text, "again cannot restart: "));
	assert_false(vm->s2_exists);
	assert_null(vm->platform);
	let_go(held_count);
	world_check();
}

/* There is RAM, but no memory for a vCPU: that has its reason in words as well. */
static void test_no_memory_for_a_vcpu(void **state)
{
	(void)state;
	reset();
	take_apart();
	fake_vcpu_fails = true;
	fake_tsc = vm->ended_tsc + ticks_from_ms(RESTART_PATIENCE_MS) - 1;
	expect_waiting();
	fake_tsc++;
	assert_true(vm_restart_step(vm));
	fake_vcpu_fails = false;
	assert_non_null(strstr(fake_log_text, "again cannot restart: the host is too small: "));
	assert_int_equal(vm->state, VM_KILLED);
	world_check();
}

/* Each time soon after its start; a longer run in between forgives. */
static void test_too_quick(void **state)
{
	(void)state;
	unsigned restarts = 0;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < RESTARTS_QUICK_MAX - 1 + (round == 0); i++) {
			reset();
			take_apart();
			assert_true(vm_restart_step(vm));
			expect_begun(++restarts);
			fake_tsc += ticks_from_ms(RESTART_QUICK_MS) - 1;
		}
		if (round == 0) {
			fake_tsc++;
			reset();
			take_apart();
			assert_true(vm_restart_step(vm));
			expect_begun(++restarts);
		}
	}
	reset();
	while (vm->s2_exists) {
		assert_int_equal(vm->state, VM_RESTARTING);
		assert_true(vm_restart_step(vm));
	}
	world_forget(&vm->s2);
	assert_int_equal(vm->state, VM_KILLED);
	assert_string_equal(vm->end_reason, "it resets itself again and again");
	assert_int_equal(vm->restarts, restarts);
	world_check();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_begins_again),  TEST(test_waits_for_memory),
		TEST(test_patience_ends), TEST(test_no_memory_for_a_vcpu),
		TEST(test_too_quick),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
