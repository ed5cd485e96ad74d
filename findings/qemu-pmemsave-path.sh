#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: QEMU's monitor, no guest runs.
#
# One would guess: `pmemsave 0 4096 /dumps/ram` saves 4096 bytes to /dumps/ram, as `screendump /dumps/picture` and
#   `dump-guest-memory /dumps/core` take their paths.
# What happens: the size is an expression, and it goes on behind the blank: it is 4096 divided by `dumps`, and
#   the answer is "invalid char 'd' in expression". Where what follows is a number, there is no error, but
#   another file with another length: `pmemsave 0 4096 /2.ram` saves 2048 bytes to `.ram`, and
#   `pmemsave 0 4096 -96.ram` saves 4000. A relative name that begins with a letter works, so a script works until
#   the first absolute path. In quotes, `"/dumps/ram"`, every path does. `memsave` is the same.
# Versions: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 (bookworm) and 1:11.1.2+ds-3 (testing).
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs timeout stat tr

# save WANTED COMMAND...: in a folder of its own; WANTED is the files that are there afterwards, with their sizes, or
# the error message
save() {
	local wanted=$1 found
	shift
	rm -rf "$T/saved"
	mkdir "$T/saved"
	printf '%s\n' "$*" quit | (cd "$T/saved" && timeout -k 2 60 "${RUN[@]}" -S -m 16 -monitor stdio) >"$T/log" 2>&1
	found=$(cd "$T/saved" && stat -c '%n: %s' -- .[!.]* * 2>/dev/null)
	[ -n "$found" ] || found=$(tr -d '\r' <"$T/log" | grep -m 1 '^invalid')
	printf '  %-40s %s\n' "${*//$T/\/...}" "$found"
	[ "$found" = "$wanted" ] || differs "$found, and not $wanted"
}

# check SUITE QEMU-VERSION
check() {
	unpack_all "$1" "$1" "qemu-system-x86=$2"
	qemu_of "$1"
	"${RUN[@]}" --version | head -n 1
	save "ram: 4096" pmemsave 0 4096 ram
	save "ram: 4096" pmemsave 0 4096 "\"$T/saved/ram\""
	save "invalid char '${T:1:1}' in expression" pmemsave 0 4096 "$T/saved/ram"
	save "invalid char '${T:1:1}' in expression" memsave 0 4096 "$T/saved/ram"
	save ".ram: 2048" pmemsave 0 4096 /2.ram
	save ".ram: 4000" pmemsave 0 4096 -96.ram
	save "-96.ram: 4096" pmemsave 0 4096 '"-96.ram"'
}

[[ $T == /[a-z]* ]] || cannot "the temporary folder $T does not begin with a letter"
check bookworm 1:7.2+dfsg-7+deb12u18+b3
check testing 1:11.1.2+ds-3
echo "AS STATED: what follows the size belongs to it, unless it is in quotes"
