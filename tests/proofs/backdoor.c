/* SPDX-License-Identifier: BSD-2-Clause */
/* VMware's backdoor. Real: drivers/virt/vbackdoor.c. Stubbed: nothing. */
#include "tests/proofs/proof.h"

#include "drivers/virt/vbackdoor.c"

#define REGISTERS 16u

/*
 * PROOF backdoor_question_changes_what_it_says
 * Shows: a question changes RBX and RCX at most, and only for a command that has an answer in them
 * Bound: all registers, all frequencies
 * Assumes: nothing
 * Classes: H13
 * Sources: drivers/virt/vbackdoor.c
 * Fault: drivers/virt/vbackdoor.c | regs[GPR_RBX] = hz >> 32; | regs[GPR_RDX] = hz >> 32;
 */
void backdoor_question_changes_what_it_says(void)
{
	uint64_t regs[REGISTERS];
	HAVOC(regs);
	unsigned watched = (unsigned)any_below(REGISTERS);
	uint64_t before = regs[watched];
	uint32_t command = (uint32_t)regs[GPR_RCX];
	uint32_t eax = vbackdoor_question(regs, any_below(1ull << 32));
	if (watched != GPR_RBX && watched != GPR_RCX) {
		PROVE(regs[watched] == before);
	}
	if (eax == NO_SUCH_COMMAND && command != COMMAND_GETHZ) {
		PROVE(regs[watched] == before);
	}
	PROVE(command != COMMAND_GETVERSION || regs[GPR_RBX] == VBACKDOOR_MAGIC);
}

/*
 * PROOF backdoor_answer_changes_what_it_says
 * Shows: an answer of the balloon changes RBX for a target, RCX for capabilities, and nothing
 * else; a call is only an IN of 32 bits with the port's magic number
 * Bound: all registers, all answers, all accesses
 * Assumes: nothing
 * Classes: H13
 * Sources: drivers/virt/vbackdoor.c
 * Mutants: vmware-any-magic
 */
void backdoor_answer_changes_what_it_says(void)
{
	uint64_t regs[REGISTERS];
	struct vvmballoon_answer answer;
	struct device_access access;
	HAVOC(regs);
	HAVOC(answer);
	HAVOC(access);
	uint32_t magic = any_u32();
	if (vbackdoor_is_call(regs, &access, magic)) {
		PROVE(!access.write && access.bytes == 4 && (uint32_t)regs[GPR_RAX] == magic);
	}
	struct vvmballoon_call call = vbackdoor_balloon_call(regs);
	PROVE(call.command == (uint32_t)regs[GPR_RCX]);
	PROVE(call.arguments[0] == regs[GPR_RBX] && call.arguments[1] == regs[GPR_RSI]);
	unsigned watched = (unsigned)any_below(REGISTERS);
	uint64_t before = regs[watched];
	PROVE(vbackdoor_balloon_answer(regs, &answer) == answer.status);
	bool changed = (watched == GPR_RBX && answer.has_target) ||
		       (watched == GPR_RCX && answer.has_capabilities);
	PROVE(changed || regs[watched] == before);
	PROVE(!answer.has_target || regs[GPR_RBX] == answer.target_pages);
}
