/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exit codes (AMD APM vol. 2, appendix C) as one table: name, number, and what it means in a report
 * when nothing here expected it. Codes of exceptions are SVM_EXIT_EXCEPTION + vector.
 */
#ifndef ARCH_X86_SVM_SVM_EXITS_H
#define ARCH_X86_SVM_SVM_EXITS_H

#include "base/bits.h"

#include "base/types.h"

#define SVM_EXITS(EXIT)                                                                            \
	EXIT(CR0_READ, 0x00, "read of CR0")                                                        \
	EXIT(CR4_READ, 0x04, "read of CR4")                                                        \
	EXIT(CR0_WRITE, 0x10, "write of CR0")                                                      \
	EXIT(CR4_WRITE, 0x14, "write of CR4")                                                      \
	EXIT(CR8_WRITE, 0x18, "write of CR8")                                                      \
	EXIT(DR5_READ, 0x25, "read of DR5")                                                        \
	EXIT(DR7_READ, 0x27, "read of DR7")                                                        \
	EXIT(DR5_WRITE, 0x35, "write of DR5")                                                      \
	EXIT(DR7_WRITE, 0x37, "write of DR7")                                                      \
	EXIT(INTR, 0x60, "external interrupt")                                                     \
	EXIT(NMI, 0x61, "non-maskable interrupt")                                                  \
	EXIT(SMI, 0x62, "system management interrupt")                                             \
	EXIT(INIT, 0x63, "the machine's firmware or another processor sent INIT")                  \
	EXIT(VINTR, 0x64, "virtual interrupt")                                                     \
	EXIT(RDTSC, 0x6e, "RDTSC")                                                                 \
	EXIT(RDPMC, 0x6f, "RDPMC")                                                                 \
	EXIT(CPUID, 0x72, "CPUID")                                                                 \
	EXIT(RSM, 0x73, "RSM")                                                                     \
	EXIT(IRET, 0x74, "IRET")                                                                   \
	EXIT(SOFTWARE_INTERRUPT, 0x75, "INT")                                                      \
	EXIT(INVD, 0x76, "INVD")                                                                   \
	EXIT(PAUSE, 0x77, "PAUSE")                                                                 \
	EXIT(HLT, 0x78, "HLT")                                                                     \
	EXIT(INVLPG, 0x79, "INVLPG")                                                               \
	EXIT(INVLPGA, 0x7a, "INVLPGA")                                                             \
	EXIT(IO, 0x7b, "port access")                                                              \
	EXIT(MSR, 0x7c, "RDMSR or WRMSR")                                                          \
	EXIT(TASK_SWITCH, 0x7d, "the guest switched tasks in hardware, which is not offered")      \
	EXIT(FERR_FREEZE, 0x7e, "x87 error")                                                       \
	EXIT(SHUTDOWN, 0x7f, "triple fault")                                                       \
	EXIT(VMRUN, 0x80, "VMRUN")                                                                 \
	EXIT(VMMCALL, 0x81, "VMMCALL")                                                             \
	EXIT(VMLOAD, 0x82, "VMLOAD")                                                               \
	EXIT(VMSAVE, 0x83, "VMSAVE")                                                               \
	EXIT(STGI, 0x84, "STGI")                                                                   \
	EXIT(CLGI, 0x85, "CLGI")                                                                   \
	EXIT(SKINIT, 0x86, "SKINIT")                                                               \
	EXIT(RDTSCP, 0x87, "RDTSCP")                                                               \
	EXIT(INT1, 0x88, "INT1")                                                                   \
	EXIT(WBINVD, 0x89, "WBINVD")                                                               \
	EXIT(MONITOR, 0x8a, "MONITOR")                                                             \
	EXIT(MWAIT, 0x8b, "MWAIT")                                                                 \
	EXIT(MWAIT_ARMED, 0x8c, "MWAIT")                                                           \
	EXIT(XSETBV, 0x8d, "XSETBV")                                                               \
	EXIT(RDPRU, 0x8e, "RDPRU")                                                                 \
	EXIT(NESTED_PAGE_FAULT, 0x400, "second-stage fault")                                       \
	EXIT(BUSY, 0xfffffffe, "the control block is in use by another processor")                 \
	EXIT(INVALID, 0xffffffff, "the guest's state or its controls break a rule of VMRUN")

enum svm_exit_code {
#define SVM_EXIT_ENUM(name, number, text) SVM_EXIT_##name = (number),
	SVM_EXITS(SVM_EXIT_ENUM)
#undef SVM_EXIT_ENUM
};

#define SVM_EXIT_EXCEPTION 0x40u
#define SVM_EXIT_EXCEPTION_END 0x60u

/* exit_info_1 of a port access (APM vol. 2, 15.10.2); exit_info_2 is the next RIP. */
#define SVM_IO_IN BIT(0)
#define SVM_IO_STRING BIT(2)
#define SVM_IO_BYTES(info) ((info) >> 4 & 7)
#define SVM_IO_PORT(info) ((info) >> 16 & 0xffff)

/* Never NULL. */
const char *svm_exit_text(uint32_t code);

#endif
