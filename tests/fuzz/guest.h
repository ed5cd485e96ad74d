/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a guest can do to the machine of machine.h, and what must hold after each of its deeds: the
 * audit, the contents of all VMs, the truth of the answers.
 */
#ifndef FUZZ_GUEST_H
#define FUZZ_GUEST_H

#include "kernel/vm/exit.h"
#include "kernel/vm/vm.h"

/*
 * Which vCPU of a VM that runs acts now, if it was started, else the first; NULL: none. It leaves
 * its CPU again afterwards.
 */
extern struct vcpu *guest_vcpu;
void guest_act(struct vm *vm, unsigned index);

/* An access of it on one of two CPUs; NULL when it does not get through. */
uint64_t *guest_touch(struct vm *vm, unsigned cpu, uint64_t gfn);

/* Sets RAX, RDI and RSI; RDX and R10 to 0, all others to marks. */
void guest_set_registers(uint64_t rax, uint64_t rdi, uint64_t rsi);

/*
 * Notes what a call is about to ask for: the `count` ranges at `address` as they are in guest
 * memory now. Only what was asked for may lose its memory, until guest_forget_call().
 */
void guest_note_ranges(struct vm *vm, uint64_t number, uint64_t address, uint64_t count);
void guest_forget_call(void);

/* The hypercall that the registers say. */
enum exit_action guest_call(bool privileged);

/* After it: pages that the hypervisor may have written. */
void guest_share_written(struct vm *vm);

/* From now on the VM's second CPU interferes with calls on ranges in `array_gfn`; NULL: no more. */
void guest_meddle(struct vm *vm, uint64_t array_gfn);

/* After a call on noted ranges: status, done and flags of each are true. */
void guest_check_answers(struct vm *vm, uint64_t address, unsigned count);

/* Everything that must hold after every step. */
void guest_check(void);

#endif
