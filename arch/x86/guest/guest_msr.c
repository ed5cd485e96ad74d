/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The MSRs of a guest (SDM vol. 4): one table. Nothing passes through to the processor's own; an
 * MSR that is not listed does not exist and answers #GP(0), as does a value that the manual
 * forbids.
 */
#include "arch/x86/guest/guest_msr.h"

#include "arch/x86/cpu/msr.h"
#include "arch/x86/guest/guest_cr.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_pc.h"
#include "base/bits.h"
#include "arch/arch.h"
#include "kernel/vm/vm.h"

#define MSR_IA32_TIME_STAMP_COUNTER 0x10

/* Fast strings on; no branch trace store, no precise events. */
#define MISC_ENABLE_VALUE 0x1801

#define MSR_AT(index, name, rule) [GUEST_MSR_PLACE(index)] = {index, name, rule}

const struct guest_msr guest_msrs[GUEST_MSR_PLACES] = {
	MSR_AT(MSR_IA32_PAT, GUEST_PAT, RULE_PAT),
	MSR_AT(MSR_IA32_SYSENTER_EIP, GUEST_SYSENTER_EIP, RULE_CANONICAL),
	MSR_AT(MSR_IA32_SYSENTER_ESP, GUEST_SYSENTER_ESP, RULE_CANONICAL),
	MSR_AT(MSR_IA32_SYSENTER_CS, GUEST_SYSENTER_CS, RULE_LOW_HALF),
	MSR_AT(MSR_STAR, GUEST_STAR, RULE_ANY),
	MSR_AT(MSR_LSTAR, GUEST_LSTAR, RULE_CANONICAL),
	MSR_AT(MSR_CSTAR, GUEST_CSTAR, RULE_CANONICAL),
	MSR_AT(MSR_FMASK, GUEST_FMASK, RULE_32_BITS),
	MSR_AT(MSR_FS_BASE, GUEST_FS_BASE, RULE_CANONICAL),
	MSR_AT(MSR_GS_BASE, GUEST_GS_BASE, RULE_CANONICAL),
	MSR_AT(MSR_KERNEL_GS_BASE, GUEST_KERNEL_GS_BASE, RULE_CANONICAL),
};

/* No place without a register answers to the number 0. */
_Static_assert(GUEST_MSR_PLACE(MSR_FMASK) == 0, "another number in the place of 0");

bool guest_pat_accept(uint64_t value)
{
	/* UC, WC, WT, WP, WB, UC- */
	const unsigned allowed = 1u << 0 | 1u << 1 | 1u << 4 | 1u << 5 | 1u << 6 | 1u << 7;

	for (unsigned i = 0; i < 8; i++) {
		unsigned type = value >> (8 * i) & 0xff;

		if (type > 7 || !(allowed >> type & 1)) {
			return false;
		}
	}
	return true;
}

bool guest_msr_accepts_other(enum guest_msr_rule rule, uint64_t *value)
{
	switch (rule) {
	case RULE_CANONICAL:
		return guest_is_canonical(*value);
	case RULE_ANY:
		return true;
	case RULE_32_BITS:
		return *value >> 32 == 0;
	case RULE_LOW_HALF:
		*value &= 0xffffffff;
		return true;
	case RULE_PAT:
		return guest_pat_accept(*value);
	}
	return false;
}

static enum exit_action read_done(struct vcpu *vcpu, uint64_t value)
{
	guest_msr_give(vcpu, value);
	return EXIT_ADVANCE;
}

enum exit_action guest_msr_read(struct vcpu *vcpu, uint32_t index)
{
	const struct guest_msr *msr = guest_msr_find(index);
	uint64_t value;

	if (msr != NULL) {
		return read_done(vcpu, guest_read(vcpu, (enum guest_register)msr->name));
	}
	switch (index) {
	case MSR_IA32_TIME_STAMP_COUNTER:
		return read_done(vcpu, arch_tsc());
	case MSR_IA32_MISC_ENABLE:
		return read_done(vcpu, MISC_ENABLE_VALUE);
	case MSR_IA32_EFER:
		return read_done(vcpu, guest_read(vcpu, GUEST_EFER));
	}
	if (vcpu->vm->platform != NULL && guest_pc_msr_read(vcpu, index, &value)) {
		return read_done(vcpu, value);
	}
	return guest_inject_protection_fault(vcpu);
}

static enum exit_action efer_write(struct vcpu *vcpu, uint64_t value)
{
	struct guest_control now = guest_control_read(vcpu);
	struct guest_control next;

	if (!guest_efer_accept(&guest_features, &now, value, &next)) {
		return guest_inject_protection_fault(vcpu);
	}
	guest_write(vcpu, GUEST_EFER, next.efer);
	return EXIT_ADVANCE;
}

enum exit_action guest_msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value)
{
	const struct guest_msr *msr = guest_msr_find(index);

	if (msr != NULL && guest_msr_accepts(msr, &value)) {
		guest_write(vcpu, (enum guest_register)msr->name, value);
		return EXIT_ADVANCE;
	}
	if (index == MSR_IA32_EFER) {
		return efer_write(vcpu, value);
	}
	if (index == MSR_IA32_MISC_ENABLE && value == MISC_ENABLE_VALUE) {
		return EXIT_ADVANCE;
	}
	if (vcpu->vm->platform != NULL && guest_pc_msr_write(vcpu, index, value)) {
		return vm_lets_go_on(vcpu) ? EXIT_ADVANCE : EXIT_YIELD;
	}
	return guest_inject_protection_fault(vcpu);
}
