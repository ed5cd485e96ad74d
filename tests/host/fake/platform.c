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
uint64_t fake_released_pages;
unsigned fake_released_modules;

void fake_platform_reset(void)
{
	fake_platform_fails = false;
	fake_platform_count = 0;
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

bool platform_memory(struct vcpu *vcpu, gpa_t address, struct device_access *access)
{
	(void)vcpu;
	(void)address;
	(void)access;
	return false;
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
