/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The balloon device of a virtual PC, and whatever else of a hypervisor's interface its driver
 * needs. Each dialect is one implementation of this small interface, chosen by as=; a VM with
 * as=plain has none. A dialect translates what its driver says to calls of the balloon core
 * (kernel/balloon) and decides nothing.
 *
 * All functions but cpuid run with the VM's LOCK_PLATFORM held, with interrupts off; they take the
 * lock of the VM's address space themselves. Those that take a vCPU are called by the CPU that runs
 * it. A function that is NULL is one that the dialect does not have.
 */
#ifndef DRIVERS_VIRT_PC_DIALECT_H
#define DRIVERS_VIRT_PC_DIALECT_H

#include "kernel/vm/exit.h"
#include "kernel/vm/platform.h"

struct platform;

struct pc_dialect {
	unsigned order; /* of the extent of frames for its state, platform->dialect_state */

	/* State as after power-on; the frames were zeroed before the first reset only. */
	void (*reset)(struct platform *platform);

	/* IN and OUT, guest-physical memory, MSRs. False: it is none of its own. */
	bool (*port)(struct vcpu *vcpu, uint16_t port, struct device_access *access);
	bool (*memory)(struct vcpu *vcpu, uint64_t address, struct device_access *access);
	/* `fault`: #GP, and nothing has changed. */
	bool (*msr_read)(struct vcpu *vcpu, uint32_t index, uint64_t *value, bool *fault);
	bool (*msr_write)(struct vcpu *vcpu, uint32_t index, uint64_t value, bool *fault);

	/* See platform_hypercall(). The answer is in the vCPU's registers. */
	enum exit_action (*hypercall)(struct vcpu *vcpu);

	/* The core has written another target to platform->balloon_page. `running` is NULL. */
	void (*target_changed)(struct platform *platform);

	/*
	 * Its timers and what it has left to do, by vCPU 0: called when `next_tsc` is reached.
	 * WAKE_NEVER: it wants not to be called. After any other call `next_tsc` is asked again.
	 */
	void (*tick)(struct platform *platform, uint64_t now_tsc);
	uint64_t (*next_tsc)(const struct platform *platform);

	/* The level of its interrupt line, and which one it is: an input of the IOAPIC's. */
	bool (*line)(const struct platform *platform);
	unsigned irq;

	/* ACPI: a block of AML that stands behind the others in the DSDT. */
	const char *aml;
	size_t aml_bytes;
};

/* By enum personality; NULL: as=plain. */
const struct pc_dialect *pc_dialect_of(const struct vm *vm);

#endif
