/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The auditor: recomputes ownership from the page tables and compares it with the frame table,
 * the pools, the promises and every counter. Time is linear in frames and table entries. Changes
 * nothing and never panics; the caller sees to it that nothing moves meanwhile.
 */
#ifndef MM_AUDIT_H
#define MM_AUDIT_H

#include "base/types.h"
#include "mm/stage2/map.h"

#define AUDIT_OWNERS_MAX 128
#define AUDIT_TEXT_BYTES 160

struct audit_report {
	uint64_t error_count;
	char first_error[AUDIT_TEXT_BYTES]; /* "" when there is none */
	uint64_t module_pages;		    /* kept for VMs that may begin later, or again */
};

/* Counts an error; the text is that of the first. For what is audited elsewhere. */
void audit_complain(struct audit_report *report, const char *what, uint64_t where, uint64_t found,
		    uint64_t expected);

/* `spaces` are all address spaces that exist. */
void audit_run(struct s2 *const *spaces, unsigned count, struct audit_report *report);

#endif
