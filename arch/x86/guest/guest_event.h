/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Interruption information: the format in which both vendors report and inject events (Intel SDM
 * vol. 3, 25.8.3 and 25.9.2; AMD APM vol. 2, 15.7.2 and 15.20), and what becomes of two events at
 * once. Pure.
 */
#ifndef ARCH_X86_GUEST_GUEST_EVENT_H
#define ARCH_X86_GUEST_GUEST_EVENT_H

#include "base/types.h"

#define EVENT_VECTOR 0x000000ffu
#define EVENT_TYPE 0x00000700u
#define EVENT_HAS_ERROR 0x00000800u
#define EVENT_NMI_UNBLOCKED 0x00001000u /* VT-x exits: an IRET had just ended the blocking */
#define EVENT_VALID 0x80000000u

#define EVENT_TYPE_EXTERNAL 0x000u
#define EVENT_TYPE_NMI 0x200u
#define EVENT_TYPE_EXCEPTION 0x300u
#define EVENT_TYPE_SOFTWARE_INTERRUPT 0x400u
#define EVENT_TYPE_PRIVILEGED_SOFTWARE 0x500u /* VT-x: INT1 */
#define EVENT_TYPE_SOFTWARE_EXCEPTION 0x600u  /* VT-x: INT3, INTO */

struct guest_event {
	uint32_t info;	 /* 0, or with EVENT_VALID */
	uint32_t error;	 /* with EVENT_HAS_ERROR */
	uint32_t length; /* VT-x: of the instruction that raised it, where software did */
};

/* Software raised it: delivery needs the instruction's length, and repeats the instruction. */
static inline bool event_is_software(uint32_t info)
{
	uint32_t type = info & EVENT_TYPE;

	return type == EVENT_TYPE_SOFTWARE_INTERRUPT || type == EVENT_TYPE_PRIVILEGED_SOFTWARE ||
	       type == EVENT_TYPE_SOFTWARE_EXCEPTION;
}

/*
 * AMD-V: some emulators report an interrupt as an exception, which has a vector below 32 and is not
 * the NMI's.
 */
static inline uint32_t event_normal(uint32_t info)
{
	if ((info & EVENT_TYPE) == EVENT_TYPE_EXCEPTION && (info & EVENT_VECTOR) > 31) {
		return (info & ~(EVENT_TYPE | EVENT_HAS_ERROR)) | EVENT_TYPE_EXTERNAL;
	}
	if ((info & (EVENT_TYPE | EVENT_VECTOR)) == (EVENT_TYPE_EXCEPTION | 2)) {
		return (info & ~(EVENT_TYPE | EVENT_HAS_ERROR)) | EVENT_TYPE_NMI;
	}
	return info;
}

/*
 * AMD-V, where the exit's RIP is that of the INT, INT3 or INTO which raised the event: it comes
 * again when the instruction is repeated.
 */
static inline bool event_is_repeated(uint32_t info)
{
	uint32_t type = info & EVENT_TYPE;
	uint32_t vector = info & EVENT_VECTOR;

	return type == EVENT_TYPE_SOFTWARE_INTERRUPT ||
	       (type == EVENT_TYPE_EXCEPTION && (vector == 3 || vector == 4));
}

enum event_outcome {
	EVENT_DELIVER,	    /* *result is to be delivered */
	EVENT_TRIPLE_FAULT, /* the processor would shut down */
};

/*
 * The exception `second` arose while `first` (perhaps none) was being delivered: SDM vol. 3, 6.15,
 * table 6-5. *lost: `first` was an external interrupt or an NMI and has not been delivered.
 */
enum event_outcome event_combine(const struct guest_event *first, const struct guest_event *second,
				 struct guest_event *result, bool *lost);

#endif
