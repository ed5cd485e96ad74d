/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Debug registers, CR2, CR8, MSRs of system calls and bases, PAT, and what instructions without an
 * intercept of their own could tell: RDPID, RDTSCP, RDPRU, RDPKRU (Intel SDM volume 2, AMD APM
 * volume 3).
 */
#include "guests/leftover/registers.h"

#include "guests/lib/console.h"
#include "guests/probe/trap.h"

#define VECTOR_UNDEFINED 6
#define VECTOR_PROTECTION 13
#define DR6_INITIAL 0xffff0ff0ull
#define DR7_INITIAL 0x400ull
#define PAT_INITIAL 0x0007040600070406ull
#define PAT_MARK 0x0406010600070406ull
#define DR7_MARK (DR7_INITIAL | 0x55550000)

enum {
	DR0,
	DR1,
	DR2,
	DR3,
	DR6,
	DR7,
	CR2,
	CR8,
	MSRS,
};

/* Canonical and of 32 bits, so that each of them takes a mark. */
static const struct {
	uint32_t index;
	uint64_t initial;
} msrs[] = {
	{0x174, 0},	      /* SYSENTER_CS */
	{0x175, 0},	      /* SYSENTER_ESP */
	{0x176, 0},	      /* SYSENTER_EIP */
	{0x277, PAT_INITIAL}, /* PAT */
	{0xc0000081, 0},      /* STAR */
	{0xc0000082, 0},      /* LSTAR */
	{0xc0000083, 0},      /* CSTAR */
	{0xc0000084, 0},      /* FMASK */
	{0xc0000100, 0},      /* FS base */
	{0xc0000102, 0},      /* kernel GS base */
};

#define MSR_COUNT (sizeof(msrs) / sizeof(msrs[0]))
#define COUNT (MSRS + MSR_COUNT)
#define MSR_PAT 0x277

static uint64_t planted[COUNT];

static uint64_t msr_read(uint32_t index)
{
	uint32_t low, high;

	__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
	return (uint64_t)high << 32 | low;
}

#define READ(register, place) __asm__ volatile("movq %%" register ", %0" : "=r"(place))

static void read_all(uint64_t *values)
{
	READ("dr0", values[DR0]);
	READ("dr1", values[DR1]);
	READ("dr2", values[DR2]);
	READ("dr3", values[DR3]);
	READ("dr6", values[DR6]);
	READ("dr7", values[DR7]);
	READ("cr2", values[CR2]);
	READ("cr8", values[CR8]);
	for (unsigned i = 0; i < MSR_COUNT; i++) {
		values[MSRS + i] = msr_read(msrs[i].index);
	}
}

static bool all_are(const uint64_t *wanted, const char *what)
{
	uint64_t values[COUNT];

	read_all(values);
	for (unsigned i = 0; i < COUNT; i++) {
		if (values[i] != wanted[i]) {
			console_print("register %u holds %s: 0x%lx instead of 0x%lx\n", i, what,
				      values[i], wanted[i]);
			return false;
		}
	}
	return true;
}

#define WRITE(register, value) __asm__ volatile("movq %0, %%" register : : "r"(value) : "memory")

bool registers_plant(uint64_t mark)
{
	bool taken = true;

	mark = (uint32_t)mark;
	for (unsigned i = 0; i < COUNT; i++) {
		planted[i] = mark + i;
	}
	planted[DR6] = DR6_INITIAL | 0xf; /* all four breakpoints were met */
	planted[DR7] = DR7_MARK;
	planted[CR8] = 1; /* no doorbell of this library is held off by it */
	WRITE("dr0", planted[DR0]);
	WRITE("dr1", planted[DR1]);
	WRITE("dr2", planted[DR2]);
	WRITE("dr3", planted[DR3]);
	WRITE("dr6", planted[DR6]);
	WRITE("dr7", planted[DR7]);
	WRITE("cr2", planted[CR2]);
	WRITE("cr8", planted[CR8]);
	for (unsigned i = 0; i < MSR_COUNT; i++) {
		uint64_t *value = &planted[MSRS + i];

		*value = msrs[i].index == MSR_PAT ? PAT_MARK : *value;
		taken &= TRAP_TRY("wrmsr", "c"(msrs[i].index), "a"((uint32_t)*value),
				  "d"((uint32_t)(*value >> 32))) == TRAP_NONE;
	}
	return all_are(planted, "not what was just written") && taken;
}

bool registers_are_own(void)
{
	return all_are(planted, "not what was written");
}

bool registers_are_initial(void)
{
	uint64_t wanted[COUNT] = {[DR6] = DR6_INITIAL, [DR7] = DR7_INITIAL};

	for (unsigned i = 0; i < MSR_COUNT; i++) {
		wanted[MSRS + i] = msrs[i].initial;
	}
	return all_are(wanted, "what nobody here wrote");
}

/* Runs `instruction` with RCX = `index`; answers the vector. RAX, RDX and RCX are at `values`. */
#define TELL(instruction, index, values)                                                           \
	({                                                                                         \
		uint64_t rax = 0, rdx = 0, rcx = (index);                                          \
		trap_vector = TRAP_NONE;                                                           \
		__asm__ volatile("leaq 9f(%%rip), %%r11\n"                                         \
				 "movq %%r11, trap_resume(%%rip)\n" instruction "\n"               \
				 "9: movq $0, trap_resume(%%rip)"                                  \
				 : "+a"(rax), "+d"(rdx), "+c"(rcx)                                 \
				 :                                                                 \
				 : "r11", "memory", "cc");                                         \
		(values)[0] = rax;                                                                 \
		(values)[1] = rdx;                                                                 \
		(values)[2] = rcx;                                                                 \
		trap_vector;                                                                       \
	})

static bool told(const char *instruction, uint64_t vector, uint64_t value)
{
	if (vector == TRAP_NONE && value != 0) {
		console_print("%s tells 0x%lx\n", instruction, value);
		return false;
	}
	if (vector != TRAP_NONE && vector != VECTOR_UNDEFINED && vector != VECTOR_PROTECTION) {
		console_print("%s ends in vector %lu\n", instruction, vector);
		return false;
	}
	return true;
}

bool registers_tell_nothing(void)
{
	uint64_t values[3];
	uint64_t vector = TELL("rdpid %%rax", 0, values);
	bool nothing = told("RDPID", vector, values[0]);

	vector = TELL("rdtscp", 0, values);
	nothing &= told("RDTSCP", vector, values[2]);
	vector = TELL("rdpkru", 0, values);
	nothing &= told("RDPKRU", vector, values[0]);
	for (uint64_t i = 0; i < 2; i++) {
		/* MPERF and APERF count what the processor does for all. */
		vector = TELL(".byte 0x0f, 0x01, 0xfd", i, values);
		nothing &= told("RDPRU", vector, values[0] | values[1]);
		vector = TELL("rdpmc", i, values);
		nothing &= told("RDPMC", vector, values[0] | values[1]);
		vector = TELL("rdpmc", i | 1u << 30, values);
		nothing &= told("RDPMC of a fixed counter", vector, values[0] | values[1]);
	}
	return nothing;
}
