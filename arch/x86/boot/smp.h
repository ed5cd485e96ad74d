/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Starting the other processors (arch_cpus_start of include/arch/arch.h), and what trampoline.S and
 * C share.
 */
#ifndef ARCH_X86_BOOT_SMP_H
#define ARCH_X86_BOOT_SMP_H

/*
 * The steps of one start. A processor that finds another state than the one it expects is not meant
 * (it comes too late) and halts.
 *
 *	boot CPU: CALLED ─▶ new CPU: ARRIVED ─▶ new: CLOCK ─▶ boot: ADMITTED ─▶ new: READY
 *	             └─────▶ boot: NONE            or REFUSED  └▶ boot: NONE       or REFUSED
 */
#define AP_NONE 0     /* no AP is expected; also when a start was given up */
#define AP_CALLED 1   /* INIT and start-up have been sent */
#define AP_ARRIVED 2  /* it runs in the upper half, on its own stack */
#define AP_CLOCK 3    /* it is like the boot CPU, and answers what time it is */
#define AP_ADMITTED 4 /* its clock is right: backend->cpu_start() comes next */
#define AP_READY 5    /* it waits for the others */
#define AP_REFUSED 6  /* `error` says why it cannot take part; it has halted */

#ifndef __ASSEMBLY__

#include "base/error.h"
#include "base/types.h"
#include "arch/boot_info.h"

/* What a processor that is being started needs. One at a time; `state` says whose turn it is. */
struct ap_start {
	uint32_t state;
	uint32_t index;
	uint64_t page_tables; /* for CR3 */
	uint64_t stack_top;
	uint32_t apic_id;
	uint32_t clock_asked; /* the new CPU answers each number with its time stamp */
	uint32_t clock_answered;
	uint64_t clock_tsc;
	struct error error;
};

extern struct ap_start ap_start;

/* The first page of a processor's life, position-independent (trampoline.S). */
extern const char ap_trampoline[], ap_trampoline_end[];

/* The new CPU's first C, from trampoline.S on its main stack with interrupts off. */
_Noreturn void ap_main(void);

/* Remembers what the loader said, until arch_cpus_start(). */
void smp_prepare(const struct boot_info *info);

#endif /* __ASSEMBLY__ */

#endif
