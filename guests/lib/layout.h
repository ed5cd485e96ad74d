/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers that the runtime's C and assembly share. */
#ifndef GUESTS_LIB_LAYOUT_H
#define GUESTS_LIB_LAYOUT_H

#define GUEST_CODE_SELECTOR 0x08
#define GUEST_DATA_SELECTOR 0x10
#define GUEST_STACK_BYTES 16384

#define EXCEPTION_COUNT 32
#define DOORBELL_VECTOR 64

/* struct vcpu, see vcpu.c; the base of GS points to that of the vCPU that asks. */
#define VCPU_INDEX 0
#define VCPU_DOORBELL_RUNG 4
#define VCPU_STACK_END 8
#define VCPU_ATTEMPT 16

#define ATTEMPT_NONE (-1)

#endif
