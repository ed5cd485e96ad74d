/* SPDX-License-Identifier: BSD-2-Clause */
/* See devices.h. One thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fake/devices.h"

#include "drivers/virt/pc_dialect.h"
#include "kernel/vm/vm.h"

struct fake_devices fake_devices;

void fake_devices_reset(void)
{
	memset(&fake_devices, 0, sizeof(fake_devices));
	fake_devices.next_tick = WAKE_NEVER;
}

struct platform *fake_devices_of_a_vm(void)
{
	return (struct platform *)(void *)&fake_devices;
}

static void has_devices(const struct vcpu *vcpu)
{
	assert_non_null(vcpu->vm);
	assert_non_null(vcpu->vm->platform);
}

void platform_port(struct vcpu *vcpu, uint16_t port, struct device_access *access)
{
	has_devices(vcpu);
	fake_devices.port = port;
	fake_devices.access = *access;
	fake_devices.port_accesses++;
	if (!access->write) {
		access->value = fake_devices.value & ~0ull >> (64 - 8 * access->bytes);
	}
}

bool platform_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	has_devices(vcpu);
	fake_devices.msr = index;
	if (fake_devices.refuses) {
		return false;
	}
	*value = fake_devices.value;
	return true;
}

bool platform_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	has_devices(vcpu);
	fake_devices.msr = index;
	if (fake_devices.refuses) {
		return false;
	}
	fake_devices.msr_written = value;
	return true;
}

bool platform_msr_write_quick(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	has_devices(vcpu);
	if (!fake_devices.quick) {
		return false;
	}
	fake_devices.msr = index;
	fake_devices.msr_written = value;
	vcpu->timer_tsc = fake_devices.next_tick;
	return true;
}

uint8_t platform_interrupt_ready(struct vcpu *vcpu)
{
	has_devices(vcpu);
	fake_devices.looks++;
	return fake_devices.ready;
}

uint8_t platform_interrupt_take(struct vcpu *vcpu, uint8_t vector)
{
	has_devices(vcpu);
	assert_int_equal(vector, fake_devices.ready);
	fake_devices.taken = fake_devices.instead != 0 ? fake_devices.instead : vector;
	fake_devices.ready = 0;
	return fake_devices.taken;
}

void platform_interrupt_put_back(struct vcpu *vcpu, uint8_t vector)
{
	has_devices(vcpu);
	fake_devices.put_back = vector;
	fake_devices.ready = vector;
}

bool platform_nmi_pending(const struct vcpu *vcpu)
{
	has_devices(vcpu);
	return fake_devices.nmi;
}

bool platform_nmi_take(struct vcpu *vcpu)
{
	has_devices(vcpu);
	bool taken = fake_devices.nmi;
	fake_devices.nmi = false;
	fake_devices.nmis_taken += taken;
	return taken;
}

void platform_nmi_put_back(struct vcpu *vcpu)
{
	has_devices(vcpu);
	fake_devices.nmi = true;
	fake_devices.nmis_put_back++;
	__atomic_store_n(&vcpu->doorbell_pending, true, __ATOMIC_RELEASE);
}

void platform_initialize(struct vcpu *vcpu)
{
	has_devices(vcpu);
	fake_devices.initialized++;
	vcpu->timer_tsc = WAKE_NEVER;
}

uint8_t platform_task_priority(const struct vcpu *vcpu)
{
	has_devices(vcpu);
	return fake_devices.priority;
}

void platform_task_priority_set(struct vcpu *vcpu, uint8_t priority)
{
	has_devices(vcpu);
	fake_devices.priority = priority;
}

uint64_t platform_tick(struct vcpu *vcpu, uint64_t now_tsc)
{
	has_devices(vcpu);
	fake_devices.ticks++;
	fake_devices.ticked_at_tsc = now_tsc;
	vcpu->timer_tsc = fake_devices.next_tick;
	return fake_devices.next_tick;
}

void platform_balloon_changed(struct vm *vm)
{
	assert_non_null(vm);
	assert_true(vm->balloon.by_device);
	fake_devices.targets_told++;
}

enum exit_action platform_hypercall(struct vcpu *vcpu, bool privileged)
{
	assert_true(vcpu->calls_platform);
	fake_devices.calls++;
	fake_devices.call_privileged = privileged;
	return EXIT_RESUME;
}

const struct pc_dialect *pc_dialect_of(const struct vm *vm)
{
	(void)vm;
	return NULL;
}
