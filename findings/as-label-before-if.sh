#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: GNU as on five lines of assembly.
#
# One would guess: a label may stand in front of any directive on the same line, as it may in front
#   of an instruction.
# What happens: in a part that is left out, `.if`, `.else` and `.endif` count only where they begin
#   their line. Behind a label `.if` does not nest, so that the next `.endif` ends the part too
#   early and the last one is an error; `.endif` does not end it; and `.else` is passed over with no
#   error at all: both branches are left out. Where code is assembled all three work behind a label.
#   So a macro with `1: .if \flag` is right until it is used within a condition that is false.
# Versions: binutils-x86-64-linux-gnu 2.40-2 (bookworm), 2.44-3 (trixie),
#   2.47.50.20261021-1 (testing); all three behave alike.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs grep od

# assemble NAME LINE...: sets RESULT to the bytes of code that came of it, in hex, or to "error"
assemble() {
	local name=$T/$1
	shift
	printf '%s\n' "$@" >"$name.s"
	RESULT=error
	if "${RUN[@]}" -o "$name.o" "$name.s" 2>"$name.err"; then
		"${COPY[@]}" -O binary -j .text "$name.o" "$name.bin" || cannot "objcopy does not take $name.o"
		RESULT=$(od -An -tx1 "$name.bin" | tr -d ' \n')
	fi
}

# expect WANTED WHAT LINE...: as the bytes or "error"
expect() {
	local wanted=$1 what=$2
	shift 2
	assemble case "$@"
	printf '  %-34s %s\n' "$what" "${RESULT:-nothing}"
	[ "$RESULT" = "$wanted" ] || differs "$what: ${RESULT:-nothing}, and not ${wanted:-nothing}"
}

# check SUITE VERSION
check() {
	unpack_all "$1" "$1" "binutils-x86-64-linux-gnu=$2"
	with_loader "$1" x86_64-linux-gnu-objcopy
	COPY=("${RUN[@]}")
	with_loader "$1" x86_64-linux-gnu-as
	"${RUN[@]}" --version | head -n 1
	expect 90 "assembled: label before .if" '.if 1' '4: .if 1' nop .endif .endif
	expect 90 "assembled: label before .else" '.if 1' nop '4: .else' hlt .endif
	expect 90 "assembled: label before .endif" '.if 1' '4: .endif' nop
	expect '' "left out: label on its own line" '.if 0' 4: '.if 1' nop .endif nop .endif
	expect error "left out: label before .if" '.if 0' '4: .if 1' nop .endif nop .endif
	expect error "left out: label before .endif" '.if 0' '4: .endif' nop
	expect 90 "left out: .else alone" '.if 0' hlt .else nop .endif
	expect '' "left out: label before .else" '.if 0' hlt '4: .else' nop .endif
}

check bookworm 2.40-2
check trixie 2.44-3
check testing 2.47.50.20261021-1
echo "AS STATED: behind a label no .if, .else or .endif counts in a part that is left out"
