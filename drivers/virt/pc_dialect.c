/* SPDX-License-Identifier: BSD-2-Clause */
/* See pc_dialect.h: which dialect a VM speaks, and the way from the contract to it. */
#include "drivers/virt/pc_dialect.h"

#include "arch/arch.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/pc_hyperv.h"
#include "drivers/virt/pc_kvm.h"
#include "drivers/virt/pc_vmware.h"
#include "kernel/vm/vm.h"

static const struct pc_dialect *const dialects[PERSONALITY_COUNT] = {
	[AS_PLAIN] = NULL,
	[AS_HYPERV] = &pc_hyperv,
	[AS_KVM] = &pc_kvm,
	[AS_VMWARE] = &pc_vmware,
};

const struct pc_dialect *pc_dialect_of(const struct vm *vm)
{
	return dialects[vm->config.as];
}

/* What Linux's KVM answers to a call that it does not know (KVM_ENOSYS, KVM_EPERM). */
#define CALL_UNKNOWN (-1000)
#define CALL_FORBIDDEN (-1)

enum exit_action platform_hypercall(struct vcpu *vcpu, bool privileged)
{
	struct platform *platform = vcpu->vm->platform;
	const struct pc_dialect *dialect = platform->dialect;
	enum exit_action action;

	if (!privileged || dialect == NULL || dialect->hypercall == NULL) {
		int64_t answer = privileged ? CALL_UNKNOWN : CALL_FORBIDDEN;
		vcpu->regs[GPR_RAX] = (uint64_t)answer;
		return EXIT_ADVANCE;
	}
	lock_acquire(&platform->lock);
	action = dialect->hypercall(vcpu);
	pc_settle_lines(platform, vcpu);
	pc_time_changed(platform, arch_tsc());
	lock_release(&platform->lock);
	pc_look_at_lapic(vcpu);
	pc_arm(vcpu);
	return action;
}

void platform_balloon_changed(struct vm *vm)
{
	struct platform *platform = vm->platform;
	const struct pc_dialect *dialect = platform->dialect;

	if (dialect == NULL || dialect->target_changed == NULL) {
		return;
	}
	lock_acquire(&platform->lock);
	dialect->target_changed(platform);
	pc_settle_lines(platform, NULL);
	pc_time_changed(platform, arch_tsc());
	lock_release(&platform->lock);
	pc_arm_board(platform);
}
