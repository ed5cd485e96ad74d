#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: a boot sector on QEMU with SeaBIOS.
#
# One would guess: `info balloon` (in QMP query-balloon) is what QEMU measures: the RAM of the VM less the pages
#   that the guest has put into the balloon. After a reset it is all of the RAM again, for the system that boots
#   then has given nothing.
# What happens: it is the RAM less whatever stands in `actual`, a field of the device's configuration that the
#   guest writes. A boot sector that stores 8192 there, with no queue set up and so no page given, makes
#   64 MiB look like 32. Nothing compares the field with the pages that came. A reset of the machine leaves
#   it as it is: the next system has all of its RAM, and reads 8192 in `actual` before it has a driver.
#   So after a crash and a reboot the host believes in a balloon that nobody has.
# Versions: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 with seabios 1.16.2-1 (bookworm) and
#   1:11.1.2+ds-3 with seabios 1.17.0-1 (testing); both by software emulation.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld timeout truncate mkfifo
trap '' PIPE # a QEMU that has died reads no command: what is missing then is told, by differs()

# Finds the balloon (1af4:1002), whose legacy registers are ports: `actual` is the second word of the
# configuration, at 24. Where it is 0, writes 8192. Says what it had found.
cat >"$T/balloon.S" <<'END'
	.code16
	.globl start
start:
	cli
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	movl $0x80000000, %ebx			# bus 0, device 0, register 0
search:
	call configuration
	cmpl $0x10021af4, %eax
	je found
	addl $0x800, %ebx
	jmp search
found:
	addl $0x10, %ebx			# BAR 0
	call configuration
	andw $0xfffc, %ax
	addw $24, %ax
	movw %ax, %dx
	inl %dx, %eax
	movw $again, %si
	testl %eax, %eax
	jnz say
	movl $8192, %eax
	outl %eax, %dx
	movw $first, %si
say:
	movw $0x3f8, %dx
	lodsb
	testb %al, %al
	jz done
	outb %al, %dx
	jmp say
done:
	hlt
	jmp done
configuration:					# EAX: the register EBX
	movl %ebx, %eax
	movw $0xcf8, %dx
	outl %eax, %dx
	movw $0xcfc, %dx
	inl %dx, %eax
	ret
first:	.asciz "actual was 0, is 8192 now\n"
again:	.asciz "actual was not 0\n"
	.org 510
	.word 0xaa55
END
boot_sector balloon
mkfifo "$T/commands"

# fails TEXT: ends the QEMU of check(), whose number is in pid, before the verdict
fails() {
	kill "$pid" 2>/dev/null
	wait "$pid" 2>/dev/null
	differs "$@"
}

# tell COMMAND: to the monitor of the QEMU that runs
tell() {
	echo "$1" 2>/dev/null >&3 || fails "QEMU has ended before the command $1"
}

# ask NUMBER OUT: asks the QEMU that runs, until that many answers are in the file
ask() {
	local end=$((SECONDS + 30))
	tell 'info balloon'
	until [ "$(grep -c '^balloon: ' "$2")" -ge "$1" ]; do
		[ "$SECONDS" -lt "$end" ] || fails "QEMU does not answer: info balloon"
		sleep 0.2
	done
}

# check SUITE QEMU-VERSION SEABIOS-VERSION
check() {
	local out=$T/$1.out serial=$T/$1.serial pid
	unpack_all "$1" "$1" "qemu-system-x86=$2" "seabios=$3"
	qemu_of "$1"
	"${RUN[@]}" --version | head -n 1
	timeout -k 2 90 "${RUN[@]}" -m 64 -device virtio-balloon-pci,disable-legacy=off,disable-modern=on \
		-drive "file=$T/balloon.img,if=floppy,format=raw,readonly=on" -serial "file:$serial" \
		-monitor stdio <"$T/commands" >"$out" 2>&1 &
	pid=$!
	exec 3>"$T/commands"
	await '^actual was 0, is 8192 now' "$serial" $pid 40 || fails "the boot sector has not written to the field"
	ask 1 "$out"
	tell system_reset
	await '^actual was not 0' "$serial" $pid 40 || fails "after a reset the field is 0"
	ask 2 "$out"
	tell quit
	exec 3>&-
	wait $pid 2>/dev/null
	sed 's/^/  guest: /' "$serial"
	tr -d '\r' <"$out" | grep '^balloon: ' | tee "$T/answers" | sed 's/^/  host:  /'
	[ "$(sort -u "$T/answers")" = "balloon: actual=32" ] || differs "of 64 MiB it should be 32 each time"
}

check bookworm 1:7.2+dfsg-7+deb12u18+b3 1.16.2-1
check testing 1:11.1.2+ds-3 1.17.0-1
echo "AS STATED: info balloon is the guest's word, also after a reset"
