/* SPDX-License-Identifier: BSD-2-Clause */
/* See pc_hyperv.h: locks, interrupts, and the balloon core. */
#include "drivers/virt/pc_hyperv.h"

#include "arch/arch.h"
#include "base/string.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/vhyperv.h"
#include "kernel/balloon/balloon.h"

#define ORDER 2u

_Static_assert(sizeof(struct vhyperv) <= PAGE_BYTES << ORDER, "it has such an extent");

/* Device (VMBS), which Linux's driver goes by: its interrupt is that of the controller's source. */
static const char aml[] =
	/* Scope (_SB), 48 bytes */
	"\x10\x30"
	"_SB_"
	/* Device (VMBS), 41 bytes */
	"\x5b\x82\x29"
	"VMBS"
	/* Name (_HID, "VMBus") */
	"\x08"
	"_HID"
	"\x0d"
	"VMBus\0"
	/* Name (_UID, Zero) */
	"\x08"
	"_UID"
	"\x00"
	/* Name (_STA, 0x0f) */
	"\x08"
	"_STA"
	"\x0a\x0f"
	/* Name (_CRS, Buffer (2) {...}), 5 bytes: a template without resources */
	"\x08"
	"_CRS"
	"\x11\x05\x0a\x02"
	"\x79\x00";

static struct vhyperv *state_of(const struct platform *platform)
{
	return platform->dialect_state;
}

static void clear_statistics(struct aerostat_balloon_page *page)
{
	memset(page, 0, sizeof(*page));
}

static void reset(struct platform *platform)
{
	struct vhyperv *hyperv = state_of(platform);

	if (hyperv->attached) {
		balloon_detach_device(platform->vm);
	}
	clear_statistics(&platform->balloon_page);
	vhyperv_reset(hyperv, platform->vm->config.boot_pages);
}

/* The driver has come or gone: the core is told, with no lock but the platform's. */
static void settle_balloon(struct platform *platform)
{
	struct vhyperv *hyperv = state_of(platform);
	bool attached = vdynmem_is_attached(&hyperv->memory);

	if (attached && !hyperv->attached) {
		clear_statistics(&platform->balloon_page);
		hyperv->attached =
			balloon_attach_device(platform->vm, &platform->balloon_page) == STATUS_OK;
	} else if (!attached && hyperv->attached) {
		balloon_detach_device(platform->vm);
		clear_statistics(&platform->balloon_page);
		hyperv->attached = false;
	}
}

static void interrupt(struct platform *platform, const struct vcpu *running)
{
	struct vhyperv *hyperv = state_of(platform);

	for (unsigned i = 0; i < platform->vm->config.vcpus; i++) {
		uint8_t vector = vsynic_take_interrupt(&hyperv->synic, i);
		if (vector != 0) {
			const struct apic_message message = {
				.destination = i,
				.vector = vector,
				.delivery = APIC_FIXED,
				.shorthand = APIC_DESTINATION,
			};
			(void)pc_deliver(platform, &message, NULL, running);
		}
	}
}

static struct vguest lock_guest(struct platform *platform)
{
	return (struct vguest){platform->vm, s2_lock(&platform->vm->s2)};
}

/* Whatever has happened: the address space is unlocked afterwards. */
static void step_and_unlock(struct platform *platform, const struct vguest *guest,
			    const struct vcpu *running)
{
	vhyperv_step(state_of(platform), guest, &platform->balloon_page, arch_tsc());
	s2_unlock(guest->locked);
	settle_balloon(platform);
	interrupt(platform, running);
}

static bool msr_read(struct vcpu *vcpu, uint32_t index, uint64_t *value, bool *fault)
{
	return vhyperv_msr_read(state_of(vcpu->vm->platform), vcpu->index, index, value, fault);
}

static bool msr_write(struct vcpu *vcpu, uint32_t index, uint64_t value, bool *fault)
{
	struct platform *platform = vcpu->vm->platform;
	struct vguest guest = lock_guest(platform);
	bool known =
		vhyperv_msr_write(state_of(platform), &guest, vcpu->index, index, value, fault);

	if (known) {
		step_and_unlock(platform, &guest, vcpu);
	} else {
		s2_unlock(guest.locked); /* one of the board's */
	}
	return known;
}

static enum exit_action hypercall(struct vcpu *vcpu)
{
	struct platform *platform = vcpu->vm->platform;
	struct vguest guest = lock_guest(platform);

	vcpu->regs[GPR_RAX] = vhyperv_hypercall(state_of(platform), &guest, vcpu->regs[GPR_RCX],
						vcpu->regs[GPR_RDX], vcpu->regs[GPR_R8]);
	step_and_unlock(platform, &guest, vcpu);
	return EXIT_ADVANCE;
}

/* vCPU 0 does the work, in its tick; but what the guest wants is known to the core at once. */
static void target_changed(struct platform *platform)
{
	struct vhyperv *hyperv = state_of(platform);
	struct vguest guest = lock_guest(platform);

	vhyperv_publish(hyperv, &guest, &platform->balloon_page);
	s2_unlock(guest.locked);
	hyperv->next_tsc = 0;
}

static void tick(struct platform *platform, uint64_t now_tsc)
{
	struct vguest guest = lock_guest(platform);

	(void)now_tsc;
	step_and_unlock(platform, &guest, &platform->vm->vcpus[0]);
}

static uint64_t next_tsc(const struct platform *platform)
{
	return state_of(platform)->next_tsc;
}

const struct pc_dialect pc_hyperv = {
	.order = ORDER,
	.reset = reset,
	.msr_read = msr_read,
	.msr_write = msr_write,
	.hypercall = hypercall,
	.target_changed = target_changed,
	.tick = tick,
	.next_tsc = next_tsc,
	.aml = aml,
	.aml_bytes = sizeof(aml) - 1,
};
