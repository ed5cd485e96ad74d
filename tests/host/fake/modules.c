/* SPDX-License-Identifier: BSD-2-Clause */
/* Boot modules of a kernel whose virtual PCs are the real ones (fake/platform.h: counters). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "fake/platform.h"

#include "arch/arch.h"
#include "arch/boot_info.h"

unsigned fake_released_modules;

void fake_platform_reset(void)
{
	fake_released_modules = 0;
}

uint64_t arch_module_release(struct boot_module *module)
{
	assert_false(module->released);
	module->released = true;
	fake_released_modules++;
	return 0;
}
