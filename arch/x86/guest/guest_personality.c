/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_personality.h. Only what a VM really has is offered. */
#include "arch/x86/guest/guest_personality.h"

#include "base/string.h"

#define LEAF_SIGNATURE 0x40000000u

/* The highest leaf and twelve characters. */
static struct cpuid signature(uint32_t leaf_max, const char *name)
{
	uint32_t words[3] = {0, 0, 0};

	memcpy(words, name, strlen(name));
	return (struct cpuid){leaf_max, words[0], words[1], words[2]};
}

/*
 * KVM: none of its features (leaf 0x40000001), so that its guests use clocks and interrupts of the
 * processor as they are.
 */
static struct cpuid kvm_leaf(uint32_t leaf)
{
	return leaf == LEAF_SIGNATURE ? signature(LEAF_SIGNATURE + 1, "KVMKVMKVM")
				      : (struct cpuid){0, 0, 0, 0};
}

/* VMware: the highest leaf is below those of timing and calls, so guests use the port. */
static struct cpuid vmware_leaf(uint32_t leaf)
{
	return leaf == LEAF_SIGNATURE ? signature(LEAF_SIGNATURE, "VMwareVMware")
				      : (struct cpuid){0, 0, 0, 0};
}

static struct cpuid hyperv_leaf(uint32_t leaf)
{
	return leaf == LEAF_SIGNATURE ? signature(LEAF_SIGNATURE + 5, "Microsoft Hv")
				      : (struct cpuid){0, 0, 0, 0};
}

struct cpuid guest_personality_leaf(enum personality as, uint32_t leaf)
{
	switch (as) {
	case AS_KVM:
		return kvm_leaf(leaf);
	case AS_VMWARE:
		return vmware_leaf(leaf);
	case AS_HYPERV:
		return hyperv_leaf(leaf);
	case AS_PLAIN:
	case PERSONALITY_COUNT:
		break;
	}
	return (struct cpuid){0, 0, 0, 0};
}
