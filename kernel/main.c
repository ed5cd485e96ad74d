/* SPDX-License-Identifier: BSD-2-Clause */
/* The boot sequence behind the processor's own: options, backend, CPUs, guests, scheduler. */
#include "kernel/main.h"

#include "base/log.h"
#include "base/string.h"
#include "kernel/arch.h"
#include "kernel/backend.h"
#include "kernel/governor.h"
#include "kernel/house.h"
#include "kernel/options.h"
#include "kernel/report.h"
#include "kernel/scheduler.h"
#include "kernel/vm.h"
#include "mm/frame.h"
#include "mm/promise.h"

/* The smallest guest that can run, with its tables and its vCPU's own pages, in frames. */
#define GUEST_PAGES_LEAST 128

static struct options options;

static _Noreturn void halt(const char *sentence)
{
	log_event(NULL, "halt: %s", sentence);
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
	for (unsigned i = 0; i < complaints.count && i < OPTIONS_COMPLAINTS_MAX; i++) {
		log_event(NULL, "options: %s", complaints.sentences[i]);
	}
}

static void start_backend(void)
{
	const char *sentence = "";
	if (backend->probe(&sentence) != STATUS_OK || backend->cpu_start(&sentence) != STATUS_OK) {
		halt(sentence);
	}
}

static void start_guests(const struct boot_info *boot_info)
{
	if (boot_info->module_count == 0) {
		halt("no guest was given: the boot loader passed no module");
	}
	if (promise_spare() < GUEST_PAGES_LEAST) {
		char sentence[96];
		snprintf(sentence, sizeof(sentence),
			 "the host is too small for any guest: %lluK are free, at least %uK are "
			 "needed",
			 (unsigned long long)promise_spare() * 4, GUEST_PAGES_LEAST * 4);
		halt(sentence);
	}
	for (unsigned i = 0; i < boot_info->module_count; i++) {
		vm_start(&boot_info->modules[i]);
	}
	vms_release();
}

void kernel_main(const struct boot_info *boot_info)
{
	take_options(boot_info);
	start_backend();
	scheduler_init();
	(void)arch_cpus_start((unsigned)options.cpus_max);
	governor_init();
	house_init(&options);
	start_guests(boot_info);
	scheduler_run();
}

void kernel_cpu_main(void)
{
	scheduler_run();
}
