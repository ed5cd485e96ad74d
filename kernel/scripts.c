/* SPDX-License-Identifier: BSD-2-Clause */
/* See scripts.h. */
#include "kernel/scripts.h"

#include "base/log.h"
#include "arch/arch.h"
#include "kernel/monitor/results.h"
#include "kernel/monitor/script.h"
#include "kernel/vm/vm_config.h"
#include "mm/phys.h"

static void note(enum status status, const struct error *error)
{
	if (status != STATUS_OK) {
		log_event(NULL, "script: refused: %s", error->text);
		report_incomplete(0);
	}
}

uint64_t scripts_take(const struct options *options, struct boot_info *boot_info)
{
	struct error error;
	uint64_t freed = 0;
	if (options->exec[0] != '\0') {
		note(script_take_option(options->exec, &error), &error);
	}
	for (unsigned i = 0; i < boot_info->module_count; i++) {
		struct boot_module *module = &boot_info->modules[i];
		if (vm_config_is_script(module->text)) {
			const char *text = phys_to_virt((hpa_t){module->start});
			note(script_take(text, module->end - module->start, &error), &error);
			freed += arch_module_release(module);
		}
	}
	return freed;
}
