/* SPDX-License-Identifier: BSD-2-Clause */
/* See the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake/platform.h"

#include "arch/arch.h"
#include "arch/boot_info.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

bool fake_platform_fails;
unsigned fake_platform_count;
uint64_t fake_platform_due = WAKE_NEVER;
uint8_t fake_platform_vector;
uint8_t fake_platform_in_service;
static uint8_t priority;
uint64_t fake_released_pages;
unsigned fake_released_modules;

void fake_platform_reset(void)
{
	fake_platform_fails = false;
	fake_platform_count = 0;
	fake_platform_due = WAKE_NEVER;
	fake_platform_vector = 0;
	fake_platform_in_service = 0;
	priority = 0;
	fake_released_pages = 0;
	fake_released_modules = 0;
}

enum status platform_create(struct vm *vm)
{
	assert_null(vm->platform);
	if (fake_platform_fails) {
		return STATUS_NO_MEMORY;
	}
	vm->platform = (struct platform *)vm;
	fake_platform_count++;
	return STATUS_OK;
}

void platform_destroy(struct vm *vm)
{
	if (vm->platform != NULL) {
		vm->platform = NULL;
		fake_platform_count--;
	}
}

void platform_reset(struct vm *vm)
{
	assert_non_null(vm->platform);
}

/* As on a PC where there is nothing: ones. */
void platform_port(struct vcpu *vcpu, uint16_t port, struct device_access *access)
{
	(void)vcpu;
	(void)port;
	if (!access->write) {
		access->value = UINT32_MAX >> (32 - 8 * access->bytes);
	}
}

bool platform_memory(struct vcpu *vcpu, gpa_t address, struct device_access *access)
{
	(void)vcpu;
	(void)address;
	(void)access;
	return false;
}

bool platform_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value)
{
	(void)vcpu;
	(void)index;
	(void)value;
	return false;
}

bool platform_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	(void)vcpu;
	(void)index;
	(void)value;
	return false;
}

uint8_t platform_interrupt_ready(struct vcpu *vcpu)
{
	(void)vcpu;
	return fake_platform_vector >> 4 > priority ? fake_platform_vector : 0;
}

uint8_t platform_interrupt_take(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	assert_int_equal(vector, fake_platform_vector);
	fake_platform_in_service = vector;
	fake_platform_vector = 0;
	return vector;
}

void platform_interrupt_put_back(struct vcpu *vcpu, uint8_t vector)
{
	(void)vcpu;
	assert_int_equal(vector, fake_platform_in_service);
	fake_platform_vector = vector;
	fake_platform_in_service = 0;
}

uint8_t platform_task_priority(const struct vcpu *vcpu)
{
	(void)vcpu;
	return priority;
}

void platform_task_priority_set(struct vcpu *vcpu, uint8_t value)
{
	(void)vcpu;
	priority = value;
}

uint64_t platform_tick(struct vcpu *vcpu, uint64_t now_tsc)
{
	(void)vcpu;
	(void)now_tsc;
	return fake_platform_due;
}

void platform_console_input(struct vm *vm)
{
	(void)vm;
}

uint64_t arch_module_release(struct boot_module *module)
{
	assert_false(module->released);
	module->released = true;
	uint64_t first = module->start >> PAGE_SHIFT;
	uint64_t pages = ((module->end + PAGE_BYTES - 1) >> PAGE_SHIFT) - first;
	fake_released_pages += module->start == module->end ? 0 : pages;
	fake_released_modules++;
	return module->start == module->end ? 0 : pages;
}
