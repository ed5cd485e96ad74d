/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Finds the other processors and starts them one after the other (Intel SDM volume 3, 9.4.4: INIT,
 * start-up, start-up). Each is compared with the boot CPU before it may take part, because a
 * virtual machine can run on one now and on another later. An AP that times out or whose features
 * differ is reported in one log line and sent INIT, so that it waits for a start-up command again;
 * its index is reused.
 *
 * The boot CPU and the one that it starts take turns (smp.h); there is no lock.
 */
#include "arch/x86/boot/smp.h"

#include "arch/x86/boot/memory.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/features.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/lapic.h"
#include "arch/x86/trap/paging.h"
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/cpu/tsc.h"
#include "arch/x86/cpu/xstate.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "base/time.h"
#include "drivers/phys/processors.h"
#include "arch/arch.h"
#include "arch/backend.h"
#include "kernel/main.h"

#define INIT_MICROS 10000  /* 9.4.4.1 */
#define STARTUP_MICROS 200 /* between the two start-up commands */
/*
 * For each thing that we wait for; then the processor is given up. A real one takes microseconds,
 * but an emulator on a busy machine can leave one of its processors alone for tenths of a second.
 */
#define STEP_MICROS 1000000
#define CLOCK_ROUNDS 8
#define CLOCK_ROUND_MICROS 200 /* an answer within that time is good enough to judge by */
#define CLOCK_MICROS 1000      /* the largest difference that passes */

struct ap_start ap_start;

static const struct boot_info *boot_info;
static bool released;		       /* all have been started */
static char borrowed_page[PAGE_BYTES]; /* what the trampoline's page held */

void smp_prepare(const struct boot_info *info)
{
	boot_info = info;
}

static uint32_t state_read(void)
{
	return __atomic_load_n(&ap_start.state, __ATOMIC_ACQUIRE);
}

static void state_write(uint32_t state)
{
	__atomic_store_n(&ap_start.state, state, __ATOMIC_RELEASE);
}

/* ---- The new CPU ----------------------------------------------------------------------------- */

_Noreturn static void refuse(struct cpu *cpu, const char *message)
{
	__atomic_store_n(&cpu->reachable, false, __ATOMIC_RELEASE);
	snprintf(ap_start.error.text, sizeof(ap_start.error.text), "%s", message);
	state_write(AP_REFUSED);
	arch_halt();
}

/* Says what time it is as often as it is asked, until the boot CPU has decided. */
static void answer_clock(struct cpu *cpu)
{
	uint32_t answered = 0;

	while (state_read() == AP_CLOCK) {
		uint32_t asked = __atomic_load_n(&ap_start.clock_asked, __ATOMIC_ACQUIRE);

		if (asked != answered) {
			ap_start.clock_tsc = tsc_read();
			answered = asked;
			__atomic_store_n(&ap_start.clock_answered, answered, __ATOMIC_RELEASE);
		}
		arch_pause();
	}
	if (state_read() != AP_ADMITTED) {
		refuse(cpu, "");
	}
}

void ap_main(void)
{
	struct cpu *cpu = &cpus[ap_start.index];
	struct error error;

	cpu_attach(ap_start.index, cpu->stacks);
	gdt_load(cpu);
	idt_load();
	if (!features_are_like_boot()) {
		refuse(cpu, "its features differ from those of the boot processor");
	}
	cpu_control_init();
	xstate_cpu_init();
	lapic_init();
	if (cpu->apic_id != ap_start.apic_id) {
		refuse(cpu, "its local APIC has another id than firmware says");
	}
	__atomic_store_n(&cpu->reachable, true, __ATOMIC_RELEASE);
	state_write(AP_CLOCK);
	answer_clock(cpu);
	if (speculation_cpu_start(&error) != STATUS_OK || backend->cpu_start(&error) != STATUS_OK) {
		refuse(cpu, error.text);
	}
	state_write(AP_READY);
	while (!__atomic_load_n(&released, __ATOMIC_ACQUIRE)) {
		arch_idle(UINT64_MAX);
	}
	kernel_cpu_main();
}

/* ---- The boot CPU ---------------------------------------------------------------------------- */

static void wait_micros(uint64_t micros)
{
	uint64_t start = tsc_read();

	while (tsc_read() - start < ticks_from_us(micros)) {
		arch_pause();
	}
}

/* Waits until the state is no longer `state`. False: it still is. */
static bool wait_while(uint32_t state, uint64_t micros)
{
	uint64_t start = tsc_read();

	while (state_read() == state) {
		if (tsc_read() - start >= ticks_from_us(micros)) {
			return false;
		}
		arch_pause();
	}
	return true;
}

static void call(uint32_t apic_id, uint64_t page)
{
	state_write(AP_CALLED);
	lapic_command(apic_id, LAPIC_INIT);
	wait_micros(INIT_MICROS);
	lapic_command(apic_id, LAPIC_STARTUP((uint32_t)(page >> PAGE_SHIFT)));
	if (!wait_while(AP_CALLED, STARTUP_MICROS)) {
		/* Many processors need one command only, and ignore the second. */
		lapic_command(apic_id, LAPIC_STARTUP((uint32_t)(page >> PAGE_SHIFT)));
	}
}

/* The AP is no longer expected. False: it has arrived at this very moment. */
static bool call_off(void)
{
	uint32_t expected = AP_CALLED;

	return __atomic_compare_exchange_n(&ap_start.state, &expected, AP_NONE, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/*
 * OK: by all that can be seen the clocks agree; else *error says how they differ. A round shows
 * that the answer was given between its start and its end, so a quick one tells more.
 */
static enum status clock_check(struct error *error)
{
	uint64_t allowed = ticks_from_us(CLOCK_MICROS);

	for (unsigned round = 1; round <= CLOCK_ROUNDS; round++) {
		uint64_t before = tsc_read();

		__atomic_store_n(&ap_start.clock_asked, round, __ATOMIC_RELEASE);
		while (__atomic_load_n(&ap_start.clock_answered, __ATOMIC_ACQUIRE) != round) {
			if (tsc_read() - before >= ticks_from_us(STEP_MICROS)) {
				return error_set(error, STATUS_UNSUPPORTED,
						 "it has stopped answering");
			}
			arch_pause();
		}
		uint64_t after = tsc_read();
		if (ap_start.clock_tsc + allowed < before) {
			return error_set(error, STATUS_UNSUPPORTED,
					 "its time-stamp counter is more than 1 ms behind");
		}
		if (ap_start.clock_tsc > after + allowed) {
			return error_set(error, STATUS_UNSUPPORTED,
					 "its time-stamp counter is more than 1 ms ahead");
		}
		if (after - before <= ticks_from_us(CLOCK_ROUND_MICROS)) {
			break;
		}
	}
	return STATUS_OK;
}

/* From the call to READY. UNSUPPORTED: *error says why not. */
static enum status accompany(struct error *error)
{
	if (!wait_while(AP_CALLED, STEP_MICROS) && call_off()) {
		return error_set(error, STATUS_UNSUPPORTED, "it did not start within a second");
	}
	if (!wait_while(AP_ARRIVED, STEP_MICROS)) {
		return error_set(error, STATUS_UNSUPPORTED,
				 "it started, but did not finish its first steps within a second");
	}
	if (state_read() == AP_CLOCK) {
		enum status status = clock_check(error);

		if (status != STATUS_OK) {
			return status;
		}
		state_write(AP_ADMITTED);
		if (!wait_while(AP_ADMITTED, STEP_MICROS)) {
			return error_set(error, STATUS_UNSUPPORTED,
					 "it started, but did not finish its last step within a "
					 "second");
		}
	}
	if (state_read() != AP_READY) {
		*error = ap_start.error;
		return STATUS_UNSUPPORTED;
	}
	return STATUS_OK;
}

static void start(uint32_t apic_id, uint64_t page)
{
	struct cpu *cpu = &cpus[cpu_count];
	struct error error;

	if (!lapic_can_address(apic_id)) {
		log_event(NULL,
			  "cpus: the processor with APIC id %u is left out: only x2APIC mode could "
			  "reach it, and this machine has none",
			  apic_id);
		return;
	}
	cpu->stacks = paging_back_stacks(cpu_count);
	if (cpu->stacks == NULL) {
		log_event(NULL,
			  "cpus: the processor with APIC id %u is left out: there is no memory for "
			  "its stacks",
			  apic_id);
		return;
	}
	cpu->apic_id = apic_id;
	ap_start = (struct ap_start){
		.index = cpu_count,
		.apic_id = apic_id,
		.page_tables = read_cr3(),
		.stack_top = (uintptr_t)cpu->stacks->main + STACK_BYTES,
	};
	call(apic_id, page);
	if (accompany(&error) == STATUS_OK) {
		cpu_count++;
		return;
	}
	/* Whatever it does now ends here; it waits for a start-up command, which never comes. */
	__atomic_store_n(&cpu->reachable, false, __ATOMIC_RELEASE);
	lapic_command(apic_id, LAPIC_INIT);
	state_write(AP_NONE);
	log_event(NULL, "cpus: the processor with APIC id %u is left out: %s", apic_id, error.text);
}

/* Puts the trampoline where a start-up command can name it. 0: there is no such place. */
static uint64_t lay_trampoline(void)
{
	bool borrowed;
	uint64_t page = memory_find_low_page(&borrowed);

	if (page == 0) {
		return 0;
	}
	char *window = paging_window((hpa_t){page});
	if (borrowed) {
		memcpy(borrowed_page, window, PAGE_BYTES);
	} else {
		memset(borrowed_page, 0, PAGE_BYTES);
	}
	memcpy(window, ap_trampoline, (uintptr_t)ap_trampoline_end - (uintptr_t)ap_trampoline);
	return page;
}

/* The page is as it was; an unused one has no trace of the code. */
static void clear_trampoline(uint64_t page)
{
	memcpy(paging_window((hpa_t){page}), borrowed_page, PAGE_BYTES);
}

/* An identifier that xAPIC mode cannot address changes the mode of all. */
static void choose_mode(const struct processors *found)
{
	for (unsigned i = 0; i < found->count; i++) {
		if (!lapic_can_address(found->apic_ids[i])) {
			(void)lapic_use_x2apic();
			return;
		}
	}
}

static void start_all(const struct processors *found, unsigned limit)
{
	uint32_t own_id = cpu_current()->apic_id;
	uint64_t page = lay_trampoline();

	if (page == 0) {
		log_event(NULL, "cpus: there is no free memory below 640 KiB, where processors "
				"start; only the boot processor runs");
		return;
	}
	for (unsigned i = 0; i < found->count && cpu_count < limit; i++) {
		if (found->apic_ids[i] != own_id) {
			start(found->apic_ids[i], page);
		}
	}
	clear_trampoline(page);
}

static void find(struct processors *found)
{
	static struct error errors[2];

	processors_find(boot_info->acpi_rsdp, cpu_current()->apic_id, found, &errors[0],
			&errors[1]);
	for (unsigned i = 0; i < 2; i++) {
		if (errors[i].text[0] != '\0') {
			log_event(NULL, "cpus: %s; it is not used", errors[i].text);
		}
	}
	if (found->left_out != 0) {
		log_event(NULL, "cpus: %u processors are left out: %u is the most that are used",
			  found->left_out, CPUS_MAX);
	}
}

static void release_all(void)
{
	__atomic_store_n(&released, true, __ATOMIC_RELEASE);
	for (unsigned i = 1; i < cpu_count; i++) {
		arch_cpu_kick(i);
	}
}

unsigned arch_cpus_start(unsigned max_cpus)
{
	static struct processors found;
	unsigned limit = max_cpus == 0 || max_cpus > CPUS_MAX ? CPUS_MAX : max_cpus;

	find(&found);
	if (found.count > 1 && limit > 1) {
		choose_mode(&found);
		start_all(&found, limit);
	}
	paging_window_close();
	memory_release_information();
	release_all();
	log_event(NULL, "cpus count=%u found=%u from=%s", cpu_count, found.count + found.left_out,
		  found.source);
	return cpu_count;
}
