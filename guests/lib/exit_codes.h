/* SPDX-License-Identifier: BSD-2-Clause */
/* With which code a guest ends, and what that says. */
#ifndef GUESTS_LIB_EXIT_CODES_H
#define GUESTS_LIB_EXIT_CODES_H

enum guest_exit {
	GUEST_EXIT_SUCCESS = 0,
	GUEST_EXIT_START = 1,	    /* the start information or the interface is not what we know */
	GUEST_EXIT_ARGUMENTS = 2,   /* an argument is unknown or malformed */
	GUEST_EXIT_MEMORY = 3,	    /* a byte is not what was written there */
	GUEST_EXIT_DIGEST = 4,	    /* a computation came out wrong */
	GUEST_EXIT_LEAK = 5,	    /* saw what belongs to another VM, or a page that is not zero */
	GUEST_EXIT_LIMIT = 6,	    /* a measurement is above its limit */
	GUEST_EXIT_NO_MEMORY = 7,   /* RAM is too small for what the arguments ask for */
	GUEST_EXIT_INTERFACE = 8,   /* the hypervisor answered other than docs/abi.md says */
	GUEST_EXIT_EXCEPTION = 100, /* + vector: a processor exception in the guest */
};

#endif
