/* SPDX-License-Identifier: BSD-2-Clause */
/* See vmcs.h. */
#include "fake/vmcs.h"

#include "fake/panic.h"

#include <string.h>

#include "arch/x86/cpu/msr.h"
#include "arch/x86/cpu/registers.h"
#include "arch/x86/vmx/vmx_caps.h"
#include "arch/x86/vmx/vmx_instructions.h"
#include "base/bits.h"
#include "mm/phys.h"

#define CPUS 2
#define REGIONS_MAX 8
#define ENCODINGS 0x4000 /* of even numbers */
#define NOWHERE UINT64_MAX

#define MSR_BASIC 0x480
#define MSR_CR0_FIXED0 0x486
#define MSR_CR0_FIXED1 0x487
#define MSR_CR4_FIXED0 0x488
#define MSR_CR4_FIXED1 0x489
#define MSR_EPT_VPID 0x48c

/* SDM vol. 3, table 31-1 */
#define ERROR_CLEAR_ADDRESS 2
#define ERROR_CLEAR_VMXON_POINTER 3
#define ERROR_LAUNCH_NOT_CLEAR 4
#define ERROR_RESUME_NOT_LAUNCHED 5
#define ERROR_LOAD_ADDRESS 9
#define ERROR_LOAD_VMXON_POINTER 10
#define ERROR_LOAD_REVISION 11
#define ERROR_NO_SUCH_FIELD 12
#define ERROR_READ_ONLY 13
#define ERROR_VMXON_AGAIN 15
#define ERROR_INVALIDATE_OPERAND 28

unsigned fake_vmx_cpu;
bool fake_vmx_refuses_vmxon;
struct guest_event fake_vmx_delivered;
unsigned fake_vmx_entries, fake_vmx_invvpids, fake_vmx_invepts;
uint64_t fake_vmx_invvpid_type, fake_vmx_invvpid_vpid;

static struct region {
	uint64_t at;
	bool cleared; /* at least once */
	bool launched;
	bool active;
	unsigned active_cpu;
	uint64_t values[ENCODINGS];
} regions[REGIONS_MAX];
static unsigned region_count;

static struct {
	bool on;
	uint64_t vmxon_region;
	struct region *current;
} processors[CPUS];

#define HERE processors[fake_vmx_cpu]

static uint64_t width_mask(uint64_t field)
{
	switch (field >> 13 & 3) {
	case VMCS_WIDTH_bits16:
		return UINT16_MAX;
	case VMCS_WIDTH_bits32:
		return UINT32_MAX;
	default:
		return UINT64_MAX;
	}
}

static bool exists(uint64_t field)
{
	static bool known[ENCODINGS];

	if (!known[VMCS_guest_rip >> 1]) {
#define KNOWN(name, encoding, width) known[(encoding) >> 1] = true;
		VMCS_FIELDS(KNOWN)
#undef KNOWN
	}
	return field >> 1 < ENCODINGS && !(field & 1) && known[field >> 1];
}

void fake_vmx_reset(void)
{
	memset(processors, 0, sizeof(processors));
	for (unsigned i = 0; i < CPUS; i++) {
		processors[i].vmxon_region = NOWHERE;
	}
	region_count = 0;
	fake_vmx_cpu = 0;
	fake_vmx_refuses_vmxon = false;
	fake_vmx_delivered = (struct guest_event){0};
	fake_vmx_entries = fake_vmx_invvpids = fake_vmx_invepts = 0;
}

static struct region *region_at(uint64_t at)
{
	for (unsigned i = 0; i < region_count; i++) {
		if (regions[i].at == at) {
			return &regions[i];
		}
	}
	assert_true(region_count < REGIONS_MAX);
	regions[region_count] = (struct region){.at = at};
	memset(regions[region_count].values, 0xa5, sizeof(regions[0].values));
	return &regions[region_count++];
}

static bool is_region_address(uint64_t at)
{
	return at != 0 && at % PAGE_BYTES == 0 && at >> 46 == 0;
}

static bool fails(uint64_t error)
{
	if (HERE.current != NULL) {
		HERE.current->values[VMCS_instruction_error >> 1] = error;
	}
	return false;
}

static void need_operation(const char *instruction)
{
	if (!HERE.on) {
		fail_msg("%s outside VMX operation raises #UD", instruction);
	}
}

/* ---- Instructions ---- */

static bool is_fixed(uint64_t value, uint32_t msr_ones, uint32_t msr_may)
{
	return (value & msr_read(msr_ones)) == msr_read(msr_ones) && !(value & ~msr_read(msr_may));
}

bool vmx_vmxon(hpa_t region)
{
	uint64_t control = msr_read(MSR_IA32_FEATURE_CONTROL);

	if (!(read_cr4() & CR4_VMXE)) {
		fail_msg("VMXON without CR4.VMXE raises #UD");
	}
	if (HERE.on) {
		return fails(ERROR_VMXON_AGAIN);
	}
	if (!is_fixed(read_cr0(), MSR_CR0_FIXED0, MSR_CR0_FIXED1) ||
	    !is_fixed(read_cr4(), MSR_CR4_FIXED0, MSR_CR4_FIXED1)) {
		fail_msg("VMXON with CR0=0x%llx CR4=0x%llx raises #GP",
			 (unsigned long long)read_cr0(), (unsigned long long)read_cr4());
	}
	if (!(control & FEATURE_CONTROL_LOCKED) || !(control & FEATURE_CONTROL_VMX_OUTSIDE_SMX)) {
		fail_msg("VMXON with IA32_FEATURE_CONTROL=0x%llx raises #GP",
			 (unsigned long long)control);
	}
	if (fake_vmx_refuses_vmxon || !is_region_address(region.v) ||
	    *(uint32_t *)phys_to_virt(region) != (msr_read(MSR_BASIC) & 0x7fffffff)) {
		return false;
	}
	HERE.on = true;
	HERE.vmxon_region = region.v;
	return true;
}

bool vmx_vmclear(hpa_t vmcs)
{
	struct region *region;

	need_operation("VMCLEAR");
	if (!is_region_address(vmcs.v)) {
		return fails(ERROR_CLEAR_ADDRESS);
	}
	if (vmcs.v == HERE.vmxon_region) {
		return fails(ERROR_CLEAR_VMXON_POINTER);
	}
	region = region_at(vmcs.v);
	if (region->active && region->active_cpu != fake_vmx_cpu) {
		fail_msg("VMCLEAR of a VMCS that is active on CPU %u leaves its data there",
			 region->active_cpu);
	}
	region->cleared = true;
	region->launched = false;
	region->active = false;
	if (HERE.current == region) {
		HERE.current = NULL;
	}
	return true;
}

bool vmx_vmptrld(hpa_t vmcs)
{
	struct region *region;

	need_operation("VMPTRLD");
	if (!is_region_address(vmcs.v)) {
		return fails(ERROR_LOAD_ADDRESS);
	}
	if (vmcs.v == HERE.vmxon_region) {
		return fails(ERROR_LOAD_VMXON_POINTER);
	}
	if (*(uint32_t *)phys_to_virt(vmcs) != (msr_read(MSR_BASIC) & 0x7fffffff)) {
		return fails(ERROR_LOAD_REVISION);
	}
	region = region_at(vmcs.v);
	if (!region->cleared) {
		fail_msg("VMPTRLD of a region that was never cleared is undefined");
	}
	if (region->active && region->active_cpu != fake_vmx_cpu) {
		fail_msg("VMPTRLD of a VMCS that is active on CPU %u is undefined",
			 region->active_cpu);
	}
	region->active = true;
	region->active_cpu = fake_vmx_cpu;
	HERE.current = region;
	return true;
}

bool vmx_vmread(uint64_t field, uint64_t *value)
{
	need_operation("VMREAD");
	if (HERE.current == NULL) {
		return false;
	}
	if (!exists(field)) {
		return fails(ERROR_NO_SUCH_FIELD);
	}
	*value = HERE.current->values[field >> 1] & width_mask(field);
	return true;
}

bool vmx_vmwrite(uint64_t field, uint64_t value)
{
	need_operation("VMWRITE");
	if (HERE.current == NULL) {
		return false;
	}
	if (!exists(field)) {
		return fails(ERROR_NO_SUCH_FIELD);
	}
	if ((field >> 10 & 3) == 1) {
		return fails(ERROR_READ_ONLY);
	}
	HERE.current->values[field >> 1] = value & width_mask(field);
	return true;
}

bool vmx_invvpid(uint64_t type, struct invvpid_descriptor descriptor)
{
	need_operation("INVVPID");
	if (type > 3 || !(msr_read(MSR_EPT_VPID) >> (40 + type) & 1) || descriptor.vpid >> 16 ||
	    (type != INVALIDATE_ALL && descriptor.vpid == 0)) {
		return fails(ERROR_INVALIDATE_OPERAND);
	}
	fake_vmx_invvpids++;
	fake_vmx_invvpid_type = type;
	fake_vmx_invvpid_vpid = descriptor.vpid;
	return true;
}

bool vmx_invept(uint64_t type, struct invept_descriptor descriptor)
{
	need_operation("INVEPT");
	if (type < 1 || type > 2 || !(msr_read(MSR_EPT_VPID) >> (24 + type) & 1) ||
	    (descriptor.ept_pointer & 0x3f) != 0x1e || descriptor.reserved) {
		return fails(ERROR_INVALIDATE_OPERAND);
	}
	fake_vmx_invepts++;
	return true;
}

/* ---- Entries ---- */

#define BLOCKING_BY_STI 1
#define BLOCKING_BY_MOV_SS 2
#define PENDING_SINGLE_STEP BIT(14)
#define RIGHTS_LONG 0x2000

static uint64_t value_of(enum vmcs_field field)
{
	return HERE.current->values[field >> 1] & width_mask(field);
}

static bool has_error_code(uint32_t vector)
{
	return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17;
}

/* 27.2.1.3 and the end of 27.3.1.4 */
static void check_event(void)
{
	uint32_t info = (uint32_t)value_of(VMCS_entry_event);
	uint32_t type = info & EVENT_TYPE;
	bool wants_error = type == EVENT_TYPE_EXCEPTION && has_error_code(info & EVENT_VECTOR) &&
			   value_of(VMCS_guest_cr0) & CR0_PE;

	fake_vmx_delivered = (struct guest_event){0};
	if (!(info & EVENT_VALID)) {
		return;
	}
	if (info & ~(EVENT_VALID | EVENT_HAS_ERROR | EVENT_TYPE | EVENT_VECTOR) ||
	    wants_error != ((info & EVENT_HAS_ERROR) != 0)) {
		fail_msg("the event 0x%x cannot be injected", info);
	}
	if (type == EVENT_TYPE_EXTERNAL &&
	    (!(value_of(VMCS_guest_rflags) & RFLAGS_IF) ||
	     value_of(VMCS_guest_interruptibility) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS))) {
		fail_msg("an interrupt is injected that the guest does not let in");
	}
	fake_vmx_delivered.info = info;
	if (info & EVENT_HAS_ERROR) {
		fake_vmx_delivered.error = (uint32_t)value_of(VMCS_entry_event_error);
	}
	if (event_is_software(info)) {
		fake_vmx_delivered.length = (uint32_t)value_of(VMCS_entry_instruction_length);
		assert_true(fake_vmx_delivered.length >= 1 && fake_vmx_delivered.length <= 15);
	}
}

/* 27.3.1.4 and 27.3.1.5 */
static void check_guest(void)
{
	uint64_t blocking =
		value_of(VMCS_guest_interruptibility) & (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS);
	uint64_t flags = value_of(VMCS_guest_rflags);
	bool step = (value_of(VMCS_guest_pending_debug) & PENDING_SINGLE_STEP) != 0;
	bool long_code = value_of(VMCS_entry_controls) & ENTRY_IA32E_GUEST &&
			 value_of(VMCS_guest_cs_rights) & RIGHTS_LONG;

	assert_true(flags & RFLAGS_FIXED);
	assert_true(long_code || value_of(VMCS_guest_rip) >> 32 == 0);
	assert_true(blocking != (BLOCKING_BY_STI | BLOCKING_BY_MOV_SS));
	assert_true(!(blocking & BLOCKING_BY_STI) || flags & RFLAGS_IF);
	assert_true(!blocking || step == ((flags & RFLAGS_TF) != 0));
	assert_int_equal(value_of(VMCS_vmcs_link_pointer), UINT64_MAX);
}

bool fake_vmx_enter(bool resume)
{
	need_operation("VM entry");
	if (HERE.current == NULL) {
		return false;
	}
	if (resume != HERE.current->launched) {
		return fails(resume ? ERROR_RESUME_NOT_LAUNCHED : ERROR_LAUNCH_NOT_CLEAR);
	}
	check_event();
	check_guest();
	HERE.current->launched = true;
	HERE.current->values[VMCS_entry_event >> 1] &= ~(uint64_t)EVENT_VALID;
	fake_vmx_entries++;
	return true;
}

/* ---- What tests do and see ---- */

bool fake_vmx_is_on(unsigned cpu)
{
	return processors[cpu].on;
}

bool fake_vmx_is_current(hpa_t vmcs)
{
	return HERE.current != NULL && HERE.current->at == vmcs.v;
}

bool fake_vmx_is_active(hpa_t vmcs)
{
	return region_at(vmcs.v)->active;
}

void fake_vmx_set(enum vmcs_field field, uint64_t value)
{
	assert_non_null(HERE.current);
	HERE.current->values[field >> 1] = value;
}

uint64_t fake_vmx_get(enum vmcs_field field)
{
	assert_non_null(HERE.current);
	return value_of(field);
}
