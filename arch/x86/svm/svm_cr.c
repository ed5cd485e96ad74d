/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits because of control registers (AMD APM vol. 2, 15.8 and 15.33). A processor with decode
 * assists names the register of a MOV; for anything else the instruction is read from the guest's
 * memory.
 */
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/exit.h"
#include "arch/x86/guest/walk.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_decode.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"

/* exit_info_1 with decode assists */
#define DECODED_MOV BIT(63)
#define DECODED_GPR 0xf

/* Width of the guest's code segment. */
static unsigned code_bits(const struct svm_vcpu *svm)
{
	if (guest_is_64bit(svm->arch.vcpu)) {
		return 64;
	}
	return svm->vmcb->segments[VMCB_CS].attributes & ATTRIBUTE_DEFAULT_BIG ? 32 : 16;
}

static unsigned cr_of(uint32_t code)
{
	return code & 0xf; /* reads are 0x00.., writes 0x10.. */
}

/* False: its bytes cannot be read. */
static bool instruction_read(const struct svm_vcpu *svm, uint32_t code,
			     struct svm_instruction *instruction)
{
	const struct vmcb *vmcb = svm->vmcb;
	uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX];
	uint64_t place = vmcb->rip;
	bool is_read = code == SVM_EXIT_CR0_READ || code == SVM_EXIT_CR4_READ;
	size_t count;

	if (svm_caps.decode && svm_caps.next_rip && vmcb->exit_info_1 & DECODED_MOV) {
		*instruction = (struct svm_instruction){
			.kind = is_read ? INSTRUCTION_MOV_FROM : INSTRUCTION_MOV_TO,
			.cr = cr_of(code),
			.gpr = vmcb->exit_info_1 & DECODED_GPR,
		};
		return true;
	}
	if (code_bits(svm) != 64) {
		place = (uint32_t)(place + vmcb->segments[VMCB_CS].base);
	}
	count = guest_fetch(svm->arch.vcpu, place, bytes, sizeof(bytes));
	*instruction = svm_decode(bytes, count, code_bits(svm));
	return count > 0;
}

static void smsw(struct svm_vcpu *svm, const struct svm_instruction *instruction)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	uint64_t value = guest_read(vcpu, GUEST_CR0);

	if (instruction->operand_16) {
		value = (guest_gpr_read(vcpu, instruction->gpr) & ~0xffffull) | (value & 0xffff);
	}
	guest_gpr_write(vcpu, instruction->gpr, value);
}

enum exit_action svm_decide_cr(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	struct svm_instruction instruction;
	uint64_t cr0 = guest_read(vcpu, GUEST_CR0);

	if (!instruction_read(svm, vm_exit->raw_reason, &instruction)) {
		/* It has just been executed: its page is going away, and the guest shall see. */
		return EXIT_RESUME;
	}
	svm->next_rip = svm_caps.next_rip
				? svm->vmcb->next_rip
				: guest_next_rip(vcpu, svm->vmcb->rip, instruction.length);
	vm_exit->cr.number = instruction.cr;
	switch (instruction.kind) {
	case INSTRUCTION_MOV_TO:
		vm_exit->cr.value = guest_gpr_read(vcpu, instruction.gpr);
		break;
	case INSTRUCTION_MOV_FROM:
		guest_gpr_write(vcpu, instruction.gpr,
				instruction.cr == 0 ? cr0 : guest_read(vcpu, GUEST_CR4));
		return EXIT_ADVANCE;
	case INSTRUCTION_CLTS:
		vm_exit->cr.value = cr0 & ~(uint64_t)CR0_TS;
		break;
	case INSTRUCTION_LMSW:
		vm_exit->cr.value = guest_cr0_lmsw(cr0, guest_gpr_read(vcpu, instruction.gpr));
		break;
	case INSTRUCTION_SMSW:
		smsw(svm, &instruction);
		return EXIT_ADVANCE;
	case INSTRUCTION_OTHER:
		return guest_exit_unknown(
			vcpu, vm_exit,
			"LMSW or SMSW with an operand in memory, which is not offered");
	}
	return guest_exit(vcpu, vm_exit, VM_EXIT_CR_WRITE);
}
