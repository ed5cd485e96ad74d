/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One entry, tried before any guest exists: does VMRUN take the interrupt shadow and CR2 from the
 * VMCB (AMD APM vol. 2, 15.21.5 and 15.5.1)? Some emulators save the one at exits but forget it at
 * entries, or leave out the other, and CPUID does not say so. The trial's guest is one VMMCALL of
 * ours, in the host's own tables, so that the exit comes before any instruction has been completed:
 * a shadow that was taken is still there.
 */
#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_vcpu.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/string.h"
#include "mm/phys.h"

#define ATTRIBUTES_CODE_64 0xa9b
#define ATTRIBUTES_DATA 0xc93
#define LIMIT_MAX 0xffffffff
#define CR2_OF_GUEST 0x123456789000ull

extern const char svm_trial_code[];

__asm__(".pushsection .text.svm_trial, \"ax\"\n"
	"svm_trial_code:\n"
	"	vmmcall\n"
	".popsection");

static void segments_fill(struct vmcb *vmcb)
{
	struct descriptor_table gdtr = read_gdtr();
	struct descriptor_table idtr = read_idtr();
	const struct vmcb_segment data = {.attributes = ATTRIBUTES_DATA, .limit = LIMIT_MAX};

	vmcb->segments[VMCB_ES] = vmcb->segments[VMCB_SS] = vmcb->segments[VMCB_DS] = data;
	vmcb->segments[VMCB_CS] = data;
	vmcb->segments[VMCB_CS].attributes = ATTRIBUTES_CODE_64;
	vmcb->segments[VMCB_GDTR].base = gdtr.base;
	vmcb->segments[VMCB_GDTR].limit = gdtr.limit;
	vmcb->segments[VMCB_IDTR].base = idtr.base;
	vmcb->segments[VMCB_IDTR].limit = idtr.limit;
}

void svm_trial(pfn_t frame, struct svm_caps *caps)
{
	struct vmcb *vmcb = pfn_to_virt(frame);
	uint64_t place = pfn_to_hpa(frame).v;
	bool exited;

	memset(vmcb, 0, sizeof(*vmcb));
	segments_fill(vmcb);
	vmcb->intercept_1 = INTERCEPT_SHUTDOWN;
	vmcb->intercept_2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL;
	vmcb->asid = 1;
	vmcb->tlb_control = TLB_FLUSH_ALL;
	vmcb->interrupt_shadow = INTERRUPT_SHADOW;
	vmcb->efer = msr_read(MSR_IA32_EFER);
	vmcb->cr0 = read_cr0();
	vmcb->cr2 = CR2_OF_GUEST;
	write_cr2(~CR2_OF_GUEST);
	vmcb->cr3 = read_cr3();
	vmcb->cr4 = read_cr4();
	vmcb->dr6 = GUEST_ENTRY_DR6;
	vmcb->dr7 = GUEST_ENTRY_DR7;
	vmcb->rflags = RFLAGS_FIXED;
	vmcb->rip = (uintptr_t)svm_trial_code;
	vmcb->pat = msr_read(MSR_IA32_PAT);
	/* Interrupts are off, and CLGI keeps NMIs out between host and guest. */
	__asm__ volatile("clgi\n"
			 "vmrun %0\n"
			 "stgi"
			 : "+a"(place)
			 :
			 : "memory", "cc");
	exited = (uint32_t)vmcb->exit_code == SVM_EXIT_VMMCALL;
	caps->takes_shadow = exited && vmcb->interrupt_shadow & INTERRUPT_SHADOW;
	caps->takes_cr2 = exited && read_cr2() == CR2_OF_GUEST;
}
