/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How second-stage tables grow and shrink, shared by the files of mm/stage2 only. Growing is
 * prepared with spare table pages and then cannot fail; shrinking sends table pages through the
 * quarantine.
 */
#ifndef MM_STAGE2_SPLIT_H
#define MM_STAGE2_SPLIT_H

#include "base/status.h"
#include "mm/stage2/table.h"

struct s2_spares {
	unsigned count;
	pfn_t pages[S2_LEVELS];
};

/* Takes `count` table pages, all or none. */
MUST_CHECK enum status s2_spares_get(struct s2 *s2, unsigned count, struct s2_spares *spares);
void s2_spares_put_back(struct s2 *s2, struct s2_spares *spares);

/*
 * Cuts the entry where the path ends until it stands for an extent of `level`, using up the spares
 * (exactly path->level - level of them), and answers the new entry. EMPTY and BALLOONED entries
 * and leaves are all cut into 512 of the same.
 */
uint64_t *s2_split_to(struct s2 *s2, gfn_t gfn, struct s2_path *path, unsigned level,
		      struct s2_spares *spares);

/*
 * Replaces tables on the path that hold nothing, or nothing but ballooned entries, by one entry of
 * their parent, as far up as that goes (1 GiB entries at the most).
 */
void s2_collapse(struct s2 *s2, gfn_t gfn, struct s2_path *path);

/* Sends an unlinked table page to quarantine. */
void s2_revoke_table(struct s2 *s2, pfn_t table);

/* Does the table that `parent` points to for gfn hold a ballooned entry anywhere below? */
bool s2_any_ballooned(const struct s2 *s2, pfn_t parent, gfn_t gfn, unsigned level);

#endif
