/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot sequence behind the processor's own: options, backend, CPUs, guests, scheduler. */
#include "kernel/main.h"

#include "base/bits.h"
#include "base/log.h"
#include "base/string.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/overcommit/governor.h"
#include "kernel/overcommit/host_limits.h"
#include "kernel/housekeeping.h"
#include "kernel/lib/options.h"
#include "kernel/monitor/results.h"
#include "kernel/scripts.h"
#include "kernel/sched/scheduler.h"
#include "kernel/trace/mask.h"
#include "kernel/trace/trace.h"
#include "kernel/vm/vm.h"
#include "kernel/lifecycle/build.h"
#include "mm/frame.h"
#include "mm/promise.h"

_Static_assert(BOOT_MODULES_MAX > VMS_MAX, "there may be modules that are files of a VM");

/* The smallest guest that can run, with its tables and its vCPU's own pages, in frames. */
#define GUEST_PAGES_LEAST 128

static struct options options;

static _Noreturn void halt(const char *message)
{
	arch_console_urgent();
	log_event(NULL, "halt: %s", message);
	if (options.batch) {
		arch_end(options.end, false);
	}
	arch_halt();
}

static void take_options(const struct boot_info *boot_info)
{
	struct options_complaints complaints;
	options_parse(boot_info->command_line, &options, &complaints);
	const char *message = arch_console_select(&options.console);
	if (message != NULL) {
		log_event(NULL, "options: the console %s is not there: %s", options.console_name,
			  message);
	}
	if (boot_info->command_line_truncated) {
		log_event(NULL, "options: the command line is longer than what is kept of it; what "
				"is behind is ignored");
	}
	for (unsigned i = 0; i < complaints.count && i < OPTIONS_COMPLAINTS_MAX; i++) {
		log_event(NULL, "options: %s", complaints.errors[i].text);
	}
	if (complaints.count > OPTIONS_COMPLAINTS_MAX) {
		log_event(NULL, "options: %u more words are ignored",
			  complaints.count - OPTIONS_COMPLAINTS_MAX);
	}
}

/* With the CPUs, which have a ring each, and before the VMs. */
static void start_trace(void)
{
	struct word what = {options.trace, strlen(options.trace)};
	struct error error;
	uint32_t mask = 0;
	const char *message = options.has_trace_port ? trace_use_port(&options.trace_port) : NULL;
	if (message != NULL) {
		log_event(NULL, "options: trace-port= is ignored: %s", message);
	}
	if (what.length > 0 && (trace_mask_parse(what, &mask, &error) != STATUS_OK ||
				trace_set(mask, &error) != STATUS_OK)) {
		log_event(NULL, "options: trace= is ignored: %s", error.text);
	}
}

static void start_backend(void)
{
	struct error error;
	if (backend->probe(&error) != STATUS_OK || backend->cpu_start(&error) != STATUS_OK) {
		halt(error.text);
	}
}

/* Modules that are VMs. Those that the table had no place for count, whatever they are. */
static uint64_t count_vms(const struct boot_info *boot_info)
{
	uint64_t count = boot_info->modules_left_out;
	for (unsigned i = 0; i < boot_info->module_count; i++) {
		const struct boot_module *module = &boot_info->modules[i];
		count += module->released || vm_config_is_file(module->text) ? 0 : 1;
	}
	return count;
}

/*
 * A module that the boot loader could not load, or that has no place here, is a VM that never was:
 * the others run, but the run is not what was asked for. vms= says how many there should be.
 */
static void count_modules(const struct boot_info *boot_info)
{
	uint64_t passed = count_vms(boot_info);
	uint64_t absent = boot_info->modules_left_out;
	absent += sub_floor_u64(passed - absent, VMS_MAX);
	if (absent != 0) {
		log_event(NULL,
			  "modules: %llu of %llu are left out: there is place for %u modules, and "
			  "for %u VMs",
			  (unsigned long long)absent,
			  (unsigned long long)boot_info->module_count + boot_info->modules_left_out,
			  BOOT_MODULES_MAX, VMS_MAX);
	}
	if (options.vms != 0 && options.vms != passed) {
		log_event(NULL,
			  "modules: the boot loader passed %llu for VMs, but vms=%llu says how "
			  "many there should be",
			  (unsigned long long)passed, (unsigned long long)options.vms);
		absent += sub_floor_u64(options.vms, passed);
	}
	if (absent != 0 || (options.vms != 0 && options.vms != passed)) {
		report_incomplete((unsigned)absent);
	}
}

static void start_guests(struct boot_info *boot_info)
{
	struct vms_pages pages;
	if (boot_info->module_count == 0) {
		halt("no guest was given: the boot loader passed no module");
	}
	if (promise_spare() < GUEST_PAGES_LEAST) {
		char message[96];
		snprintf(message, sizeof(message),
			 "the host is too small for any guest: %lluK are free, at least %uK are "
			 "needed",
			 (unsigned long long)promise_spare() * 4, GUEST_PAGES_LEAST * 4);
		halt(message);
	}
	uint64_t freed = scripts_take(&options, boot_info);
	count_modules(boot_info);
	vms_start(boot_info->modules, boot_info->module_count, &pages);
	freed += pages.freed;
	log_event(NULL, "modules count=%u freed_pages=%llu kept_pages=%llu",
		  boot_info->module_count, (unsigned long long)freed,
		  (unsigned long long)pages.kept);
	governor_note_released(freed);
	vms_release();
}

void kernel_main(struct boot_info *boot_info)
{
	take_options(boot_info);
	start_backend();
	scheduler_init();
	(void)arch_cpus_start((unsigned)options.cpus_max);
	governor_init();
	host_limits_boot(&options);
	start_trace();
	housekeeping_init(&options);
	start_guests(boot_info);
	scheduler_run();
}

void kernel_cpu_main(void)
{
	scheduler_run();
}
