/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes of control registers, EFER and XCR0 that the processor does not let a guest do alone. The
 * rules are those of MOV to CR0, CR4 and CR8, WRMSR and XSETBV (SDM vol. 2; vol. 3, 2.5
 * and 10.8.5), with one restriction of ours, documented in docs/abi.md: PAE paging outside long
 * mode is refused with #GP, because its four page-directory pointers would have to be read from the
 * guest's memory here. 32-bit paging without PAE and 4-level paging are offered.
 */
#include "arch/x86/guest/guest_cr.h"

#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_exit.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"
#include "arch/arch.h"

static bool is_pae_paging(const struct guest_control *control)
{
	return control->cr0 & CR0_PG && control->cr4 & CR4_PAE && !(control->efer & EFER_LMA);
}

/* Paging goes on: may long mode begin, or must it not be? */
static bool paging_enable(struct guest_control *next)
{
	if (next->efer & EFER_LME) {
		if (!(next->cr4 & CR4_PAE) || next->code_long || !next->task_32) {
			return false;
		}
		next->efer |= EFER_LMA;
	}
	return true;
}

bool guest_cr0_accept(const struct guest_control *now, uint64_t value, struct guest_control *next)
{
	if (value >> 32) {
		return false;
	}
	if ((value & CR0_PG && !(value & CR0_PE)) || (value & CR0_NW && !(value & CR0_CD))) {
		return false;
	}
	*next = *now;
	next->cr0 = guest_cr0_stored(value);
	if (value & CR0_PG && !(now->cr0 & CR0_PG)) {
		if (!paging_enable(next)) {
			return false;
		}
	} else if (!(value & CR0_PG) && now->cr0 & CR0_PG) {
		if (now->efer & EFER_LMA && now->code_long) {
			return false; /* only from compatibility mode */
		}
		next->efer &= ~(uint64_t)EFER_LMA;
	}
	return !is_pae_paging(next);
}

bool guest_cr4_accept(const struct guest_features *offer, const struct guest_control *now,
		      uint64_t value, struct guest_control *next)
{
	if (value & ~offer->cr4) {
		return false;
	}
	if (now->efer & EFER_LMA && !(value & CR4_PAE)) {
		return false;
	}
	*next = *now;
	next->cr4 = value;
	return !is_pae_paging(next);
}

bool guest_efer_accept(const struct guest_features *offer, const struct guest_control *now,
		       uint64_t value, struct guest_control *next)
{
	if (value & ~(offer->efer | EFER_LMA)) {
		return false;
	}
	if ((value ^ now->efer) & EFER_LME && now->cr0 & CR0_PG) {
		return false;
	}
	*next = *now;
	/* LMA follows CR0.PG; what is written there is ignored. */
	next->efer = (value & ~(uint64_t)EFER_LMA) | (now->efer & EFER_LMA);
	return true;
}

bool guest_xcr0_accept(const struct guest_features *offer, uint64_t value)
{
	if (value & ~offer->xcr0 || !(value & XCR0_X87)) {
		return false;
	}
	if (value & XCR0_AVX && !(value & XCR0_SSE)) {
		return false;
	}
	if (value & XCR0_AVX512) {
		return (value & XCR0_AVX512) == XCR0_AVX512 && value & XCR0_AVX;
	}
	return true;
}

struct guest_control guest_control_read(const struct vcpu *vcpu)
{
	return (struct guest_control){
		.cr0 = guest_read(vcpu, GUEST_CR0),
		.cr4 = guest_read(vcpu, GUEST_CR4),
		.efer = guest_read(vcpu, GUEST_EFER),
	};
}

enum exit_action guest_cr_write(struct vcpu *vcpu, unsigned cr, uint64_t value)
{
	struct guest_control now;
	struct guest_control next;
	bool accepted = false;

	if (cr == 8 && value <= 15) {
		guest_write(vcpu, GUEST_CR8, value);
		if (vcpu->vm->platform != NULL) {
			platform_task_priority_set(vcpu, (uint8_t)value);
		}
		return EXIT_ADVANCE;
	}
	now = guest_control_read(vcpu);
	if (cr == 0 && (value ^ now.cr0) & CR0_PG) {
		now.code_long = guest_read(vcpu, GUEST_CODE_LONG) != 0;
		now.task_32 = guest_read(vcpu, GUEST_TASK_32) != 0;
	}
	next = now;
	switch (cr) {
	case 0:
		accepted = guest_cr0_accept(&now, value, &next);
		break;
	case 4:
		accepted = guest_cr4_accept(&guest_features, &now, value, &next);
		break;
	}
	if (!accepted) {
		return guest_inject_protection_fault(vcpu);
	}
	/* EFER before CR0: the backend derives the entry's mode from EFER.LMA. */
	if (next.efer != now.efer) {
		guest_write(vcpu, GUEST_EFER, next.efer);
	}
	if (cr == 0) {
		guest_write(vcpu, GUEST_CR0, next.cr0);
	} else {
		guest_write(vcpu, GUEST_CR4, next.cr4);
	}
	return EXIT_ADVANCE;
}

enum exit_action guest_xsetbv(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	/* A processor looks at this before it exits; not every emulator does. */
	if (!(guest_read(vcpu, GUEST_CR4) & CR4_OSXSAVE)) {
		return guest_inject_undefined(vcpu);
	}
	if (index != 0 || !guest_xcr0_accept(&guest_features, value)) {
		return guest_inject_protection_fault(vcpu);
	}
	guest_write(vcpu, GUEST_XCR0, value);
	return EXIT_ADVANCE;
}
