/* SPDX-License-Identifier: BSD-2-Clause */
/* Handing out ASIDs, and the model of the TLB that checks it. */
#include "arch/x86/svm/svm_asid.h"

#include "arch/x86/svm/svm_vmcb.h"
#include "base/check.h"

/* In the model: translations that no VM may use. */
static const char stale;

void svm_asids_init(struct svm_asids *asids, uint32_t count)
{
	*asids = (struct svm_asids){.count = (uint32_t)min_u64(count, SVM_ASIDS_MAX)};
	asids->next = asids->count; /* nothing is known of the TLB: the first entry flushes */
	for (uint32_t i = 0; i < asids->count; i++) {
		asids->model[i].holder = &stale;
	}
}

static bool is_valid(const struct svm_asids *asids, const struct svm_asid *mine)
{
	return mine->from == asids && mine->generation == asids->generation;
}

void svm_asid_stale(struct svm_asids *asids, struct svm_asid *mine)
{
	/* One that has been elsewhere since gets a new ASID here anyhow. */
	if (is_valid(asids, mine)) {
		asids->model[mine->number].holder = &stale;
	}
	mine->epoch = SVM_EPOCH_NONE;
}

/* A number that no VM has used since everything was flushed. */
static uint8_t take_new(struct svm_asids *asids, struct svm_asid *mine)
{
	uint8_t control = TLB_KEEP;

	if (asids->next == asids->count) {
		asids->next = 1;
		asids->generation++;
		control = TLB_FLUSH_ALL;
	}
	mine->from = asids;
	mine->generation = asids->generation;
	mine->number = asids->next++;
	return control;
}

/* The processor's side of an entry, in the model, and the proof. */
static void model_enter(struct svm_asids *asids, uint32_t number, uint8_t control, const void *user,
			uint64_t epoch)
{
	if (control == TLB_FLUSH_ALL) {
		for (uint32_t i = 0; i < asids->count; i++) {
			asids->model[i].holder = NULL;
		}
	} else if (control == TLB_FLUSH_ASID) {
		asids->model[number].holder = NULL;
	}
	CHECK(number > 0 && number < asids->count);
	if (asids->model[number].holder == NULL) {
		asids->model[number].holder = user;
		asids->model[number].epoch = epoch;
	}
}

uint8_t svm_asid_enter(struct svm_asids *asids, struct svm_asid *mine, const void *user,
		       uint64_t epoch, bool flush_by_asid)
{
	uint8_t control = TLB_KEEP;

	if (!is_valid(asids, mine)) {
		control = take_new(asids, mine);
	} else if (mine->epoch != epoch) {
		control = flush_by_asid ? TLB_FLUSH_ASID : take_new(asids, mine);
	}
	mine->epoch = epoch;
	model_enter(asids, mine->number, control, user, epoch);
	svm_asid_check(asids, mine, user, epoch);
	return control;
}
