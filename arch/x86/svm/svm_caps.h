/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What this processor's AMD-V can do (AMD APM vol. 2, 15.4 and vol. 3, CPUID 8000_000A). Pure
 * except for svm_facts_read(): host tests feed it other processors. Constant after boot; all CPUs
 * of a machine are taken to be alike, and cpu_start checks it.
 */
#ifndef ARCH_X86_SVM_SVM_CAPS_H
#define ARCH_X86_SVM_SVM_CAPS_H

#include "base/error.h"
#include "base/types.h"

/* As read from the processor. */
struct svm_facts {
	bool cpuid_svm; /* nothing below is valid without it */
	bool gib_pages; /* for the host's paging, and so for nested paging */
	uint32_t asid_count;
	uint32_t features; /* CPUID 8000_000A, EDX */
	uint64_t vm_cr;
	bool tcg; /* leaf 0x40000000 says that QEMU's own emulation is this processor */
};

struct svm_caps {
	uint32_t asid_count; /* 0 is the host's */
	bool next_rip;	     /* the exit says where the next instruction begins */
	bool decode;	     /* the exit says which register a MOV CR names */
	bool flush_by_asid;
	bool breakpoints_stay; /* a guest's may be armed in the host after an exit: svm_debug.c */
	bool virtual_exits;    /* a virtual interrupt ends the run when it is due: svm_run.c */
	bool repeats_injected; /* an injected interrupt may be delivered twice: svm_run.c */
	bool takes_shadow;     /* VMRUN loads the interrupt shadow; found by trial (svm_trial.c) */
	bool takes_cr2;	       /* VMRUN and the exit exchange CR2; found by trial */
	bool unlock;	       /* VM_CR.SVMDIS of this CPU has to be cleared first */
	unsigned leaf_level;   /* highest that may map memory */
};

/* VM_CR */
#define VM_CR_LOCK 0x08
#define VM_CR_SVMDIS 0x10

/* CPUID 8000_000A, EDX */
#define SVM_FEATURE_NESTED_PAGING 0x01
#define SVM_FEATURE_NEXT_RIP 0x08
#define SVM_FEATURE_FLUSH_BY_ASID 0x40
#define SVM_FEATURE_DECODE 0x80

/* One look at what an entry and an exit do with CR2. */
struct svm_cr2_look {
	uint64_t vmcb;	    /* before the entry: there, */
	uint64_t processor; /* and in the processor */
	uint64_t guest;	    /* what the guest has made of it, */
	uint64_t seen;	    /* when it had seen this */
	uint64_t saved;	    /* after the exit: in the VMCB, */
	uint64_t left;	    /* and in the processor */
	bool done;	    /* the guest has run, and all this is known */
};

#define SVM_CR2_LOOKS 3

extern struct svm_caps svm_caps;

/* A guest may go from a processor with the one to one with the other. */
bool svm_caps_alike(const struct svm_caps *one, const struct svm_caps *other);

/*
 * Sets takes_cr2 after some looks: as the manual has it where none could be done. False: CR2 is
 * neither exchanged with the VMCB nor left in the processor, so no guest would keep its own.
 */
bool svm_caps_judge_cr2(const struct svm_cr2_look looks[SVM_CR2_LOOKS], struct svm_caps *caps);

/* Reads this CPU (svm_cpu.c). */
void svm_facts_read(struct svm_facts *facts);

/*
 * Judges `facts` and fills *caps. UNSUPPORTED: *error names the missing or disabled feature and
 * what to do.
 */
enum status svm_caps_compute(const struct svm_facts *facts, struct svm_caps *caps,
			     struct error *error);

#endif
