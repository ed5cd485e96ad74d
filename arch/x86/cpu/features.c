/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads CPUID once (Intel SDM volume 2, CPUID; AMD APM volume 3, appendix E for 0x8000_xxxx). */
#include "arch/x86/cpu/features.h"

#include "arch/x86/cpu/cpuid.h"
#include "base/bits.h"
#include "base/string.h"

#define LEAF_FEATURES 1
#define LEAF_STRUCTURED 7
#define LEAF_XSTATE 0xd
#define LEAF_EXTENDED 0x80000000
#define LEAF_EXTENDED_FEATURES 0x80000001
#define LEAF_NAME 0x80000002
#define LEAF_ADDRESS_SIZES 0x80000008

#define LEAF1_ECX_VMX BIT(5)
#define LEAF1_ECX_X2APIC BIT(21)
#define LEAF1_ECX_TSC_DEADLINE BIT(24)
#define LEAF1_ECX_XSAVE BIT(26)
#define LEAF1_ECX_AVX BIT(28)
/* These two tell how the operating system or firmware set this CPU, not what it is. */
#define LEAF1_ECX_MONITOR BIT(3)
#define LEAF1_ECX_OSXSAVE BIT(27)
#define LEAF1_EDX_TSC BIT(4)
#define LEAF1_EDX_MSR BIT(5)
#define LEAF1_EDX_APIC BIT(9)
#define LEAF1_EDX_PGE BIT(13)
#define LEAF1_EDX_PAT BIT(16)
#define LEAF1_EDX_FXSR BIT(24)
#define LEAF1_EDX_SSE2 BIT(26)
#define LEAF7_EBX_SMEP BIT(7)
#define LEAF7_EBX_SMAP BIT(20)
#define LEAF7_ECX_UMIP BIT(2)
#define LEAF7_ECX_RDPID BIT(22)
#define EXTENDED_ECX_SVM BIT(2)
#define EXTENDED_EDX_NX BIT(20)
#define EXTENDED_EDX_GIB_PAGES BIT(26)
#define EXTENDED_EDX_RDTSCP BIT(27)

#define PHYSICAL_BITS_DEFAULT 36 /* of processors without LEAF_ADDRESS_SIZES */

struct cpu_features cpu_features;

static void detect_basic(struct cpu_features *f)
{
	struct cpuid leaf = cpuid_read(0, 0);

	f->leaf_max = leaf.eax;
	memcpy(f->vendor, &leaf.ebx, 4);
	memcpy(f->vendor + 4, &leaf.edx, 4);
	memcpy(f->vendor + 8, &leaf.ecx, 4);

	leaf = cpuid_read(LEAF_FEATURES, 0);
	f->vmx = leaf.ecx & LEAF1_ECX_VMX;
	f->x2apic = leaf.ecx & LEAF1_ECX_X2APIC;
	f->tsc_deadline = leaf.ecx & LEAF1_ECX_TSC_DEADLINE;
	f->xsave = leaf.ecx & LEAF1_ECX_XSAVE;
	f->avx = leaf.ecx & LEAF1_ECX_AVX;
	f->apic = leaf.edx & LEAF1_EDX_APIC;
	f->global_pages = leaf.edx & LEAF1_EDX_PGE;
	f->pat = leaf.edx & LEAF1_EDX_PAT;

	if (f->leaf_max >= LEAF_STRUCTURED) {
		leaf = cpuid_read(LEAF_STRUCTURED, 0);
		f->smep = leaf.ebx & LEAF7_EBX_SMEP;
		f->smap = leaf.ebx & LEAF7_EBX_SMAP;
		f->umip = leaf.ecx & LEAF7_ECX_UMIP;
		f->rdpid = leaf.ecx & LEAF7_ECX_RDPID;
	}
}

/* The brand string is padded with blanks in front on some processors, behind on others. */
static void detect_name(struct cpu_features *f)
{
	char text[49] = "";
	const char *start = text;

	if (f->extended_leaf_max >= LEAF_NAME + 2) {
		for (unsigned i = 0; i < 3; i++) {
			struct cpuid leaf = cpuid_read(LEAF_NAME + i, 0);

			memcpy(text + i * sizeof(leaf), &leaf, sizeof(leaf));
		}
	}
	while (*start == ' ') {
		start++;
	}
	size_t length = strlen(start);
	while (length > 0 && start[length - 1] == ' ') {
		length--;
	}
	if (length == 0) {
		start = f->vendor;
		length = strlen(start);
	}
	memcpy(f->name, start, length);
	f->name[length] = '\0';
}

static void detect_extended(struct cpu_features *f)
{
	struct cpuid leaf = cpuid_read(LEAF_EXTENDED, 0);

	f->extended_leaf_max = leaf.eax >= LEAF_EXTENDED ? leaf.eax : 0;
	f->physical_bits = PHYSICAL_BITS_DEFAULT;
	if (f->extended_leaf_max >= LEAF_EXTENDED_FEATURES) {
		leaf = cpuid_read(LEAF_EXTENDED_FEATURES, 0);
		f->svm = leaf.ecx & EXTENDED_ECX_SVM;
		f->nx = leaf.edx & EXTENDED_EDX_NX;
		f->gib_pages = leaf.edx & EXTENDED_EDX_GIB_PAGES;
		f->rdtscp = leaf.edx & EXTENDED_EDX_RDTSCP;
	}
	if (f->extended_leaf_max >= LEAF_ADDRESS_SIZES) {
		f->physical_bits = cpuid_read(LEAF_ADDRESS_SIZES, 0).eax & 0xff;
	}
	detect_name(f);
}

static void detect_words(struct cpu_features *f)
{
	struct cpuid leaf = cpuid_read(LEAF_FEATURES, 0);

	/* The APIC's bit tells whether it is switched on at this moment. */
	f->words[0] = leaf.ecx & ~(uint32_t)(LEAF1_ECX_MONITOR | LEAF1_ECX_OSXSAVE);
	f->words[1] = leaf.edx & ~(uint32_t)LEAF1_EDX_APIC;
	if (f->leaf_max >= LEAF_STRUCTURED) {
		leaf = cpuid_read(LEAF_STRUCTURED, 0);
		f->words[2] = leaf.ebx;
		f->words[3] = leaf.ecx;
		f->words[4] = leaf.edx;
	}
	if (f->leaf_max >= LEAF_XSTATE && f->xsave) {
		leaf = cpuid_read(LEAF_XSTATE, 0);
		f->words[5] = leaf.eax;
		f->words[6] = leaf.edx;
	}
	if (f->extended_leaf_max >= LEAF_EXTENDED_FEATURES) {
		leaf = cpuid_read(LEAF_EXTENDED_FEATURES, 0);
		f->words[7] = leaf.ecx;
		f->words[8] = leaf.edx & ~(uint32_t)LEAF1_EDX_APIC;
	}
}

static void detect(struct cpu_features *f)
{
	memset(f, 0, sizeof(*f));
	detect_basic(f);
	detect_extended(f);
	detect_words(f);
}

bool features_are_like_boot(void)
{
	struct cpu_features own;

	detect(&own);
	/* Names differ between the cores of one machine; the local APIC is about to be switched on.
	 */
	memcpy(own.name, cpu_features.name, sizeof(own.name));
	own.apic = cpu_features.apic;
	/* detect() clears both, so the bytes between members are zero. */
	return memcmp(&own, &cpu_features, sizeof(own)) == 0; /* NOLINT(bugprone-suspicious-*) */
}

enum status features_detect(struct error *error)
{
	struct cpu_features *f = &cpu_features;

	detect(f);
	uint32_t edx = cpuid_read(LEAF_FEATURES, 0).edx;
	uint32_t needed = LEAF1_EDX_TSC | LEAF1_EDX_MSR | LEAF1_EDX_FXSR | LEAF1_EDX_SSE2;
	if ((edx & needed) != needed) {
		return error_set(
			error, STATUS_UNSUPPORTED,
			"this processor lacks TSC, MSRs, FXSAVE or SSE2, which every x86-64 "
			"processor has; choose another processor model in the emulator");
	}
	if (!f->nx) {
		return error_set(
			error, STATUS_UNSUPPORTED,
			"this processor has no no-execute pages (NX), or firmware hides them: "
			"switch on 'Execute Disable Bit' in the firmware's set-up");
	}
	if (!f->apic) {
		return error_set(
			error, STATUS_UNSUPPORTED,
			"this processor has no local APIC, or firmware switched it off: switch "
			"on 'local APIC' in the firmware's set-up");
	}
	return STATUS_OK;
}
