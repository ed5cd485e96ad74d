/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The boot CPU's way from the loader to kernel_main(): console, boot information, processor,
 * memory, timers. Each step that fails ends in one error message. Runs once, interrupts off, no
 * locks.
 */
#include "arch/x86/boot/main.h"

#include "arch/x86/boot/memory.h"
#include "arch/x86/boot/multiboot2.h"
#include "arch/x86/boot/smp.h"
#include "arch/x86/cpu/console_screen.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/gdt.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/trap/paging.h"
#include "arch/x86/cpu/pic.h"
#include "arch/x86/cpu/power.h"
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/cpu/xstate.h"
#include "base/bits.h"
#include "base/log.h"
#include "base/time.h"
#include "base/version.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "arch/boot_info.h"
#include "kernel/log/log.h"
#include "kernel/main.h"
#include "kernel/lib/options.h"
#include "mm/phys.h"

static struct boot_info boot_info;
static bool mitigations_off; /* says the command line */
static bool console_answers; /* some console other than the screen */

/* Written by entry.S. */
uint64_t boot_entry_tsc;

_Noreturn static void refuse(const char *message)
{
	arch_console_urgent();
	log_event(NULL, "halt: %s", message);
	arch_power_off(false);
}

/* What is needed before kernel_main, which complains about what cannot be. */
static void take_early_options(void)
{
	static struct options_complaints complaints;
	struct options options;

	options_parse(boot_info.command_line, &options, &complaints);
	console_answers |= arch_console_select(&options.console) == NULL;
	console_screen_choose(&boot_info.screen, options.screen, !console_answers, EARLY_MAP_BYTES);
	if (boot_info.screen_message != NULL) {
		log_event(NULL, "screen: not used: %s", boot_info.screen_message);
	} else if (options.screen > SCREEN_USE_NO && boot_info.screen.kind == SCREEN_NONE) {
		log_event(NULL, "options: there is no screen: the boot loader gave none");
	}
	mitigations_off = options.mitigations_off;
}

/* Answers how many bytes of boot information there are at `place`. */
static size_t read_boot_information(uint32_t magic, hpa_t place)
{
	struct error error;

	if (magic != MULTIBOOT2_LOADER_MAGIC || place.v == 0 || !is_aligned_u64(place.v, 8)) {
		refuse("Aerostat was not started by a multiboot2 boot loader");
	}
	uint32_t bytes = *(const uint32_t *)phys_to_virt(place);
	if (bytes > MULTIBOOT2_BYTES_MAX || place.v + bytes > EARLY_MAP_BYTES) {
		refuse("the boot information has an impossible size");
	}
	enum status status = multiboot2_parse(phys_to_virt(place), bytes, &boot_info, &error);
	take_early_options();
	if (status != STATUS_OK) {
		refuse(error.text);
	}
	if (boot_info.rsdp_bytes != 0) {
		boot_info.acpi_rsdp = image_to_hpa(boot_info.rsdp).v;
	}
	return bytes;
}

static void start_processor(void)
{
	struct error error;

	tsc_measure(); /* the tables of memory are built meanwhile */
	if (features_detect(&error) != STATUS_OK) {
		refuse(error.text);
	}
	cpu_control_init();
	xstate_cpu_init();
	pic_disable();
}

static void map_lapic(void)
{
	hpa_t page = lapic_find();

	if (page.v != 0) {
		lapic_set_page(paging_map_mmio(page, PAGE_BYTES));
	}
}

static void print_summary(void)
{
	log_event(NULL,
		  "boot version=" AEROSTAT_VERSION
		  " cpu=\"%s\" backend=%s tsc_khz=%lu tsc_from=%s ram_kib=%lu "
		  "frame_table_kib=%lu "
		  "modules=%u loader=\"%s\"",
		  cpu_features.name, cpu_features.vmx || cpu_features.svm ? backend->name : "none",
		  arch_tsc_khz(), tsc_source(), memory_ram_bytes() >> 10,
		  memory_table_bytes() >> 10, boot_info.module_count, boot_info.loader_name);
}

void arch_main(uint32_t magic, uint32_t boot_information)
{
	hpa_t place = {boot_information};
	struct error error;

	cpu_attach(0, &boot_cpu_stacks);
	log_start(boot_entry_tsc);
	console_answers = arch_console_select(&CONSOLE_DEFAULT) == NULL;
	gdt_load(&cpus[0]);
	idt_init(); /* from here on a fault is a readable report */
	size_t bytes = read_boot_information(magic, place);
	start_processor();
	if (memory_init(&boot_info, place, bytes, &error) != STATUS_OK) {
		refuse(error.text);
	}
	map_lapic();
	lapic_init();
	power_prepare(boot_info.acpi_rsdp);
	tsc_init();
	lapic_calibrate();
	cpus[0].reachable = true;
	smp_prepare(&boot_info);
	/* Where there is neither, VT-x's probe says so. */
	backend = cpu_features.svm && !cpu_features.vmx ? &svm_backend : &vmx_backend;
	print_summary();
	speculation_start(mitigations_off);
	kernel_main(&boot_info);
}
