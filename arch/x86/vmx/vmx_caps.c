/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From capability registers to control words (SDM vol. 3, appendix A). Each bit that we set or must
 * not have says why on its line; one that is missing ends in an error message.
 */
#include "arch/x86/vmx/vmx_caps.h"

#include "base/bits.h"

struct vmx_caps vmx_caps;

#define LACKS(feature)                                                                             \
	"this processor's VT-x lacks " feature                                                     \
	": Aerostat needs it; take a processor made after 2010, or an emulator or outer "          \
	"hypervisor that offers it"

#define NO_VTX                                                                                     \
	"this processor offers neither VT-x nor AMD-V, and Aerostat needs VT-x or AMD-V: in a "    \
	"virtual machine turn on nested virtualization, elsewhere run it in QEMU or Bochs"

#define LOCKED_OFF                                                                                 \
	"firmware has locked VT-x off and Aerostat needs VT-x or AMD-V: enable Intel "             \
	"Virtualization "                                                                          \
	"Technology in the firmware setup and switch the machine off and on"

struct control {
	uint32_t bit;
	const char *missing; /* error message when it cannot be set; NULL: we do without */
};

static const struct control pin_controls[] = {
	/* a device's interrupt belongs to the host, and a guest must not hold it off */
	{PIN_EXTERNAL_INTERRUPT_EXITING, LACKS("exits on external interrupts")},
	/* so does an NMI */
	{PIN_NMI_EXITING, LACKS("exits on non-maskable interrupts")},
	/* host NMIs come through where a guest blocks its own, and its own can be delivered */
	{PIN_VIRTUAL_NMIS, LACKS("virtual NMIs")},
	/* ends the time slice of a guest that never exits by itself */
	{PIN_PREEMPTION_TIMER, LACKS("the preemption timer")},
};

static const struct control primary_controls[] = {
	/* a halted guest gives its time to others */
	{PRIMARY_HLT_EXITING, LACKS("exits on HLT")},
	/* MWAIT is not offered: it would idle the CPU inside the guest */
	{PRIMARY_MWAIT_EXITING, LACKS("exits on MWAIT")},
	/* performance counters are not offered and would count the host */
	{PRIMARY_RDPMC_EXITING, LACKS("exits on RDPMC")},
	/* without an APIC for the guest, MOV CR8 would reach the host's task priority */
	{PRIMARY_CR8_LOAD_EXITING, LACKS("exits on MOV to CR8")},
	{PRIMARY_CR8_STORE_EXITING, LACKS("exits on MOV from CR8")},
	/* no port passes through */
	{PRIMARY_UNCONDITIONAL_IO, LACKS("exits on every port access")},
	/* together with a bitmap of ones: no MSR passes through, in either direction */
	{PRIMARY_MSR_BITMAPS, LACKS("MSR bitmaps")},
	/* MONITOR is not offered */
	{PRIMARY_MONITOR_EXITING, LACKS("exits on MONITOR")},
	/* EPT and all else that is newer */
	{PRIMARY_SECONDARY, LACKS("secondary processor-based controls")},
};

static const struct control secondary_controls[] = {
	/* guest-physical memory is what our tables say */
	{SECONDARY_EPT, LACKS("extended page tables (EPT)")},
	/* a guest starts, and may go back, to paging off */
	{SECONDARY_UNRESTRICTED_GUEST, LACKS("unrestricted guests")},
	/* translations survive exits and entries */
	{SECONDARY_VPID, NULL},
	/* writing back all caches would slow all CPUs down */
	{SECONDARY_WBINVD_EXITING, NULL},
	/* enclaves are not offered; the bitmap is all ones */
	{SECONDARY_ENCLS_EXITING, NULL},
};

static const struct control exit_controls[] = {
	/* DR7 and DEBUGCTL are the guest's own */
	{EXIT_SAVE_DEBUG, LACKS("saving debug controls at exits")},
	/* the host runs in 64-bit mode */
	{EXIT_HOST_64BIT, LACKS("64-bit hosts")},
	/* the vector is in the exit: no need to open interrupts to learn it */
	{EXIT_ACKNOWLEDGE_INTERRUPT, LACKS("acknowledging interrupts at exits")},
	/* guests have PAT and EFER of their own. Nothing to save: their writes exit */
	{EXIT_LOAD_PAT, LACKS("loading PAT at exits")},
	{EXIT_LOAD_EFER, LACKS("loading EFER at exits")},
};

static const struct control entry_controls[] = {
	/* counterparts of the exit controls */
	{ENTRY_LOAD_DEBUG, LACKS("loading debug controls at entries")},
	{ENTRY_LOAD_PAT, LACKS("loading PAT at entries")},
	{ENTRY_LOAD_EFER, LACKS("loading EFER at entries")},
};

/* `allowed`: bits 31:0 must be one, bits 63:32 may be one. Returns the error message, or NULL. */
static const char *control_compute(const struct control *wanted, size_t count, uint64_t allowed,
				   uint32_t *word)
{
	uint32_t must = (uint32_t)allowed;
	uint32_t may = (uint32_t)(allowed >> 32);

	*word = must;
	for (size_t i = 0; i < count; i++) {
		if (may & wanted[i].bit) {
			*word |= wanted[i].bit;
		} else if (wanted[i].missing) {
			return wanted[i].missing;
		}
	}
	return NULL;
}

#define COMPUTE(table, allowed, word) control_compute(table, ARRAY_COUNT(table), allowed, word)

static const char *controls_compute(const struct vmx_msrs *msrs, struct vmx_caps *caps)
{
	const char *missing = COMPUTE(pin_controls, msrs->pin, &caps->pin);

	if (!missing) {
		missing = COMPUTE(primary_controls, msrs->primary, &caps->primary);
	}
	if (!missing) {
		missing = COMPUTE(secondary_controls, msrs->secondary, &caps->secondary);
	}
	if (!missing) {
		missing = COMPUTE(exit_controls, msrs->exit, &caps->exit);
	}
	if (!missing) {
		missing = COMPUTE(entry_controls, msrs->entry, &caps->entry);
	}
	if (missing) {
		return missing;
	}
	if (caps->primary & (PRIMARY_CR3_LOAD_EXITING | PRIMARY_CR3_STORE_EXITING)) {
		return LACKS("leaving CR3 to guests");
	}
	if (!(msrs->entry >> 32 & ENTRY_IA32E_GUEST)) {
		return LACKS("64-bit guests");
	}
	return NULL;
}

/* IA32_VMX_BASIC (appendix A.1) */
#define BASIC_REGION_BYTES(basic) ((basic) >> 32 & 0x1fff)
#define BASIC_32BIT_ADDRESSES BIT(48)
#define BASIC_MEMORY_TYPE(basic) ((basic) >> 50 & 0xf)
#define MEMORY_TYPE_WB 6

static const char *basic_check(uint64_t basic)
{
	if (BASIC_REGION_BYTES(basic) > PAGE_BYTES) {
		return LACKS("control structures that fit a page");
	}
	if (basic & BASIC_32BIT_ADDRESSES) {
		return LACKS("control structures above 4 GiB");
	}
	if (BASIC_MEMORY_TYPE(basic) != MEMORY_TYPE_WB) {
		return LACKS("control structures in write-back memory");
	}
	return NULL;
}

/* IA32_VMX_EPT_VPID_CAP (appendix A.10) */
#define EPT_4_LEVELS BIT(6)
#define EPT_WRITE_BACK BIT(14)
#define EPT_2MIB BIT(16)
#define EPT_1GIB BIT(17)
#define EPT_INVEPT BIT(20)
#define EPT_ACCESSED_DIRTY BIT(21)
#define EPT_INVEPT_SINGLE BIT(25)
#define VPID_INVVPID BIT(32)
#define VPID_INVVPID_SINGLE BIT(41)
#define VPID_INVVPID_ALL BIT(42)

static const char *ept_compute(uint64_t cap, struct vmx_caps *caps)
{
	if (!(cap & EPT_4_LEVELS)) {
		return LACKS("extended page tables of four levels");
	}
	if (!(cap & EPT_WRITE_BACK)) {
		return LACKS("extended page tables in write-back memory");
	}
	if (!(cap & EPT_INVEPT) || !(cap & EPT_INVEPT_SINGLE)) {
		return LACKS("INVEPT for one address space");
	}
	caps->ept_leaf_level = 0;
	if (cap & EPT_2MIB) {
		caps->ept_leaf_level = cap & EPT_1GIB ? 2 : 1;
	}
	caps->ept_accessed = (cap & EPT_ACCESSED_DIRTY) != 0;
	caps->vpid_single = (cap & VPID_INVVPID_SINGLE) != 0;
	if (!(cap & VPID_INVVPID) || !(cap & (VPID_INVVPID_SINGLE | VPID_INVVPID_ALL))) {
		caps->secondary &= ~SECONDARY_VPID; /* tagged, but nothing to drop them with */
	}
	caps->vpid = (caps->secondary & SECONDARY_VPID) != 0;
	return NULL;
}

enum status vmx_caps_compute(const struct vmx_msrs *msrs, struct vmx_caps *caps,
			     struct error *error)
{
	const uint64_t usable = FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX_OUTSIDE_SMX;
	const char *missing;

	if (!msrs->cpuid_vmx) {
		return error_set(error, STATUS_UNSUPPORTED, NO_VTX);
	}
	if ((msrs->feature_control & usable) == FEATURE_CONTROL_LOCKED) {
		return error_set(error, STATUS_UNSUPPORTED, LOCKED_OFF);
	}
	*caps = (struct vmx_caps){
		.revision = (uint32_t)msrs->basic & 0x7fffffff,
		.timer_shift = msrs->misc & 0x1f,
		.cr0_fixed0 = msrs->cr0_fixed0,
		.cr0_fixed1 = msrs->cr0_fixed1,
		.cr4_fixed0 = msrs->cr4_fixed0,
		.cr4_fixed1 = msrs->cr4_fixed1,
	};
	missing = basic_check(msrs->basic);
	if (!missing) {
		missing = controls_compute(msrs, caps);
	}
	if (!missing) {
		missing = ept_compute(msrs->ept_vpid, caps);
	}
	if (missing) {
		return error_set(error, STATUS_UNSUPPORTED, "%s", missing);
	}
	caps->encls_exiting = (caps->secondary & SECONDARY_ENCLS_EXITING) != 0;
	return STATUS_OK;
}

bool vmx_caps_alike(const struct vmx_caps *one, const struct vmx_caps *other)
{
	return one->revision == other->revision && one->pin == other->pin &&
	       one->primary == other->primary && one->secondary == other->secondary &&
	       one->exit == other->exit && one->entry == other->entry && one->vpid == other->vpid &&
	       one->vpid_single == other->vpid_single &&
	       one->encls_exiting == other->encls_exiting &&
	       one->timer_shift == other->timer_shift &&
	       one->ept_leaf_level == other->ept_leaf_level &&
	       one->ept_accessed == other->ept_accessed && one->cr0_fixed0 == other->cr0_fixed0 &&
	       one->cr0_fixed1 == other->cr0_fixed1 && one->cr4_fixed0 == other->cr4_fixed0 &&
	       one->cr4_fixed1 == other->cr4_fixed1;
}
