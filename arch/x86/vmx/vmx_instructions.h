/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The VMX instructions other than VMREAD, VMWRITE and the entries. Each answers whether it
 * succeeded (SDM vol. 3, 31.2: CF = VMfailInvalid, ZF = VMfailValid), and the answer must be used.
 */
#ifndef ARCH_X86_VMX_VMX_INSTRUCTIONS_H
#define ARCH_X86_VMX_VMX_INSTRUCTIONS_H

#include "base/status.h"
#include "base/types.h"

/* Types of INVEPT and INVVPID. */
#define INVALIDATE_ADDRESS 0 /* INVVPID only */
#define INVALIDATE_SINGLE 1
#define INVALIDATE_ALL 2

struct invept_descriptor {
	uint64_t ept_pointer;
	uint64_t reserved;
};

struct invvpid_descriptor {
	uint64_t vpid; /* bits 15:0, the rest is reserved */
	uint64_t linear_address;
};

_Static_assert(sizeof(struct invept_descriptor) == 16, "layout of the processor");
_Static_assert(sizeof(struct invvpid_descriptor) == 16, "layout of the processor");

#ifdef AEROSTAT_HOST_TEST

/* A fake processor has them: tests/host/fake/vmcs.c. */
MUST_CHECK bool vmx_vmxon(hpa_t region);
MUST_CHECK bool vmx_vmclear(hpa_t vmcs);
MUST_CHECK bool vmx_vmptrld(hpa_t vmcs);
MUST_CHECK bool vmx_invept(uint64_t type, struct invept_descriptor descriptor);
MUST_CHECK bool vmx_invvpid(uint64_t type, struct invvpid_descriptor descriptor);

#else

MUST_CHECK static inline bool vmx_vmxon(hpa_t region)
{
	bool failed;

	__asm__ volatile("vmxon %1" : "=@ccbe"(failed) : "m"(region.v) : "memory");
	return !failed;
}

MUST_CHECK static inline bool vmx_vmclear(hpa_t vmcs)
{
	bool failed;

	__asm__ volatile("vmclear %1" : "=@ccbe"(failed) : "m"(vmcs.v) : "memory");
	return !failed;
}

MUST_CHECK static inline bool vmx_vmptrld(hpa_t vmcs)
{
	bool failed;

	__asm__ volatile("vmptrld %1" : "=@ccbe"(failed) : "m"(vmcs.v) : "memory");
	return !failed;
}

MUST_CHECK static inline bool vmx_invept(uint64_t type, struct invept_descriptor descriptor)
{
	bool failed;

	__asm__ volatile("invept %1, %2"
			 : "=@ccbe"(failed)
			 : "m"(descriptor), "r"(type)
			 : "memory");
	return !failed;
}

MUST_CHECK static inline bool vmx_invvpid(uint64_t type, struct invvpid_descriptor descriptor)
{
	bool failed;

	__asm__ volatile("invvpid %1, %2"
			 : "=@ccbe"(failed)
			 : "m"(descriptor), "r"(type)
			 : "memory");
	return !failed;
}

#endif

#endif
