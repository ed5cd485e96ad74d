#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-27. Aerostat has no part in it: a boot sector on QEMU with SeaBIOS.
#
# One would guess: the MP configuration table of a machine started with -smp 2 lists two processors,
#   the more so with acpi=off, where it is the only list there is.
# What happens: it lists one processor of each socket. From machine types of version 6.2 on QEMU
#   makes of `-smp 2` one socket with two cores. CPUID leaf 1 then has HTT (EDX bit 28) and two
#   logical processors (EBX bits 16 to 23), and SeaBIOS lists the first processor of each package
#   only. So the table names one processor, and with acpi=off a system finds no other. With
#   `-smp 2,sockets=2`, or with an older machine type, it names both. acpi=off itself changes
#   nothing: the table is the same with ACPI, where the MADT is there besides.
# Versions: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 with seabios 1.16.2-1 (bookworm) and
#   1:11.1.2+ds-3 with seabios 1.17.0-1 (testing); both by software emulation.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld timeout truncate

cat >"$T/table.S" <<'END'
	.code16
	.globl start
start:
	cli
	cld
	xorw %ax, %ax
	movw %ax, %ds
	movw %ax, %ss
	movw $0x7c00, %sp
	# 32-bit addresses by way of protected mode
	lgdtl gdt_register
	movl $1, %eax
	movl %eax, %cr0
	ljmpl $8, $protected
	.align 8
gdt:
	.quad 0, 0x00cf9a000000ffff, 0x00cf92000000ffff
gdt_register:
	.word 23
	.long gdt
	.code32
protected:
	movw $16, %ax
	movw %ax, %ds
	movw %ax, %es
	movw %ax, %ss
	movw $0x3fb, %dx			# COM1: eight bits
	movb $3, %al
	outb %al, %dx
	movl $1, %eax
	cpuid
	movl %ebx, %edi
	pushl %edx
	call hexadecimal_edi
	popl %edi
	call hexadecimal_edi
	movl $0xf0000, %esi
search:
	cmpl $0x5f504d5f, (%esi)		# "_MP_"
	je found
	addl $16, %esi
	cmpl $0x100000, %esi
	jb search
	movb $'-', %al
	call put
	jmp end
found:
	movl 4(%esi), %esi
	movzwl 0x22(%esi), %ebp			# entries of the table
	addl $0x2c, %esi
entry:
	cmpb $0, (%esi)
	jne other
	movl (%esi), %edi			# type, APIC identifier, version, flags
	call hexadecimal_edi
	addl $12, %esi
other:
	addl $8, %esi
	decl %ebp
	jnz entry
end:
	movb $'.', %al
	call put
	movb $'\n', %al
	call put
stop:
	hlt
	jmp stop
put:
	movb %al, %ah
	movw $0x3fd, %dx
wait:
	inb %dx, %al
	testb $0x20, %al
	jz wait
	movb %ah, %al
	movw $0x3f8, %dx
	outb %al, %dx
	ret
hexadecimal_edi:
	movl $8, %ecx
digit:
	roll $4, %edi
	movl %edi, %eax
	andb $15, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe decimal
	addb $39, %al
decimal:
	call put
	loop digit
	movb $' ', %al
	jmp put
	.org 510
	.word 0xaa55
END
boot_sector table

# row FOLDER WANTED OPTION...: starts QEMU and compares the APIC identifiers in the table
row() {
	local wanted=$2 out=$T/$1.out pid seen line identifiers="" word
	shift 2
	rm -f "$out"
	timeout -k 2 60 "${RUN[@]}" -m 64 -drive "file=$T/table.img,if=floppy,format=raw,readonly=on" \
		-serial "file:$out" "$@" </dev/null >"$T/log" 2>&1 &
	pid=$!
	await '\.' "$out" $pid 50
	seen=$?
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
	[ $seen = 0 ] || { cat "$T/log"; differs "no table from $*"; }
	line=$(tr -d '\r.' <"$out")
	set -- "$*" $line		# EBX and EDX of CPUID leaf 1, then one word for each processor
	for word in "${@:4}"; do
		identifiers+=${identifiers:+ }$((0x${word:4:2}))
	done
	echo "  $1: HTT $((0x$3 >> 28 & 1)), logical processors $((0x$2 >> 16 & 255))," \
		"APIC identifiers in the MP table: ${identifiers:-none}"
	[ "$identifiers" = "$wanted" ] || differs "$1 should list: $wanted"
}

# check SUITE QEMU-VERSION SEABIOS-VERSION
check() {
	unpack_all "$1" "$1" "qemu-system-x86=$2" "seabios=$3"
	qemu_of "$1"
	"${RUN[@]}" --version | head -n 1
	row "$1" "0" -machine pc,acpi=off -smp 2
	row "$1" "0" -machine pc -smp 2
	row "$1" "0" -machine pc -smp 2,cores=2
	row "$1" "0" -machine q35 -smp 4
	row "$1" "0 2" -machine pc -smp 4,sockets=2,cores=2
	row "$1" "0 1" -machine pc,acpi=off -smp 2,sockets=2
	row "$1" "0 1" -machine pc-i440fx-6.1 -smp 2
	row "$1" "0" -machine pc-i440fx-6.2 -smp 2
}

check bookworm 1:7.2+dfsg-7+deb12u18+b3 1.16.2-1
check testing 1:11.1.2+ds-3 1.17.0-1
echo "AS STATED: the MP table lists the first processor of each socket, and no other"
