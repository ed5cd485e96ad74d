/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this processor has, read once at boot and constant afterwards. Whether VT-x or AMD-V is
 * usable is the backend's question.
 */
#ifndef ARCH_X86_CPU_FEATURES_H
#define ARCH_X86_CPU_FEATURES_H

#include "base/error.h"
#include "base/types.h"

#define FEATURE_WORDS 9

struct cpu_features {
	char vendor[13];
	char name[49];		    /* brand string without surrounding blanks, or the vendor */
	uint32_t leaf_max;	    /* highest basic CPUID leaf */
	uint32_t extended_leaf_max; /* highest 0x8000_xxxx leaf, or 0 */
	unsigned physical_bits;
	bool nx;
	bool gib_pages;
	bool global_pages;
	bool smep;
	bool smap;
	bool umip;
	bool pat;
	bool apic;
	bool x2apic;
	bool tsc_deadline;
	bool xsave;
	bool avx;
	bool rdtscp;
	bool rdpid;
	bool vmx;
	bool svm;
	/* What guests may see beyond that (cpuid.c): bits of leaves 1, 7 and 0x8000_0001, 0xd. */
	uint32_t words[FEATURE_WORDS];
};

extern struct cpu_features cpu_features;

/*
 * Fills cpu_features. UNSUPPORTED: the processor lacks something that we cannot do without, and
 * *error says what and what to do about it.
 */
MUST_CHECK enum status features_detect(struct error *error);

/* Has this CPU exactly what the boot CPU has? A VM may run on one now and on the other later. */
bool features_are_like_boot(void);

#endif
