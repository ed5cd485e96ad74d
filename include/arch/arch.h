/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * All that kernel/ asks of the processor and the board. Implemented in arch/x86 (and faked by host
 * tests). Nothing here says VT-x or AMD-V: that is include/arch/backend.h.
 */
#ifndef ARCH_ARCH_H
#define ARCH_ARCH_H

#include "base/limits.h"
#include "base/types.h"

struct boot_module;
struct console;
struct vcpu;

/* The CPU that the boot loader starts. It starts the others and does the background work. */
#define BOOT_CPU 0u

/* This CPU, 0.. ; and how many run, which is constant after arch_cpus_start(). */
unsigned arch_cpu_index(void);
unsigned arch_cpu_count(void);

/*
 * Boot CPU only, once, after backend->cpu_start() there: finds the other CPUs and starts them, at
 * most `max_cpus` in all (0: no limit). Each ends in kernel_cpu_main(). One that does not start, or
 * whose backend->cpu_start() fails, is reported in one log line and left out. Returns how many run.
 */
unsigned arch_cpus_start(unsigned max_cpus);

/*
 * Frees the frames of a module whose contents are not needed any more, but for those that it
 * shares with something that is still needed. Returns how many. Boot CPU only, once for each.
 */
uint64_t arch_module_release(struct boot_module *module);

/* How often CPU `cpu` has forgotten its branch predictions because another VM came to it. */
uint64_t arch_predictor_barriers(unsigned cpu);

/* Makes another CPU leave guest mode or arch_idle(). Any context. */
void arch_cpu_kick(unsigned cpu);

/* Halts all other CPUs for good, wherever they are; waits, but not for ever, until they have. */
void arch_cpus_halt_others(void);

/* One step of waiting for another CPU. */
void arch_pause(void);

/* Time-stamp counter; base/time.h declares its frequency. */
uint64_t arch_tsc(void);

/* Both at once, in two registers: for kernel/trace, which counts its instructions. */
struct arch_moment {
	uint64_t tsc;
	uint64_t cpu; /* this one */
};
struct arch_moment arch_moment(void);

/*
 * Sleeps until an interrupt arrives or the TSC passes `deadline_tsc`; may return early. When it has
 * passed already, interrupts that are pending are taken, and that is all.
 */
void arch_idle(uint64_t deadline_tsc);

/* Writes to the chosen console; adds CR before LF. For kernel/log/log.c, under its lock, and
 * panics. */
void arch_console_write(const char *text, size_t bytes);

/* A run fails: what is written from now on is on the screen, too. The last CPU that runs. */
void arch_console_urgent(void);

/* Showing that failed, too: what is written from now on takes the simplest way that there is. */
void arch_console_last_resort(void);

/* One character from the operator, or -1. Never waits. */
int arch_console_read(void);

/*
 * Chooses the console. NULL, or why it cannot be had; the one that was chosen before stays then.
 * Boot CPU, while no other runs.
 */
const char *arch_console_select(const struct console *console);

/*
 * The port that a trace leaves by. NULL, or why it cannot be had: it is none that answers, or the
 * console. Boot CPU only, as the next two.
 */
const char *arch_trace_port_select(const struct console *port);

/* As many of the bytes as it takes without waiting; all of them, unless it is stuck. */
size_t arch_trace_port_offer(const uint8_t *bytes, size_t count);
void arch_trace_port_write(const uint8_t *bytes, size_t count);

/* Exits and entries are noted in the trace from the next run of each vCPU on. Boot CPU. */
void arch_trace_exits(bool on);

/* What becomes of the machine after the verdict. */
enum end {
	END_POWER_OFF, /* by the emulator, which is told the verdict, else by ACPI */
	END_REBOOT,
	END_HALT,
};

/* Halts the other CPUs and ends the run. A machine that cannot be switched off halts, and says so.
 */
_Noreturn void arch_end(enum end end, bool pass);

/* After a failure: only an emulator switches off. A real machine halts, its report in sight. */
_Noreturn void arch_power_off(bool pass);

/* Halts this CPU for good. */
_Noreturn void arch_halt(void);

/* Prints the chain of return addresses with symbols, through log_event. */
void arch_print_backtrace(void);

/*
 * At an exit, of the instruction behind the one that exits. Would the guest take an interrupt of
 * this vector there? IF is set and CR8 is below its class; never with vector 0, which is none. The
 * shadow of STI or MOV SS ends with the instruction that exits. Does a single-step trap come there?
 */
struct guest_openness {
	bool to_interrupt;
	bool to_trap;
};
struct guest_openness arch_guest_openness(const struct vcpu *vcpu, uint8_t vector);

/* As above, for an NMI: none is being handled. A vCPU with a local APIC. */
bool arch_guest_takes_nmi(const struct vcpu *vcpu);

/*
 * vcpu->timer_tsc has changed while an exit of the vCPU is being handled: the run ends there, or at
 * the end of its slice. False: the slice is over.
 */
bool arch_timer_update(struct vcpu *vcpu);

/*
 * At a second-stage fault at `address`, which is not RAM, of a VM with devices: carries out the
 * instruction that made the access, on the device that kernel/vm/platform.h finds there. By the CPU
 * that handles the exit; takes the locks of the address space and of the platform, one at a time.
 */
enum arch_device {
	ARCH_DEVICE_DONE,    /* registers, flags and device are as behind the instruction */
	ARCH_DEVICE_AGAIN,   /* nothing has changed: the guest is to execute it again */
	ARCH_DEVICE_NONE,    /* nothing has changed: no device is there, or no instruction's */
	ARCH_DEVICE_REFUSED, /* nothing has changed: its bytes and what is wrong are in the log */
};
enum arch_device arch_device_access(struct vcpu *vcpu, gpa_t address);

#endif
