/* SPDX-License-Identifier: BSD-2-Clause */
/* See pc_kvm.h: where the guest finds a virtio balloon, and the way from its accesses to it. */
#include "drivers/virt/pc_kvm.h"

#include "arch/arch.h"
#include "drivers/virt/pc.h"
#include "drivers/virt/vballoon.h"

_Static_assert(sizeof(struct vballoon) <= PAGE_BYTES, "its state is one frame");
_Static_assert(PC_KVM_WINDOW >= PLATFORM_RAM_END_MAX, "no RAM is there");

/* As vacpi.c; a length counts its own bytes. */
static const char aml[] =
	/* Scope (_SB), 66 bytes */
	"\x10\x42\x04"
	"_SB_"
	/* Device (VBAL), 58 bytes */
	"\x5b\x82\x3a"
	"VBAL"
	/* Name (_HID, "LNRO0005"): virtio in memory, as Linux knows it */
	"\x08"
	"_HID"
	"\x0d"
	"LNRO0005\0"
	/* Name (_UID, Zero) */
	"\x08"
	"_UID"
	"\x00"
	/* Name (_CRS, Buffer (23) {...}), 26 bytes: a resource template */
	"\x08"
	"_CRS"
	"\x11\x1a\x0a\x17"
	/* Memory32Fixed (ReadWrite, PC_KVM_WINDOW, VMMIO_BYTES) */
	"\x86\x09\x00\x01\x00\x00\x00\xd0\x00\x02\x00\x00"
	/* Interrupt (ResourceConsumer, Level, ActiveHigh, Exclusive) {PC_KVM_IRQ} */
	"\x89\x06\x00\x01\x01\x0a\x00\x00\x00"
	/* The end of the template, whose checksum is not used */
	"\x79\x00";

_Static_assert(PC_KVM_WINDOW == 0xd0000000u && VMMIO_BYTES == 0x200u && PC_KVM_IRQ == 10u,
	       "in the template above");

static struct vballoon *balloon_of(const struct platform *platform)
{
	return platform->dialect_state;
}

static void reset(struct platform *platform)
{
	vballoon_init(balloon_of(platform), platform->vm, &platform->balloon_page);
}

static bool memory(struct vcpu *vcpu, uint64_t address, struct device_access *access)
{
	struct vballoon *balloon = balloon_of(vcpu->vm->platform);
	uint64_t offset = address - PC_KVM_WINDOW;

	if (address < PC_KVM_WINDOW || offset >= VMMIO_BYTES) {
		return false;
	}
	if (access->write) {
		vballoon_write(balloon, (uint32_t)offset, access->bytes, (uint32_t)access->value,
			       arch_tsc());
	} else {
		access->value = vballoon_read(balloon, (uint32_t)offset, access->bytes);
	}
	return true;
}

static void target_changed(struct platform *platform)
{
	vballoon_target_changed(balloon_of(platform));
}

static void tick(struct platform *platform, uint64_t now_tsc)
{
	vballoon_tick(balloon_of(platform), now_tsc);
}

static uint64_t next_tsc(const struct platform *platform)
{
	return vballoon_next(balloon_of(platform));
}

static bool line(const struct platform *platform)
{
	return vballoon_interrupt(balloon_of(platform));
}

const struct pc_dialect pc_kvm = {
	.order = ORDER_4K,
	.reset = reset,
	.memory = memory,
	.target_changed = target_changed,
	.tick = tick,
	.next_tsc = next_tsc,
	.line = line,
	.irq = PC_KVM_IRQ,
	.aml = aml,
	.aml_bytes = sizeof(aml) - 1,
};
