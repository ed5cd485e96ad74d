/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Basic exit reasons (SDM vol. 3, appendix C) as one table: number, name, and what it means in a
 * report when nothing here expected it.
 */
#ifndef ARCH_X86_VMX_VMX_REASONS_H
#define ARCH_X86_VMX_VMX_REASONS_H

#define VMX_REASONS(REASON)                                                                        \
	REASON(EXCEPTION_OR_NMI, 0, "an exception that is not intercepted")                        \
	REASON(EXTERNAL_INTERRUPT, 1, "external interrupt")                                        \
	REASON(TRIPLE_FAULT, 2, "triple fault")                                                    \
	REASON(INIT, 3, "the machine's firmware or another processor sent INIT")                   \
	REASON(STARTUP, 4, "another processor sent a start-up interrupt")                          \
	REASON(IO_SMI, 5, "system management interrupt")                                           \
	REASON(OTHER_SMI, 6, "system management interrupt")                                        \
	REASON(INTERRUPT_WINDOW, 7, "interrupt window")                                            \
	REASON(NMI_WINDOW, 8, "NMI window")                                                        \
	REASON(TASK_SWITCH, 9, "the guest switched tasks in hardware, which is not offered")       \
	REASON(CPUID, 10, "CPUID")                                                                 \
	REASON(GETSEC, 11, "GETSEC")                                                               \
	REASON(HLT, 12, "HLT")                                                                     \
	REASON(INVD, 13, "INVD")                                                                   \
	REASON(INVLPG, 14, "INVLPG")                                                               \
	REASON(RDPMC, 15, "RDPMC")                                                                 \
	REASON(RDTSC, 16, "RDTSC")                                                                 \
	REASON(RSM, 17, "RSM")                                                                     \
	REASON(VMCALL, 18, "VMCALL")                                                               \
	REASON(VMCLEAR, 19, "VMCLEAR")                                                             \
	REASON(VMLAUNCH, 20, "VMLAUNCH")                                                           \
	REASON(VMPTRLD, 21, "VMPTRLD")                                                             \
	REASON(VMPTRST, 22, "VMPTRST")                                                             \
	REASON(VMREAD, 23, "VMREAD")                                                               \
	REASON(VMRESUME, 24, "VMRESUME")                                                           \
	REASON(VMWRITE, 25, "VMWRITE")                                                             \
	REASON(VMXOFF, 26, "VMXOFF")                                                               \
	REASON(VMXON, 27, "VMXON")                                                                 \
	REASON(CR_ACCESS, 28, "a control-register access that is not intercepted")                 \
	REASON(DR_ACCESS, 29, "a debug-register access that is not intercepted")                   \
	REASON(IO, 30, "port access")                                                              \
	REASON(RDMSR, 31, "RDMSR")                                                                 \
	REASON(WRMSR, 32, "WRMSR")                                                                 \
	REASON(INVALID_GUEST_STATE, 33, "the guest's state breaks a rule of VM entry")             \
	REASON(MSR_LOADING, 34, "loading an MSR failed at VM entry")                               \
	REASON(MWAIT, 36, "MWAIT")                                                                 \
	REASON(MONITOR_TRAP, 37, "monitor trap")                                                   \
	REASON(MONITOR, 39, "MONITOR")                                                             \
	REASON(PAUSE, 40, "PAUSE")                                                                 \
	REASON(MACHINE_CHECK_AT_ENTRY, 41, "a machine check came at VM entry")                     \
	REASON(TPR_BELOW_THRESHOLD, 43, "task priority below threshold")                           \
	REASON(APIC_ACCESS, 44, "APIC access")                                                     \
	REASON(VIRTUALIZED_EOI, 45, "virtualized end of interrupt")                                \
	REASON(GDTR_IDTR, 46, "access to GDTR or IDTR")                                            \
	REASON(LDTR_TR, 47, "access to LDTR or TR")                                                \
	REASON(EPT_VIOLATION, 48, "second-stage fault")                                            \
	REASON(EPT_MISCONFIGURATION, 49, "an entry of the second-stage tables is malformed")       \
	REASON(INVEPT, 50, "INVEPT")                                                               \
	REASON(RDTSCP, 51, "RDTSCP")                                                               \
	REASON(PREEMPTION_TIMER, 52, "preemption timer")                                           \
	REASON(INVVPID, 53, "INVVPID")                                                             \
	REASON(WBINVD, 54, "WBINVD")                                                               \
	REASON(XSETBV, 55, "XSETBV")                                                               \
	REASON(APIC_WRITE, 56, "APIC write")                                                       \
	REASON(RDRAND, 57, "RDRAND")                                                               \
	REASON(INVPCID, 58, "INVPCID")                                                             \
	REASON(VMFUNC, 59, "VMFUNC")                                                               \
	REASON(ENCLS, 60, "ENCLS")                                                                 \
	REASON(RDSEED, 61, "RDSEED")                                                               \
	REASON(PML_FULL, 62, "page-modification log full")                                         \
	REASON(XSAVES, 63, "XSAVES")                                                               \
	REASON(XRSTORS, 64, "XRSTORS")                                                             \
	REASON(UMWAIT, 67, "UMWAIT")                                                               \
	REASON(TPAUSE, 68, "TPAUSE")

enum vmx_reason {
#define VMX_REASON_ENUM(name, number, text) REASON_##name = (number),
	VMX_REASONS(VMX_REASON_ENUM)
#undef VMX_REASON_ENUM
};

/* Those that vmx_exit_quick() is asked about first: a bit for each. */
#define VMX_QUICK_REASONS                                                                          \
	(1ull << REASON_CPUID | 1ull << REASON_CR_ACCESS | 1ull << REASON_IO |                     \
	 1ull << REASON_RDMSR | 1ull << REASON_WRMSR)
#define VMX_QUICK_REASON_LAST REASON_WRMSR
_Static_assert(VMX_QUICK_REASONS >> VMX_QUICK_REASON_LAST == 1, "the last one");

/* Exit reason field: bits 15:0 are the basic reason. */
#define REASON_BASIC 0x0000ffffu
#define REASON_ENTRY_FAILED 0x80000000u

/* Text for a basic reason; never NULL. */
const char *vmx_reason_text(unsigned reason);

#endif
