/* SPDX-License-Identifier: BSD-2-Clause */
/* See guest_personality.h. Only what a VM really has is offered. */
#include "arch/x86/guest/guest_personality.h"

#include "abi/aerostat.h"
#include "base/bits.h"
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

/*
 * Hyper-V (Top-Level Functional Specification, 2.4): what drivers/virt/vhyperv.c has, and nothing
 * of partitions, timers, or flushes and interrupts by hypercalls. Guests then keep the processor's
 * own.
 */
#define HYPERV_INTERFACE 0x31237648u /* "Hv#1" */
/* Leaf 3, EAX. Without the MSRs for hypercalls and VP index Linux takes this for bare metal. */
#define HYPERV_SYNIC BIT(2)
#define HYPERV_HYPERCALL_MSRS BIT(5)
#define HYPERV_VP_INDEX BIT(6)
#define HYPERV_FREQUENCY_MSRS BIT(11)
#define HYPERV_TSC_INVARIANT BIT(15) /* without it Linux calls the TSC unstable */
/* EBX */
#define HYPERV_POST_MESSAGES BIT(4)
#define HYPERV_SIGNAL_EVENTS BIT(5)
#define HYPERV_EXTENDED_CALLS BIT(20) /* 0x8001 and up: hints of cold memory */
/* EDX */
#define HYPERV_FREQUENCIES_THERE BIT(8)
/* Leaf 4, EAX: the guest ends its interrupts itself. */
#define HYPERV_NO_AUTO_EOI BIT(9)

static struct cpuid hyperv_leaf(uint32_t leaf)
{
	switch (leaf - LEAF_SIGNATURE) {
	case 0:
		return signature(LEAF_SIGNATURE + 5, "Microsoft Hv");
	case 1:
		return (struct cpuid){.eax = HYPERV_INTERFACE};
	case 3:
		return (struct cpuid){
			.eax = (uint32_t)(HYPERV_SYNIC | HYPERV_HYPERCALL_MSRS | HYPERV_VP_INDEX |
					  HYPERV_FREQUENCY_MSRS | HYPERV_TSC_INVARIANT),
			.ebx = (uint32_t)(HYPERV_POST_MESSAGES | HYPERV_SIGNAL_EVENTS |
					  HYPERV_EXTENDED_CALLS),
			.edx = (uint32_t)HYPERV_FREQUENCIES_THERE,
		};
	case 4:
		return (struct cpuid){.eax = (uint32_t)HYPERV_NO_AUTO_EOI};
	case 5:
		return (struct cpuid){.eax = AEROSTAT_VCPUS_MAX, .ebx = AEROSTAT_VCPUS_MAX};
	}
	return (struct cpuid){0, 0, 0, 0};
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
