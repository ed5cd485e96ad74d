#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: a kernel of a few instructions on QEMU.
#
# One would guess: a kernel that has both a PVH note and a multiboot header boots wherever one of the two does. With
#   `-kernel` QEMU takes a 64-bit ELF file by its PVH note, and no such file by multiboot: so it takes PVH.
# What happens: QEMU looks for a multiboot header (of version 1) first, in the first 8 KiB of the file. When it
#   finds one and the file is a 64-bit ELF file, it ends with "Cannot load x86-64 image, give a 32bit one.",
#   and the PVH note is not looked for. Twelve bytes more, and a kernel that QEMU boots is one that it refuses. A
#   multiboot2 header does no harm. A header with addresses (flag bit 16) makes the file loadable again, by
#   multiboot and not by PVH; so is a 32-bit ELF file with both.
# Versions: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 with seabios 1.16.2-1 (bookworm) and
#   1:11.1.2+ds-3 with seabios 1.17.0-1 (testing); both by software emulation.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld timeout

cat >"$T/kernel.ld" <<'END'
ENTRY(start)
PHDRS { text PT_LOAD; note PT_NOTE; }
SECTIONS {
	. = 0x100000;
	.header : { *(.header) } :text
	.note : { *(.note.pvh) } :text :note
	.text : { *(.text) } :text
	end = .;
	/DISCARD/ : { *(.note.gnu.property) *(.comment) }
}
END

# kernel NAME EMULATION HEADER...: $T/NAME, with these lines of assembly as its header. It says on the serial port
# what it finds in EAX and EBX: the magic numbers of multiboot or of PVH.
kernel() {
	local name=$T/$1 emulation=$2
	shift 2
	{
		printf '%s\n' '	.section .header, "a"' '	.balign 8' "$@"
		cat <<'END'
	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 4, 18				# XEN_ELFNOTE_PHYS32_ENTRY
	.asciz "Xen"
	.long start
	.text
	.code32
	.globl start
start:
	movl $multiboot, %esi
	cmpl $0x2badb002, %eax
	je say
	movl $pvh, %esi
	cmpl $0x336ec578, (%ebx)
	je say
	movl $neither, %esi
say:
	movw $0x3f8, %dx
	lodsb
	outb %al, %dx
	cmpb $'\n', %al
	jne say
stay:
	hlt
	jmp stay
multiboot: .ascii "booted by multiboot\n"
pvh:	.ascii "booted by PVH\n"
neither: .ascii "booted by something else\n"
END
	} >"$name.S"
	as "--${emulation:(-2)}" -o "$name.o" "$name.S" 2>"$T/log" &&
		ld -m "${emulation%:*}" -static -nostdlib -z max-page-size=4096 -z noexecstack --build-id=none \
			-T "$T/kernel.ld" -o "$name" "$name.o" || cannot "as or ld does not take the kernel"
}

MULTIBOOT='.long 0x1badb002, 0, -0x1badb002'
MULTIBOOT2='.long 0xe85250d6, 0, 24, -(0xe85250d6 + 24), 0, 8'
ADDRESSES='.long 0x1badb002, 0x10000, -(0x1badb002 + 0x10000), header, header, 0, 0, start'
kernel plain elf_x86_64:64 ""
kernel with-multiboot2 elf_x86_64:64 "$MULTIBOOT2"
kernel with-multiboot elf_x86_64:64 "$MULTIBOOT"
kernel with-addresses elf_x86_64:64 "header: $ADDRESSES"
kernel of-32-bits elf_i386:32 "$MULTIBOOT"

# boot KERNEL WANTED: what the kernel or QEMU has to say
boot() {
	local said pid
	rm -f "$T/serial"
	timeout -k 2 60 "${RUN[@]}" -m 32 -kernel "$T/$1" -serial "file:$T/serial" </dev/null >"$T/log" 2>&1 &
	pid=$!
	await '^booted' "$T/serial" $pid 50
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
	said=$(grep '^booted' "$T/serial" 2>/dev/null || grep -o 'Cannot load.*' "$T/log")
	printf '  %-18s %s\n' "$1" "$said"
	[ "$said" = "$2" ] || differs "$1: ${said:-nothing}, and not $2"
}

# check SUITE QEMU-VERSION SEABIOS-VERSION
check() {
	unpack_all "$1" "$1" "qemu-system-x86=$2" "seabios=$3"
	qemu_of "$1"
	"${RUN[@]}" --version | head -n 1
	boot plain "booted by PVH"
	boot with-multiboot2 "booted by PVH"
	boot with-multiboot "Cannot load x86-64 image, give a 32bit one."
	boot with-addresses "booted by multiboot"
	boot of-32-bits "booted by multiboot"
}

check bookworm 1:7.2+dfsg-7+deb12u18+b3 1.16.2-1
check testing 1:11.1.2+ds-3 1.17.0-1
echo "AS STATED: with a multiboot header QEMU refuses the 64-bit kernel that it boots without"
