/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A sound world of two VMs with something of everything in it, for tests that damage one thing and
 * read what the auditor says.
 */
#ifndef FAKE_AUDITED_H
#define FAKE_AUDITED_H

#include "fake/world.h"

#include "mm/stage2/table.h"

extern struct s2 *audited_vm;	 /* small and large leaves, a balloon, a quarantine */
extern struct s2 *audited_other; /* some pages */
extern struct audit_report audited_report;

/* cmocka setup. */
int audited_setup(void **state);

void audited_run(void);

/* The damage is done: the auditor complains, and the first complaint contains `text`. */
void expect_complaint(const char *text);

uint64_t *audited_entry(const struct s2 *s2, uint64_t gfn, struct s2_path *path);
struct frame *audited_record(struct s2 *s2, uint64_t gfn);

/* The first frame in `state` that is in a list; of DIRTY ones, one that has another behind it. */
struct frame *audited_listed(enum frame_state state);

#define TEST(name) cmocka_unit_test_setup_teardown(name, audited_setup, world_teardown)

#endif
