/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * probe: tries everything that a guest's kernel can try on its processor, and compares the answers
 * with what a processor that has only what CPUID offers would give. Nothing that it does may end
 * the VM, and with several of them at once no register of one may show up in another.
 *
 *	ports=N		ports to read, from 0 on
 *	spins=N		turns of a short loop by which a doorbell behind a shadow has come
 *	rounds=N	how often it sleeps to let others run, and looks at its registers again
 */
#include <stdbool.h>
#include <stddef.h>

#include "guests/lib/arguments.h"
#include "guests/lib/console.h"
#include "guests/lib/cpu.h"
#include "guests/lib/hypercall.h"
#include "guests/lib/palloc.h"
#include "guests/lib/runtime.h"
#include "guests/lib/vector.h"
#include "guests/lib/wait.h"
#include "guests/probe/probe.h"
#include "guests/probe/trap.h"

#define MSR_TIME_STAMP_COUNTER 0x10
#define MSR_MISC_ENABLE 0x1a0
#define MSR_PAT 0x277
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_CSTAR 0xc0000083
#define MSR_FMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_KERNEL_GS_BASE 0xc0000102
#define MSR_SWEEP 0x2000
#define MSRS_READABLE                                                                              \
	14 /* TSC, three of SYSENTER, MISC_ENABLE, PAT, EFER, four of SYSCALL, bases */

#define CR4_NEVER 0x00c27040ull /* CET, PKE, PCIDE, SMXE, VMXE, LA57, MCE: not offered */

#define STEP_TOUCH_BYTES 3 /* of the instruction that touches */
#define STEP_NOP_BYTES 1

#define EXTENT_BYTES (PALLOC_EXTENT_PAGES * 4096ull)
#define PAGE_USER 0x4ull
#define TABLE_ENTRIES 512
#define LARGE_4M 0x83u /* present, writable, 4 MiB */

static unsigned failure_count;

void expect(const char *what, uint64_t got, uint64_t wanted)
{
	if (got != wanted) {
		console_print("%s: 0x%lx instead of 0x%lx\n", what, got, wanted);
		failure_count++;
	}
}

uint64_t fresh_address(void)
{
	uint64_t page = palloc_extent(NULL);

	if (page == PALLOC_NONE) {
		console_print("no fresh extent is left\n");
		runtime_exit(GUEST_EXIT_NO_MEMORY);
	}
	return page * 4096;
}

static uint64_t try_rdmsr(uint32_t index)
{
	uint64_t vector = TRAP_TRY("rdmsr", "c"(index), "a"(0), "d"(0));

	return vector;
}

static uint64_t read_msr(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

static uint64_t try_wrmsr(uint32_t index, uint64_t value)
{
	return TRAP_TRY("wrmsr", "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

/* ---- Instructions ---- */

#define EXPECT_UNDEFINED(instruction)                                                              \
	expect(instruction, TRAP_TRY(instruction, "a"(operand), "c"(0), "d"(0)), VECTOR_UNDEFINED)

static void probe_svm_instructions(uint64_t operand)
{
	EXPECT_UNDEFINED("vmrun %%rax");
	EXPECT_UNDEFINED("vmload %%rax");
	EXPECT_UNDEFINED("vmsave %%rax");
	EXPECT_UNDEFINED("stgi");
	EXPECT_UNDEFINED("clgi");
	EXPECT_UNDEFINED("skinit");
	EXPECT_UNDEFINED("invlpga %%rax, %%ecx");
}

/*
 * Some processors cannot be told to refuse these, which are not offered; then at least they tell
 * nothing of the host or of another VM: no VM has written the number of its processor.
 */
#define PROBE_PROCESSOR_NUMBER(instruction)                                                        \
	do {                                                                                       \
		uint64_t number = 0;                                                               \
		trap_vector = TRAP_NONE;                                                           \
		__asm__ volatile("leaq 9f(%%rip), %%r11\n"                                         \
				 "movq %%r11, trap_resume(%%rip)\n" instruction "\n"               \
				 "9: movq $0, trap_resume(%%rip)"                                  \
				 : "+c"(number)                                                    \
				 :                                                                 \
				 : "rax", "rdx", "r11", "memory", "cc");                           \
		if (trap_vector != VECTOR_UNDEFINED) {                                             \
			expect(instruction, trap_vector, TRAP_NONE);                               \
			expect("processor of " instruction, number, 0);                            \
		}                                                                                  \
	} while (0)

static void probe_instructions(void)
{
	static uint64_t words[8] __attribute__((aligned(64)));
	uint64_t operand = (uintptr_t)words;

	EXPECT_UNDEFINED("vmxon (%%rax)");
	EXPECT_UNDEFINED("vmclear (%%rax)");
	EXPECT_UNDEFINED("vmptrld (%%rax)");
	EXPECT_UNDEFINED("vmptrst (%%rax)");
	EXPECT_UNDEFINED("vmread %%rcx, %%rdx");
	EXPECT_UNDEFINED("vmwrite %%rcx, %%rdx");
	EXPECT_UNDEFINED("vmlaunch");
	EXPECT_UNDEFINED("vmresume");
	EXPECT_UNDEFINED("vmxoff");
	EXPECT_UNDEFINED("invept (%%rax), %%rcx");
	EXPECT_UNDEFINED("invvpid (%%rax), %%rcx");
	EXPECT_UNDEFINED("vmfunc");
	EXPECT_UNDEFINED("getsec");
	EXPECT_UNDEFINED("monitor");
	EXPECT_UNDEFINED("mwait");
	EXPECT_UNDEFINED("invpcid (%%rax), %%rcx");
	EXPECT_UNDEFINED("xsaves (%%rax)");
	EXPECT_UNDEFINED("rsm");
	probe_svm_instructions(operand);
	PROBE_PROCESSOR_NUMBER("rdtscp");
	PROBE_PROCESSOR_NUMBER("rdpid %%rcx");
	expect("rdpmc", TRAP_TRY("rdpmc", "c"(0)), VECTOR_PROTECTION);
	expect("wbinvd", TRAP_TRY("wbinvd", "a"(0)), TRAP_NONE);
	expect("ins", TRAP_TRY("insb", "d"(0x60), "D"(operand)), VECTOR_PROTECTION);
	expect("jump to a non-canonical address", TRAP_TRY("jmpq *%%rax", "a"(0x0000800000000000)),
	       VECTOR_PROTECTION);
}

static void probe_ports(uint64_t count)
{
	for (uint64_t port = 0; port < count; port++) {
		uint32_t value = 0;

		__asm__ volatile("inb %w1, %b0" : "+a"(value) : "d"((uint16_t)port));
		if (value != 0xff) {
			expect("a port", value, 0xff);
		}
	}
}

/* ---- Registers ---- */

static void probe_msrs(void)
{
	unsigned readable = 0;

	for (uint32_t i = 0; i < MSR_SWEEP; i++) {
		readable += try_rdmsr(i) == TRAP_NONE;
		readable += try_rdmsr(0xc0000000 + i) == TRAP_NONE;
		readable += try_rdmsr(0x40000000 + i) == TRAP_NONE;
	}
	expect("readable MSRs", readable, MSRS_READABLE);
	expect("write of the time", try_wrmsr(MSR_TIME_STAMP_COUNTER, 0), VECTOR_PROTECTION);
	expect("write of LSTAR", try_wrmsr(MSR_LSTAR, 1ull << 47), VECTOR_PROTECTION);
	expect("write of FS base", try_wrmsr(MSR_FS_BASE, 1ull << 63), VECTOR_PROTECTION);
	expect("write of PAT", try_wrmsr(MSR_PAT, 2), VECTOR_PROTECTION);
	expect("write of EFER", try_wrmsr(MSR_EFER, ~0ull), VECTOR_PROTECTION);
	expect("end of long mode", try_wrmsr(MSR_EFER, 0), VECTOR_PROTECTION);
	expect("write of feature control", try_wrmsr(0x3a, 5), VECTOR_PROTECTION);
	expect("write of the APIC base", try_wrmsr(0x1b, 0xfee00900), VECTOR_PROTECTION);
	expect("no-execute", try_wrmsr(MSR_EFER, read_msr(MSR_EFER) | 0x800), TRAP_NONE);
	expect("EFER", read_msr(MSR_EFER) & 0xd00, 0xd00);
}

static void probe_control_registers(void)
{
	uint64_t cr0 = READ_CR(0);
	uint64_t cr4 = READ_CR(4);
	uint64_t cr8;

	expect("CR0.NW alone", WRITE_CR(0, cr0 | CR0_NW), VECTOR_PROTECTION);
	expect("CR0 bit 32", WRITE_CR(0, cr0 | 1ull << 32), VECTOR_PROTECTION);
	expect("paging off in 64-bit mode", WRITE_CR(0, cr0 & ~CR0_PG), VECTOR_PROTECTION);
	expect("CR0.TS", WRITE_CR(0, cr0 | CR0_TS), TRAP_NONE);
	expect("CR0", READ_CR(0), cr0 | CR0_TS);
	__asm__ volatile("clts");
	expect("CR0 after CLTS", READ_CR(0), cr0);
	expect("LMSW", TRAP_TRY("lmsw %%ax", "a"(0x0b)), TRAP_NONE); /* TS, MP, PE */
	expect("CR0 after LMSW", READ_CR(0) & 0xf, 0xb);
	expect("CR0 again", WRITE_CR(0, cr0), TRAP_NONE);
	for (unsigned bit = 0; bit < 64; bit++) {
		if (CR4_NEVER >> bit & 1 || bit > 22) {
			expect("CR4 bit", WRITE_CR(4, cr4 | 1ull << bit), VECTOR_PROTECTION);
		}
	}
	expect("CR4.PAE off", WRITE_CR(4, cr4 & ~CR4_PAE), VECTOR_PROTECTION);
	expect("CR4.TSD", WRITE_CR(4, cr4 | CR4_TSD), TRAP_NONE);
	expect("CR4", READ_CR(4), cr4 | CR4_TSD);
	expect("CR4 again", WRITE_CR(4, cr4), TRAP_NONE);
	expect("CR8 of 16", WRITE_CR(8, 16), VECTOR_PROTECTION);
	expect("CR8 of 5", WRITE_CR(8, 5), TRAP_NONE);
	__asm__ volatile("movq %%cr8, %0" : "=r"(cr8));
	expect("CR8", cr8, 5);
	expect("CR8 of 0", WRITE_CR(8, 0), TRAP_NONE);
}

static void probe_xcr0(void)
{
	uint64_t refused = guest_xcr0 != 0 ? VECTOR_PROTECTION : VECTOR_UNDEFINED;

	expect("XCR0 without x87", TRAP_TRY("xsetbv", "a"(2), "d"(0), "c"(0)), refused);
	expect("XCR0 of all", TRAP_TRY("xsetbv", "a"(-1), "d"(-1), "c"(0)), refused);
	expect("XCR1", TRAP_TRY("xsetbv", "a"(1), "d"(0), "c"(1)), refused);
}

/* ---- Events ---- */

#define EXPECT_STEP(call)                                                                          \
	do {                                                                                       \
		trap_vector = TRAP_NONE;                                                           \
		trap_rip = 0;                                                                      \
		uint64_t here = call;                                                              \
		expect(#call " vector", trap_vector, VECTOR_DEBUG);                                \
		expect(#call " RIP", trap_rip, here);                                              \
	} while (0)

/*
 * Under an outer hypervisor the trap may come before the touch, whose second-stage fault that one
 * answered without asking ours.
 */
static void probe_step_touch(void)
{
	const uint8_t *address = (const uint8_t *)fresh_address();
	uint64_t behind;

	trap_vector = TRAP_NONE;
	behind = step_touch(address);
	expect("step over a touch", trap_vector, VECTOR_DEBUG);
	if (trap_rip != behind - STEP_TOUCH_BYTES) {
		expect("step over a touch: RIP", trap_rip, behind);
	}
}

/* Some emulators hold the trap off for one more instruction, as behind MOV SS. */
static void probe_step_sti(void)
{
	uint64_t behind;

	trap_vector = TRAP_NONE;
	behind = step_sti();
	expect("step over STI", trap_vector, VECTOR_DEBUG);
	if (trap_rip != behind + STEP_NOP_BYTES) {
		expect("step over STI: RIP", trap_rip, behind);
	}
}

static void probe_steps(void)
{
	EXPECT_STEP(step_nop());
	EXPECT_STEP(step_cpuid());
	EXPECT_STEP(step_vmcall());
	EXPECT_STEP(step_mov_ss_cpuid());
	probe_step_sti();
	probe_step_touch();
	EXPECT_STEP(step_mov_ss_touch((const void *)fresh_address()));
	sti_touch((const void *)fresh_address());
}

static void expect_delivery(const char *name, void (*deliver)(uint64_t), uint64_t vector,
			    uint64_t error)
{
	uint64_t count = trap_count;

	trap_vector = TRAP_NONE;
	trap_error = 0;
	deliver(fresh_address() + EXTENT_BYTES);
	expect(name, trap_vector, vector);
	expect(name, trap_error, error);
	expect(name, trap_count, count + 1);
}

/* The frame of each goes to memory that is not there yet. */
static void probe_deliveries(void)
{
	expect_delivery("INT on a fresh stack", deliver_int, TRAP_SOFTWARE_VECTOR, 0);
	expect_delivery("INT3 on a fresh stack", deliver_int3, VECTOR_BREAKPOINT, 0);
	if (TRAP_TRY(".byte 0xf1", "a"(0)) == VECTOR_DEBUG) { /* not every emulator has INT1 */
		expect_delivery("INT1 on a fresh stack", deliver_int1, VECTOR_DEBUG, 0);
	}
	expect_delivery("UD2 on a fresh stack", deliver_undefined, VECTOR_UNDEFINED, 0);
	expect_delivery("#GP on a fresh stack", deliver_protection, VECTOR_PROTECTION, 0);
	expect_delivery("#PF on a fresh stack", deliver_page_fault, VECTOR_PAGE_FAULT, 0);
	expect("CR2", cpu_read_cr2(), 0x00007ffffffff000);
	expect_delivery("a step on a fresh stack", deliver_step, VECTOR_DEBUG, 0);
}

/* ---- Modes ---- */

static void allow_user_mode(void)
{
	uint64_t cr3;
	uint64_t *table;

	__asm__ volatile("movq %%cr3, %0" : "=r"(cr3));
	table = (uint64_t *)cr3;
	table[0] |= PAGE_USER;
	table = (uint64_t *)(table[0] & ~0xfffull);
	table[0] |= PAGE_USER;
	table = (uint64_t *)(table[0] & ~0xfffull);
	for (unsigned i = 0; i < TABLE_ENTRIES; i++) {
		table[i] |= table[i] != 0 ? PAGE_USER : 0;
	}
	__asm__ volatile("movq %0, %%cr3" : : "r"(cr3) : "memory");
}

static void probe_modes(void)
{
	static uint32_t directory[1024] __attribute__((aligned(4096)));

	for (uint32_t i = 0; i < 1024; i++) {
		directory[i] = i << 22 | LARGE_4M;
	}
	expect("VMCALL in real mode", (uint32_t)mode_round_trip((uintptr_t)directory),
	       (uint32_t)AEROSTAT_ERROR_PRIVILEGE);
	allow_user_mode();
	expect("CR0.AM", WRITE_CR(0, READ_CR(0) | CR0_AM), TRAP_NONE);
	trap_vector = TRAP_NONE;
	expect("VMCALL in user mode", (uint64_t)user_visit(), (uint64_t)AEROSTAT_ERROR_PRIVILEGE);
	if (trap_vector == TRAP_NONE) {
		console_print("this processor checks no alignment\n"); /* an emulator's */
	} else {
		expect("misaligned access in user mode", trap_vector, VECTOR_ALIGNMENT);
	}
}

/* ---- Registers that stay in the processor while others run ---- */

struct kept {
	uint64_t dr[4];
	uint64_t msrs[6];
	uint64_t cr2;
};

static const uint32_t kept_msrs[] = {MSR_STAR,	MSR_LSTAR,	    MSR_CSTAR,
				     MSR_FMASK, MSR_KERNEL_GS_BASE, MSR_FS_BASE};

static void kept_read(struct kept *kept)
{
	__asm__ volatile("movq %%dr0, %0" : "=r"(kept->dr[0]));
	__asm__ volatile("movq %%dr1, %0" : "=r"(kept->dr[1]));
	__asm__ volatile("movq %%dr2, %0" : "=r"(kept->dr[2]));
	__asm__ volatile("movq %%dr3, %0" : "=r"(kept->dr[3]));
	for (unsigned i = 0; i < 6; i++) {
		kept->msrs[i] = read_msr(kept_msrs[i]);
	}
	kept->cr2 = cpu_read_cr2();
}

static void kept_write(uint64_t seed)
{
	/* 32 bits: good for every one of them. */
	__asm__ volatile("movq %0, %%dr0" : : "r"((uint64_t)(uint32_t)runtime_mix(seed)));
	__asm__ volatile("movq %0, %%dr1" : : "r"((uint64_t)(uint32_t)runtime_mix(seed + 1)));
	__asm__ volatile("movq %0, %%dr2" : : "r"((uint64_t)(uint32_t)runtime_mix(seed + 2)));
	__asm__ volatile("movq %0, %%dr3" : : "r"((uint64_t)(uint32_t)runtime_mix(seed + 3)));
	__asm__ volatile("movq %0, %%cr2" : : "r"(runtime_mix(seed + 4)));
	for (unsigned i = 0; i < 6; i++) {
		expect("write of an MSR",
		       try_wrmsr(kept_msrs[i], (uint32_t)runtime_mix(seed + 8 + i)), TRAP_NONE);
	}
}

/* After SWAPGS the processor itself has changed an MSR that the hypervisor keeps for us. */
static void swap_bases(void)
{
	__asm__ volatile("swapgs");
}

static void probe_kept(uint64_t seed, uint64_t rounds)
{
	for (uint64_t round = 0; round < rounds; round++) {
		struct kept before, after;
		const uint64_t *a = (const uint64_t *)&before;
		const uint64_t *b = (const uint64_t *)&after;

		kept_write(seed + 64 * round);
		swap_bases();
		kept_read(&before);
		wait_ms_quietly(3);
		cpu_interrupts_off();
		kept_read(&after);
		swap_bases(); /* the library keeps its own base in GS */
		expect("DR0", before.dr[0], (uint32_t)runtime_mix(seed + 64 * round));
		for (unsigned i = 0; i < sizeof(before) / sizeof(uint64_t); i++) {
			expect("a register after others ran", b[i], a[i]);
		}
	}
}

int guest_main(const struct guest_arguments *arguments)
{
	uint64_t ports = 0;
	uint64_t rounds = 1;
	uint64_t spins = 1000000;
	const struct argument known[] = {{"ports", ARGUMENT_COUNT, false, &ports, NULL},
					 {"rounds", ARGUMENT_COUNT, false, &rounds, NULL},
					 {"spins", ARGUMENT_COUNT, false, &spins, NULL}};

	if (!arguments_parse(arguments->text, known, 3)) {
		return GUEST_EXIT_ARGUMENTS;
	}
	trap_init();
	probe_instructions();
	probe_ports(ports);
	probe_msrs();
	probe_control_registers();
	probe_control_register_reads();
	probe_status_word();
	probe_xcr0();
	probe_steps();
	probe_deliveries();
	probe_doorbell(spins);
	probe_port_breakpoints();
	probe_resume_flag();
	probe_modes();
	probe_kept(arguments->seed, rounds);
	console_print("%u answers were wrong\n", failure_count);
	runtime_set_digest(trap_count);
	return failure_count > 0 ? GUEST_EXIT_INTERFACE : GUEST_EXIT_SUCCESS;
}
