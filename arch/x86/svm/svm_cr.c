/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exits because of control registers (AMD APM vol. 2, 15.8 and 15.33). A processor with decode
 * assists names the general register of a MOV; for anything else the instruction is read from the
 * guest's memory. It also says which control register is read: the manual has an exit code for
 * each, but some emulators report every read as one of CR0.
 */
#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_cr.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_walk.h"
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_decode.h"
#include "arch/x86/svm/svm_exits.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "base/string.h"
#include "kernel/vm/vm.h"

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

/* Codes of reads are 0x00.., of writes 0x10... */
#define CODE_CR(code) ((code)&0xf)
#define CODE_IS_READ(code) ((code) < SVM_EXIT_CR0_WRITE)

/* What a processor with decode assists says itself. */
static bool processor_decodes(const struct svm_vcpu *svm, uint32_t code,
			      struct svm_instruction *instruction)
{
	uint64_t info = svm->vmcb->exit_info_1;

	if (!svm_caps.decode || !svm_caps.next_rip || !(info & DECODED_MOV)) {
		return false;
	}
	*instruction = (struct svm_instruction){
		.kind = CODE_IS_READ(code) ? INSTRUCTION_MOV_FROM : INSTRUCTION_MOV_TO,
		.cr = CODE_CR(code),
		.gpr = info & DECODED_GPR,
	};
	return true;
}

/* Answers how many bytes there are. */
static size_t instruction_fetch(const struct svm_vcpu *svm, uint8_t *bytes)
{
	const struct vmcb *vmcb = svm->vmcb;
	uint64_t place = vmcb->rip;

	if (code_bits(svm) != 64) {
		place = (uint32_t)(place + vmcb->segments[VMCB_CS].base);
	}
	return guest_fetch(svm->arch.vcpu, place, bytes, SVM_INSTRUCTION_BYTES_MAX);
}

struct svm_instruction svm_instruction_here(const struct svm_vcpu *svm)
{
	uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX];
	size_t count = instruction_fetch(svm, bytes);

	return svm_decode(bytes, count, code_bits(svm));
}

unsigned svm_prefixes(const struct svm_vcpu *svm)
{
	uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX];
	size_t count = instruction_fetch(svm, bytes);

	return svm_prefix_bytes(bytes, count, code_bits(svm));
}

bool svm_can_step(const struct svm_vcpu *svm)
{
	uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX];
	size_t count = instruction_fetch(svm, bytes);

	return svm_steps_unseen(bytes, count, code_bits(svm));
}

static enum exit_action not_understood(struct svm_vcpu *svm, struct vm_exit *vm_exit,
				       const uint8_t *bytes, size_t count)
{
	char text[3 * SVM_INSTRUCTION_BYTES_MAX + 1] = "";

	for (size_t i = 0; i < count; i++) {
		(void)snprintf(text + 3 * i, sizeof(text) - 3 * i, " %02x", bytes[i]);
	}
	vm_log(svm->arch.vcpu->vm, "cannot decode the instruction at rip=0x%llx: bytes%s",
	       (unsigned long long)svm->vmcb->rip, text);
	return guest_exit_unknown(svm->arch.vcpu, vm_exit,
				  "an instruction that reaches a control register in a form that "
				  "is not understood");
}

static enum exit_action smsw(struct svm_vcpu *svm, const struct svm_instruction *instruction)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	uint64_t value = guest_read(vcpu, GUEST_CR0);

	if (instruction->operand_16) {
		value = (guest_gpr_read(vcpu, instruction->gpr) & ~0xffffull) | (value & 0xffff);
	}
	guest_gpr_write(vcpu, instruction->gpr, value);
	return EXIT_ADVANCE;
}

static bool cr_exists(unsigned cr)
{
	return cr == 0 || (cr >= 2 && cr <= 4) || cr == 8;
}

/* The exit code does not say reliably which register it was: the instruction does. */
static enum exit_action mov_from(struct svm_vcpu *svm, const struct svm_instruction *instruction)
{
	static const enum guest_register names[] = {
		[0] = GUEST_CR0, [2] = GUEST_CR2, [3] = GUEST_CR3, [4] = GUEST_CR4, [8] = GUEST_CR8,
	};
	struct vcpu *vcpu = svm->arch.vcpu;

	if (!cr_exists(instruction->cr)) {
		return guest_inject_undefined(vcpu);
	}
	guest_gpr_write(vcpu, instruction->gpr, guest_read(vcpu, names[instruction->cr]));
	return EXIT_ADVANCE;
}

static enum exit_action read_decide(struct svm_vcpu *svm, const struct svm_instruction *instruction)
{
	if (instruction->kind == INSTRUCTION_SMSW) {
		return instruction->memory ? svm_step_begin(svm, true) : smsw(svm, instruction);
	}
	if (instruction->kind == INSTRUCTION_MOV_FROM) {
		return mov_from(svm, instruction);
	}
	return EXIT_RESUME;
}

static enum exit_action write_decide(struct svm_vcpu *svm, uint32_t code,
				     const struct svm_instruction *instruction)
{
	struct vcpu *vcpu = svm->arch.vcpu;
	uint64_t value;

	switch (instruction->kind) {
	case INSTRUCTION_MOV_TO:
		if (!cr_exists(instruction->cr)) {
			return guest_inject_undefined(vcpu);
		}
		if (instruction->cr != CODE_CR(code)) {
			return EXIT_RESUME;
		}
		value = guest_gpr_read(vcpu, instruction->gpr);
		break;
	case INSTRUCTION_CLTS:
		value = guest_read(vcpu, GUEST_CR0) & ~(uint64_t)CR0_TS;
		break;
	case INSTRUCTION_LMSW:
		if (instruction->memory) {
			return svm_step_begin(svm, true);
		}
		value = guest_cr0_lmsw(guest_read(vcpu, GUEST_CR0),
				       guest_gpr_read(vcpu, instruction->gpr));
		break;
	default:
		return EXIT_RESUME;
	}
	return guest_cr_write(vcpu, instruction->cr, value);
}

/*
 * An instruction that does not fit the exit was rewritten by another vCPU since, or its page is
 * going away: the guest executes what is there now, with all checks of the processor.
 */
enum exit_action svm_decide_cr(struct svm_vcpu *svm, struct vm_exit *vm_exit)
{
	struct svm_instruction instruction;
	uint8_t bytes[SVM_INSTRUCTION_BYTES_MAX] = {0};
	size_t count = 0;

	if (!processor_decodes(svm, vm_exit->raw_reason, &instruction)) {
		count = instruction_fetch(svm, bytes);
		instruction = svm_decode(bytes, count, code_bits(svm));
		/* Of all these, user code can execute SMSW alone. */
		if (svm->vmcb->cpl != 0 &&
		    (instruction.kind != INSTRUCTION_SMSW || instruction.memory)) {
			return svm_step_begin(svm, true);
		}
	}
	if (instruction.kind == INSTRUCTION_OTHER) {
		return not_understood(svm, vm_exit, bytes, count);
	}
	svm->next_rip = svm_caps.next_rip ? svm->vmcb->next_rip
					  : guest_next_rip(svm->arch.vcpu, svm->vmcb->rip,
							   instruction.length);
	return CODE_IS_READ(vm_exit->raw_reason)
		       ? read_decide(svm, &instruction)
		       : write_decide(svm, vm_exit->raw_reason, &instruction);
}
