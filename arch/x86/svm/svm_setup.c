/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a new VMCB is filled with: what ends a run of the guest, and the guest's first state (AMD
 * APM vol. 2, 15.5, 15.9 and 15.25).
 */
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/trap/paging.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_msr.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_debug.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/string.h"
#include "mm/stage2/map.h"

#define VECTOR_ALIGNMENT 17

/*
 * The guest sees other bits than the processor: CR4.MCE is the host's in truth, CR0.CD and CR0.NW
 * are hidden. Some emulators take a MOV from any control register as one from CR0 (the manual wants
 * an intercept for each, APM vol. 2, 15.8): without the one of CR0 that of CR4 would never come.
 * So both are intercepted, and svm_cr.c looks which register was meant.
 */
#define CR_READS (BIT(0) | BIT(4))
/* New bits are judged against what is offered, and LMA and PAE rules are the same everywhere. */
#define CR_WRITES (BIT(0) | BIT(4) | BIT(8))

/*
 * #DB and #AC: a guest can arrange that delivering one raises the next, without end and without an
 * instruction in between, so that no other exit ever happens. #MC is about the machine, not the
 * guest.
 */
#define EXCEPTIONS (BIT(VECTOR_DEBUG) | BIT(VECTOR_ALIGNMENT) | BIT(VECTOR_MACHINE_CHECK))

static const uint64_t intercepts_1[] = {
	INTERCEPT_INTR,	       /* a device's interrupt, and the end of the time slice */
	INTERCEPT_NMI,	       /* belongs to the host as well */
	INTERCEPT_RDPMC,       /* performance counters are not offered and would count the host */
	INTERCEPT_CPUID,       /* the personality of guests */
	INTERCEPT_INVD,	       /* would drop what others have written */
	INTERCEPT_HLT,	       /* a halted guest gives its time to others */
	INTERCEPT_INVLPGA,     /* reaches translations of any ASID */
	INTERCEPT_IO,	       /* together with a map of ones: no port passes through */
	INTERCEPT_MSR,	       /* the same for MSRs, in either direction */
	INTERCEPT_TASK_SWITCH, /* not offered: VT-x cannot do it in hardware */
	INTERCEPT_SHUTDOWN,    /* a triple fault is the guest's end, not the machine's */
};

static const uint64_t intercepts_2[] = {
	INTERCEPT_VMRUN,       /* not offered; the processor insists on this one */
	INTERCEPT_VMMCALL,     /* hypercalls */
	INTERCEPT_VMLOAD,      /* not offered: AMD-V is the host's */
	INTERCEPT_VMSAVE,      /* not offered */
	INTERCEPT_STGI,	       /* not offered: it would hold off host interrupts */
	INTERCEPT_CLGI,	       /* not offered, for the same reason */
	INTERCEPT_SKINIT,      /* not offered: starts the machine anew */
	INTERCEPT_RDTSCP,      /* not offered; TSC_AUX is zero anyway, for RDPID */
	INTERCEPT_RDPRU,       /* not offered: MPERF and APERF count for all that runs here */
	INTERCEPT_WBINVD,      /* writing back all caches would slow all CPUs down */
	INTERCEPT_MONITOR,     /* not offered */
	INTERCEPT_MWAIT,       /* not offered: it would idle the CPU inside the guest */
	INTERCEPT_MWAIT_ARMED, /* the same */
	INTERCEPT_XSETBV,      /* only components that are offered */
};

static uint32_t all_of(const uint64_t *bits, size_t count)
{
	uint64_t word = 0;

	for (size_t i = 0; i < count; i++) {
		word |= bits[i];
	}
	return (uint32_t)word;
}

void svm_setup_intercepts(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->intercept_cr_read = CR_READS;
	vmcb->intercept_cr_write = CR_WRITES;
	vmcb->intercept_exceptions = EXCEPTIONS;
}

void svm_setup_controls(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	svm_setup_intercepts(svm);
	vmcb->intercept_1 = all_of(intercepts_1, ARRAY_COUNT(intercepts_1));
	if (svm_caps.virtual_exits) {
		vmcb->intercept_1 |= INTERCEPT_VINTR;
	}
	vmcb->intercept_2 = all_of(intercepts_2, ARRAY_COUNT(intercepts_2));
	vmcb->iopm_base = image_to_hpa(guest_exit_always).v;
	vmcb->msrpm_base = image_to_hpa(guest_exit_always).v;
	/* The host's IF decides over real interrupts, the guest's IF and CR8 over virtual ones. */
	vmcb->virtual_interrupt = VIRTUAL_MASKING;
	vmcb->nested_control = NESTED_PAGING;
	vmcb->nested_cr3 = pfn_to_hpa(svm->arch.s2->root).v;
}

/* From access rights as VT-x has them. There is no "unusable": what is not present is. */
static uint16_t attributes_of(uint32_t rights)
{
	if (rights & GUEST_SEGMENT_UNUSABLE) {
		return 0;
	}
	return (uint16_t)((rights & 0xff) | (rights >> 4 & 0xf00));
}

static void setup_tables(struct svm_vcpu *svm)
{
	struct vmcb_segment table = {.limit = guest_entry_table_limit(svm->arch.vcpu)};

	svm->vmcb->segments[VMCB_GDTR] = table;
	svm->vmcb->segments[VMCB_IDTR] = table;
}

/* None is on its way, and nothing blocks one. */
static void setup_events(struct svm_vcpu *svm)
{
	struct vmcb *vmcb = svm->vmcb;

	vmcb->interrupt_shadow = 0;
	vmcb->intercept_1 &= ~(uint32_t)INTERCEPT_IRET;
	memset(&svm->nmi, 0, sizeof(svm->nmi));
	memset(&svm->shadow, 0, sizeof(svm->shadow));
	svm->offered = 0;
}

void svm_setup_guest(struct svm_vcpu *svm)
{
	static const uint8_t places[GUEST_SEGMENT_COUNT] = {
		[GUEST_ES] = VMCB_ES,	  [GUEST_CS] = VMCB_CS, [GUEST_SS] = VMCB_SS,
		[GUEST_DS] = VMCB_DS,	  [GUEST_FS] = VMCB_FS, [GUEST_GS] = VMCB_GS,
		[GUEST_LDTR] = VMCB_LDTR, [GUEST_TR] = VMCB_TR,
	};
	struct vcpu *vcpu = svm->arch.vcpu;
	struct vmcb *vmcb = svm->vmcb;

	for (unsigned i = 0; i < GUEST_SEGMENT_COUNT; i++) {
		struct guest_segment segment = guest_entry_segment(vcpu, i);

		vmcb->segments[places[i]] = (struct vmcb_segment){
			.selector = segment.selector,
			.attributes = attributes_of(segment.rights),
			.limit = segment.limit,
			.base = segment.base,
		};
	}
	setup_tables(svm);
	vmcb->cpl = 0;
	guest_write(vcpu, GUEST_EFER, 0);
	guest_write(vcpu, GUEST_CR0, guest_entry_cr0(vcpu));
	guest_write(vcpu, GUEST_CR3, 0);
	guest_write(vcpu, GUEST_CR4, 0);
	guest_write(vcpu, GUEST_CR8, 0);
	if (!svm->filled) {
		guest_write(vcpu, GUEST_PAT, GUEST_PAT_RESET); /* INIT leaves it alone */
	}
	vmcb->rip = guest_entry_rip(vcpu);
	vmcb->rsp = 0;
	vmcb->rflags = RFLAGS_FIXED;
	svm_debug_setup(svm);
	setup_events(svm);
}
