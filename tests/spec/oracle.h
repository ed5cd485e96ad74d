/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The specification (spec.h) beside the real code. The linker's --wrap puts the functions of
 * oracle.c around those of the balloon core, the hypercalls and the second-stage tables, so that
 * nothing in the product knows of them: a build without ORACLE=1 is the same to the byte. After
 * every call, touch and teardown the answer must be one that the specification allows, and both
 * states the same; if not, the machine panics and shows both.
 *
 * Watched are the first ORACLE_VMS address spaces that exist at a time, of at most SPEC_PAGES_MAX
 * pages. Where calls are another dialect's (as=) the answers of a VM are not judged; its memory and
 * every array of ranges are.
 *
 * Locks: what is remembered of a VM belongs to the lock of its address space. The calls and touches
 * of one VM are served one at a time, by a lock that is taken before all others.
 */
#ifndef SPEC_ORACLE_H
#define SPEC_ORACLE_H

#include <stdint.h>

#define ORACLE_VMS 8

struct oracle_counts {
	uint64_t calls;	 /* hypercalls whose answers were judged */
	uint64_t arrays; /* of ranges */
	uint64_t touches;
	uint64_t fills;	   /* touches, and pages that the hypervisor fills for itself */
	uint64_t pages;	   /* compared, one by one */
	uint64_t ends;	   /* teardowns */
	uint64_t left_out; /* address spaces that were not watched */
};

/* Any CPU; sums that may be a moment old. */
extern struct oracle_counts oracle_counts;

#endif
