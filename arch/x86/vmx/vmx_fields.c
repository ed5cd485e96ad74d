/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of VMCS fields and of VMX instruction errors, for reports. */
#include "arch/x86/vmx/vmx_fields.h"

#include "base/bits.h"
#include "base/check.h"

static const struct {
	uint32_t encoding;
	const char *name;
} field_names[] = {
#define VMCS_FIELD_NAME(name, encoding, width) {(encoding), #name},
	VMCS_FIELDS(VMCS_FIELD_NAME)
#undef VMCS_FIELD_NAME
};

const char *vmcs_field_name(enum vmcs_field field)
{
	for (size_t i = 0; i < ARRAY_COUNT(field_names); i++) {
		if (field_names[i].encoding == (uint32_t)field) {
			return field_names[i].name;
		}
	}
	return "unknown field";
}

/* SDM vol. 3, table 31-1. */
static const char *const instruction_errors[] = {
	[0] = "no error was recorded, or there is no current VMCS",
	[1] = "VMCALL executed in VMX root operation",
	[2] = "VMCLEAR with an invalid physical address",
	[3] = "VMCLEAR with the VMXON pointer",
	[4] = "VMLAUNCH with a VMCS that is not clear",
	[5] = "VMRESUME with a VMCS that was not launched",
	[6] = "VMRESUME after VMXOFF",
	[7] = "VM entry with invalid control fields",
	[8] = "VM entry with invalid host-state fields",
	[9] = "VMPTRLD with an invalid physical address",
	[10] = "VMPTRLD with the VMXON pointer",
	[11] = "VMPTRLD with another VMCS revision",
	[12] = "VMREAD or VMWRITE of a field that this processor does not have",
	[13] = "VMWRITE to a read-only field",
	[15] = "VMXON executed in VMX root operation",
	[16] = "VM entry with an invalid executive-VMCS pointer",
	[17] = "VM entry with an executive VMCS that was not launched",
	[18] = "VM entry with an executive-VMCS pointer that is not the VMXON pointer",
	[19] = "VMCALL with a VMCS that is not clear",
	[20] = "VMCALL with invalid exit controls",
	[22] = "VMCALL with an incorrect MSEG revision",
	[23] = "VMXOFF under dual-monitor treatment",
	[24] = "VMCALL with invalid SMM-monitor features",
	[25] = "VM entry with invalid execution controls in the executive VMCS",
	[26] = "VM entry with events blocked by MOV SS",
	[28] = "INVEPT or INVVPID with an invalid operand",
};

const char *vmx_instruction_error_text(uint32_t error)
{
	if (error >= ARRAY_COUNT(instruction_errors) || !instruction_errors[error]) {
		return "an error number that the manual does not list";
	}
	return instruction_errors[error];
}

/* No VMREAD through vmcs_read() here: this is what that one calls when it fails. */
_Noreturn void vmcs_access_failed(enum vmcs_field field, const char *instruction)
{
	uint64_t error;

	if (!vmx_vmread(VMCS_instruction_error, &error)) {
		error = 0;
	}
	panic("%s of %s (0x%x) failed: %s (%u)", instruction, vmcs_field_name(field),
	      (unsigned)field, vmx_instruction_error_text((uint32_t)error), (unsigned)error);
}
