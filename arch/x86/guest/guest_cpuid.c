/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What guests see in CPUID (SDM vol. 2, CPUID): an allow-list per leaf. A bit that is not listed
 * here is zero, so a feature of a future processor stays hidden until it is
 * listed. Leaves that are not listed, and those above the highest, read as zeros; real Intel
 * processors answer the latter with the data of their highest basic leaf, which is of no use.
 *
 * Not offered, because something behind them is missing or belongs to the host: APIC and x2APIC,
 * TSC deadline, MCA and MCE, MTRR, VMX, SMX, SGX, MONITOR, thermal and performance monitoring,
 * PCID, INVPCID, RDTSCP, RDPID, XSAVES, protection keys, CET, LA57, MPX, TSX, AMX, processor trace.
 */
#include "arch/x86/guest/guest_cpuid.h"

#include "abi/aerostat.h"
#include "arch/x86/cpu/registers.h"
#include "base/bits.h"
#include "base/nospec.h"

struct guest_features guest_features;

#define LEAF_BASIC_MAX GUEST_LEAF_XSTATE
#define LEAF_EXTENDED 0x80000000u
#define LEAF_EXTENDED_MAX 0x80000008u

/* Leaf 1 */
#define L1_ECX_FMA BIT(12)
#define L1_ECX_AVX BIT(28)
#define L1_ECX_F16C BIT(29)
#define L1_ECX_HYPERVISOR BIT(31)
#define L1_ECX_ALLOWED                                                                             \
	(BIT(0) /* SSE3 */ | BIT(1) /* PCLMULQDQ */ | BIT(9) /* SSSE3 */ | L1_ECX_FMA |            \
	 BIT(13) /* CMPXCHG16B */ | BIT(19) /* SSE4.1 */ | BIT(20) /* SSE4.2 */ |                  \
	 BIT(22) /* MOVBE */ | BIT(23) /* POPCNT */ | BIT(25) /* AES */ | GUEST_L1_ECX_XSAVE |     \
	 L1_ECX_AVX | L1_ECX_F16C | BIT(30) /* RDRAND */)
#define L1_EDX_VME BIT(1)
#define L1_EDX_DE BIT(2)
#define L1_EDX_PSE BIT(3)
#define L1_EDX_TSC BIT(4)
#define L1_EDX_PAE BIT(6)
#define L1_EDX_PGE BIT(13)
#define L1_EDX_FXSR BIT(24)
#define L1_EDX_SSE BIT(25)
#define L1_EDX_ALLOWED                                                                             \
	(BIT(0) /* FPU */ | L1_EDX_VME | L1_EDX_DE | L1_EDX_PSE | L1_EDX_TSC | BIT(5) /* MSR */ |  \
	 L1_EDX_PAE | BIT(8) /* CMPXCHG8B */ | BIT(11) /* SYSENTER */ | L1_EDX_PGE |               \
	 BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(17) /* PSE-36 */ | BIT(19) /* CLFLUSH */ |   \
	 BIT(23) /* MMX */ | L1_EDX_FXSR | L1_EDX_SSE | BIT(26) /* SSE2 */ |                       \
	 BIT(27) /* self-snoop */)
#define L1_EBX_CLFLUSH_SIZE 0x0000ff00u
#define L1_EBX_ONE_CPU 0x00010000u /* each vCPU is a package of its own */

/* Leaf 7, sub-leaf 0 */
#define L7_EBX_FSGSBASE BIT(0)
#define L7_EBX_AVX2 BIT(5)
#define L7_EBX_SMEP BIT(7)
#define L7_EBX_SMAP BIT(20)
#define L7_EBX_AVX512                                                                              \
	(BIT(16) /* F */ | BIT(17) /* DQ */ | BIT(21) /* IFMA */ | BIT(28) /* CD */ |              \
	 BIT(30) /* BW */ | BIT(31) /* VL */)
#define L7_EBX_ALLOWED                                                                             \
	(L7_EBX_FSGSBASE | BIT(3) /* BMI1 */ | L7_EBX_AVX2 |                                       \
	 BIT(6) /* x87 data pointer updated on exceptions only */ | L7_EBX_SMEP |                  \
	 BIT(8) /* BMI2 */ | BIT(9) /* fast REP MOVSB */ | BIT(13) /* x87 CS and DS are zero */ |  \
	 L7_EBX_AVX512 | BIT(18) /* RDSEED */ | BIT(19) /* ADX */ | L7_EBX_SMAP |                  \
	 BIT(23) /* CLFLUSHOPT */ | BIT(24) /* CLWB */ | BIT(29) /* SHA */)
#define L7_ECX_UMIP BIT(2)
#define L7_ECX_AVX_WIDE (BIT(9) /* VAES */ | BIT(10) /* VPCLMULQDQ */)
#define L7_ECX_AVX512                                                                              \
	(BIT(1) /* VBMI */ | BIT(6) /* VBMI2 */ | BIT(11) /* VNNI */ | BIT(12) /* BITALG */ |      \
	 BIT(14) /* VPOPCNTDQ */)
#define L7_ECX_ALLOWED (L7_ECX_UMIP | BIT(8) /* GFNI */ | L7_ECX_AVX_WIDE | L7_ECX_AVX512)
#define L7_EDX_ALLOWED (BIT(4) /* fast short REP MOVSB */ | BIT(10) /* VERW clears buffers */)

/* Leaf 0xd, sub-leaf 1 */
#define LD_XSAVEC BIT(1)
#define LD_EAX_ALLOWED (BIT(0) /* XSAVEOPT */ | LD_XSAVEC | BIT(2) /* XGETBV with ECX = 1 */)

/* Leaf 0x80000001 */
#define LX_EDX_SYSCALL BIT(11)
#define LX_EDX_NX BIT(20)
#define LX_EDX_LM BIT(29)
#define LX_ECX_ALLOWED (BIT(0) /* LAHF */ | BIT(5) /* LZCNT */ | BIT(8) /* PREFETCHW */)
#define LX_EDX_ALLOWED (LX_EDX_SYSCALL | LX_EDX_NX | BIT(26) /* 1 GiB pages */ | LX_EDX_LM)

/* Leaf 4: cores and threads that share the cache, minus one */
#define L4_EAX_SHARING 0xffffc000u

/* Leaf 0x80000008: 48 bits of linear address whatever the host has, since LA57 is not offered */
#define L8_EAX_PHYSICAL 0x000000ffu
#define L8_EAX_LINEAR_48 0x00003000u

static const struct {
	uint32_t leaf;
	struct cpuid mask; /* of the processor's own answer */
} allowed[] = {
	{0x00000000, {0, ~0u, ~0u, ~0u}}, /* vendor; EAX is set below */
	{0x00000001, {~0u, L1_EBX_CLFLUSH_SIZE, L1_ECX_ALLOWED, L1_EDX_ALLOWED}},
	{0x00000002, {~0u, ~0u, ~0u, ~0u}}, /* cache descriptors */
	{0x00000004, {~L4_EAX_SHARING, ~0u, ~0u, ~0u}},
	{0x00000007, {0, L7_EBX_ALLOWED, L7_ECX_ALLOWED, L7_EDX_ALLOWED}},
	{0x80000000, {0, 0, 0, 0}},
	{0x80000001, {0, 0, LX_ECX_ALLOWED, LX_EDX_ALLOWED}},
	{0x80000002, {~0u, ~0u, ~0u, ~0u}}, /* the processor's name */
	{0x80000003, {~0u, ~0u, ~0u, ~0u}},
	{0x80000004, {~0u, ~0u, ~0u, ~0u}},
	{0x80000006, {0, 0, ~0u, 0}},	 /* second-level cache */
	{0x80000007, {0, 0, 0, BIT(8)}}, /* the TSC does not change its frequency */
	{0x80000008, {L8_EAX_PHYSICAL, 0, 0, 0}},
};

static const struct cpuid *find_mask(uint32_t leaf)
{
	for (size_t i = 0; i < ARRAY_COUNT(allowed); i++) {
		if (allowed[i].leaf == leaf) {
			return &allowed[i].mask;
		}
	}
	return NULL;
}

bool guest_cpuid_wants_host(const struct guest_features *offer, uint32_t leaf)
{
	uint32_t leaf_max = leaf & LEAF_EXTENDED ? offer->extended_leaf_max : offer->leaf_max;

	return leaf <= leaf_max && find_mask(leaf);
}

/* Bytes of an XSAVE area for the components in `mask`, in the standard or the compacted format. */
static uint32_t xsave_bytes(const struct guest_features *offer, uint64_t mask, bool compacted)
{
	uint32_t end = 576; /* legacy region and header */

	for (unsigned i = 2; i < GUEST_XSTATE_COMPONENTS; i++) {
		uint32_t start = offer->xstate[i].offset;

		if (!(mask & offer->xcr0 & BIT(i))) {
			continue;
		}
		if (compacted) {
			start = offer->xstate[i].aligned ? (uint32_t)align_up_u64(end, 64) : end;
		}
		end = (uint32_t)max_u64(end, start + offer->xstate[i].bytes);
	}
	return end;
}

static struct cpuid xsave_leaf(const struct guest_features *offer,
			       const struct guest_cpuid_view *view, uint32_t subleaf)
{
	struct cpuid out = {0, 0, 0, 0};

	if (!offer->xcr0) {
		return out;
	}
	if (subleaf == 0) {
		out.eax = (uint32_t)offer->xcr0;
		out.ebx = xsave_bytes(offer, view->xcr0, false);
		out.ecx = xsave_bytes(offer, offer->xcr0, false);
	} else if (subleaf == 1) {
		out.eax = offer->xsave_features;
		out.ebx = offer->xsave_features & LD_XSAVEC ? xsave_bytes(offer, view->xcr0, true)
							    : 0;
	} else if (subleaf < GUEST_XSTATE_COMPONENTS && offer->xcr0 & BIT(subleaf)) {
		subleaf = (uint32_t)nospec_index(subleaf, GUEST_XSTATE_COMPONENTS);
		out.eax = offer->xstate[subleaf].bytes;
		out.ebx = offer->xstate[subleaf].offset;
		out.ecx = offer->xstate[subleaf].aligned ? 2 : 0;
	}
	return out;
}

static struct cpuid hypervisor_leaf(const struct guest_features *offer,
				    const struct guest_cpuid_view *view, uint32_t leaf)
{
	uint32_t features = AEROSTAT_FEATURE_BALLOON | AEROSTAT_FEATURE_WAIT |
			    AEROSTAT_FEATURE_REPORT | AEROSTAT_FEATURE_EMERGENCY |
			    AEROSTAT_FEATURE_VCPUS;

	features |= offer->vmmcall ? AEROSTAT_FEATURE_VMMCALL : 0;
	switch (leaf) {
	case AEROSTAT_CPUID_SIGNATURE:
		return (struct cpuid){AEROSTAT_CPUID_TIMING, AEROSTAT_SIGNATURE_EBX,
				      AEROSTAT_SIGNATURE_ECX, AEROSTAT_SIGNATURE_EDX};
	case AEROSTAT_CPUID_INTERFACE:
		return (struct cpuid){AEROSTAT_ABI_VERSION, features, view->vcpu_count,
				      view->vcpu_index};
	case AEROSTAT_CPUID_TIMING:
		return (struct cpuid){(uint32_t)view->tsc_khz, 0, 0, 0};
	default:
		return (struct cpuid){0, 0, 0, 0};
	}
}

/* Vector instructions whose registers are not offered go with them. */
static void hide_without_xstate(const struct guest_features *offer, uint32_t leaf,
				struct cpuid *out)
{
	bool avx = (offer->xcr0 & XCR0_AVX) != 0;
	bool avx512 = (offer->xcr0 & XCR0_AVX512) == XCR0_AVX512;

	if (leaf == 1 && !offer->xcr0) {
		out->ecx &= ~(uint32_t)GUEST_L1_ECX_XSAVE;
	}
	if (leaf == 1 && !avx) {
		out->ecx &= ~(uint32_t)(L1_ECX_AVX | L1_ECX_FMA | L1_ECX_F16C);
	}
	if (leaf == 7 && !avx) {
		out->ebx &= ~(uint32_t)L7_EBX_AVX2;
		out->ecx &= ~(uint32_t)L7_ECX_AVX_WIDE;
	}
	if (leaf == 7 && !avx512) {
		out->ebx &= ~(uint32_t)L7_EBX_AVX512;
		out->ecx &= ~(uint32_t)L7_ECX_AVX512;
	}
}

struct cpuid guest_cpuid_answer(const struct guest_features *offer,
				const struct guest_cpuid_view *view, uint32_t leaf,
				uint32_t subleaf, struct cpuid host)
{
	struct cpuid out = {0, 0, 0, 0};
	const struct cpuid *mask;

	if (leaf >> 16 == AEROSTAT_CPUID_SIGNATURE >> 16) {
		return hypervisor_leaf(offer, view, leaf);
	}
	if (leaf == 0xd && offer->leaf_max >= 0xd) {
		return xsave_leaf(offer, view, subleaf);
	}
	mask = find_mask(leaf);
	if (!mask || !guest_cpuid_wants_host(offer, leaf) || (leaf == 7 && subleaf != 0)) {
		return out;
	}
	out = (struct cpuid){host.eax & mask->eax, host.ebx & mask->ebx, host.ecx & mask->ecx,
			     host.edx & mask->edx};
	hide_without_xstate(offer, leaf, &out);
	switch (leaf) {
	case 0:
		out.eax = offer->leaf_max;
		break;
	case 1:
		out.ebx |= L1_EBX_ONE_CPU | view->vcpu_index << GUEST_L1_EBX_APIC_ID_SHIFT;
		out.ecx |= L1_ECX_HYPERVISOR;
		if (out.ecx & GUEST_L1_ECX_XSAVE && view->cr4 & CR4_OSXSAVE) {
			out.ecx |= GUEST_L1_ECX_OSXSAVE;
		}
		break;
	case LEAF_EXTENDED:
		out.eax = offer->extended_leaf_max;
		break;
	case LEAF_EXTENDED_MAX:
		out.eax |= L8_EAX_LINEAR_48;
		break;
	}
	return out;
}

static const struct {
	uint32_t leaf;
	uint32_t register_index; /* EAX 0, EBX 1, ECX 2, EDX 3 */
	uint64_t feature;
	uint64_t cr4;
} cr4_bits[] = {
	{1, 3, L1_EDX_VME, CR4_VME | CR4_PVI},
	{1, 3, L1_EDX_TSC, CR4_TSD},
	{1, 3, L1_EDX_DE, CR4_DE},
	{1, 3, L1_EDX_PSE, CR4_PSE},
	{1, 3, L1_EDX_PAE, CR4_PAE},
	{1, 3, L1_EDX_PGE, CR4_PGE},
	{1, 3, L1_EDX_FXSR, CR4_OSFXSR},
	{1, 3, L1_EDX_SSE, CR4_OSXMMEXCPT},
	{1, 2, GUEST_L1_ECX_XSAVE, CR4_OSXSAVE},
	{7, 1, L7_EBX_FSGSBASE, CR4_FSGSBASE},
	{7, 1, L7_EBX_SMEP, CR4_SMEP},
	{7, 1, L7_EBX_SMAP, CR4_SMAP},
	{7, 2, L7_ECX_UMIP, CR4_UMIP},
};

static struct cpuid offered_leaf(struct guest_features *offer, uint32_t leaf)
{
	static const struct guest_cpuid_view none;
	struct cpuid host = {0, 0, 0, 0};

	if (guest_cpuid_wants_host(offer, leaf)) {
		host = cpuid_read(leaf, 0);
	}
	return guest_cpuid_answer(offer, &none, leaf, 0, host);
}

static void offer_xstate(struct guest_features *offer, uint64_t xcr0, bool compacts)
{
	if (offer->leaf_max < 0xd || !(cpuid_read(1, 0).ecx & GUEST_L1_ECX_XSAVE)) {
		return;
	}
	offer->xcr0 = xcr0;
	offer->xsave_features = cpuid_read(0xd, 1).eax & LD_EAX_ALLOWED;
	if (!compacts) {
		offer->xsave_features &= ~(uint32_t)LD_XSAVEC;
	}
	for (unsigned i = 2; i < GUEST_XSTATE_COMPONENTS; i++) {
		if (xcr0 & BIT(i)) {
			struct cpuid host = cpuid_read(0xd, i);

			offer->xstate[i].bytes = host.eax;
			offer->xstate[i].offset = host.ebx;
			offer->xstate[i].aligned = (host.ecx & 2) != 0;
		}
	}
}

void guest_features_init(uint64_t xcr0, bool compacts)
{
	struct guest_features *offer = &guest_features;
	uint32_t extended_max = cpuid_read(LEAF_EXTENDED, 0).eax;
	uint32_t features;

	*offer = (struct guest_features){0};
	offer->leaf_max = (uint32_t)min_u64(cpuid_read(0, 0).eax, LEAF_BASIC_MAX);
	if (extended_max & LEAF_EXTENDED) {
		offer->extended_leaf_max = (uint32_t)min_u64(extended_max, LEAF_EXTENDED_MAX);
	}
	offer_xstate(offer, xcr0, compacts);
	offer->cr4 = CR4_PCE; /* harmless: RDPMC exits whatever it says */
	for (size_t i = 0; i < ARRAY_COUNT(cr4_bits); i++) {
		struct cpuid out = offered_leaf(offer, cr4_bits[i].leaf);
		const uint32_t words[4] = {out.eax, out.ebx, out.ecx, out.edx};

		if (words[cr4_bits[i].register_index] & cr4_bits[i].feature) {
			offer->cr4 |= cr4_bits[i].cr4;
		}
	}
	features = offered_leaf(offer, 0x80000001).edx;
	offer->efer = features & LX_EDX_SYSCALL ? EFER_SCE : 0;
	offer->efer |= features & LX_EDX_LM ? EFER_LME : 0;
	offer->efer |= features & LX_EDX_NX ? EFER_NXE : 0;
}
