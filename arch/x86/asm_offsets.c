/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Numbers that assembly needs from C. Compiled to assembly only; the Makefile turns each
 * `->NAME VALUE` into a #define in build/include/asm_offsets.h.
 */
#include "arch/x86/boot/smp.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/svm/svm_vmcb.h"
#include "arch/x86/vmx/vmx_fields.h"
#include "arch/x86/vmx/vmx_reasons.h"
#include "kernel/vm/vcpu.h"

#define DEFINE(name, value) __asm__ volatile("\n.ascii \"->" #name " %0\"" : : "i"(value))

void asm_offsets(void);

void asm_offsets(void)
{
	DEFINE(STACKS_MAIN_TOP, offsetof(struct cpu_stacks, main) + STACK_BYTES);

	/* trampoline.S */
	DEFINE(AP_STATE, offsetof(struct ap_start, state));
	DEFINE(AP_PAGE_TABLES, offsetof(struct ap_start, page_tables));
	DEFINE(AP_STACK_TOP, offsetof(struct ap_start, stack_top));

	/* general_registers.inc */
	DEFINE(VCPU_RAX, offsetof(struct vcpu, regs[GPR_RAX]));
	DEFINE(VCPU_RCX, offsetof(struct vcpu, regs[GPR_RCX]));
	DEFINE(VCPU_RDX, offsetof(struct vcpu, regs[GPR_RDX]));
	DEFINE(VCPU_RBX, offsetof(struct vcpu, regs[GPR_RBX]));
	DEFINE(VCPU_RBP, offsetof(struct vcpu, regs[GPR_RBP]));
	DEFINE(VCPU_RSI, offsetof(struct vcpu, regs[GPR_RSI]));
	DEFINE(VCPU_RDI, offsetof(struct vcpu, regs[GPR_RDI]));
	DEFINE(VCPU_R8, offsetof(struct vcpu, regs[GPR_R8]));
	DEFINE(VCPU_R9, offsetof(struct vcpu, regs[GPR_R9]));
	DEFINE(VCPU_R10, offsetof(struct vcpu, regs[GPR_R10]));
	DEFINE(VCPU_R11, offsetof(struct vcpu, regs[GPR_R11]));
	DEFINE(VCPU_R12, offsetof(struct vcpu, regs[GPR_R12]));
	DEFINE(VCPU_R13, offsetof(struct vcpu, regs[GPR_R13]));
	DEFINE(VCPU_R14, offsetof(struct vcpu, regs[GPR_R14]));
	DEFINE(VCPU_R15, offsetof(struct vcpu, regs[GPR_R15]));

	/* svm_entry.S and vmx_entry.S */
	DEFINE(VMCB_RAX, offsetof(struct vmcb, rax));
	DEFINE(FIELD_HOST_RSP, VMCS_host_rsp);
	DEFINE(FIELD_EXIT_REASON, VMCS_exit_reason);
	DEFINE(VMX_REASON_VMCALL, REASON_VMCALL);
	DEFINE(VMX_QUICK_REASONS, VMX_QUICK_REASONS);
	DEFINE(VMX_QUICK_REASON_LAST, VMX_QUICK_REASON_LAST);
}
