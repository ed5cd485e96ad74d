/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch_device_access(): the instruction that reached beyond RAM is read from the guest's memory,
 * decoded, and carried out on the device that is there. What the processor has checked already is
 * not checked again: rights and segment limits of the operand. What it has not said has to fit: the
 * operand's place and the direction.
 */
#include "arch/x86/guest/breakpoint.h"
#include "arch/x86/guest/guest_execute.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/guest/guest_fault.h"
#include "arch/x86/guest/guest_pc.h"
#include "arch/x86/guest/guest_walk.h"
#include "arch/arch.h"
#include "base/bits.h"
#include "base/compiler.h"
#include "base/string.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

#define PRIVILEGE 3 /* of the code segment's selector */

/* The instruction at RIP. */
struct code {
	uint64_t rip;
	unsigned bits;
	size_t count;
	uint8_t bytes[GUEST_INSTRUCTION_BYTES_MAX];
};

static void code_fetch(const struct vcpu *vcpu, struct code *code)
{
	uint64_t linear = guest_read(vcpu, GUEST_RIP);

	code->rip = linear;
	code->bits = 64;
	if (!guest_is_64bit(vcpu)) {
		code->bits = guest_read(vcpu, GUEST_CODE_BIG) ? 32 : 16;
		linear = (uint32_t)(linear + guest_read(vcpu, GUEST_CS_BASE));
	}
	code->count = guest_fetch(vcpu, linear, code->bytes, sizeof(code->bytes));
}

/*
 * Another vCPU may have rewritten the instruction since it was executed, or taken its page away:
 * the guest executes what is there now. When the same place comes back at once it is no such
 * chance.
 */
static NOT_INLINE enum arch_device doubt(struct vcpu *vcpu, gpa_t address, const struct code *code,
					 const char *reason)
{
	char text[3 * GUEST_INSTRUCTION_BYTES_MAX + 1] = "";
	struct arch_vcpu *arch = vcpu->arch;

	if (!arch->doubtful || arch->doubtful_rip != code->rip) {
		arch->doubtful = true;
		arch->doubtful_rip = code->rip;
		return ARCH_DEVICE_AGAIN;
	}
	for (size_t i = 0; i < code->count; i++) {
		(void)snprintf(text + 3 * i, sizeof(text) - 3 * i, " %02x", code->bytes[i]);
	}
	vm_log(vcpu->vm, "access to address=0x%llx: %s: rip=0x%llx bits=%u bytes%s",
	       (unsigned long long)address.v, reason, (unsigned long long)code->rip, code->bits,
	       text);
	return ARCH_DEVICE_REFUSED;
}

/* NULL, or why the instruction is not carried out. */
static const char *code_decode(const struct code *code, struct guest_instruction *instruction)
{
	switch (guest_decode(code->bytes, code->count, code->bits, instruction)) {
	case GUEST_DECODED:
		return NULL;
	case GUEST_CUT:
		return code->count < sizeof(code->bytes) ? "its code cannot be read"
							 : "it is longer than 15 bytes";
	case GUEST_REFUSED:
		break;
	}
	return "it is no instruction for devices";
}

static uint64_t gpr_whole(const struct vcpu *vcpu, uint8_t number)
{
	return number == GPR_RSP ? guest_read(vcpu, GUEST_RSP) : vcpu->regs[number];
}

/* 0 where there is none. */
static uint64_t gpr_or_none(const struct vcpu *vcpu, uint8_t number)
{
	return number == GUEST_NO_REGISTER ? 0 : gpr_whole(vcpu, number);
}

static uint64_t segment_base(const struct vcpu *vcpu, enum guest_segment_register segment,
			     unsigned bits)
{
	static const enum guest_register names[] = {
		[GUEST_SEGMENT_ES] = GUEST_ES_BASE, [GUEST_SEGMENT_CS] = GUEST_CS_BASE,
		[GUEST_SEGMENT_SS] = GUEST_SS_BASE, [GUEST_SEGMENT_DS] = GUEST_DS_BASE,
		[GUEST_SEGMENT_FS] = GUEST_FS_BASE, [GUEST_SEGMENT_GS] = GUEST_GS_BASE,
	};

	/* 64-bit code knows the bases of FS and GS alone. */
	if (bits == 64 && segment < GUEST_SEGMENT_FS) {
		return 0;
	}
	return guest_read(vcpu, names[segment]);
}

/* Its linear address. */
static uint64_t operand_linear(const struct vcpu *vcpu, uint64_t rip, unsigned bits,
			       const struct guest_instruction *instruction)
{
	const struct guest_place *place = &instruction->place;
	uint64_t next_rip = guest_next_rip(vcpu, rip, instruction->length);
	uint64_t offset = guest_place_offset(place, gpr_or_none(vcpu, place->base),
					     gpr_or_none(vcpu, place->index), next_rip);

	offset += segment_base(vcpu, place->segment, bits);
	return bits == 64 ? offset : (uint32_t)offset;
}

/*
 * The processor has checked that the guest may write there when the fault is a write. Some
 * emulators read first where an instruction reads and writes: a kernel may have that, but a user
 * program could have a read-only page and another thread that rewrites its code.
 */
static bool may_write(const struct vcpu *vcpu, const struct guest_fault *fault,
		      const struct guest_instruction *instruction)
{
	return fault->is_write ||
	       (instruction->reads && !(guest_read(vcpu, GUEST_CS_SELECTOR) & PRIVILEGE));
}

/*
 * NULL: this instruction makes such a fault. The operand lies at the same place of its page in
 * linear and in guest-physical addresses.
 */
static const char *code_fits(const struct vcpu *vcpu, const struct guest_fault *fault,
			     gpa_t address, uint64_t linear,
			     const struct guest_instruction *instruction)
{
	uint64_t offset = linear & (PAGE_BYTES - 1);

	if (offset + instruction->bytes > PAGE_BYTES) {
		return "its operand crosses a page";
	}
	if (offset != (address.v & (PAGE_BYTES - 1))) {
		return "its operand is not where the fault was";
	}
	if (instruction->writes && !may_write(vcpu, fault, instruction)) {
		return "it writes, and the fault was a read";
	}
	return NULL;
}

/* A MOV of 32 bits from a register or an immediate: what most registers are written with. */
static inline bool is_plain_store(const struct guest_instruction *instruction)
{
	return instruction->operation == GUEST_MOV && !instruction->reads &&
	       instruction->bytes == 4;
}

static inline void execute(const struct guest_instruction *instruction,
			   struct guest_operands *operands)
{
	if (is_plain_store(instruction)) {
		operands->memory =
			(uint32_t)(instruction->gpr == GUEST_NO_REGISTER ? instruction->immediate
									 : operands->gpr);
	} else {
		guest_execute(instruction, operands);
	}
}

/* NONE: no device is there. AGAIN: a store was done in part. */
static enum arch_device device_access(struct vcpu *vcpu, gpa_t address,
				      const struct guest_instruction *instruction,
				      struct guest_operands *operands)
{
	struct device_access access = {.bytes = instruction->bytes};

	if (instruction->reads) {
		if (!platform_memory(vcpu, address, &access)) {
			return ARCH_DEVICE_NONE;
		}
		operands->memory = access.value;
	}
	execute(instruction, operands);
	if (instruction->writes) {
		access.write = true;
		access.value = operands->memory;
		if (!platform_memory(vcpu, address, &access)) {
			return ARCH_DEVICE_NONE;
		}
		return access.again && !instruction->reads ? ARCH_DEVICE_AGAIN : ARCH_DEVICE_DONE;
	}
	return ARCH_DEVICE_DONE;
}

/* Breakpoints of the guest on its operand; the processor has not got as far as that. */
static void trap_data(struct vcpu *vcpu, uint64_t linear,
		      const struct guest_instruction *instruction)
{
	uint64_t causes = guest_data_causes(guest_read(vcpu, GUEST_DR7), linear, instruction->bytes,
					    instruction->writes);

	if (causes != 0) {
		guest_write(vcpu, GUEST_TRAP, causes);
	}
}

static enum arch_device carry_out(struct vcpu *vcpu, gpa_t address, uint64_t linear,
				  const struct guest_instruction *instruction)
{
	bool plain = instruction->operation == GUEST_MOV; /* changes no flag */
	uint64_t flags = plain ? 0 : guest_read(vcpu, GUEST_RFLAGS);
	struct guest_operands operands = {
		.gpr = gpr_or_none(vcpu, instruction->gpr),
		.flags = flags,
	};
	uint64_t timer = vcpu->timer_tsc;
	uint64_t controllers = vcpu->controller_count;

	enum arch_device outcome = device_access(vcpu, address, instruction, &operands);
	/* One exit, though the instruction may have read and written. */
	vcpu->controller_count = min_u64(vcpu->controller_count, controllers + 1);
	if (outcome != ARCH_DEVICE_DONE) {
		return outcome;
	}
	if (instruction->gpr_written) {
		guest_gpr_write(vcpu, instruction->gpr, operands.gpr);
	}
	if (operands.flags != flags) {
		guest_write(vcpu, GUEST_RFLAGS, operands.flags);
	}
	guest_pc_settle(vcpu, timer);
	trap_data(vcpu, linear, instruction);
	vcpu->arch->decoded_bytes = instruction->length;
	vcpu->arch->doubtful = false;
	return ARCH_DEVICE_DONE;
}

static NOT_INLINE enum arch_device access_anew(struct vcpu *vcpu, const struct guest_fault *fault,
					       gpa_t address)
{
	struct guest_instruction instruction;
	struct code code;
	const char *reason;
	uint64_t linear = 0;

	code_fetch(vcpu, &code);
	reason = code_decode(&code, &instruction);
	if (reason == NULL) {
		linear = operand_linear(vcpu, code.rip, code.bits, &instruction);
		reason = code_fits(vcpu, fault, address, linear, &instruction);
	}
	if (reason != NULL) {
		return doubt(vcpu, address, &code, reason);
	}
	guest_code_remember(vcpu, code.rip, code.bytes, &instruction);
	return carry_out(vcpu, address, linear, &instruction);
}

enum arch_device arch_device_access(struct vcpu *vcpu, gpa_t address)
{
	struct guest_fault fault = guest_fault_read(vcpu);
	const struct guest_instruction *known;

	/* The stack of an event that is being delivered, the code itself, the guest's tables. */
	if (vcpu->arch->event.info & EVENT_VALID || !fault.of_operand) {
		return ARCH_DEVICE_NONE;
	}
	known = guest_code_recall(vcpu, &fault);
	if (known != NULL) {
		uint64_t linear = operand_linear(vcpu, fault.rip, 64, known);

		if (code_fits(vcpu, &fault, address, linear, known) == NULL) {
			return carry_out(vcpu, address, linear, known);
		}
	}
	return access_anew(vcpu, &fault, address);
}
