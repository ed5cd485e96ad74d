/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What Linux's KVM needs for the operations that guests/bench measures: a small program on /dev/kvm
 * whose guest times itself, and the same program on the host's side of a balloon (MADV_DONTNEED).
 * Runs in a Linux in the emulator, where a tick of the TSC is an instruction. Prints lines
 * `peer NAME TICKS`. Medians: Linux's timer interrupts fall out.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define MIB (1ul << 20)
#define PAGE 4096ul
#define EXTENT (2 * MIB)

/* Guest-physical memory: code, samples, and areas that are touched for the first time. */
#define CODE 0x1000ul
#define STACK 0x8000ul
#define SAMPLES MIB
#define SAMPLES_MAX 65536
#define SMALL_AREA (64 * MIB)  /* in pages of 4 KiB */
#define READY_AREA (128 * MIB) /* the same, and Linux has given its frames already */
#define LARGE_AREA (192 * MIB) /* in huge pages */
#define AREA_BYTES (64 * MIB)
#define MEMORY_BYTES (256 * MIB)
#define PORT_END 0x99
#define ROUNDS 512

/*
 * EDI = where samples go, EBP = rounds, EBX = first address, [4(%esp)] = distance of addresses.
 * Each probe stores the ticks between two RDTSC; `around` instructions of it are its own.
 */
__asm__(".pushsection .rodata\n"
	".code32\n"
	".macro probe name, setup, op\n"
	".globl guest_\\name\n"
	"guest_\\name:\n"
	"1:	rdtsc\n"
	"	movl %eax, %esi\n"
	"	\\setup\n"
	"	\\op\n"
	"	rdtsc\n"
	"	subl %esi, %eax\n"
	"	movl %eax, (%edi)\n"
	"	addl $4, %edi\n"
	"	addl 4(%esp), %ebx\n"
	"	decl %ebp\n"
	"	jnz 1b\n"
	"	movl $0x99, %edx\n"
	"	outb %al, %dx\n"
	"	.endm\n"
	"guest_start:\n"
	"probe nothing, nop, nop\n"
	"probe vmcall, \"movl $99, %eax\", vmcall\n"
	"probe cpuid, \"movl $0x40000000, %eax\", \"pushl %ebx; cpuid; popl %ebx\"\n"
	"probe rdmsr, \"movl $0x8b, %ecx\", rdmsr\n"
	"probe in, nop, \"inb $0x21, %al\"\n"
	"probe out, nop, \"outb %al, $0x80\"\n"
	"probe touch, nop, \"movb $1, (%ebx)\"\n"
	".globl guest_end\n"
	"guest_end:\n"
	".code64\n"
	".popsection\n");
extern const char guest_start[];
extern const char guest_nothing[], guest_vmcall[], guest_cpuid[], guest_rdmsr[], guest_in[],
	guest_out[], guest_touch[], guest_end[];

static uint8_t *memory;
static int kvm, vm, vcpu;
static struct kvm_run *run;

static void fail(const char *what)
{
	perror(what);
	exit(1);
}

static int check(int result, const char *what)
{
	if (result < 0) {
		fail(what);
	}
	return result;
}

static uint64_t read_tsc(void)
{
	uint32_t low, high;

	__asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static void advise(uint64_t start, uint64_t bytes, int advice, const char *what)
{
	check(madvise(memory + start, bytes, advice), what);
}

static void make_memory(void)
{
	struct kvm_userspace_memory_region region = {.memory_size = MEMORY_BYTES};

	memory = mmap((void *)0x7f0000000000, MEMORY_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	if (memory == MAP_FAILED) {
		fail("mmap");
	}
	advise(0, LARGE_AREA, MADV_NOHUGEPAGE, "MADV_NOHUGEPAGE");
	advise(LARGE_AREA, AREA_BYTES, MADV_HUGEPAGE, "MADV_HUGEPAGE");
	for (uint64_t i = 0; i < AREA_BYTES; i += PAGE) {
		memory[READY_AREA + i] = 1;
	}
	memcpy(memory + CODE, guest_start, (size_t)(guest_end - guest_start));
	region.userspace_addr = (uintptr_t)memory;
	check(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void flat(struct kvm_segment *segment, uint16_t selector, uint8_t type)
{
	segment->base = 0;
	segment->selector = selector;
	segment->limit = 0xffffffff;
	segment->type = type;
	segment->g = 1;
	segment->db = 1;
	segment->s = 1;
	segment->present = 1;
}

static void make_vcpu(void)
{
	struct kvm_cpuid2 *cpuid = calloc(1, sizeof(*cpuid) + 100 * sizeof(cpuid->entries[0]));
	struct kvm_sregs registers;
	int bytes;

	vcpu = check(ioctl(vm, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	bytes = check(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");
	run = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
	check(ioctl(vcpu, KVM_GET_SREGS, &registers), "KVM_GET_SREGS");
	flat(&registers.cs, 8, 11);
	flat(&registers.ds, 16, 3);
	registers.es = registers.fs = registers.gs = registers.ss = registers.ds;
	registers.cr0 |= 1;
	check(ioctl(vcpu, KVM_SET_SREGS, &registers), "KVM_SET_SREGS");
	cpuid->nent = 100;
	check(ioctl(kvm, KVM_GET_SUPPORTED_CPUID, cpuid), "KVM_GET_SUPPORTED_CPUID");
	check(ioctl(vcpu, KVM_SET_CPUID2, cpuid), "KVM_SET_CPUID2");
	free(cpuid);
}

/* Runs one probe to its end. */
static void run_guest(const char *probe, unsigned rounds, uint64_t address, uint32_t distance)
{
	struct kvm_regs registers = {
		.rip = CODE + (uint64_t)(probe - guest_start),
		.rflags = 2,
		.rsp = STACK,
		.rbp = rounds,
		.rbx = address,
		.rdi = SAMPLES,
	};

	memcpy(memory + STACK + 4, &distance, sizeof(distance));
	check(ioctl(vcpu, KVM_SET_REGS, &registers), "KVM_SET_REGS");
	do {
		check(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
		if (run->exit_reason != KVM_EXIT_IO) {
			fprintf(stderr, "the guest ended with exit reason %u\n", run->exit_reason);
			exit(1);
		}
	} while (run->io.port != PORT_END);
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a;
	uint32_t right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static uint32_t median(uint32_t *samples, unsigned count)
{
	qsort(samples, count, sizeof(samples[0]), compare);
	return samples[(count - 1) / 2];
}

static uint32_t guest_ticks(const char *probe, unsigned rounds, uint64_t address, uint32_t distance)
{
	run_guest(probe, rounds, address, distance);
	return median((uint32_t *)(memory + SAMPLES), rounds);
}

static void show(const char *name, double ticks)
{
	printf("peer %s %.1f\n", name, ticks);
}

/* `own`: instructions between the two readings that are not the operation. */
static void probe(const char *name, const char *code, unsigned own)
{
	guest_ticks(code, ROUNDS, 0, 0);
	show(name, guest_ticks(code, ROUNDS, 0, 0) - own);
}

static void probe_exits(uint32_t nothing)
{
	/* "nothing" holds two NOPs; every probe has one instruction for its registers instead. */
	unsigned own = nothing - 1;

	probe("vmcall", guest_vmcall, own);
	probe("cpuid", guest_cpuid, own + 2);
	probe("rdmsr", guest_rdmsr, own);
	probe("in_kernel", guest_in, own);
	probe("out_user", guest_out, own);
}

/* Median of single calls over neighbouring pieces. */
static void discard(const char *name, uint64_t area, uint64_t piece, unsigned rounds, double units)
{
	static uint32_t samples[SAMPLES_MAX];

	for (unsigned i = 0; i < rounds; i++) {
		uint64_t start = read_tsc();

		advise(area + i * piece, piece, MADV_DONTNEED, "MADV_DONTNEED");
		samples[i] = (uint32_t)(read_tsc() - start);
	}
	show(name, median(samples, rounds) / units);
}

static void probe_memory(uint32_t nothing)
{
	unsigned own = nothing - 1;
	unsigned pages = AREA_BYTES / PAGE;
	unsigned extents = AREA_BYTES / EXTENT;

	show("fill_4k", guest_ticks(guest_touch, pages, SMALL_AREA, PAGE) - own);
	show("fill_4k_ready", guest_ticks(guest_touch, pages, READY_AREA, PAGE) - own);
	show("fill_2m", guest_ticks(guest_touch, extents, LARGE_AREA, EXTENT) - own);
	discard("discard_4k", SMALL_AREA, PAGE, 1024, 1);
	show("refill_4k", guest_ticks(guest_touch, 1024, SMALL_AREA, PAGE) - own);
	discard("discard_2m_of_4k", SMALL_AREA, EXTENT, extents, EXTENT / PAGE);
	run_guest(guest_touch, pages, SMALL_AREA, PAGE);
	discard("discard_64m_of_4k", SMALL_AREA, AREA_BYTES, 1, pages);
	discard("discard_2m", LARGE_AREA, EXTENT, extents, 1);
	show("refill_2m", guest_ticks(guest_touch, extents, LARGE_AREA, EXTENT) - own);
	discard("discard_64m_of_2m", LARGE_AREA, AREA_BYTES, 1, extents);
}

int main(void)
{
	uint32_t nothing;

	setvbuf(stdout, NULL, _IOLBF, 0);
	kvm = check(open("/dev/kvm", O_RDWR), "/dev/kvm");
	vm = check(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	check(ioctl(vm, KVM_SET_TSS_ADDR, 0xfffbd000), "KVM_SET_TSS_ADDR");
	check(ioctl(vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
	make_memory();
	make_vcpu();
	guest_ticks(guest_nothing, ROUNDS, 0, 0);
	nothing = guest_ticks(guest_nothing, ROUNDS, 0, 0);
	probe_exits(nothing);
	probe_memory(nothing);
	return 0;
}
