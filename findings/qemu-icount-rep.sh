#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: a boot sector on QEMU with SeaBIOS.
#
# One would guess: with `-icount shift=3` each instruction moves the clocks by 8 ns, and a string instruction with REP
#   is one instruction, however many elements it moves: so processors retire it.
# What happens: each element counts as an instruction. REP STOSB of 1,000 bytes moves the clock by 1,000 instructions
#   more than REP STOSB of none, REP MOVSB and REP STOSL of 1,000 as well. So what a guest costs by these clocks
#   depends on how it clears and copies: a page of 4 KiB is 4,096 instructions by REP STOSB, which a kernel
#   chooses where CPUID says that it is fast, and 512 by REP STOSQ.
# Versions: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 with seabios 1.16.2-1 (bookworm) and
#   1:11.1.2+ds-3 with seabios 1.17.0-1 (testing); both by software emulation, alike.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld timeout truncate

# Says on the debug console how many instructions of 8 ns each way took, the RDTSC included
cat >"$T/sector.S" <<'END'
	.code16
	.globl start
start:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x7c00, %sp
	.macro measure count, way:vararg
	movw $0x8000, %si
	movw $0x8000, %di
	movw $\count, %cx
	rdtsc
	movl %eax, %ebp
	\way
	rdtsc
	subl %ebp, %eax
	shrl $3, %eax
	call word
	.endm
	measure 0, rep stosb
	measure 1000, rep stosb
	measure 1000, rep movsb
	measure 1000, rep stosl
	movb $0xfe, %al				# the keyboard controller resets the machine
	outb %al, $0x64
stop:
	hlt
	jmp stop
word:						# EAX in hexadecimal, and a blank
	movl %eax, %esi
	movw $0xe9, %dx
	movw $8, %cx
digit:
	roll $4, %esi
	movl %esi, %eax
	andb $15, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe decimal
	addb $39, %al
decimal:
	outb %al, %dx
	loop digit
	movb $' ', %al
	outb %al, %dx
	ret
	.org 510
	.word 0xaa55
END
boot_sector sector

# more WHAT WITH WITHOUT: 1,000 elements are 1,000 instructions
more() {
	local counted=$((16#$2 - 16#$3))
	printf '  %s of 1,000 elements: %s instructions more than of none\n' "$1" "$counted"
	[ "$counted" = 1000 ] || differs "$1: $counted"
}

# check SUITE QEMU SEABIOS
check() {
	unpack_all "$1" "$1" "qemu-system-x86=$2" "seabios=$3"
	qemu_of "$1"
	"${RUN[@]}" --version | head -n 1
	: >"$T/said"
	nice -n 10 timeout -k 2 60 "${RUN[@]}" -m 64 -icount shift=3,sleep=off -no-reboot -debugcon "file:$T/said" \
		-drive "file=$T/sector.img,format=raw,if=floppy" </dev/null >"$T/log" 2>&1
	read -r none stosb movsb stosl <"$T/said" || [ -n "${stosl:-}" ] ||
		differs "the boot sector did not come to its end: $(cat "$T/said" "$T/log")"
	more "REP STOSB" "$stosb" "$none"
	more "REP MOVSB" "$movsb" "$none"
	more "REP STOSL" "$stosl" "$none"
}

check bookworm 1:7.2+dfsg-7+deb12u18+b3 1.16.2-1
check testing 1:11.1.2+ds-3 1.17.0-1
echo "AS STATED: of a string instruction with REP each element is counted"
