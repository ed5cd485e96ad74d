/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtual PC of a VM as exits, scheduler and lifecycle see it. The files pc*.c in drivers/virt
 * implement this contract. A VM with devices=none has vm->platform == NULL, and no function here is
 * called for it but platform_destroy.
 *
 * Who calls: functions that take a vCPU are called by the CPU that runs that vCPU, with interrupts
 * off. The state of a local APIC belongs to its vCPU, but for its interrupt requests, which any CPU
 * may add atomically. All other devices of the VM are under one lock, LOCK_PLATFORM.
 */
#ifndef KERNEL_VM_PLATFORM_H
#define KERNEL_VM_PLATFORM_H

#include "base/error.h"
#include "base/status.h"
#include "base/types.h"
#include "kernel/vm/exit.h"

struct platform; /* the devices of one VM; opaque here */
struct vcpu;
struct vm;

/* Where the devices of memory-mapped access lie; the RAM of a VM with devices ends below. */
#define PLATFORM_RAM_END_MAX 0xc0000000ull

/* The clock of the local APIC's timer is the TSC divided by this. */
#define PLATFORM_TSC_TICKS_PER_CLOCK 4u

/* Frames of the devices of one VM, besides the extent of its console's scrollback. */
#define PLATFORM_PAGES 2u

/* One access to a register of a device. */
struct device_access {
	bool write;
	uint8_t bytes;	/* 1, 2, 4; a memory-mapped one also 8 */
	uint64_t value; /* written, or the answer: zero-extended */
	/*
	 * The answer: the device has done a part of the work. The guest executes the instruction
	 * once more, after others have had their turn, and the device goes on. Only IN, and stores
	 * of a register to memory, may get this answer.
	 */
	bool again;
};

/*
 * Makes the devices of `vm` in their state after a reset. Takes frames of kind HYPERVISOR in the
 * VM's name. NO_MEMORY: nothing was changed. Boot CPU, before the VM runs.
 */
MUST_CHECK enum status platform_create(struct vm *vm);

/* Gives the frames back; no vCPU of it runs any more. NULL platform: nothing happens. */
void platform_destroy(struct vm *vm);

/*
 * Writes ACPI's tables for the VM, root pointer first, into `to`, as they are to lie at the
 * guest-physical `address`, a multiple of 16. Answers how many bytes they are; 0: more than
 * `bytes`, and what is in `to` is undefined. Any context.
 */
size_t platform_tables(const struct vm *vm, void *to, size_t bytes, uint32_t address);

/* All devices as after power-on, for a restart. No vCPU of it runs. */
void platform_reset(struct vm *vm);

/* IN and OUT. A port of no device reads as ones and swallows writes. */
void platform_port(struct vcpu *vcpu, uint16_t port, struct device_access *access);

/*
 * An access to guest-physical memory that is not RAM. False: no device is there; *access is
 * unchanged.
 */
MUST_CHECK bool platform_memory(struct vcpu *vcpu, gpa_t address, struct device_access *access);

/*
 * RDMSR and WRMSR of the local APIC's registers: IA32_APIC_BASE, IA32_TSC_DEADLINE and the x2APIC
 * range. False: #GP, and nothing has changed.
 */
MUST_CHECK bool platform_msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value);
MUST_CHECK bool platform_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value);

/*
 * WRMSR of IA32_TSC_DEADLINE, and of EOI in x2APIC mode, where nothing comes of it but another
 * vcpu->timer_tsc: no interrupt becomes ready, and no other device is told. False: nothing was
 * done, platform_msr_write() decides.
 */
MUST_CHECK bool platform_msr_write_quick(struct vcpu *vcpu, uint32_t index, uint64_t value);

/*
 * Interrupts. `ready` returns the vector that the local APIC would deliver now, whatever IF says;
 * 0: none. `take` moves it from requested to in service and returns the vector to deliver, which is
 * another one where more was requested or the PIC has changed its mind; `put_back` undoes that,
 * where it turned out that the processor has not delivered it.
 */
uint8_t platform_interrupt_ready(struct vcpu *vcpu);
MUST_CHECK uint8_t platform_interrupt_take(struct vcpu *vcpu, uint8_t vector);
void platform_interrupt_put_back(struct vcpu *vcpu, uint8_t vector);

/*
 * NMIs, which know neither IF nor a priority; several that wait are one. `take` forgets it and says
 * whether there was one; `put_back`: the processor has not delivered it.
 */
bool platform_nmi_pending(const struct vcpu *vcpu);
MUST_CHECK bool platform_nmi_take(struct vcpu *vcpu);
void platform_nmi_put_back(struct vcpu *vcpu);

/*
 * The vCPU is being stopped by INIT: its local APIC as it is after that. By the CPU that has the
 * vCPU in its hands; it does not run.
 */
void platform_initialize(struct vcpu *vcpu);

/* The class below which no interrupt is delivered, as CR8 shows it: 0 to 15. */
uint8_t platform_task_priority(const struct vcpu *vcpu);
void platform_task_priority_set(struct vcpu *vcpu, uint8_t priority);

/*
 * Lets every timer that is due at `now_tsc` expire; vCPU 0 also drives the timers of the board.
 * Puts into vcpu->timer_tsc when the next one is due, in ticks of the TSC, WAKE_NEVER: none is
 * armed; and returns it. So do the functions above when they arm a timer. The caller does not store
 * it: another vCPU may have lowered it since.
 */
uint64_t platform_tick(struct vcpu *vcpu, uint64_t now_tsc);

/*
 * VMCALL or VMMCALL of a VM that is as=kvm, vmware or hyper-v: it has the calls of that hypervisor,
 * and not the native ones. `privileged`: from CPL 0. EXIT_RESUME: a part of the work is done, and
 * the guest executes the instruction again.
 */
enum exit_action platform_hypercall(struct vcpu *vcpu, bool privileged);

/*
 * The target of a balloon that belongs to a device (kernel/balloon/balloon.h) has changed: the
 * device tells its driver. Boot CPU, no lock held.
 */
void platform_balloon_changed(struct vm *vm);

/*
 * The operator has typed: the UART takes from vm->console what it has room for, and its interrupt
 * is delivered. Boot CPU, no lock held.
 */
void platform_console_input(struct vm *vm);

#endif
