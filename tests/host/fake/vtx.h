/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A machine with VT-x for the sources of arch/x86/vmx: two CPUs, a clock that stands still, one VM
 * with vCPUs, and what the rest of the hypervisor answers to its exits.
 */
#ifndef FAKE_VTX_H
#define FAKE_VTX_H

#include "fake/vmcs.h"
#include "fake/world.h"

#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "kernel/vm/vm.h"

#define VTX_VCPUS 2
#define VTX_DOORBELL 0x45u /* class 4 */
#define VTX_EVENT_DOORBELL (EVENT_VALID | EVENT_TYPE_EXTERNAL | VTX_DOORBELL)
#define VTX_TICK 128ull /* of the preemption timer, in ticks of the TSC */

/* Interruptibility and pending debug exceptions (SDM vol. 3, tables 25-3 and 25-4) */
#define VTX_BY_STI 1u
#define VTX_BY_MOV_SS 2u
#define VTX_BY_NMI 8u
#define VTX_BREAKPOINT (1ull << 12)
#define VTX_STEP (1ull << 14)

extern struct vm vtx_vm;
extern struct vcpu *const vtx_vcpu; /* the first of it */
extern uint64_t vtx_tsc;

/* The processors' capabilities (a desktop of 2017) into the MSRs, all CPUs out of VMX operation. */
void vtx_start(void);

/* The CPU that executes from now on, with control registers as after its start. */
void vtx_on_cpu(unsigned cpu);

/* vmx_cpu_start on this CPU; fails the test if that fails. */
void vtx_cpu_start(void);

/* The vCPUs of the VM, and away with them. */
void vtx_vcpus_create(void);
void vtx_vcpus_destroy(void);

/* What vm_exit_handle and hypercall_handle answer, after `vtx_on_exit` if there is one. */
extern enum exit_action vtx_action;
extern void (*vtx_on_exit)(struct vcpu *vcpu);
extern struct vm_exit vtx_exit; /* the last one */
extern unsigned vtx_exits;
extern bool vtx_privileged; /* the last hypercall's */

/* What guest_cpuid_quick answers, and how many exits vmx_exit_quick has finished. */
extern enum guest_cpuid_outcome vtx_cpuid_quick;
extern unsigned vtx_quick_exits;

/* Of the entries: how many were the guarded way, and how many flushed the L1 data cache. */
extern unsigned vtx_guarded_entries, vtx_traced_entries, vtx_l1d_flushes;
extern unsigned vtx_catch_ups;
extern unsigned vtx_interrupts;
extern uint8_t vtx_interrupt; /* vector of the last one that interrupt_handle was given */

/* The guest exits with `reason` after `length` bytes of instruction; true: it has gone on. */
bool vtx_exit_with(uint32_t reason, uint32_t length);
bool vtx_exit_in_full(uint32_t reason, uint32_t length); /* past vmx_exit_quick */
bool vtx_hypercall(void);

/* cmocka setup and teardown: the first vCPU, which has a doorbell, runs on CPU 0. */
int vtx_setup(void **state);
int vtx_teardown(void **state);

/* Of the first vCPU: rings its doorbell; RFLAGS besides the fixed bit; interruptibility. */
struct vmx_vcpu *vtx_vmx(void);
void vtx_ring(void);
void vtx_flags(uint64_t flags);
void vtx_blocking(uint32_t blocking);

#endif
