/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The border to the virtualization backend: one const table each for VT-x and AMD-V, chosen once at
 * boot. Inside run() the backend calls vm_exit_handle() and the functions of arch/x86/guest
 * directly, so no exit takes an indirect call.
 */
#ifndef ARCH_BACKEND_H
#define ARCH_BACKEND_H

#include "base/error.h"
#include "base/types.h"

struct s2;
struct s2_format;
struct vcpu;

struct backend {
	const char *name;     /* "VT-x" */
	uint8_t hypercall[3]; /* the instruction that calls the hypervisor */

	/*
	 * Can this CPU run guests? UNSUPPORTED: *error says which feature is missing or disabled
	 * by firmware and what to do about it. Changes nothing.
	 */
	enum status (*probe)(struct error *error);

	/* Once per CPU, before its first run(): VMXON and the like. Errors as probe. */
	enum status (*cpu_start)(struct error *error);

	/* Constant after cpu_start on the boot CPU. */
	const struct s2_format *(*s2_format)(void);

	unsigned vcpu_pages; /* frames that each vCPU takes */

	/*
	 * Takes what the vCPU needs. Its first run sets it up so that the guest starts as
	 * docs/abi.md says: 32-bit protected mode, paging off, EIP = vcpu->entry, general
	 * registers as in vcpu->regs. NO_MEMORY: nothing was changed.
	 */
	enum status (*vcpu_create)(struct vcpu *vcpu, struct s2 *s2);

	/* Gives everything back; no CPU has any of its state, and it never runs again. */
	void (*vcpu_destroy)(struct vcpu *vcpu);

	/*
	 * Runs the guest until it must stop: the TSC passes `deadline_tsc`, it waits, yields or has
	 * ended. Interrupts off. Applies s2's pending flushes (tlb_enter) before every entry. No
	 * other vCPU is in this CPU's registers (vcpu_evict).
	 */
	void (*vcpu_run)(struct vcpu *vcpu, uint64_t deadline_tsc);

	/*
	 * This CPU lets go of the vCPU that it ran last: all of its state is in memory then, and
	 * any CPU may run it next.
	 */
	void (*vcpu_evict)(struct vcpu *vcpu);

	/*
	 * Its registers become what INIT makes of them (SDM vol. 3, table 9-1); its next run begins
	 * at vcpu->entry. What INIT leaves alone stays. No CPU has any of its state.
	 */
	void (*vcpu_reset)(struct vcpu *vcpu);

	/*
	 * Makes guest registers of a vCPU readable here that is in no CPU, until vcpu_close().
	 * False: it has never run. NULL: they always are. Nothing runs in between.
	 */
	bool (*vcpu_open)(struct vcpu *vcpu);
	void (*vcpu_close)(struct vcpu *vcpu);

	/* Drops every translation of `s2` on this CPU (INVEPT single-context). */
	void (*flush_s2)(const struct s2 *s2);

	/* Prints the guest's RIP, control registers and general registers through log_event. */
	void (*vcpu_dump)(const struct vcpu *vcpu);
};

extern const struct backend vmx_backend;
extern const struct backend svm_backend;

/* The one in use; set once at boot. */
extern const struct backend *backend;

#endif
