/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that kernel/ asks of the processor and the board. Implemented in arch/x86 (and faked by host
 * tests). Nothing here says VT-x or AMD-V: that is kernel/backend.h.
 */
#ifndef KERNEL_ARCH_H
#define KERNEL_ARCH_H

#include "base/limits.h"
#include "base/types.h"
#include "kernel/exit.h"

struct vcpu;

/* This CPU, 0.. ; and how many run, which is constant after arch_cpus_start(). */
unsigned arch_cpu_index(void);
unsigned arch_cpu_count(void);

/*
 * Boot CPU only, once, after backend->cpu_start() there: finds the other CPUs and starts them, at
 * most `max_cpus` in all (0: no limit). Each ends in kernel_cpu_main(). One that does not start, or
 * whose backend->cpu_start() fails, is reported in one sentence and left out. Answers how many run.
 */
unsigned arch_cpus_start(unsigned max_cpus);

/* How often CPU `cpu` has forgotten its branch predictions because another VM came to it. */
uint64_t arch_predictor_barriers(unsigned cpu);

/* Makes another CPU leave guest mode or arch_idle(). Any context. */
void arch_cpu_kick(unsigned cpu);

/* Halts all other CPUs for good, wherever they are; waits, but not for ever, until they have. */
void arch_cpus_halt_others(void);

/* One step of waiting for another CPU. */
void arch_pause(void);

/* Time-stamp counter in ticks, and its frequency. */
uint64_t arch_tsc(void);
uint64_t arch_tsc_khz(void);

/*
 * Sleeps until an interrupt arrives or the TSC passes `deadline_tsc`; may return early. When it has
 * passed already, interrupts that are pending are taken, and that is all.
 */
void arch_idle(uint64_t deadline_tsc);

/* Writes to the console that the command line chose; adds CR before LF. Any context. */
void arch_console_write(const char *text, size_t bytes);

/* One character from the operator, or -1. Never waits. */
int arch_console_read(void);

/* Chooses the console: "com1", "e9" or "none". False: no such console on this machine. */
bool arch_console_select(const char *name);

/* Tells an emulator to switch off with the verdict, then halts for good. */
_Noreturn void arch_power_off(bool pass);

/* Halts this CPU for good. */
_Noreturn void arch_halt(void);

/* Prints the chain of return addresses with symbols, through log_event. */
void arch_print_backtrace(void);

/*
 * What any x86 guest sees, whatever the backend (arch/x86/guest). Each handles one decoded exit on
 * vcpu->regs and answers with the action; EXIT_INJECT comes with vcpu->inject filled.
 */
enum exit_action arch_guest_cpuid(struct vcpu *vcpu);
enum exit_action arch_guest_msr_read(struct vcpu *vcpu, uint32_t index);
enum exit_action arch_guest_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value);
enum exit_action arch_guest_cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value);
enum exit_action arch_guest_xsetbv(struct vcpu *vcpu, uint32_t index, uint64_t value);

#endif
