/* SPDX-License-Identifier: BSD-2-Clause */
/* The report of an entry that the processor refused. */
#include "arch/x86/cpu/features.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_check.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/log.h"
#include "kernel/vm/vm.h"

typedef unsigned long long ull;

static void dump_segments(const char *name, const struct vmcb *vmcb)
{
	static const char *const names[VMCB_SEGMENT_COUNT] = {"es", "cs",   "ss",   "ds",   "fs",
							      "gs", "gdtr", "ldtr", "idtr", "tr"};

	for (unsigned i = 0; i < VMCB_SEGMENT_COUNT; i++) {
		const struct vmcb_segment *segment = &vmcb->segments[i];

		log_event(name, "vmcb %s selector=0x%x attributes=0x%x limit=0x%x base=0x%llx",
			  names[i], segment->selector, segment->attributes, segment->limit,
			  (ull)segment->base);
	}
}

void svm_dump_entry_failure(const struct svm_vcpu *svm)
{
	const char *name = vm_name(svm->arch.vcpu->vm);
	struct vmcb *vmcb = svm->vmcb;
	struct entry_checks violations;

	vmcb->entry_event = svm->entered_event;
	svm_vmcb_check(vmcb, svm_caps.asid_count, cpu_features.physical_bits, &violations);
	log_event(name, "entry-failed: VMRUN was refused");
	entry_checks_print(name, &violations);
	log_event(name, "vmcb asid=%u tlb_control=%u entry_event=0x%llx intercepts=0x%x,0x%x",
		  vmcb->asid, vmcb->tlb_control, (ull)vmcb->entry_event, vmcb->intercept_1,
		  vmcb->intercept_2);
	log_event(name, "vmcb cr0=0x%llx cr3=0x%llx cr4=0x%llx efer=0x%llx nested_cr3=0x%llx",
		  (ull)vmcb->cr0, (ull)vmcb->cr3, (ull)vmcb->cr4, (ull)vmcb->efer,
		  (ull)vmcb->nested_cr3);
	log_event(name, "vmcb rip=0x%llx rflags=0x%llx dr6=0x%llx dr7=0x%llx pat=0x%llx cpl=%u",
		  (ull)vmcb->rip, (ull)vmcb->rflags, (ull)vmcb->dr6, (ull)vmcb->dr7, (ull)vmcb->pat,
		  vmcb->cpl);
	dump_segments(name, vmcb);
}
