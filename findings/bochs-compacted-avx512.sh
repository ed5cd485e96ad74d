#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-27. Aerostat has no part in it: a boot sector of 512 bytes on Bochs.
#
# One would guess: XRSTOR brings back what XSAVEC has saved, as it does with XSAVE.
# What happens: in Bochs 2.7 of Debian 12 ZMM16 is zero after XSAVEC and XRSTOR with all components
#   of AVX-512, and ZMM0 is as it was. XSAVE and XRSTOR keep both. Nothing is logged. Bochs 3.0 of
#   Debian 13 keeps both in either format. Linux uses the compacted format where CPUID has it and
#   IA32_XSS is not used, and C libraries copy memory with YMM16 and above: now and then a process
#   has zeros where it has copied something when another one ran in between, and crashes.
# Versions: bochs 2.7+dfsg-4+deb12u1 with bochsbios of the same version (bookworm, amd64); for
#   comparison bochs 3.0+dfsg-1 with bochsbios 3.0+dfsg-1 (trixie). Libraries and the video BIOS are
#   those that the suite has at present.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld script timeout truncate

{
	long_mode_start
	cat <<'END'
	movq %cr4, %rax
	orl $0x40600, %eax			# CR4.OSXSAVE, OSXMMEXCPT, OSFXSR
	movq %rax, %cr4
	movl $0xe7, %eax			# x87, SSE, AVX and the three of AVX-512
	xorl %edx, %edx
	xorl %ecx, %ecx
	xsetbv
	movl $0x8000, %edi
	movl $0x2000, %ecx
	movl %edx, %eax
	rep stosb
	movl $0x7777, %ebx
	movb $0xe7, %al
	call fill
	xsave64 0x8000
	call clear
	xrstor64 0x8000
	call show
	movl $0xe7, %eax
	xorl %edx, %edx
	call fill
	xsavec64 0x9000
	call clear
	xrstor64 0x9000
	call show
	movb $'.', %al
	call put
	call newline
stop:
	hlt
	jmp stop

fill:
	vpbroadcastq %rbx, %zmm0
	vpbroadcastq %rbx, %zmm16
	ret
clear:
	vpxorq %zmm0, %zmm0, %zmm0
	vpxorq %zmm16, %zmm16, %zmm16
	ret
show:						# a line: a quadword of ZMM0, of ZMM16
	vmovq %xmm0, %r11
	call hexadecimal
	movb $' ', %al
	call put
	vmovdqu64 %zmm16, 0xa000
	movq 0xa000, %r11
	call hexadecimal
END
	long_mode_output
	printf '\t.org 510\n\t.word 0xaa55\n'
} >"$T/compact.S"
KEPT="0000000000007777 0000000000007777"
LOST="0000000000007777 0000000000000000"

# judge FOLDER WITH-XSAVE WITH-XSAVEC: ZMM0 and ZMM16 after each
judge() {
	local with_xsave with_xsavec
	{ read -r with_xsave; read -r with_xsavec; } <"$T/$1.out"
	echo "  XSAVE and XRSTOR, ZMM0 and ZMM16: $with_xsave"
	echo "  XSAVEC and XRSTOR, the same: $with_xsavec"
	[ "$with_xsave" = "$2" ] || differs "$1: after XSAVE"
	[ "$with_xsavec" = "$3" ] || differs "$1: after XSAVEC"
}

boot_sector compact
unpack_all bookworm old bochs=2.7+dfsg-4+deb12u1 bochs-term=2.7+dfsg-4+deb12u1 \
	bochsbios=2.7+dfsg-4+deb12u1
run_in_bochs old compact corei7_skylake_x
judge old "$KEPT" "$LOST"
unpack_all trixie new bochs=3.0+dfsg-1 bochs-term=3.0+dfsg-1 bochsbios=3.0+dfsg-1
run_in_bochs new compact corei7_skylake_x
judge new "$KEPT" "$KEPT"
echo "AS STATED: XSAVEC and XRSTOR lose ZMM16 in Bochs 2.7, and not in 3.0"
