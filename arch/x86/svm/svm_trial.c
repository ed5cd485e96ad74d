/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Entries that are tried before any guest exists: does VMRUN take the interrupt shadow and CR2 from
 * the VMCB, and does the exit put CR2 back there (AMD APM vol. 2, 15.21.5 and 15.5.1)? Some
 * emulators save the shadow at exits but forget it at entries, or leave out CR2, and CPUID does not
 * say so. The trial's guest runs in the host's own tables.
 *
 * For the shadow it is one VMMCALL, so that the exit comes before any instruction has been
 * completed: a shadow that was taken is still there. For CR2 it is what the guest itself sees that
 * counts, and what it leaves: a hypervisor below may exchange the host's CR2 at exits as well.
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
#define TRIES_MAX 16 /* of one entry; an NMI ends it before its first instruction */

/* Values of CR2: where a look goes wrong by chance, the next one does not. */
#define CR2_FIRST 0x123456789000ull
#define CR2_STEP 0x111111111000ull

extern const char svm_trial_shadow[], svm_trial_cr2[];

/* CR2 as it is to RAX, CR2 as it is to become from RCX. */
__asm__(".pushsection .text.svm_trial, \"ax\"\n"
	"svm_trial_cr2:\n"
	"	movq %cr2, %rax\n"
	"	movq %rcx, %cr2\n"
	"svm_trial_shadow:\n"
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

static void vmcb_fill(struct vmcb *vmcb, const char *code)
{
	memset(vmcb, 0, sizeof(*vmcb));
	segments_fill(vmcb);
	vmcb->intercept_1 = INTERCEPT_NMI | INTERCEPT_SHUTDOWN;
	vmcb->intercept_2 = INTERCEPT_VMRUN | INTERCEPT_VMMCALL;
	vmcb->asid = 1;
	vmcb->tlb_control = TLB_FLUSH_ALL;
	vmcb->interrupt_shadow = INTERRUPT_SHADOW;
	vmcb->efer = msr_read(MSR_IA32_EFER);
	vmcb->cr0 = read_cr0();
	vmcb->cr3 = read_cr3();
	vmcb->cr4 = read_cr4();
	vmcb->dr6 = GUEST_ENTRY_DR6;
	vmcb->dr7 = GUEST_ENTRY_DR7;
	vmcb->rflags = RFLAGS_FIXED;
	vmcb->rip = (uintptr_t)code;
	vmcb->pat = msr_read(MSR_IA32_PAT);
}

/* True: the guest has come to its VMMCALL. */
static bool run(pfn_t frame, const char *code, struct svm_cr2_look *look)
{
	struct vmcb *vmcb = pfn_to_virt(frame);

	for (unsigned i = 0; i < TRIES_MAX; i++) {
		uint64_t place = pfn_to_hpa(frame).v;

		vmcb_fill(vmcb, code);
		vmcb->cr2 = look->vmcb;
		write_cr2(look->processor);
		/* Interrupts are off, and CLGI keeps NMIs out between host and guest. */
		__asm__ volatile("clgi\n"
				 "vmrun %0\n"
				 "stgi"
				 : "+a"(place)
				 : "c"(look->guest)
				 : "memory", "cc");
		look->seen = vmcb->rax;
		look->saved = vmcb->cr2;
		look->left = read_cr2();
		if ((uint32_t)vmcb->exit_code == SVM_EXIT_VMMCALL) {
			return true;
		}
	}
	return false;
}

bool svm_trial(pfn_t frame, struct svm_caps *caps)
{
	struct vmcb *vmcb = pfn_to_virt(frame);
	struct svm_cr2_look looks[SVM_CR2_LOOKS];
	uint64_t value = CR2_FIRST;

	for (unsigned i = 0; i < SVM_CR2_LOOKS; i++) {
		looks[i] = (struct svm_cr2_look){
			.vmcb = value,
			.processor = value + CR2_STEP,
			.guest = value + 2 * CR2_STEP,
		};
		value += 3 * CR2_STEP;
		looks[i].done = run(frame, svm_trial_cr2, &looks[i]);
	}
	caps->takes_shadow = run(frame, svm_trial_shadow, &(struct svm_cr2_look){0}) &&
			     vmcb->interrupt_shadow & INTERRUPT_SHADOW;
	return svm_caps_judge_cr2(looks, caps);
}
