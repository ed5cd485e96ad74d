/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * drivers/virt/pc.c and pc_build.c: a virtual PC is made and ended, each port and page goes to its
 * device, and the guest can switch the machine off and reset it.
 */
#include "pc_fixture.h"

#include "kernel/lifecycle/end.h"
#include "mm/alloc.h"

/* ---- making and ending ---- */

static void test_made_and_ended(void **state)
{
	(void)state;
	uint64_t before = frame_count_free();
	platform_destroy(pc);
	assert_null(pc->platform);
	assert_null(pc->console);
	assert_int_equal(frame_count_free(), before + PLATFORM_PAGES + (1u << PC_SCROLLBACK_ORDER));
	world_check();
	platform_destroy(pc); /* there is none: nothing happens */
	assert_int_equal(frame_count_free(), before + PLATFORM_PAGES + (1u << PC_SCROLLBACK_ORDER));
	assert_int_equal(platform_create(pc), STATUS_OK);
	assert_non_null(pc->console);
	assert_int_equal(frame_count_free(), before);
	/* As after power-on, with the boot processor in virtual wire mode. */
	assert_true(vlapic_accepts_pic(pc_lapic(boot_vcpu)));
	assert_false(vlapic_accepts_pic(&pc->platform->lapics[1]));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(load(&pc->vcpus[i], VLAPIC_PAGE + REG_ID), i << 24);
		assert_int_equal(pc->vcpus[i].timer_tsc, WAKE_NEVER);
	}
}

/* Of `left` free frames one after the other is taken: each allocation fails in its turn. */
static void check_no_memory(unsigned left)
{
	pfn_t taken[PC_FRAMES];
	unsigned count = 0;
	struct frame_tag tag = {FRAME_HYPERVISOR, ORDER_4K, pc->id};

	while (count < PC_FRAMES && frame_alloc(ORDER_4K, tag, &taken[count]) == STATUS_OK) {
		count++;
	}
	unsigned held = count;
	for (unsigned i = 0; i < left; i++) {
		frame_free(taken[2 * i], tag); /* apart: no extent of several frames comes of it */
	}
	uint64_t before = frame_count_free();
	assert_true(before >= left);
	assert_int_equal(platform_create(pc), STATUS_NO_MEMORY);
	assert_null(pc->platform);
	assert_null(pc->console);
	assert_int_equal(frame_count_free(), before);
	world_check();
	for (unsigned i = 0; i < held; i++) {
		if (i % 2 != 0 || i / 2 >= left) {
			frame_free(taken[i], tag);
		}
	}
}

static void test_no_memory(void **state)
{
	(void)state;
	platform_destroy(pc);
	for (unsigned left = 0; left < 5; left++) {
		check_no_memory(left);
	}
	assert_int_equal(platform_create(pc), STATUS_OK);
}

/* A restart finds nothing of what was before. */
static void test_reset(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1);
	com1_line(true);
	assert_int_equal(platform_interrupt_take(boot_vcpu, 0x34), 0x34);
	platform_interrupt_put_back(boot_vcpu, 0x34);
	out(PC_SLEEP_CONTROL_PORT, 0x14);
	ioapic_entry(PC_IRQ_COM1, 0x45);
	out(0x43, 0x34);
	out(0x40, 0x10);
	out(0x40, 0x10);
	lapic_write(&pc->vcpus[1], REG_SVR, 0x1ff);
	lapic_write(boot_vcpu, REG_TPR, 0x50);
	assert_true(boot_vcpu->timer_tsc != WAKE_NEVER);
	platform_reset(pc);
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0);
	assert_int_equal(boot_vcpu->timer_tsc, WAKE_NEVER);
	assert_int_equal(in(PC_SLEEP_CONTROL_PORT), 0);
	assert_int_equal(in(0x3f9), 0);
	assert_int_equal(ioapic_low(PC_IRQ_COM1), MASKED);
	assert_int_equal(load(&pc->vcpus[1], VLAPIC_PAGE + REG_SVR), 0xff);
	assert_int_equal(platform_task_priority(boot_vcpu), 0);
}

/* ---- ports ---- */

static void test_ports_reach_their_device(void **state)
{
	(void)state;
	struct platform *platform = pc->platform;
	/* PIC: masks and ELCR. */
	start_pic(0);
	out(0x21, 0xa5);
	out(0xa1, 0x5a);
	out(0x4d0, 0x08);
	out(0x4d1, 0x02);
	assert_int_equal(platform->pic.master.mask, 0xa5);
	assert_int_equal(platform->pic.slave.mask, 0x5a);
	assert_int_equal(platform->pic.master.level, 0x08);
	assert_int_equal(platform->pic.slave.level, 0x02);
	assert_int_equal(in(0x21), 0xa5);
	assert_int_equal(in(0xa1), 0x5a);
	assert_int_equal(in(0x4d0), 0x08);
	assert_int_equal(in(0x4d1), 0x02);
	/* PIT: channel 2 and port 0x61. */
	out(0x61, 0x01);
	assert_int_equal(in(0x61) & 0x0f, 0x01);
	out(0x43, 0xb0);
	out(0x42, 0x34);
	out(0x42, 0x12);
	fake_tsc += 1;
	assert_int_equal(in(0x42) & ~3u, 0x34 & ~3u);
	assert_int_equal(in(0x42), 0x12);
	/* CMOS: a byte of its memory. */
	out(0x70, 0x40);
	out(0x71, 0x99);
	out(0x70, 0x41);
	out(0x70, 0x40);
	assert_int_equal(in(0x71), 0x99);
	/* i8042: its self-test. */
	out(0x64, 0xaa);
	assert_int_equal(in(0x64) & 1, 1);
	assert_int_equal(in(0x60), 0x55);
	assert_int_equal(in(0x92) & 1, 0);
	/* COM1: the scratch register; what is written is in the console. */
	out(0x3ff, 0x77);
	assert_int_equal(in(0x3ff), 0x77);
	out(0x3f8, 'A');
	out(0x3f8, 'B');
	assert_int_equal(pc->console->written, 2);
	assert_memory_equal(pc->console->scrollback, "AB", 2);
	/* ACPI. */
	out(PC_SLEEP_CONTROL_PORT, 0x14);
	assert_int_equal(in(PC_SLEEP_CONTROL_PORT), 0x14);
	assert_int_equal(in(PC_SLEEP_STATUS_PORT), 0);
	out(PC_SLEEP_STATUS_PORT, 0xff);
	assert_int_equal(in(PC_SLEEP_STATUS_PORT), 0);
	assert_int_equal(pc->state, VM_RUNNING);
}

/* Whole words reach the PCI ports; elsewhere they are single bytes. Nothing is behind the last. */
static void test_width(void **state)
{
	(void)state;
	struct device_access access = {.write = true, .bytes = 4, .value = 0x80001234};
	platform_port(boot_vcpu, VPCI_PORT, &access);
	assert_int_equal(in_bytes(VPCI_PORT, 4), 0x80001234);
	assert_int_equal(in_bytes(VPCI_PORT + 4, 4), 0xffffffff);
	access = (struct device_access){.write = true, .bytes = 2, .value = 0x6601};
	platform_port(boot_vcpu, 0x3fe, &access); /* MSR, which is read-only, and scratch */
	assert_int_equal(in(0x3ff), 0x66);
	assert_int_equal(in_bytes(0x3ff, 2), 0xff66);
	assert_int_equal(in_bytes(0x3ff, 4), 0xffffff66);
	assert_int_equal(in_bytes(0x80, 4), 0xffffffff);
	assert_int_equal(in_bytes(0x80, 2), 0xffff);
	assert_int_equal(in_bytes(0xffff, 1), 0xff);
	assert_int_equal(in_bytes(0xfffe, 4) >> 32, 0);
	out(0x80, 0x12);
	assert_int_equal(in(0x80), 0xff);
}

static void test_console_input(void **state)
{
	(void)state;
	start_pic(1u << PC_IRQ_COM1);
	out(0x3fa, 0x01);
	out(0x3f9, 0x01);
	out(0x3fc, 0x08);
	for (unsigned i = 0; i < 1000; i++) {
		assert_true(guest_console_type(pc->console, (uint8_t)i));
	}
	(void)has_rung(boot_vcpu);
	platform_console_input(pc);
	assert_true(has_rung(boot_vcpu));
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x34);
	for (unsigned i = 0; i < 1000; i++) {
		assert_int_equal(in(0x3fd) & 3, 1);
		assert_int_equal(in(0x3f8), i & 0xff);
	}
	assert_int_equal(in(0x3fd) & 1, 0);
}

/* ---- memory and MSRs ---- */

static void test_pages(void **state)
{
	(void)state;
	struct device_access access = {.bytes = 4, .value = 0x1234};
	static const uint64_t nothing[] = {VLAPIC_PAGE - 1,	 VLAPIC_PAGE + 0x1000,
					   VIOAPIC_PAGE - 1,	 VIOAPIC_PAGE + 0x1000,
					   PLATFORM_RAM_END_MAX, 0xffffffffffffffff};
	for (unsigned i = 0; i < ARRAY_COUNT(nothing); i++) {
		assert_false(platform_memory(boot_vcpu, (gpa_t){nothing[i]}, &access));
		assert_int_equal(access.value, 0x1234);
	}
	store(boot_vcpu, VIOAPIC_PAGE, 1);
	assert_int_equal(load(boot_vcpu, VIOAPIC_PAGE + 0x10) >> 16, VIOAPIC_PINS - 1);
	assert_int_equal(load(&pc->vcpus[3], VLAPIC_PAGE + REG_ID), 3u << 24);
}

static void test_msrs(void **state)
{
	(void)state;
	static const uint32_t others[] = {0, 0x1a, 0x1c, 0x6df, 0x6e1, 0x7ff, 0x900, 0xc0000080};
	uint64_t value = 0x1234;
	for (unsigned i = 0; i < ARRAY_COUNT(others); i++) {
		assert_false(platform_msr_read(boot_vcpu, others[i], &value));
		assert_int_equal(value, 0x1234);
		assert_false(platform_msr_write(boot_vcpu, others[i], 0));
	}
	assert_true(platform_msr_read(boot_vcpu, VLAPIC_MSR_BASE, &value));
	assert_int_equal(value, XAPIC_ON | VLAPIC_BASE_BSP);
	assert_false(platform_msr_write(boot_vcpu, VLAPIC_MSR_BASE, 0x12345800));
	assert_false(platform_msr_read(boot_vcpu, msr_of(REG_ID), &value));
	assert_true(platform_msr_write(boot_vcpu, VLAPIC_MSR_BASE, X2APIC_ON | VLAPIC_BASE_BSP));
	assert_true(platform_msr_read(boot_vcpu, msr_of(REG_ID), &value));
	assert_int_equal(value, 0);
	/* An interrupt for itself, and the deadline of its timer. */
	assert_true(platform_msr_write(boot_vcpu, msr_of(REG_SELF), 0x61));
	assert_true(has_rung(boot_vcpu));
	assert_int_equal(platform_interrupt_ready(boot_vcpu), 0x61);
	assert_true(platform_msr_write(boot_vcpu, msr_of(REG_TIMER), 0x40062));
	assert_true(platform_msr_write(boot_vcpu, VLAPIC_MSR_TSC_DEADLINE, fake_tsc + 777));
	assert_int_equal(boot_vcpu->timer_tsc, fake_tsc + 777);
}

/* ---- power ---- */

static void test_switched_off(void **state)
{
	(void)state;
	for (unsigned type = 0; type < 8; type++) {
		out(PC_SLEEP_CONTROL_PORT, (uint8_t)(type << 2)); /* without SLP_EN */
		assert_int_equal(pc->state, VM_RUNNING);
		if (type != 5) {
			out(PC_SLEEP_CONTROL_PORT, (uint8_t)(0x20 | type << 2));
			assert_int_equal(pc->state, VM_RUNNING);
		}
	}
	out(PC_SLEEP_CONTROL_PORT, 0x34);
	assert_int_equal(pc->state, VM_FINISHED);
	assert_int_equal(pc->exit_code, 0);
}

static void test_reset_with_stop(void **state)
{
	(void)state;
	out(0xcf9, 0x02);
	assert_int_equal(pc->state, VM_RUNNING);
	out(0xcf9, 0x06);
	assert_int_equal(pc->state, VM_FINISHED);
}

static void test_keyboard_reset_with_stop(void **state)
{
	(void)state;
	out(0x64, 0xf1);
	assert_int_equal(pc->state, VM_RUNNING);
	out(0x64, 0xfe);
	assert_int_equal(pc->state, VM_FINISHED);
}

static void reset_with_restart(uint16_t port, uint8_t value)
{
	pc->config.on_reboot = ON_REBOOT_RESTART;
	out(port, value);
	assert_int_equal(pc->state, VM_RESTARTING);
	/* A second reason to end comes too late; devices stay for the next start. */
	vm_kill(pc, "late");
	assert_int_equal(pc->state, VM_RESTARTING);
	kernel_settle(boot_vcpu);
	assert_true(scheduler_retire(pc));
	while (!vm_teardown_step(pc)) {
	}
	assert_non_null(pc->platform);
	vm_abandon(pc, "enough");
	assert_int_equal(pc->state, VM_KILLED);
	assert_null(pc->platform);
}

static void test_reset_with_restart(void **state)
{
	(void)state;
	reset_with_restart(0xcf9, 0x06);
}

static void test_keyboard_reset_with_restart(void **state)
{
	(void)state;
	reset_with_restart(0x64, 0xfe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		PC_TEST(test_made_and_ended),
		PC_TEST(test_no_memory),
		PC_TEST(test_reset),
		PC_TEST(test_ports_reach_their_device),
		PC_TEST(test_width),
		PC_TEST(test_console_input),
		PC_TEST(test_pages),
		PC_TEST(test_msrs),
		PC_TEST(test_switched_off),
		PC_TEST(test_reset_with_stop),
		PC_TEST(test_keyboard_reset_with_stop),
		PC_TEST(test_reset_with_restart),
		PC_TEST(test_keyboard_reset_with_restart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
