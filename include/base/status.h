/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How functions inside the hypervisor say what went wrong. Codes that guests see are separate
 * (abi/aerostat.h). kernel/exit/hypercall.c maps the error of a call, kernel/balloon/ranges.c the
 * status of each range; nothing else does.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

enum status {
	STATUS_OK = 0,
	STATUS_NO_MEMORY,	/* no frame of that order, or it is promised to another VM */
	STATUS_OUTSIDE,		/* address or frame number beyond the VM's RAM */
	STATUS_MISALIGNED,	/* not a multiple of its own size */
	STATUS_INVALID,		/* a value that is never allowed */
	STATUS_SURRENDERED,	/* the page, or all of the extent, is in the balloon already */
	STATUS_NOT_SURRENDERED, /* the page, or all of the extent, is not in the balloon */
	STATUS_MIXED,		/* part of the extent is in the balloon and part is not */
	STATUS_IN_USE,		/* the hypervisor itself uses the page (balloon page) */
	STATUS_UNSUPPORTED,	/* the processor lacks it */
	STATUS_EXISTS,		/* there is one already */
	STATUS_NOT_FOUND,
};

/* In front of every function that answers with a status: its value must not be dropped. */
#define MUST_CHECK __attribute__((warn_unused_result))

#endif
