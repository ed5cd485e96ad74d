/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * VT-x of a fake processor: what the sources of arch/x86/vmx execute through vmx_fields.h and
 * vmx_instructions.h happens here. As strict as the manual (Intel SDM volume 3, chapters 24 to 27
 * and 31): what VMfails there fails here, and what would raise an exception or is undefined fails
 * the test. The registers and MSRs are those of fake/processor.h.
 */
#ifndef FAKE_VMCS_H
#define FAKE_VMCS_H

#include "arch/x86/guest/guest_event.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "base/types.h"

/* A field that was never written holds this, as far as it is wide. */
#define FAKE_VMX_GARBAGE 0xa5a5a5a5a5a5a5a5ull

/* Which CPU executes the instructions. */
extern unsigned fake_vmx_cpu;

/* The next VMXON fails. */
extern bool fake_vmx_refuses_vmxon;

/* No CPU is in VMX operation, and no region has ever been a VMCS. */
void fake_vmx_reset(void);

bool fake_vmx_is_on(unsigned cpu);

/* Is the frame at `vmcs` the current VMCS of this CPU? Is it active on any? */
bool fake_vmx_is_current(hpa_t vmcs);
bool fake_vmx_is_active(hpa_t vmcs);

/* A field of the current VMCS, read-only ones included: what an exit leaves there. */
void fake_vmx_set(enum vmcs_field field, uint64_t value);
uint64_t fake_vmx_get(enum vmcs_field field);

/*
 * VMLAUNCH, or with `resume` VMRESUME. False: VMfail, the reason is in instruction_error. Guest
 * state that the entry would refuse fails the test, as far as vmx_run.c writes it. The event is in
 * fake_vmx_delivered then, and the field's valid bit is clear, as an exit leaves it.
 */
bool fake_vmx_enter(bool resume);
extern struct guest_event fake_vmx_delivered;
extern unsigned fake_vmx_entries;

/* INVVPID and INVEPT since the reset, and the last one. */
extern unsigned fake_vmx_invvpids, fake_vmx_invepts;
extern uint64_t fake_vmx_invvpid_type, fake_vmx_invvpid_vpid;

#endif
