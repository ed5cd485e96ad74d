/* SPDX-License-Identifier: BSD-2-Clause */
/* What arch/x86/guest asks of the rest of the hypervisor, as far as its pure parts need it. */
#include "base/lock.h"
#include "arch/arch.h"
#include "kernel/vm/exit.h"
#include "mm/frame.h"

struct lock frame_lock = LOCK_INITIALIZER(LOCK_FRAMES);

uint64_t arch_tsc(void)
{
	return 0x123456789abcdefull;
}

uint64_t arch_tsc_khz(void)
{
	return 50000;
}

/* An exit that gets here ends the guest. */
enum exit_action vm_exit_handle(struct vcpu *vcpu, const struct vm_exit *vm_exit)
{
	(void)vcpu;
	(void)vm_exit;
	return EXIT_KILL;
}
