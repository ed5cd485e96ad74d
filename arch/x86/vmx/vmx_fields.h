/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fields of a VMCS that Aerostat uses: one table, from which come the encodings, a typed reader
 * and writer each, and the names for reports. Encodings: SDM vol. 3, appendix B. The VMCS in
 * question is always the current one of this CPU; a failed access is a bug of ours and panics.
 */
#ifndef ARCH_X86_VMX_VMX_FIELDS_H
#define ARCH_X86_VMX_VMX_FIELDS_H

#include "base/status.h"
#include "base/types.h"

typedef uint64_t vmcs_natural_t;
typedef uint64_t vmcs_bits64_t;
typedef uint32_t vmcs_bits32_t;
typedef uint16_t vmcs_bits16_t;

/* FIELD(name, encoding, width) with width one of bits16, bits32, bits64, natural. */
#define VMCS_FIELDS(FIELD)                                                                         \
	/* 16-bit: control, guest state, host state */                                             \
	FIELD(vpid, 0x0000, bits16)                                                                \
	FIELD(guest_es_selector, 0x0800, bits16)                                                   \
	FIELD(guest_cs_selector, 0x0802, bits16)                                                   \
	FIELD(guest_ss_selector, 0x0804, bits16)                                                   \
	FIELD(guest_ds_selector, 0x0806, bits16)                                                   \
	FIELD(guest_fs_selector, 0x0808, bits16)                                                   \
	FIELD(guest_gs_selector, 0x080a, bits16)                                                   \
	FIELD(guest_ldtr_selector, 0x080c, bits16)                                                 \
	FIELD(guest_tr_selector, 0x080e, bits16)                                                   \
	FIELD(host_es_selector, 0x0c00, bits16)                                                    \
	FIELD(host_cs_selector, 0x0c02, bits16)                                                    \
	FIELD(host_ss_selector, 0x0c04, bits16)                                                    \
	FIELD(host_ds_selector, 0x0c06, bits16)                                                    \
	FIELD(host_fs_selector, 0x0c08, bits16)                                                    \
	FIELD(host_gs_selector, 0x0c0a, bits16)                                                    \
	FIELD(host_tr_selector, 0x0c0c, bits16)                                                    \
	/* 64-bit: control, read-only, guest state, host state */                                  \
	FIELD(msr_bitmap, 0x2004, bits64)                                                          \
	FIELD(ept_pointer, 0x201a, bits64)                                                         \
	FIELD(encls_exiting_bitmap, 0x202e, bits64)                                                \
	FIELD(guest_physical_address, 0x2400, bits64)                                              \
	FIELD(vmcs_link_pointer, 0x2800, bits64)                                                   \
	FIELD(guest_debugctl, 0x2802, bits64)                                                      \
	FIELD(guest_pat, 0x2804, bits64)                                                           \
	FIELD(guest_efer, 0x2806, bits64)                                                          \
	FIELD(host_pat, 0x2c00, bits64)                                                            \
	FIELD(host_efer, 0x2c02, bits64)                                                           \
	/* 32-bit: control, read-only, guest state, host state */                                  \
	FIELD(pin_controls, 0x4000, bits32)                                                        \
	FIELD(primary_controls, 0x4002, bits32)                                                    \
	FIELD(exception_bitmap, 0x4004, bits32)                                                    \
	FIELD(page_fault_error_mask, 0x4006, bits32)                                               \
	FIELD(page_fault_error_match, 0x4008, bits32)                                              \
	FIELD(cr3_target_count, 0x400a, bits32)                                                    \
	FIELD(exit_controls, 0x400c, bits32)                                                       \
	FIELD(exit_msr_store_count, 0x400e, bits32)                                                \
	FIELD(exit_msr_load_count, 0x4010, bits32)                                                 \
	FIELD(entry_controls, 0x4012, bits32)                                                      \
	FIELD(entry_msr_load_count, 0x4014, bits32)                                                \
	FIELD(entry_event, 0x4016, bits32)                                                         \
	FIELD(entry_event_error, 0x4018, bits32)                                                   \
	FIELD(entry_instruction_length, 0x401a, bits32)                                            \
	FIELD(secondary_controls, 0x401e, bits32)                                                  \
	FIELD(instruction_error, 0x4400, bits32)                                                   \
	FIELD(exit_reason, 0x4402, bits32)                                                         \
	FIELD(exit_event, 0x4404, bits32)                                                          \
	FIELD(exit_event_error, 0x4406, bits32)                                                    \
	FIELD(vectoring_event, 0x4408, bits32)                                                     \
	FIELD(vectoring_event_error, 0x440a, bits32)                                               \
	FIELD(exit_instruction_length, 0x440c, bits32)                                             \
	FIELD(guest_es_limit, 0x4800, bits32)                                                      \
	FIELD(guest_cs_limit, 0x4802, bits32)                                                      \
	FIELD(guest_ss_limit, 0x4804, bits32)                                                      \
	FIELD(guest_ds_limit, 0x4806, bits32)                                                      \
	FIELD(guest_fs_limit, 0x4808, bits32)                                                      \
	FIELD(guest_gs_limit, 0x480a, bits32)                                                      \
	FIELD(guest_ldtr_limit, 0x480c, bits32)                                                    \
	FIELD(guest_tr_limit, 0x480e, bits32)                                                      \
	FIELD(guest_gdtr_limit, 0x4810, bits32)                                                    \
	FIELD(guest_idtr_limit, 0x4812, bits32)                                                    \
	FIELD(guest_es_rights, 0x4814, bits32)                                                     \
	FIELD(guest_cs_rights, 0x4816, bits32)                                                     \
	FIELD(guest_ss_rights, 0x4818, bits32)                                                     \
	FIELD(guest_ds_rights, 0x481a, bits32)                                                     \
	FIELD(guest_fs_rights, 0x481c, bits32)                                                     \
	FIELD(guest_gs_rights, 0x481e, bits32)                                                     \
	FIELD(guest_ldtr_rights, 0x4820, bits32)                                                   \
	FIELD(guest_tr_rights, 0x4822, bits32)                                                     \
	FIELD(guest_interruptibility, 0x4824, bits32)                                              \
	FIELD(guest_activity, 0x4826, bits32)                                                      \
	FIELD(guest_sysenter_cs, 0x482a, bits32)                                                   \
	FIELD(preemption_timer, 0x482e, bits32)                                                    \
	FIELD(host_sysenter_cs, 0x4c00, bits32)                                                    \
	/* natural width: control, read-only, guest state, host state */                           \
	FIELD(cr0_mask, 0x6000, natural)                                                           \
	FIELD(cr4_mask, 0x6002, natural)                                                           \
	FIELD(cr0_shadow, 0x6004, natural)                                                         \
	FIELD(cr4_shadow, 0x6006, natural)                                                         \
	FIELD(exit_qualification, 0x6400, natural)                                                 \
	FIELD(guest_cr0, 0x6800, natural)                                                          \
	FIELD(guest_cr3, 0x6802, natural)                                                          \
	FIELD(guest_cr4, 0x6804, natural)                                                          \
	FIELD(guest_es_base, 0x6806, natural)                                                      \
	FIELD(guest_cs_base, 0x6808, natural)                                                      \
	FIELD(guest_ss_base, 0x680a, natural)                                                      \
	FIELD(guest_ds_base, 0x680c, natural)                                                      \
	FIELD(guest_fs_base, 0x680e, natural)                                                      \
	FIELD(guest_gs_base, 0x6810, natural)                                                      \
	FIELD(guest_ldtr_base, 0x6812, natural)                                                    \
	FIELD(guest_tr_base, 0x6814, natural)                                                      \
	FIELD(guest_gdtr_base, 0x6816, natural)                                                    \
	FIELD(guest_idtr_base, 0x6818, natural)                                                    \
	FIELD(guest_dr7, 0x681a, natural)                                                          \
	FIELD(guest_rsp, 0x681c, natural)                                                          \
	FIELD(guest_rip, 0x681e, natural)                                                          \
	FIELD(guest_rflags, 0x6820, natural)                                                       \
	FIELD(guest_pending_debug, 0x6822, natural)                                                \
	FIELD(guest_sysenter_esp, 0x6824, natural)                                                 \
	FIELD(guest_sysenter_eip, 0x6826, natural)                                                 \
	FIELD(host_cr0, 0x6c00, natural)                                                           \
	FIELD(host_cr3, 0x6c02, natural)                                                           \
	FIELD(host_cr4, 0x6c04, natural)                                                           \
	FIELD(host_fs_base, 0x6c06, natural)                                                       \
	FIELD(host_gs_base, 0x6c08, natural)                                                       \
	FIELD(host_tr_base, 0x6c0a, natural)                                                       \
	FIELD(host_gdtr_base, 0x6c0c, natural)                                                     \
	FIELD(host_idtr_base, 0x6c0e, natural)                                                     \
	FIELD(host_sysenter_esp, 0x6c10, natural)                                                  \
	FIELD(host_sysenter_eip, 0x6c12, natural)                                                  \
	FIELD(host_rsp, 0x6c14, natural)                                                           \
	FIELD(host_rip, 0x6c16, natural)

enum vmcs_field {
#define VMCS_FIELD_ENUM(name, encoding, width) VMCS_##name = (encoding),
	VMCS_FIELDS(VMCS_FIELD_ENUM)
#undef VMCS_FIELD_ENUM
};

/* Bits 14:13 of an encoding are its width: a row of the table that contradicts itself fails. */
enum vmcs_width {
	VMCS_WIDTH_bits16,
	VMCS_WIDTH_bits64,
	VMCS_WIDTH_bits32,
	VMCS_WIDTH_natural,
};
#define VMCS_FIELD_CHECK(name, encoding, width)                                                    \
	_Static_assert(((encoding) >> 13 & 3) == VMCS_WIDTH_##width, #name);
VMCS_FIELDS(VMCS_FIELD_CHECK)
#undef VMCS_FIELD_CHECK

/* Panics with the field's name and the instruction error. */
_Noreturn void vmcs_access_failed(enum vmcs_field field, const char *instruction)
	__attribute__((cold));

#ifdef AEROSTAT_HOST_TEST

/* A fake processor has them: tests/host/fake/vmcs.c. */
MUST_CHECK bool vmx_vmread(uint64_t field, uint64_t *value);
MUST_CHECK bool vmx_vmwrite(uint64_t field, uint64_t value);

#else

/* Each answers whether it succeeded (SDM vol. 3, 31.2). */
MUST_CHECK static inline bool vmx_vmread(uint64_t field, uint64_t *value)
{
	bool failed;

	__asm__ volatile("vmread %2, %1" : "=@ccbe"(failed), "=r"(*value) : "r"(field));
	return !failed;
}

MUST_CHECK static inline bool vmx_vmwrite(uint64_t field, uint64_t value)
{
	bool failed;

	__asm__ volatile("vmwrite %1, %2" : "=@ccbe"(failed) : "r"(value), "r"(field) : "memory");
	return !failed;
}

#endif

static inline uint64_t vmcs_read(enum vmcs_field field)
{
	uint64_t value;

	if (__builtin_expect(!vmx_vmread(field, &value), 0)) {
		vmcs_access_failed(field, "VMREAD");
	}
	return value;
}

static inline void vmcs_write(enum vmcs_field field, uint64_t value)
{
	if (__builtin_expect(!vmx_vmwrite(field, value), 0)) {
		vmcs_access_failed(field, "VMWRITE");
	}
}

#define VMCS_FIELD_ACCESSORS(name, encoding, width)                                                \
	static inline vmcs_##width##_t vmcs_read_##name(void)                                      \
	{                                                                                          \
		return (vmcs_##width##_t)vmcs_read(VMCS_##name);                                   \
	}                                                                                          \
	static inline void vmcs_write_##name(vmcs_##width##_t value)                               \
	{                                                                                          \
		vmcs_write(VMCS_##name, value);                                                    \
	}
VMCS_FIELDS(VMCS_FIELD_ACCESSORS)
#undef VMCS_FIELD_ACCESSORS

/* "guest_cr0", or "unknown field". */
const char *vmcs_field_name(enum vmcs_field field);

/* What the number in instruction_error means (SDM vol. 3, 31.4). */
const char *vmx_instruction_error_text(uint32_t error);

#endif
