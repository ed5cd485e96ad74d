#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-27. Aerostat has no part in it: a boot sector of 512 bytes on Bochs.
#
# One would guess: a new release of an emulator divides as the one before it did. IDIV of RDX:RAX by
#   500, with 1193307 in RAX and its sign in RDX, gives 2386, remainder 307.
# What happens: in Bochs 3.1 of Debian testing IDIV with a 64-bit operand gives a wrong quotient and
#   a wrong remainder, with the operand in a register and in memory, for small positive values too.
#   The wrong numbers are others in each run. No exception is raised and nothing is logged. DIV with
#   a 64-bit operand, and IDIV and DIV with a 32-bit one, are right in the same run. Bochs 3.0 of
#   Debian 13 does all five right. Compilers emit the wrong form for each division of signed 64-bit
#   numbers by a variable, so a guest computes wrong figures and goes on.
# Versions: bochs 3.1+dfsg-1 with bochsbios 3.1+dfsg-1 (testing, amd64); for comparison bochs
#   3.0+dfsg-1 with bochsbios 3.0+dfsg-1 (trixie). Libraries and the video BIOS are those that the
#   suite has at present.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld script timeout truncate

# dividend and divisor of each row; the quotients of the 32-bit forms fit in 32 bits
ROWS=(1193307 500 1193307 250 1000 7 -1193307 500 81985529216486895 1000003)
SIGN_OFF=$(((1 << 63) - 1))
FORMS=("IDIV r64" "IDIV m64" "DIV r64" "IDIV r32" "DIV r32")

{
	long_mode_start
	cat <<'END'
	movl $rows, %esi
	movl $row_count, %ebp
row:
	movq (%rsi), %r8
	movq 8(%rsi), %rbx
	movq %r8, %rax
	cqto
	idivq %rbx
	call show
	movq %r8, %rax
	cqto
	idivq 8(%rsi)
	call show
	movq %r8, %rax
	xorl %edx, %edx
	divq %rbx
	call show
	movl %r8d, %eax
	cltd
	idivl %ebx
	call show
	movl %r8d, %eax
	xorl %edx, %edx
	divl %ebx
	call show
	addq $16, %rsi
	decl %ebp
	jnz row
	movb $'.', %al
	call put
	call newline
stop:
	hlt
	jmp stop

show:						# a line: RAX and RDX
	movq %rdx, %r10
	movq %rax, %r11
	call hexadecimal
	movb $' ', %al
	call put
	movq %r10, %r11
	call hexadecimal
END
	long_mode_output
	echo "	.align 8"
	echo "rows:"
	printf '\t.quad %s, %s\n' "${ROWS[@]}"
	echo "	.set row_count, (. - rows) / 16"
	printf '\t.org 510\n\t.word 0xaa55\n'
} >"$T/divide.S"

# judge FOLDER: compares each line with the shell's arithmetic; WRONG[form] counts the wrong ones
judge() {
	local i form n d q r got_q got_r wrong
	WRONG=(0 0 0 0 0)
	exec 4<"$T/$1.out"
	for ((i = 0; i < ${#ROWS[@]}; i += 2)); do
		for form in 0 1 2 3 4; do
			n=${ROWS[i]} d=${ROWS[i + 1]}
			case $form in
			3) n=$(((n & 0xffffffff ^ 0x80000000) - 0x80000000)) ;;
			4) n=$((n & 0xffffffff)) ;;
			esac
			q=$((n / d)) r=$((n % d))
			if [ $form = 2 ] && [ "$n" -lt 0 ]; then	# unsigned: half of it, twice
				q=$((((n >> 1 & SIGN_OFF) / d) << 1))
				r=$((n - q * d))
				[ $r -ge "$d" ] && q=$((q + 1)) r=$((r - d))
			fi
			[ $form -ge 3 ] && q=$((q & 0xffffffff)) r=$((r & 0xffffffff))
			printf -v q %016x "$q"
			printf -v r %016x "$r"
			read -r got_q got_r <&4
			[ "$q $r" = "$got_q $got_r" ] && continue
			WRONG[form]=$((WRONG[form] + 1))
			wrong=""
			[ "$q" = "$got_q" ] || wrong="quotient"
			[ "$r" = "$got_r" ] || wrong="${wrong:+$wrong and }remainder"
			echo "  ${FORMS[form]}: not 0x$q, remainder 0x$r, for $n by $d: wrong $wrong"
		done
	done
	exec 4<&-
	for form in 0 1 2 3 4; do
		echo "  ${FORMS[form]}: ${WRONG[form]} of $((${#ROWS[@]} / 2)) wrong"
	done
}

boot_sector divide
unpack_all trixie old bochs=3.0+dfsg-1 bochs-term=3.0+dfsg-1 bochsbios=3.0+dfsg-1
run_in_bochs old divide
judge old
[ "${WRONG[*]}" = "0 0 0 0 0" ] || differs "Bochs 3.0 divides wrongly, too"
unpack_all testing new bochs=3.1+dfsg-1 bochs-term=3.1+dfsg-1 bochsbios=3.1+dfsg-1
run_in_bochs new divide
judge new
[ "${WRONG[0]}" -gt 0 ] || differs "Bochs 3.1: IDIV r64 is right"
[ "${WRONG[1]}" -gt 0 ] || differs "Bochs 3.1: IDIV m64 is right"
[ "${WRONG[*]:2}" = "0 0 0" ] || differs "Bochs 3.1: other forms are wrong, too"
echo "AS STATED: IDIV with a 64-bit operand is wrong in Bochs 3.1, and only that form"
