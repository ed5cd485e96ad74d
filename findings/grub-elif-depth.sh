#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-27. Aerostat has no part in it: GRUB on QEMU, a grub.cfg that only prints.
#
# One would guess: an if/elif chain in grub.cfg may be as long as one likes; and a script that GRUB
#   cannot carry out ends there.
# What happens: in a file read by `source` the 59th branch is not taken. With 59 branches there is
#   no error message at all; from 60 on GRUB prints "maximum recursion depth exceeded". Both times
#   it leaves out the chain and goes on with the line after `fi`: a boot command there starts
#   without what the chain should have set. An early branch of a long chain is still taken. Each
#   refusal lowers the limit for the rest of the boot: a chain of 58 that was carried out before is
#   refused after two of them. 90 times `if` in a row, without `elif`, is carried out.
# Versions: grub-pc-bin 2.06-13+deb12u2 (bookworm), 2.12-9+deb13u4 (trixie), 2.14-4 (testing), each
#   with the grub-common of the same version; all three behave alike. QEMU: the one of this machine.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs qemu-system-x86_64 timeout truncate tar

LENGTHS=(40 50 56 57 58 59 60 58 50)	# of the chains, in this order
WANTED="40 50 56 57 58 - - - 50"		# which are carried out, by the branch that is taken

# chain LENGTH: it prints the number of the branch that was taken, and then a line of its own
chain() {
	local i word=if
	for ((i = 1; i <= $1; i++)); do
		printf '%s [ "$want" = b%d ]; then\n\techo taken %d\n' $word $i $i
		word=elif
	done
	printf 'fi\necho rest of %d\n' "$1"
}

# flat LENGTH: the same choice by one `if` after the other
flat() {
	local i
	for ((i = 1; i <= $1; i++)); do
		printf 'if [ "$want" = b%d ]; then echo taken %d; fi\n' $i $i
	done
}

mkdir -p "$T/tree/boot/grub"
for n in 40 50 56 57 58 59 60; do
	chain $n >"$T/tree/chain$n"
done
flat 90 >"$T/tree/flat90"
{
	printf 'serial --unit=0\nterminal_output serial\necho start\n'
	printf 'want=b90\nsource (memdisk)/flat90\nwant=b3\nsource (memdisk)/chain60\n'
	for n in "${LENGTHS[@]}"; do
		printf 'echo chain of %d\nwant=b%d\nsource (memdisk)/chain%d\n' "$n" "$n" "$n"
	done
	printf 'echo end\nreboot\n'
} >"$T/tree/boot/grub/grub.cfg"

# check SUITE VERSION
check() {
	local taken errors
	run_grub "$1" "$2"
	[ "$(grep -c '^taken 90$' "$OUT")" = 1 ] || differs "90 times if: not taken"
	[ "$(grep -m 1 -A 1 '^taken 90$' "$OUT" | tail -n 1)" = "taken 3" ] ||
		differs "an early branch of a chain of 60 is not taken"
	# one word for each chain: the branch that was taken, or - if none was
	taken=$(awk '/^chain of/ { if (n++) printf "%s ", t; t = "-" } /^taken/ { t = $2 }
		END { printf "%s", t }' "$OUT")
	errors=$(grep -c '^error: maximum recursion depth exceeded' "$OUT")
	echo "  chains of ${LENGTHS[*]} branches, the last of each to be taken"
	echo "  taken:    $taken; $errors error messages"
	sed -n '/^chain of 59/,/^rest of 60/p' "$OUT" | sed 's/^/  | /'
	[ "$(grep -c '^rest of' "$OUT")" = $((${#LENGTHS[@]} + 1)) ] ||
		differs "what follows a chain in its file was left out, too"
	[ "$taken" = "$WANTED" ] || differs "taken should be $WANTED"
	[ "$errors" = 2 ] || differs "not two error messages for three refused chains"
}

qemu-system-x86_64 --version | head -n 1
check bookworm 2.06-13+deb12u2
check trixie 2.12-9+deb13u4
check testing 2.14-4
echo "AS STATED: the 59th branch of a chain is left out, and GRUB goes on"
