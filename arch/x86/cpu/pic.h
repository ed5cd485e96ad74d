/* SPDX-License-Identifier: BSD-2-Clause */
/* The two legacy interrupt controllers, which we only silence. */
#ifndef ARCH_X86_CPU_PIC_H
#define ARCH_X86_CPU_PIC_H

#include "base/types.h"

/* Moves them to VECTOR_PIC.. and masks every line. */
void pic_disable(void);

/* A vector from a masked controller is a spurious IRQ 7 or 15: answers it as the chip needs. */
void pic_handle_spurious(uint8_t vector);

#endif
