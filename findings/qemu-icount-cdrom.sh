#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Finding of 2026-11-28. Aerostat has no part in it: a boot sector on QEMU with SeaBIOS.
#
# One would guess: with `-icount shift=3,sleep=off` QEMU counts instructions and makes its clocks of them, so a
#   machine without network or input does the same in each run, from whatever medium it boots.
# What happens: it depends on the medium. A read from a CD-ROM (IDE or AHCI) ends when the host has the data. Until
#   then the virtual CPU goes on, and the instructions with which the firmware waits are counted. So the time-stamp
#   counter at the start of the boot sector is another one in most runs, by up to some milliseconds, and each
#   read adds to that. Hard disks (IDE, AHCI, virtio-blk) do the same, but it is hard to see while the host has the
#   file in its cache: the counter at the start was once equal in twelve runs (IDE, virtio-blk), and another time
#   was not; after 100 reads it never was. With throttling.iops-total=200, by which a read takes the host 5 ms,
#   the 100 reads are many times as long for the guest. While it reads from an SD card or a floppy disk the
#   virtual CPU stands still: each run is the same, to the instruction, and a slow host changes nothing.
# Versions: qemu-system-x86 1:7.2+dfsg-7+deb12u18+b3 with seabios 1.16.2-1 (bookworm) and
#   1:11.1.2+ds-3 with seabios 1.17.0-1 (testing); both by software emulation.
# Exit: 0 as stated, 1 differs, 2 cannot be checked here.

. "$(dirname "$0")/common.sh"
needs as ld timeout truncate xorriso

# Says on the debug console what the time-stamp counter is at its start, and after 100 reads from the drive
cat >"$T/sector.S" <<'END'
	.code16
	.globl start
start:
	movb %dl, %cl				# the drive: RDTSC overwrites it
	rdtsc
	cld
	xorw %bx, %bx
	movw %bx, %ds
	movw %bx, %es
	movw %bx, %ss
	movw $0x7c00, %sp
	movb %cl, drive
	call counter
	movw $100, %bp
read:
	movb drive, %dl
	movw $0x201, %ax			# a floppy disk: one sector, cylinder 0, head 0, sector 1
	movw $0x8000, %bx
	movw $1, %cx
	movb $0, %dh
	testb $0x80, %dl
	jz call
	movb $0x42, %ah				# all others: what the packet says
	movw $packet, %si
call:
	pushw %bp
	int $0x13
	popw %bp
	jc end
	decw %bp
	jnz read
	rdtsc
	call counter
end:
	movb $0xfe, %al				# the keyboard controller resets the machine
	outb %al, $0x64
stop:
	hlt
	jmp stop
counter:					# EDX:EAX, and a blank
	movl %eax, %ebx
	movl %edx, %esi
	movw $0xe9, %dx
	call word
	movl %ebx, %esi
	call word
	movb $' ', %al
	outb %al, %dx
	ret
word:						# ESI
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
	ret
drive:	.byte 0
	.balign 4
packet:	.byte 16, 0
	.word 1, 0x8000, 0			# one sector to 0:8000
	.quad 0					# from the beginning
	.org 510
	.word 0xaa55
END
boot_sector sector
mkdir "$T/tree"
head -c 512 "$T/sector.img" >"$T/tree/sector.bin"
cp "$T/sector.img" "$T/disk.img"
truncate -s 4M "$T/disk.img"			# the size of an SD card is a power of two
xorriso -as mkisofs -o "$T/cd.iso" -b sector.bin -no-emul-boot -boot-load-size 4 "$T/tree" >"$T/log" 2>&1 ||
	cannot "xorriso makes no image"

# boots NAME RUNS DRIVE OPTION...: that many runs from a drive; what they say is in $T/NAME, a line for each. MS is how
# long the last one took the host.
boots() {
	local name=$1 runs=$2 drive=$3 run began
	shift 3
	for ((run = 0; run < runs; run++)); do
		: >"$T/said"
		began=$(date +%s%3N)
		nice -n 10 timeout -k 2 60 "${RUN[@]}" -m 64 -icount shift=3,sleep=off -rtc base=2024-01-01,clock=vm \
			-no-reboot -debugcon "file:$T/said" -drive "$drive" "$@" </dev/null >"$T/log" 2>&1
		MS=$(($(date +%s%3N) - began))
		grep -qxE '[0-9a-f]{16} [0-9a-f]{16} ' "$T/said" ||
			differs "$name: the boot sector did not come to its end: $(cat "$T/said" "$T/log")"
		{ cat "$T/said"; echo; } >>"$T/$name"
	done
}

# counted NAME: says how many runs were the same
counted() {
	echo "  $1:"
	sort "$T/$1" | uniq -c | sed 's/ $//'
}

# kinds NAME: of how many kinds the runs are
kinds() {
	sort -u "$T/$1" | wc -l
}

# six NAME DRIVE OPTION...: six new runs
six() {
	rm -f "$T/$1"
	boots "$1" 6 "${@:2}"
	counted "$1"
}

# slow NAME DRIVE OPTION...: one run with 200 reads a second. Sets READS to how long 100 reads are for the guest, the
# shortest of the runs before, and now
slow() {
	local start end shortest
	shortest=$(while read -r start end; do echo $((0x$end - 0x$start)); done <"$T/$1" | sort -n | head -n 1)
	rm "$T/$1"
	boots "$1" 1 "$2,throttling.iops-total=200" "${@:3}"
	read -r start end <"$T/$1"
	READS=("$shortest" $((0x$end - 0x$start)))
	echo "       100 reads are ${READS[0]} ns of the guest; on a slow host (this run: $MS ms) ${READS[1]}"
	[ "$MS" -gt 300 ] || differs "$1: it is not slow on the host"
}

# same NAME DRIVE OPTION...: six runs are the same, and 100 reads are as long in the slow one
same() {
	six "$@"
	[ "$(kinds "$1")" = 1 ] || differs "$1: the runs are not the same"
	slow "$@"
	[ "${READS[0]}" = "${READS[1]}" ] || differs "$1: a slow host is slow for the guest"
}

# longer NAME DRIVE OPTION...: after six runs, 100 reads of the slow one are more than twice as long for the guest
longer() {
	slow "$@"
	[ $((READS[0] * 2)) -lt "${READS[1]}" ] || differs "$1: a slow host is not slow for the guest"
}

# other NAME DRIVE OPTION...: six runs are not all the same. By chance they may be: then it is six more.
other() {
	six "$@"
	if [ "$(kinds "$1")" = 1 ]; then
		echo "  six runs were the same: six more"
		boots "$1" 6 "${@:2}"
		counted "$1"
	fi
	[ "$(kinds "$1")" -gt 1 ] || differs "$1: twelve runs are the same"
	longer "$@"
}

# either NAME DRIVE OPTION...: six runs are the same, or not
either() {
	six "$@"
	longer "$@"
}

# check SUITE QEMU-VERSION SEABIOS-VERSION
check() {
	local cd=file=$T/cd.iso,format=raw,media=cdrom,readonly=on disk=file=$T/disk.img,format=raw
	unpack_all "$1" "$1" "qemu-system-x86=$2" "seabios=$3"
	qemu_of "$1"
	"${RUN[@]}" --version | head -n 1
	same sd-card "$disk,if=none,id=card" -device sdhci-pci -device sd-card,drive=card
	same floppy "file=$T/sector.img,format=raw,if=floppy"
	other ide-cd "$cd,if=ide"
	other ahci-cd "$cd,if=none,id=cd" -device ahci,id=ahci -device ide-cd,drive=cd,bus=ahci.0
	either ide-disk "$disk,if=ide"
	either virtio-blk "$disk,if=virtio"
	either ahci-disk "$disk,if=none,id=hd" -device ahci,id=ahci -device ide-hd,drive=hd,bus=ahci.0
}

xorriso -version 2>/dev/null | head -n 1
echo "How many runs had which time-stamp counters at the start of the boot sector and after 100 reads:"
check bookworm 1:7.2+dfsg-7+deb12u18+b3 1.16.2-1
check testing 1:11.1.2+ds-3 1.17.0-1
echo "AS STATED: counted instructions repeat from an SD card or a floppy disk, and not from a CD-ROM"
