/* SPDX-License-Identifier: BSD-2-Clause */
/* See vbackdoor.h. */
#include "drivers/virt/vbackdoor.h"

#include "kernel/vm/vcpu.h"

enum command {
	COMMAND_GETVERSION = 10,
	COMMAND_GETHZ = 45,
	COMMAND_GETVCPU_INFO = 68,
};

#define VERSION 6u /* of the backdoor */
#define PRODUCT_SERVER 2u
#define NO_SUCH_COMMAND UINT32_MAX

/* The guest may use x2APIC mode although nothing remaps interrupts: it has fewer than 256 vCPUs. */
#define VCPU_INFO_X2APIC (1u << 3)

bool vbackdoor_is_call(const uint64_t *regs, const struct device_access *access, uint32_t magic)
{
	return !access->write && access->bytes == 4 && (uint32_t)regs[GPR_RAX] == magic;
}

uint32_t vbackdoor_question(uint64_t *regs, uint64_t tsc_khz)
{
	uint64_t hz = tsc_khz * 1000;

	switch ((uint32_t)regs[GPR_RCX]) {
	case COMMAND_GETVERSION:
		regs[GPR_RBX] = VBACKDOOR_MAGIC;
		regs[GPR_RCX] = PRODUCT_SERVER;
		return VERSION;
	case COMMAND_GETHZ:
		regs[GPR_RBX] = hz >> 32;
		regs[GPR_RCX] = (uint32_t)(hz / PLATFORM_TSC_TICKS_PER_CLOCK);
		return (uint32_t)hz;
	case COMMAND_GETVCPU_INFO:
		return VCPU_INFO_X2APIC;
	}
	return NO_SUCH_COMMAND;
}

struct vvmballoon_call vbackdoor_balloon_call(const uint64_t *regs)
{
	return (struct vvmballoon_call){
		.command = (uint32_t)regs[GPR_RCX],
		.arguments = {regs[GPR_RBX], regs[GPR_RSI]},
	};
}

uint32_t vbackdoor_balloon_answer(uint64_t *regs, const struct vvmballoon_answer *answer)
{
	if (answer->has_target) {
		regs[GPR_RBX] = answer->target_pages;
	}
	if (answer->has_capabilities) {
		regs[GPR_RCX] = answer->capabilities;
	}
	return answer->status;
}
