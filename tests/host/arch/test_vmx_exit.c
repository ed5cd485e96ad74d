/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a raw exit to a neutral one: arch/x86/vmx/vmx_exit.c on a VMCS in memory, with the entry
 * that follows. Not the NMI, which goes through the host's own gate.
 */
#include "fake/vtx.h"

#include <string.h>

#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/guest/guest_exit.h"
#include "arch/x86/vmx/vmx_reasons.h"

/* The processor found fault with the guest's state at the entry: its VM's end, nobody else's. */
static void test_entry_that_fails(void **state)
{
	(void)state;
	vtx_action = EXIT_RESUME; /* whatever the answer is */
	fake_vmx_set(VMCS_guest_rflags, 0);
	assert_false(vtx_exit_with(REASON_ENTRY_FAILED | REASON_INVALID_GUEST_STATE, 0));
	assert_int_equal(vtx_exit.kind, VM_EXIT_ENTRY_FAILED);
	assert_non_null(strstr(vtx_exit.text, "breaks a rule"));
	assert_non_null(strstr(fake_log_text, "entry-failed reason=33"));
	assert_true(vtx_vmx()->arch.entry_failed);
}

static void test_hypercalls_know_who_calls(void **state)
{
	static const struct {
		uint64_t cr0;
		uint32_t ss_rights;
		bool privileged;
	} callers[] = {
		{CR0_PE, 0xc093, true},	 {CR0_PE, 0xc0b3, false}, {CR0_PE, 0xc0d3, false},
		{CR0_PE, 0xc0f3, false}, {0, 0x93, false},
	};
	(void)state;

	for (unsigned i = 0; i < sizeof(callers) / sizeof(callers[0]); i++) {
		uint64_t before = vtx_vcpu->exit_count;

		vtx_vmx()->arch.cr0 = callers[i].cr0;
		fake_vmx_set(VMCS_guest_ss_rights, callers[i].ss_rights);
		vtx_privileged = !callers[i].privileged;
		vtx_action = EXIT_ADVANCE;
		assert_true(vtx_hypercall());
		assert_int_equal(vtx_privileged, callers[i].privileged);
		assert_int_equal(vtx_vcpu->exit_count, before + 1);
	}
}

static void test_interrupt_of_the_host(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_event, EVENT_VALID | EVENT_TYPE_EXTERNAL | 0xf1);
	assert_true(vtx_exit_with(REASON_EXTERNAL_INTERRUPT, 0));
	assert_int_equal(vtx_interrupts, 1);
	assert_int_equal(vtx_interrupt, 0xf1);
	assert_int_equal(vtx_exit.kind, VM_EXIT_INTERRUPT);
}

/* Exit qualification of a port access (SDM vol. 3, table 28-5). */
static uint64_t qualification(uint16_t port, unsigned bytes, bool in, bool string)
{
	return (uint64_t)port << 16 | (uint64_t)string << 4 | (uint64_t)in << 3 | (bytes - 1);
}

static void test_port_access(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 12; i++) {
		unsigned bytes = 1u << i % 3;
		uint16_t port = (uint16_t)(0xfff0 + i);
		bool in = i / 3 % 2, string = i / 6;

		fake_vmx_set(VMCS_exit_qualification, qualification(port, bytes, in, string));
		assert_true(vtx_exit_with(REASON_IO, 1));
		assert_int_equal(vtx_exit.kind, VM_EXIT_IO);
		assert_int_equal(vtx_exit.io.port, port);
		assert_int_equal(vtx_exit.io.bytes, bytes);
		assert_int_equal(vtx_exit.io.in, in);
		assert_int_equal(vtx_exit.io.string, string);
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);
	}
}

/* DR0 on port 0x60 for one byte, DR3 on 0x64 for four. */
#define BOTH_PORTS (0x400ull | 1u << 0 | 1u << 6 | 2u << 16 | 2u << 28 | 3u << 30)

static uint64_t pending_after(uint16_t port, unsigned bytes, uint64_t dr7)
{
	fake_vmx_set(VMCS_guest_pending_debug, 0);
	fake_vmx_set(VMCS_guest_dr7, dr7);
	fake_vmx_set(VMCS_exit_qualification, qualification(port, bytes, false, false));
	(void)vtx_exit_with(REASON_IO, 2);
	return fake_vmx_get(VMCS_guest_pending_debug);
}

static void test_port_breakpoints(void **state)
{
	(void)state;
	write_dr0(0x60);
	write_dr3(0x64);
	guest_write(vtx_vcpu, GUEST_CR4, CR4_DE);
	vtx_action = EXIT_ADVANCE;
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), VTX_BREAKPOINT | 1);
	assert_int_equal(pending_after(0x66, 2, BOTH_PORTS), VTX_BREAKPOINT | 8);
	assert_int_equal(pending_after(0x61, 1, BOTH_PORTS), 0);
	assert_int_equal(pending_after(0x60, 1, 0x400), 0);
	/* Together with a step. */
	vtx_flags(RFLAGS_IF | RFLAGS_TF);
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), VTX_BREAKPOINT | VTX_STEP | 1);
	vtx_flags(RFLAGS_IF);
	/* What else is pending stays. */
	fake_vmx_set(VMCS_exit_qualification, qualification(0x64, 4, true, false));
	fake_vmx_set(VMCS_guest_pending_debug, VTX_BREAKPOINT | 1);
	fake_vmx_set(VMCS_guest_dr7, BOTH_PORTS);
	assert_true(vtx_exit_with(REASON_IO, 2));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), VTX_BREAKPOINT | 9);
	/* Not before the access is done, and not without CR4.DE. */
	vtx_action = EXIT_RESUME;
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), 0);
	vtx_action = EXIT_ADVANCE;
	guest_write(vtx_vcpu, GUEST_CR4, 0);
	assert_int_equal(pending_after(0x60, 1, BOTH_PORTS), 0);
	vtx_action = EXIT_RESUME;
}

/* ---- Which exit is what ---- */

/* Those that concern the processor alone: what becomes of them, without kernel/exit/exit.c. */
#define DONE 0
static const struct {
	uint32_t reason;
	uint32_t vector;
} processors_own[] = {
	{REASON_INVD, DONE},
	{REASON_WBINVD, DONE},
	{REASON_CPUID, DONE},
	{REASON_RDMSR, VECTOR_PROTECTION}, /* there is none of number 0 */
	{REASON_WRMSR, VECTOR_PROTECTION},
	{REASON_XSETBV, VECTOR_UNDEFINED}, /* CR4.OSXSAVE is clear */
	{REASON_GETSEC, VECTOR_UNDEFINED},
	{REASON_RSM, VECTOR_UNDEFINED},
	{REASON_VMCLEAR, VECTOR_UNDEFINED},
	{REASON_VMLAUNCH, VECTOR_UNDEFINED},
	{REASON_VMPTRLD, VECTOR_UNDEFINED},
	{REASON_VMPTRST, VECTOR_UNDEFINED},
	{REASON_VMREAD, VECTOR_UNDEFINED},
	{REASON_VMRESUME, VECTOR_UNDEFINED},
	{REASON_VMWRITE, VECTOR_UNDEFINED},
	{REASON_VMXOFF, VECTOR_UNDEFINED},
	{REASON_VMXON, VECTOR_UNDEFINED},
	{REASON_MWAIT, VECTOR_UNDEFINED},
	{REASON_MONITOR, VECTOR_UNDEFINED},
	{REASON_INVEPT, VECTOR_UNDEFINED},
	{REASON_INVVPID, VECTOR_UNDEFINED},
	{REASON_VMFUNC, VECTOR_UNDEFINED},
	{REASON_ENCLS, VECTOR_UNDEFINED},
};
#define PROCESSORS_OWN (sizeof(processors_own) / sizeof(processors_own[0]))

static void test_exits_of_the_processor_alone(void **state)
{
	(void)state;
	vtx_action = EXIT_ADVANCE;
	vtx_exit.kind = VM_EXIT_UNKNOWN;
	for (unsigned i = 0; i < PROCESSORS_OWN; i++) {
		uint32_t vector = processors_own[i].vector;
		uint64_t before = vtx_vcpu->exit_count;

		fake_vmx_set(VMCS_guest_rip, 0x1000);
		vtx_exit.raw_reason = ~0u;
		assert_true(vtx_exit_with(processors_own[i].reason, 2));
		assert_int_equal(vtx_exit.raw_reason, ~0u);
		assert_int_equal(vtx_vcpu->exit_count, before + 1);
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), vector == DONE ? 0x1002 : 0x1000);
		if (vector != DONE) {
			assert_int_equal(
				fake_vmx_delivered.info,
				EVENT_VALID | EVENT_TYPE_EXCEPTION | vector |
					(vector == VECTOR_PROTECTION ? EVENT_HAS_ERROR : 0));
		}
	}
}

/* Every reason that there is, and some that there are not. */
static void test_kinds_of_exits(void **state)
{
	static const struct {
		uint32_t reason;
		enum vm_exit_kind kind;
	} known[] = {
		{REASON_TRIPLE_FAULT, VM_EXIT_TRIPLE_FAULT},
		{REASON_INTERRUPT_WINDOW, VM_EXIT_WINDOW},
		{REASON_NMI_WINDOW, VM_EXIT_WINDOW},
		{REASON_HLT, VM_EXIT_HLT},
		{REASON_EPT_VIOLATION, VM_EXIT_S2_FAULT},
		{REASON_PREEMPTION_TIMER, VM_EXIT_SLICE_END},
	};
	/* These have tests of their own. */
	const uint64_t skipped = 1ull << REASON_EXCEPTION_OR_NMI |
				 1ull << REASON_EXTERNAL_INTERRUPT | 1ull << REASON_CR_ACCESS |
				 1ull << REASON_IO | 1ull << REASON_RDPMC;
	(void)state;

	for (uint32_t reason = 0; reason < 80; reason++) {
		enum vm_exit_kind kind = VM_EXIT_UNKNOWN;
		unsigned before = vtx_exits;
		bool own = false;

		for (unsigned i = 0; i < PROCESSORS_OWN; i++) {
			own = own || processors_own[i].reason == reason;
		}
		if (own) {
			continue;
		}
		if (reason < 64 && skipped >> reason & 1) {
			continue;
		}
		for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
			kind = known[i].reason == reason ? known[i].kind : kind;
		}
		assert_true(vtx_exit_with(reason, 2));
		assert_int_equal(vtx_exits, before + 1);
		assert_int_equal(vtx_exit.kind, kind);
		assert_int_equal(vtx_exit.raw_reason, reason);
		if (kind == VM_EXIT_UNKNOWN) {
			assert_string_equal(vtx_exit.text, vmx_reason_text(reason));
		}
	}
}

static void test_operands_of_exits(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_guest_physical_address, 0x123456789000);
	assert_true(vtx_exit_with(REASON_EPT_VIOLATION, 0));
	assert_int_equal(vtx_exit.fault.address.v, 0x123456789000);
	/* ECX and EDX:EAX, here of SYSENTER_EIP. */
	vtx_vcpu->regs[GPR_RCX] = 0xffffffff00000176;
	vtx_vcpu->regs[GPR_RAX] = 0xffffffff00000d01;
	vtx_vcpu->regs[GPR_RDX] = 0x1234;
	assert_true(vtx_exit_with(REASON_WRMSR, 2));
	assert_int_equal(fake_vmx_get(VMCS_guest_sysenter_eip), 0x123400000d01);
	vtx_vcpu->regs[GPR_RAX] = vtx_vcpu->regs[GPR_RDX] = 0;
	assert_true(vtx_exit_with(REASON_RDMSR, 2));
	assert_int_equal(vtx_vcpu->regs[GPR_RAX], 0xd01);
	assert_int_equal(vtx_vcpu->regs[GPR_RDX], 0x1234);
	/* There is no counter: #GP, whatever the answer to other exits. */
	assert_true(vtx_exit_with(REASON_RDPMC, 2));
	assert_int_equal(fake_vmx_delivered.info,
			 EVENT_VALID | EVENT_TYPE_EXCEPTION | EVENT_HAS_ERROR | 13);
	assert_int_equal(fake_vmx_delivered.error, 0);
}

/* ---- Control registers ---- */

#define NEW_CR4 (0xabcd00000000 | CR4_DE | CR4_PGE)
#define ACCESS(number, type, gpr) ((uint64_t)(number) | (type) << 4 | (gpr) << 8)

static void test_control_register_access(void **state)
{
	(void)state;
	for (unsigned gpr = 0; gpr < GPR_COUNT; gpr++) {
		/* Outside 64-bit code registers have 32 bits. All others hold what is refused. */
		memset(vtx_vcpu->regs, 0xff, sizeof(vtx_vcpu->regs));
		fake_vmx_set(VMCS_guest_rsp, gpr == GPR_RSP ? NEW_CR4 : ~0ull);
		if (gpr != GPR_RSP) {
			vtx_vcpu->regs[gpr] = NEW_CR4;
		}
		guest_write(vtx_vcpu, GUEST_CR4, 0);
		fake_vmx_set(VMCS_exit_qualification, ACCESS(4, 0, gpr));
		assert_true(vtx_exit_with(REASON_CR_ACCESS, 3));
		assert_int_equal(guest_read(vtx_vcpu, GUEST_CR4), (uint32_t)NEW_CR4);
		vtx_vmx()->cr8 = 5;
		fake_vmx_set(VMCS_guest_rip, 0x1000);
		fake_vmx_set(VMCS_exit_qualification, ACCESS(8, 1, gpr));
		assert_true(vtx_exit_with(REASON_CR_ACCESS, 4));
		assert_int_equal(guest_gpr_read(vtx_vcpu, gpr), 5);
		assert_int_equal(fake_vmx_get(VMCS_guest_rip), 0x1004);
	}
	fake_vmx_set(VMCS_exit_qualification, ACCESS(3, 1, 0));
	assert_true(vtx_exit_with(REASON_CR_ACCESS, 3));
	assert_int_equal(vtx_exit.kind, VM_EXIT_UNKNOWN);
	guest_write(vtx_vcpu, GUEST_CR0, CR0_PE | CR0_ET | CR0_TS | CR0_PG);
	fake_vmx_set(VMCS_exit_qualification, ACCESS(5, 2, 0));
	assert_true(vtx_exit_with(REASON_CR_ACCESS, 2));
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR0), CR0_PE | CR0_ET | CR0_PG);
	/* LMSW cannot clear PE, and reaches four bits only. */
	fake_vmx_set(VMCS_exit_qualification, ACCESS(5, 3, 0) | 0xfff2ull << 16);
	assert_true(vtx_exit_with(REASON_CR_ACCESS, 3));
	assert_int_equal(guest_read(vtx_vcpu, GUEST_CR0), CR0_PE | CR0_ET | CR0_MP | CR0_PG);
}

/* ---- Exceptions ---- */

static bool exception(uint32_t type, uint8_t vector, uint32_t more)
{
	fake_vmx_set(VMCS_exit_event, EVENT_VALID | type | vector | more);
	return vtx_exit_with(REASON_EXCEPTION_OR_NMI, 1);
}

#define NO_TRANSACTION (1ull << 16)
#define ACCESS_DETECTED (1ull << 13)

/* What the processor does itself where #DB does not exit. */
static void test_debug_exception(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_guest_dr7, 0x2400);
	write_dr6(0xffff0ff0 | 0xf);
	fake_vmx_set(VMCS_exit_qualification, 2 | VTX_STEP | VTX_BREAKPOINT);
	assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_DEBUG, 0));
	assert_int_equal(fake_vmx_delivered.info, EVENT_VALID | EVENT_TYPE_EXCEPTION | 1);
	/* The breakpoints of before go. */
	assert_int_equal(read_dr6(), 0xffff0ff0 | 2 | DR6_SINGLE_STEP);
	assert_int_equal(fake_vmx_get(VMCS_guest_dr7), 0x400);
	/* BD and BS are for the guest to clear. In a transaction the bit is clear. */
	fake_vmx_set(VMCS_exit_qualification, ACCESS_DETECTED | NO_TRANSACTION);
	assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_DEBUG, 0));
	assert_int_equal(read_dr6(),
			 (0xffff0ff0 | DR6_SINGLE_STEP | ACCESS_DETECTED) & ~NO_TRANSACTION);
	fake_vmx_set(VMCS_exit_qualification, 1);
	assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_DEBUG, 0));
	assert_int_equal(read_dr6(), 0xffff0ff0 | DR6_SINGLE_STEP | ACCESS_DETECTED | 1);
}

static void test_debug_exception_in_a_shadow(void **state)
{
	(void)state;
	for (uint32_t shadow = VTX_BY_STI; shadow <= VTX_BY_MOV_SS; shadow++) {
		/* VM entry refuses a shadow with TF and without the step; the fake does, too. */
		vtx_flags(RFLAGS_IF | RFLAGS_TF);
		vtx_blocking(shadow);
		fake_vmx_set(VMCS_guest_pending_debug, 1);
		assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_DEBUG, 0));
		assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), VTX_STEP | 1);
	}
	vtx_blocking(0);
	fake_vmx_set(VMCS_guest_pending_debug, 0);
	assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_DEBUG, 0));
	assert_int_equal(fake_vmx_get(VMCS_guest_pending_debug), 0);
}

/* INT1: a trap behind an instruction, which is not executed again. */
static void test_int1(void **state)
{
	(void)state;
	assert_true(exception(EVENT_TYPE_PRIVILEGED_SOFTWARE, VECTOR_DEBUG, 0));
	assert_int_equal(fake_vmx_delivered.info, EVENT_VALID | EVENT_TYPE_PRIVILEGED_SOFTWARE | 1);
	assert_int_equal(fake_vmx_delivered.length, 1);
}

static void test_other_exceptions(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_event_error, 0);
	assert_true(exception(EVENT_TYPE_EXCEPTION, 17, EVENT_HAS_ERROR));
	assert_int_equal(fake_vmx_delivered.info,
			 EVENT_VALID | EVENT_TYPE_EXCEPTION | EVENT_HAS_ERROR | 17);
	assert_int_equal(fake_vmx_delivered.error, 0);
	/* One that nobody asked to see. */
	assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_UNDEFINED, 0));
	assert_int_equal(vtx_exit.kind, VM_EXIT_UNKNOWN);
	/* The machine's, not the guest's. */
	expect_panic("machine check", (void)exception(EVENT_TYPE_EXCEPTION, 18, 0));
}

static void test_exception_during_a_delivery(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_event_error, 0);
	/* The doorbell was on its way: it rings once more, behind the exception. */
	fake_vmx_set(VMCS_vectoring_event, VTX_EVENT_DOORBELL);
	assert_true(exception(EVENT_TYPE_EXCEPTION, 17, EVENT_HAS_ERROR));
	assert_int_equal(fake_vmx_delivered.info & EVENT_VECTOR, 17);
	assert_true(vtx_vcpu->doorbell_pending);
	fake_vmx_set(VMCS_vectoring_event, 0);
	assert_true(vtx_exit_with(REASON_INTERRUPT_WINDOW, 0));
	assert_int_equal(fake_vmx_delivered.info, VTX_EVENT_DOORBELL);
}

static void test_nmi_blocking_of_exceptions(void **state)
{
	(void)state;
	fake_vmx_set(VMCS_exit_event_error, 0);
	assert_true(exception(EVENT_TYPE_EXCEPTION, 17, EVENT_HAS_ERROR | EVENT_NMI_UNBLOCKED));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), VTX_BY_NMI);
	vtx_blocking(0);
	assert_true(exception(EVENT_TYPE_EXCEPTION, 17, EVENT_HAS_ERROR));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
	/* For a double fault the bit is undefined. */
	assert_true(exception(EVENT_TYPE_EXCEPTION, VECTOR_DOUBLE_FAULT,
			      EVENT_HAS_ERROR | EVENT_NMI_UNBLOCKED));
	assert_int_equal(fake_vmx_get(VMCS_guest_interruptibility), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, vtx_setup, vtx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_entry_that_fails),
		TEST(test_hypercalls_know_who_calls),
		TEST(test_interrupt_of_the_host),
		TEST(test_port_access),
		TEST(test_port_breakpoints),
		TEST(test_exits_of_the_processor_alone),
		TEST(test_kinds_of_exits),
		TEST(test_operands_of_exits),
		TEST(test_control_register_access),
		TEST(test_debug_exception),
		TEST(test_debug_exception_in_a_shadow),
		TEST(test_int1),
		TEST(test_other_exceptions),
		TEST(test_exception_during_a_delivery),
		TEST(test_nmi_blocking_of_exceptions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
