/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nested page tables as a second-stage format (AMD APM vol. 2, 15.25), and what drops the
 * translations that were made from them. A processor tags a translation with the ASID alone, for
 * both stages together. Nothing is dropped at once: a translation is of use only after a VMRUN
 * with its ASID, and every vCPU compares the epochs (svm_asid.h) before its next one.
 */
#include "arch/x86/svm/svm_caps.h"
#include "arch/x86/svm/svm_vcpu.h"
#include "base/bits.h"
#include "mm/stage2/map.h"
#include "mm/stage2/format.h"

#define NPT_PRESENT BIT(0)
#define NPT_WRITE BIT(1)
#define NPT_USER BIT(2) /* every access of a guest counts as one from user mode */
/* Memory type bits are zero: entry 0 of the host's PAT, write-back. */
#define NPT_RIGHTS (NPT_PRESENT | NPT_WRITE | NPT_USER)
#define NPT_ACCESSED BIT(5) /* every processor with nested paging sets it */
#define NPT_LARGE BIT(7)
#define NPT_ADDRESS 0x000ffffffffff000ull
#define NPT_SOFTWARE_BALLOONED BIT(9)
#define NPT_SOFTWARE_PINNED BIT(52)

static struct s2_format npt_format = {
	.present_mask = NPT_PRESENT,
	.table_flags = NPT_RIGHTS,
	.leaf_flags = NPT_RIGHTS,
	.large_flag = NPT_LARGE,
	.address_mask = NPT_ADDRESS,
	.ballooned_entry = NPT_SOFTWARE_BALLOONED,
	.pinned_flag = NPT_SOFTWARE_PINNED,
	.accessed_flag = NPT_ACCESSED,
	.max_leaf_level = 1,
};

void svm_npt_init(void)
{
	npt_format.max_leaf_level = svm_caps.leaf_level;
}

const struct s2_format *svm_s2_format(void)
{
	return &npt_format;
}

void svm_flush(struct svm_vcpu *svm)
{
	svm_asid_stale(&svm_cpu()->asids, &svm->asid);
}

/*
 * Its vCPUs are on different CPUs, and several may have an ASID here. None of them is touched: the
 * caller raises this CPU's epoch, and each vCPU finds before its next entry here that its ASID is
 * from an earlier one.
 */
void svm_flush_s2(const struct s2 *s2)
{
	(void)s2;
}
