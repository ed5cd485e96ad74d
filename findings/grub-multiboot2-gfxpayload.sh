#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: GRUB on QEMU, kernels that are a header only.
#
# One would guess: gfxpayload is the menu's variable. What it holds when `boot` comes is the mode
#   that the kernel gets, and a tag of the kernel's header counts where the menu says nothing.
# What happens: the command multiboot2 writes gfxpayload itself. `set gfxpayload=...` in front of it
#   is lost, even `keep`; behind it, it counts. Without a framebuffer tag the variable becomes
#   "text". With one it becomes the tag's mode with fallbacks, also for a tag that is marked
#   optional. A tag that asks for text of 80 columns and 25 lines (depth 0) becomes a graphics mode
#   of 80 by 25, "80x25,auto". The variable stays so until something sets it again.
# Versions: grub-pc-bin 2.06-13+deb12u2 (bookworm), 2.12-9+deb13u4 (trixie), 2.14-4 (testing), each
#   with the grub-common of the same version; all three behave alike. QEMU: the one of this machine.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs qemu-system-x86_64 timeout truncate tar

# le BYTES NUMBER...: as little-endian numbers of so many bytes, in the notation of printf
le() {
	local bytes=$1 number i
	shift
	for number; do
		for ((i = 0; i < bytes; i++)); do
			printf '\\x%02x' $((number >> 8 * i & 255))
		done
	done
}

# kernel FILE [FLAGS WIDTH HEIGHT DEPTH]: 2048 bytes at 1 MiB, with a framebuffer tag or without
kernel() {
	local magic=$((0xe85250d6)) base=$((0x100000)) bytes=$((16 + 24 + 16 + 8)) tag=
	if [ $# -gt 1 ]; then
		tag=$(le 2 5 "$2"; le 4 20 "$3" "$4" "$5" 0)
		bytes=$((bytes + 24))
	fi
	printf "$(le 4 $magic 0 $bytes $((-(magic + bytes) & 0xffffffff))
		le 2 2 0; le 4 24 $base $base $((base + 2048)) 0
		le 2 3 0; le 4 12 $((base + 1024)) 0
	)$tag$(le 2 0 0; le 4 8)" >"$1"
	truncate -s 2048 "$1"
}

mkdir -p "$T/tree/boot/grub"
kernel "$T/tree/no-tag"
kernel "$T/tree/must" 0 800 600 32
kernel "$T/tree/may" 1 800 600 32
kernel "$T/tree/text" 1 80 25 0
{
	printf 'serial --unit=0\nterminal_output serial\necho start\n'
	for name in no-tag must may text; do
		for before in unset keep 1024x768x32; do
			[ $before = unset ] && printf 'unset gfxpayload\n' || printf 'set gfxpayload=%s\n' $before
			printf 'multiboot2 (memdisk)/%s\necho "%s %s -> $gfxpayload"\n' $name $name $before
		done
	done
	printf 'set gfxpayload=keep\necho "text behind -> $gfxpayload"\necho end\nreboot\n'
} >"$T/tree/boot/grub/grub.cfg"

wanted() {
	local before
	for before in unset keep 1024x768x32; do
		echo "no-tag $before -> text"
		echo "must $before -> 800x600x32,800x600,auto"
		echo "may $before -> 800x600x32,800x600,auto"
		echo "text $before -> 80x25,auto"
	done
	echo "text behind -> keep"
}

# check SUITE VERSION
check() {
	run_grub "$1" "$2" multiboot2
	grep -e '->' "$OUT" | sed 's/^/  /'
	[ "$(grep -e '->' "$OUT" | sort)" = "$(wanted | sort)" ] || differs "gfxpayload is not as stated"
}

check bookworm 2.06-13+deb12u2
check trixie 2.12-9+deb13u4
check testing 2.14-4
echo "AS STATED: multiboot2 overwrites gfxpayload, whatever grub.cfg said before"
