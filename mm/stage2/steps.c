/* SPDX-License-Identifier: BSD-2-Clause */
/* See steps.h. */
#include "mm/stage2/steps.h"

#include "mm/stage2/table.h"

static enum s2_step_kind kind_of(enum s2_entry_kind kind)
{
	switch (kind) {
	case ENTRY_EMPTY:
		return S2_STEP_EMPTY;
	case ENTRY_BALLOONED:
		return S2_STEP_BALLOONED;
	case ENTRY_LEAF:
		return S2_STEP_LEAF;
	case ENTRY_TABLE:
		break;
	}
	return S2_STEP_TABLE;
}

static struct s2_step step_at(const struct s2_format *format, pfn_t table, gfn_t gfn,
			      unsigned level)
{
	unsigned index = entry_index(gfn, level);
	uint64_t value = entry_read(table_entry(table, index));
	struct s2_step step = {
		.level = level,
		.table = table,
		.index = index,
		.entry = value,
		.kind = kind_of(entry_kind(format, value, level)),
	};
	if (step.kind == S2_STEP_TABLE || step.kind == S2_STEP_LEAF) {
		step.pfn = entry_pfn(format, value);
		step.accessed = (value & format->accessed_flag) != 0;
		step.pinned = step.kind == S2_STEP_LEAF && (value & format->pinned_flag) != 0;
	}
	return step;
}

unsigned s2_steps(struct s2_locked locked, gfn_t gfn, struct s2_step steps[S2_LEVELS])
{
	struct s2_path path;
	unsigned count = 0;
	(void)s2_walk(locked.s2, gfn, &path);
	for (unsigned level = S2_LEVELS; level-- > path.level;) {
		steps[count++] = step_at(locked.s2->format, path.table[level], gfn, level);
	}
	return count;
}
