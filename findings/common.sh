# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=bash
# Sourced by the findings: a temporary folder, packages of Debian suites in it, and the verdicts.
#
# A package comes from the mirror that apt on this machine is set up with, by package lists of its
# own; what is installed here stays as it is. A program of another suite runs by the loader and the
# libraries of its own suite, not in a chroot.

set -u
T=$(mktemp -d) || exit 2
trap 'rm -rf "$T"' EXIT

differs() {
	echo "DIFFERS FROM WHAT IS STATED: $*"
	exit 1
}

cannot() {
	echo "CANNOT BE CHECKED HERE: $*"
	exit 2
}

# needs PROGRAM...: every one of these has to be there
needs() {
	local program
	[ "$(uname -m)" = x86_64 ] || cannot "the packages are for amd64"
	for program in "$@" apt-get dpkg; do
		command -v "$program" >/dev/null || cannot "the program $program is missing"
	done
}

# suite SUITE: package lists of this suite; sets APT to the options of apt-get for it
suite() {
	local base=$T/apt/$1 mirror key=/usr/share/keyrings/debian-archive-keyring.gpg
	[ -e "$key" ] || cannot "the package debian-archive-keyring is missing"
	mirror=$(apt-get indextargets --format '$(REPO_URI)' | sort -u | grep -m1 -E '/debian/?$') ||
		cannot "apt has no mirror of Debian"
	APT=(-qq -o "Dir::Etc::SourceList=$base/list" -o Dir::Etc::SourceParts=-
		-o Dir::Etc::Preferences=- -o Dir::Etc::PreferencesParts=-
		-o "Dir::State=$base" -o "Dir::State::status=$base/status" -o "Dir::Cache=$base"
		-o APT::Sandbox::User=root -o APT::Architecture=amd64 -o APT::Architectures=amd64
		-o Acquire::Languages=none -o Acquire::Check-Valid-Until=false
		-o Acquire::Retries=2 -o Acquire::http::Timeout=30)
	[ -e "$base/list" ] && return
	mkdir -p "$base/lists/partial" "$base/archives/partial"
	: >"$base/status"
	echo "deb [signed-by=$key] $mirror $1 main" >"$base/list"
	timeout -k 5 180 apt-get "${APT[@]}" update >"$base/log" 2>&1 && return
	tail -n 3 "$base/log"
	cannot "no package lists of $1"
}

# unpack SUITE FOLDER PACKAGE=VERSION...: these packages alone, into $T/FOLDER
unpack() {
	local folder=$T/$2 deb
	suite "$1"
	shift 2
	mkdir -p "$folder/deb"
	(cd "$folder/deb" && timeout -k 5 300 apt-get "${APT[@]}" download "$@" >log 2>&1) ||
		cannot "not in the archive any more: $*"
	for deb in "$folder"/deb/*.deb; do
		dpkg-deb -x "$deb" "$folder" || cannot "$deb cannot be unpacked"
	done
	rm -rf "$folder/deb"
}

# unpack_all SUITE FOLDER PACKAGE=VERSION...: the same with everything that they depend on
unpack_all() {
	local base=$T/apt/$1 folder=$T/$2 deb
	suite "$1"
	shift 2
	mkdir -p "$folder"
	timeout -k 5 500 apt-get "${APT[@]}" -y --no-install-recommends --download-only \
		-o Debug::NoLocking=true install "$@" >"$base/log" 2>&1 || {
		tail -n 3 "$base/log"
		cannot "not in the archive any more, with all that it needs: $*"
	}
	for deb in "$base"/archives/*.deb; do
		dpkg-deb -x "$deb" "$folder" || cannot "$deb cannot be unpacked"
	done
	rm -f "$base"/archives/*.deb
}

# with_loader FOLDER PROGRAM: sets RUN to the words that start this program of $T/FOLDER
with_loader() {
	local root=$T/$1 library=$T/$1/usr/lib/x86_64-linux-gnu loader
	loader=$(find "$root" -name ld-linux-x86-64.so.2 -path '*x86_64-linux-gnu*' | head -n 1)
	[ -n "$loader" ] || cannot "no loader in the packages of $1"
	RUN=("$loader" --library-path "$library:$root/lib/x86_64-linux-gnu:$root/usr/lib" "$root/usr/bin/$2")
}

# qemu_of FOLDER: sets RUN to the words that start the QEMU of that folder, by software emulation and with no more
# devices than its board has
qemu_of() {
	local root=$T/$1
	with_loader "$1" qemu-system-x86_64
	RUN=(env "QEMU_MODULE_DIR=$root/usr/lib/x86_64-linux-gnu/qemu" "${RUN[@]}" -L "$root/usr/share/seabios"
		-L "$root/usr/share/qemu" -accel tcg -nodefaults -display none)
}

# await PATTERN FILE PID SECONDS: until the file shows the pattern; false if that does not happen
await() {
	local end=$((SECONDS + $4))
	until grep -qE "$1" "$2" 2>/dev/null; do
		if [ "$SECONDS" -ge "$end" ] || ! kill -0 "$3" 2>/dev/null; then
			sleep 0.3
			grep -qE "$1" "$2" 2>/dev/null
			return
		fi
		sleep 0.2
	done
}

# boot_sector NAME: assembles $T/NAME.S into $T/NAME.img, a floppy disk of 1.44 MB
boot_sector() {
	as --64 -o "$T/$1.o" "$T/$1.S" &&
		ld -m elf_x86_64 -Ttext 0x7c00 -e start --oformat binary -o "$T/$1.img" "$T/$1.o" ||
		cannot "as or ld does not take the boot sector"
	truncate -s 1474560 "$T/$1.img"
}

# long_mode_start: how a boot sector begins whose code, behind that, is in 64-bit mode with COM1 ready
long_mode_start() {
	cat <<'END'
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
	# one table of each level from 0x1000 on; it maps the first 2 MiB
	movw $0x1000, %di
	movw $0x1800, %cx
	rep stosw
	movw $0x2003, 0x1000
	movw $0x3003, 0x2000
	movw $0x0083, 0x3000
	movl $0x1000, %eax
	movl %eax, %cr3
	movl $0x20, %eax			# CR4.PAE
	movl %eax, %cr4
	movl $0xc0000080, %ecx			# EFER.LME
	rdmsr
	orl $0x100, %eax
	wrmsr
	lgdtl gdt_register
	movl $0x80000001, %eax			# CR0.PG and PE
	movl %eax, %cr0
	ljmpl $8, $long_mode
	.align 8
gdt:
	.quad 0, 0x00209a0000000000
gdt_register:
	.word 15
	.long gdt
	.code64
long_mode:
	movw $0x3fb, %dx			# COM1: eight bits
	movb $3, %al
	outb %al, %dx
END
}

# long_mode_output: what its code may call: newline, put (AL), hexadecimal (R11), all on COM1
long_mode_output() {
	cat <<'END'
newline:
	movb $'\n', %al
put:						# AL to COM1
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
hexadecimal:					# R11
	movl $16, %ecx
digit:
	rolq $4, %r11
	movb %r11b, %al
	andb $15, %al
	addb $'0', %al
	cmpb $'9', %al
	jbe decimal
	addb $39, %al
decimal:
	call put
	loop digit
	ret
END
}

# run_in_bochs FOLDER NAME [MODEL]: $T/NAME.img on the Bochs of that folder, until it prints a line
# that begins with a dot; its lines are in $T/FOLDER.out
run_in_bochs() {
	local root=$T/$1 vga pid command
	with_loader "$1" bochs-bin
	vga=$(find "$root/usr/share" -name VGABIOS-lgpl-latest -o -name vgabios.bin | head -n 1)
	cat >"$T/$1.rc" <<-END
		config_interface: textconfig
		display_library: term
		romimage: file=$root/usr/share/bochs/BIOS-bochs-latest
		vgaromimage: file=$vga
		memory: guest=32, host=32
		cpu: ${3:+model=$3, }count=1, ips=50000000
		boot: floppy
		floppya: 1_44=$T/$2.img, status=inserted, write_protected=1
		com1: enabled=1, mode=file, dev=$T/$1.out
		log: $T/$1.log
		panic: action=fatal
	END
	RUN+=(-q -f "$T/$1.rc")
	# up to 2.7 Debian's Bochs has its debugger, which waits for a command
	if "${RUN[@]:0:4}" --help 2>&1 | grep -q -- '-rc '; then
		echo c >"$T/commands"
		RUN+=(-rc "$T/commands")
	fi
	printf -v command '%q ' "${RUN[@]}"
	LTDL_LIBRARY_PATH=$root/usr/lib/x86_64-linux-gnu/bochs/plugins TERM=xterm \
		timeout -k 2 60 script -qec "$command" /dev/null </dev/null >"$T/$1.screen" 2>&1 &
	pid=$!
	await '^\.' "$T/$1.out" $pid 60
	local seen=$?
	kill $pid 2>/dev/null
	wait $pid 2>/dev/null
	grep -m 1 -o 'Bochs x86 Emulator.*' "$T/$1.log"
	[ $seen = 0 ] && return
	tail -n 5 "$T/$1.log"
	differs "the boot sector did not come to its end"
}

# run_grub SUITE VERSION [MODULE...]: boots GRUB of that version with $T/tree as its memdisk, and with the grub.cfg
# in there, which has to say "end" on the serial port and to reboot; sets OUT to the file with what it said
run_grub() {
	local suite=$1 version=$2 modules=$T/$1/usr/lib/grub/i386-pc
	shift 2
	unpack_all "$suite" "$suite" "grub-pc-bin=$version" "grub-common=$version"
	with_loader "$suite" grub-mkimage
	"${RUN[@]}" --version | sed 's,^.*/,,'
	(cd "$T/tree" && tar -cf "$T/tree.tar" -- *)
	"${RUN[@]}" -O i386-pc -d "$modules" -p '(memdisk)/boot/grub' -m "$T/tree.tar" -o "$T/$suite.core" \
		memdisk tar biosdisk normal test echo serial terminal reboot configfile "$@" ||
		cannot "grub-mkimage makes no image"
	cat "$modules/boot.img" "$T/$suite.core" >"$T/$suite.img"
	truncate -s %1M "$T/$suite.img"
	timeout -k 2 60 qemu-system-x86_64 -nodefaults -display none -no-reboot -m 64 \
		-drive "file=$T/$suite.img,format=raw" -serial "file:$T/$suite.raw" </dev/null
	OUT=$T/$suite.out
	tr -d '\r' <"$T/$suite.raw" >"$OUT"
	grep -q '^end$' "$OUT" || differs "GRUB did not come to the end of grub.cfg"
}
