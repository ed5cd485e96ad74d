/* SPDX-License-Identifier: BSD-2-Clause */
/* Exit qualifications that more than one file reads (SDM vol. 3, 28.2.1). */
#ifndef ARCH_X86_VMX_VMX_QUALIFICATION_H
#define ARCH_X86_VMX_VMX_QUALIFICATION_H

#include "base/bits.h"

/* Control-register access (table 28-3) */
#define CR_NUMBER(qualification) ((qualification)&0xf)
#define CR_ACCESS(qualification) ((qualification) >> 4 & 3)
#define CR_GPR(qualification) ((qualification) >> 8 & 0xf)
#define CR_LMSW_SOURCE(qualification) ((qualification) >> 16 & 0xffff)
#define CR_ACCESS_TO 0
#define CR_ACCESS_FROM 1
#define CR_ACCESS_CLTS 2
#define CR_ACCESS_LMSW 3

/* Port access (table 28-5) */
#define IO_BYTES(qualification) (((qualification)&7) + 1)
#define IO_IN BIT(3)
#define IO_STRING BIT(4)
#define IO_PORT(qualification) ((qualification) >> 16 & 0xffff)

#endif
