/* SPDX-License-Identifier: BSD-2-Clause */
/* The rules in the manual's order, then those about injected events (15.20). */
#include "arch/x86/svm/svm_check.h"

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_event.h"
#include "arch/x86/guest/guest_msr.h"

#define CR4_DEFINED                                                                                \
	((uint64_t)(CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | \
		    CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT | CR4_UMIP | CR4_LA57 | CR4_FSGSBASE |   \
		    CR4_PCIDE | CR4_OSXSAVE | CR4_SMEP | CR4_SMAP | CR4_PKE | CR4_CET))
/* Also long-mode segment limits, fast FXSAVE and the translation cache extension. */
#define EFER_DEFINED (EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE | EFER_SVME | 0xe000ull)

static void check_control(const struct vmcb *vmcb, unsigned physical_bits,
			  struct entry_checks *violations)
{
	uint32_t code = vmcb->segments[VMCB_CS].attributes;
	bool long_paging = vmcb->efer & EFER_LME && vmcb->cr0 & CR0_PG;

	BREAKS(!(vmcb->efer & EFER_SVME), "EFER: SVME is zero");
	BREAKS(vmcb->efer & ~EFER_DEFINED, "EFER: reserved bits");
	BREAKS(vmcb->cr0 >> 32, "CR0: bits 63:32");
	BREAKS(vmcb->cr0 & CR0_NW && !(vmcb->cr0 & CR0_CD), "CR0: NW without CD");
	BREAKS(vmcb->cr3 >> physical_bits, "CR3: beyond the physical address width");
	BREAKS(vmcb->cr4 & ~CR4_DEFINED, "CR4: reserved bits");
	BREAKS(vmcb->dr6 >> 32, "DR6: bits 63:32");
	BREAKS(vmcb->dr7 >> 32, "DR7: bits 63:32");
	BREAKS(long_paging && !(vmcb->cr4 & CR4_PAE), "long mode without CR4.PAE");
	BREAKS(long_paging && !(vmcb->cr0 & CR0_PE), "long mode without CR0.PE");
	BREAKS(long_paging && vmcb->cr4 & CR4_PAE && code & ATTRIBUTE_LONG &&
		       code & ATTRIBUTE_DEFAULT_BIG,
	       "CS: D/B and L are both one");
	BREAKS(!guest_pat_accept(vmcb->pat), "PAT: a memory type that does not exist");
}

/* The maps and the top of the second-stage tables are given by address. */
static void check_addresses(const struct vmcb *vmcb, unsigned physical_bits,
			    struct entry_checks *violations)
{
	BREAKS((vmcb->msrpm_base + 2 * PAGE_BYTES) >> physical_bits,
	       "MSR permission map: beyond the physical address width");
	BREAKS((vmcb->iopm_base + 3 * PAGE_BYTES) >> physical_bits,
	       "I/O permission map: beyond the physical address width");
	BREAKS(vmcb->nested_cr3 >> physical_bits || vmcb->nested_cr3 & (PAGE_BYTES - 1),
	       "nested CR3: reserved bits");
}

static void check_event(const struct vmcb *vmcb, struct entry_checks *violations)
{
	uint32_t event = (uint32_t)vmcb->entry_event;
	uint32_t type = event & EVENT_TYPE;
	uint32_t vector = event & EVENT_VECTOR;

	if (!(event & EVENT_VALID)) {
		return;
	}
	BREAKS(type != EVENT_TYPE_EXTERNAL && type != EVENT_TYPE_NMI &&
		       type != EVENT_TYPE_EXCEPTION && type != EVENT_TYPE_SOFTWARE_INTERRUPT,
	       "injected event: a type that does not exist");
	BREAKS(type == EVENT_TYPE_EXCEPTION && (vector > 31 || vector == 2),
	       "injected event: no exception has this vector");
}

void svm_vmcb_check(const struct vmcb *vmcb, uint32_t asid_count, unsigned physical_bits,
		    struct entry_checks *violations)
{
	*violations = (struct entry_checks){0};
	check_control(vmcb, physical_bits, violations);
	BREAKS(!(vmcb->intercept_2 & INTERCEPT_VMRUN), "VMRUN is not intercepted");
	BREAKS(vmcb->asid == 0, "ASID is zero");
	BREAKS(vmcb->asid >= asid_count, "ASID: the processor has not so many");
	check_addresses(vmcb, physical_bits, violations);
	check_event(vmcb, violations);
}
