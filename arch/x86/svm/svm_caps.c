/* SPDX-License-Identifier: BSD-2-Clause */
/* From CPUID and VM_CR to what the backend may use. */
#include "arch/x86/svm/svm_caps.h"

#include "base/bits.h"

struct svm_caps svm_caps;

#define LACKS(feature)                                                                             \
	"this processor's AMD-V lacks " feature                                                    \
	": Aerostat needs it; take a processor made after 2009, or an emulator or outer "          \
	"hypervisor that offers it"

#define LOCKED_OFF                                                                                 \
	"firmware has locked AMD-V off and Aerostat needs VT-x or AMD-V: enable SVM mode in the "  \
	"firmware setup and switch the machine off and on"

#define NO_SVM "this processor offers no AMD-V"

enum status svm_caps_compute(const struct svm_facts *facts, struct svm_caps *caps,
			     struct error *error)
{
	if (!facts->cpuid_svm) {
		return error_set(error, STATUS_UNSUPPORTED, NO_SVM);
	}
	if (facts->vm_cr & VM_CR_SVMDIS && facts->vm_cr & VM_CR_LOCK) {
		return error_set(error, STATUS_UNSUPPORTED, LOCKED_OFF);
	}
	if (!(facts->features & SVM_FEATURE_NESTED_PAGING)) {
		return error_set(error, STATUS_UNSUPPORTED, LACKS("nested paging"));
	}
	if (facts->asid_count < 2) {
		return error_set(error, STATUS_UNSUPPORTED,
				 LACKS("address-space identifiers for guests"));
	}
	*caps = (struct svm_caps){
		.asid_count = facts->asid_count,
		.next_rip = (facts->features & SVM_FEATURE_NEXT_RIP) != 0,
		.decode = (facts->features & SVM_FEATURE_DECODE) != 0,
		.breakpoints_stay = !(facts->features & SVM_FEATURE_NEXT_RIP),
		.virtual_exits = !(facts->features & SVM_FEATURE_NEXT_RIP) && !facts->tcg,
		.repeats_injected = facts->tcg,
		.flush_by_asid = (facts->features & SVM_FEATURE_FLUSH_BY_ASID) != 0,
		.unlock = (facts->vm_cr & VM_CR_SVMDIS) != 0,
		.leaf_level = facts->gib_pages ? 2 : 1,
	};
	return STATUS_OK;
}

/* Whether firmware has switched it off is not a property of the processor. */
bool svm_caps_alike(const struct svm_caps *one, const struct svm_caps *other)
{
	return one->asid_count == other->asid_count && one->next_rip == other->next_rip &&
	       one->decode == other->decode && one->flush_by_asid == other->flush_by_asid &&
	       one->leaf_level == other->leaf_level;
}

bool svm_caps_judge_cr2(const struct svm_cr2_look looks[SVM_CR2_LOOKS], struct svm_caps *caps)
{
	bool exchanged = true;
	bool stays = true;

	for (unsigned i = 0; i < SVM_CR2_LOOKS; i++) {
		const struct svm_cr2_look *look = &looks[i];

		if (look->done) {
			exchanged =
				exchanged && look->seen == look->vmcb && look->saved == look->guest;
			stays = stays && look->seen == look->processor && look->left == look->guest;
		}
	}
	caps->takes_cr2 = exchanged;
	return exchanged || stays;
}
