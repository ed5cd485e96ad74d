/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A VM with a virtual PC, the real one, over a world: vCPU 0 runs on CPU 0, the others are OFF.
 * Accesses are those of its exits.
 */
#ifndef VIRT_PC_FIXTURE_H
#define VIRT_PC_FIXTURE_H

#include "vlapic_fixture.h"

#include "drivers/virt/pc.h"
#include "fake/kernel.h"
#include "kernel/sched/scheduler.h"
#include "kernel/vm/platform.h"

#define PC_FRAMES 1500

static struct vm *pc;
static struct vcpu *boot_vcpu;

static inline int pc_setup(void **state)
{
	(void)state;
	kernel_start(PC_FRAMES, 1);
	fake_log_clear();
	fake_tsc = 1000000;
	pc = kernel_vm_with(4, "pc", 600, 100, 20);
	pc->config.devices = DEVICES_PC;
	pc->config.on_reboot = ON_REBOOT_STOP;
	boot_vcpu = &pc->vcpus[0];
	assert_int_equal(platform_create(pc), STATUS_OK);
	world_check();
	return 0;
}

static inline int pc_end(void **state)
{
	kernel_vm_end(pc);
	assert_null(pc->platform);
	fake_locks_check();
	return kernel_teardown(state);
}

#define PC_TEST(name) cmocka_unit_test_setup_teardown(name, pc_setup, pc_end)

static inline void out(uint16_t port, uint8_t value)
{
	struct device_access access = {.write = true, .bytes = 1, .value = value};
	platform_port(boot_vcpu, port, &access);
}

static inline uint64_t in_bytes(uint16_t port, uint8_t bytes)
{
	struct device_access access = {.bytes = bytes, .value = 0xeeeeeeeeeeeeeeee};
	platform_port(boot_vcpu, port, &access);
	return access.value;
}

static inline uint8_t in(uint16_t port)
{
	return (uint8_t)in_bytes(port, 1);
}

static inline void store(struct vcpu *vcpu, uint64_t address, uint32_t value)
{
	struct device_access access = {.write = true, .bytes = 4, .value = value};
	assert_true(platform_memory(vcpu, (gpa_t){address}, &access));
}

static inline uint32_t load(struct vcpu *vcpu, uint64_t address)
{
	struct device_access access = {.bytes = 4, .value = 0xeeeeeeeeeeeeeeee};
	assert_true(platform_memory(vcpu, (gpa_t){address}, &access));
	return (uint32_t)access.value;
}

static inline void lapic_write(struct vcpu *vcpu, uint32_t offset, uint32_t value)
{
	store(vcpu, VLAPIC_PAGE + offset, value);
}

/* The command register, in xAPIC mode. */
static inline void send(struct vcpu *vcpu, uint32_t destination, uint32_t low)
{
	lapic_write(vcpu, REG_ICR_HIGH, destination << 24);
	lapic_write(vcpu, REG_ICR, low);
}

static inline void ioapic_entry(unsigned pin, uint64_t entry)
{
	store(boot_vcpu, VIOAPIC_PAGE, 0x10 + pin * 2 + 1);
	store(boot_vcpu, VIOAPIC_PAGE + 0x10, (uint32_t)(entry >> 32));
	store(boot_vcpu, VIOAPIC_PAGE, 0x10 + pin * 2);
	store(boot_vcpu, VIOAPIC_PAGE + 0x10, (uint32_t)entry);
}

static inline uint32_t ioapic_low(unsigned pin)
{
	store(boot_vcpu, VIOAPIC_PAGE, 0x10 + pin * 2);
	return load(boot_vcpu, VIOAPIC_PAGE + 0x10);
}

/* Both chips, vectors from 0x30 on, all lines but `open` masked. */
static inline void start_pic(uint16_t open)
{
	out(0x20, 0x11);
	out(0x21, 0x30);
	out(0x21, 4);
	out(0x21, 1);
	out(0xa0, 0x11);
	out(0xa1, 0x38);
	out(0xa1, 2);
	out(0xa1, 1);
	out(0x21, (uint8_t)~open);
	out(0xa1, (uint8_t)(~open >> 8));
}

/* The interrupt of COM1's empty transmitter: its line goes up, and down. */
static inline void com1_line(bool level)
{
	out(0x3fc, 0x08);
	out(0x3f9, level ? 2 : 0);
}

/* The vCPU's doorbell has rung since the last look. */
static inline bool has_rung(struct vcpu *vcpu)
{
	return __atomic_exchange_n(&vcpu->doorbell_pending, false, __ATOMIC_SEQ_CST);
}

#endif
