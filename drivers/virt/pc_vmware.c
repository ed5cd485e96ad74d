/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * See pc_vmware.h. The driver asks for its target once a second, so there is no interrupt, and
 * nothing to do when the target changes.
 */
#include "drivers/virt/pc_vmware.h"

#include "base/time.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/vbackdoor.h"
#include "mm/phys.h"

#define STATE_ORDER 1u

_Static_assert(sizeof(struct vvmballoon) <= PAGE_BYTES << STATE_ORDER, "its frames");

static void reset(struct platform *platform)
{
	vvmballoon_reset(platform->dialect_state, platform->vm, &platform->balloon_page);
}

static void balloon_call(struct vcpu *vcpu, struct device_access *access)
{
	struct vvmballoon_call call = vbackdoor_balloon_call(vcpu->regs);
	struct vvmballoon_answer answer = vvmballoon_call(vcpu->vm->platform->dialect_state, &call);

	access->again = answer.again;
	if (!answer.again) {
		access->value = vbackdoor_balloon_answer(vcpu->regs, &answer);
	}
}

static bool port_access(struct vcpu *vcpu, uint16_t port, struct device_access *access)
{
	if (port == VBACKDOOR_PORT && vbackdoor_is_call(vcpu->regs, access, VBACKDOOR_MAGIC)) {
		access->value = vbackdoor_question(vcpu->regs, arch_tsc_khz());
		return true;
	}
	if (port == VBACKDOOR_BALLOON_PORT &&
	    vbackdoor_is_call(vcpu->regs, access, VBACKDOOR_BALLOON_MAGIC)) {
		balloon_call(vcpu, access);
		return true;
	}
	return false;
}

const struct pc_dialect pc_vmware = {
	.order = STATE_ORDER,
	.reset = reset,
	.port = port_access,
};
