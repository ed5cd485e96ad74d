#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: CBMC on one function of C.
#
# One would guess: with --bounds-check each index is compared with the length of its array.
# What happens: for an array that is a member of a struct, that holds where the struct is named. Where
#   it is reached by a pointer (p->a[i]) there is no such property, and --pointer-check asks only
#   whether the access stays inside the whole object: an index that leads into the next member is
#   no failure. So a function that takes its state by a pointer proves nothing of its indices, and
#   a harness has to state them itself. An index that leaves the struct is found.
# Versions: cbmc 6.6.0-4 (trixie).
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs gcc grep

cat >"$T/case.c" <<'END'
struct state {
	unsigned count;
	unsigned entries[4];
	unsigned behind[4];
};

static struct state state;

static unsigned by_pointer(const struct state *of, unsigned i)
{
	return of->entries[i];
}

static unsigned by_name(unsigned i)
{
	return state.entries[i];
}

int main(void)
{
	unsigned i;
	__CPROVER_assume(i < LIMIT);
	return (int)(BY_NAME ? by_name(i) : by_pointer(&state, i));
}
END

# expect WANTED WHAT LIMIT BY_NAME: "found" or "not found", for all indices below LIMIT
expect() {
	local seen="not found" rc
	timeout 60 "${RUN[@]}" "$T/case.c" -D "LIMIT=$3" -D "BY_NAME=$4" --bounds-check --pointer-check \
		>"$T/log" 2>&1
	rc=$?
	[ "$rc" = 0 ] || [ "$rc" = 10 ] || cannot "cbmc ended with $rc: $(tail -n 1 "$T/log")"
	[ "$rc" = 0 ] || seen=found
	printf '  %-46s %s\n' "$2" "$seen"
	[ "$seen" = "$1" ] || differs "$2: $seen"
}

unpack_all trixie trixie cbmc=6.6.0-4
with_loader trixie cbmc
"${RUN[@]}" --version
expect "not found" "by name, indices 0 to 3 of 4" 4 1
expect found "by name, indices 0 to 5 of 4" 6 1
expect "not found" "by pointer, indices 0 to 3 of 4" 4 0
expect "not found" "by pointer, indices 0 to 5 of 4" 6 0
expect found "by pointer, beyond the struct" 12 0
echo "AS STATED: behind a pointer to its struct, an array's own length is not checked"
