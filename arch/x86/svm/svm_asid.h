/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Address-space identifiers of one CPU (AMD APM vol. 2, 15.16). Every translation that a guest
 * makes is tagged with its ASID; a processor has as few as 16 of them, so they are reused. They are
 * handed out one after the other; when all are gone everything is flushed and the next generation
 * begins. A vCPU whose translations must be dropped gets a new ASID where the processor cannot
 * flush a single one.
 *
 * When they must be: translations are made in an epoch, the number of the last flush that this CPU
 * has been asked for on behalf of the address space (kernel/vm/tlb.h). Vcpus of one address space
 * have an ASID each, so each has to notice for itself that the epoch has gone on.
 *
 * Whether that is right is not taken on trust: beside it runs a model of what the TLB can hold, one
 * user and one epoch per ASID, which knows nothing of generations. An entry that could meet
 * translations of somebody else, or stale ones of its own, panics. Emulators flush on every entry
 * and would forgive it.
 *
 * Each CPU touches only its own. Pure.
 */
#ifndef ARCH_X86_SVM_SVM_ASID_H
#define ARCH_X86_SVM_SVM_ASID_H

#include "base/check.h"
#include "base/types.h"

#define SVM_ASIDS_MAX 256 /* more are not used */

struct svm_asids {
	uint32_t count;	     /* usable are 1 .. count - 1 */
	uint32_t next;	     /* from here on none has been used since the generation began */
	uint64_t generation; /* 0: before the first */
	struct {
		const void *holder; /* whose translations there can be */
		uint64_t epoch;	    /* of the oldest of them */
	} model[SVM_ASIDS_MAX];
};

/* What a vCPU has. All zero: nothing yet. */
struct svm_asid {
	const struct svm_asids *from; /* the CPU */
	uint64_t generation;
	uint64_t epoch; /* translations under it are from this one */
	uint32_t number;
};

#define SVM_EPOCH_NONE UINT64_MAX /* never reached: any comparison says that there is to flush */

/* All flushed, nothing handed out. `count` as CPUID says it. */
void svm_asids_init(struct svm_asids *asids, uint32_t count);

/* Translations made on this CPU for `mine` up to now must not be used any more. */
void svm_asid_stale(struct svm_asids *asids, struct svm_asid *mine);

/* The proof, before every entry: nothing under this ASID is anybody else's, or stale. */
static inline void svm_asid_check(const struct svm_asids *asids, const struct svm_asid *mine,
				  const void *user, uint64_t epoch)
{
	CHECK(asids->model[mine->number].holder == user);
	CHECK(asids->model[mine->number].epoch == epoch);
}

/* `mine` was handed out here, and nobody else has had it since. */
static inline bool svm_asid_holds(const struct svm_asids *asids, const struct svm_asid *mine)
{
	return mine->from == asids && mine->generation == asids->generation;
}

/*
 * Before the first entry of a run unless svm_asid_holds(), and before one in another epoch than
 * mine->epoch: makes `mine` an ASID under which `user` (never reused, not NULL) can run in `epoch`,
 * and answers the TLB_* to enter with.
 */
uint8_t svm_asid_enter(struct svm_asids *asids, struct svm_asid *mine, const void *user,
		       uint64_t epoch, bool flush_by_asid);

#endif
