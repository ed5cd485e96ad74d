/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EPT as a second-stage format (SDM vol. 3, 29.3.2) and the instructions that drop what this
 * processor has cached from it (29.4.3). A combined translation is tagged with VPID and EPT
 * pointer: INVEPT drops what came from our tables, INVVPID what came from the guest's own.
 */
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "arch/x86/vmx/vmx_vcpu.h"
#include "base/bits.h"
#include "base/check.h"
#include "mm/stage2/map.h"
#include "mm/stage2/format.h"

#define EPT_READ BIT(0)
#define EPT_WRITE BIT(1)
#define EPT_EXECUTE BIT(2)
#define EPT_RIGHTS (EPT_READ | EPT_WRITE | EPT_EXECUTE)
#define EPT_MEMORY_TYPE_WB (6ull << 3)
/*
 * The guest's PAT has no say. Otherwise it could map a page uncached and read past our write-back
 * stores what the page held before it was scrubbed.
 */
#define EPT_IGNORE_PAT BIT(6)
#define EPT_LARGE BIT(7)
#define EPT_ACCESSED BIT(8) /* while the EPT pointer asks for it */
#define EPT_ADDRESS 0x000ffffffffff000ull
#define EPT_SOFTWARE_BALLOONED BIT(11)
#define EPT_SOFTWARE_PINNED BIT(52)

/*
 * EPT pointer (25.6.11). Accessed and dirty flags are on where the processor has them: the working
 * set is estimated from the former (29.3.5). The processor then writes to tables that mm/ changes,
 * but only as mm/stage2/format.h says; and the guest's own page walks count as writes, which makes
 * no difference, because every leaf may be written.
 */
#define EPT_POINTER_WB 6ull
#define EPT_POINTER_4_LEVELS (3ull << 3)
#define EPT_POINTER_ACCESSED BIT(6)

static struct s2_format ept_format = {
	.present_mask = EPT_RIGHTS,
	.table_flags = EPT_RIGHTS,
	.leaf_flags = EPT_RIGHTS | EPT_MEMORY_TYPE_WB | EPT_IGNORE_PAT,
	.large_flag = EPT_LARGE,
	.address_mask = EPT_ADDRESS,
	.ballooned_entry = EPT_SOFTWARE_BALLOONED,
	.pinned_flag = EPT_SOFTWARE_PINNED,
	.max_leaf_level = 0,
};

void vmx_ept_init(void)
{
	ept_format.max_leaf_level = vmx_caps.ept_leaf_level;
	ept_format.accessed_flag = vmx_caps.ept_accessed ? EPT_ACCESSED : 0;
}

const struct s2_format *vmx_s2_format(void)
{
	return &ept_format;
}

uint64_t vmx_ept_pointer(const struct s2 *s2)
{
	uint64_t accessed = vmx_caps.ept_accessed ? EPT_POINTER_ACCESSED : 0;

	return pfn_to_hpa(s2->root).v | accessed | EPT_POINTER_4_LEVELS | EPT_POINTER_WB;
}

void vmx_flush_s2(const struct s2 *s2)
{
	struct invept_descriptor descriptor = {vmx_ept_pointer(s2), 0};

	CHECK(vmx_invept(INVALIDATE_SINGLE, descriptor));
}

void vmx_invalidate_vpid(uint16_t vpid)
{
	struct invvpid_descriptor descriptor = {vpid, 0};

	if (vpid) {
		CHECK(vmx_invvpid(vmx_caps.vpid_single ? INVALIDATE_SINGLE : INVALIDATE_ALL,
				  descriptor));
	}
}
