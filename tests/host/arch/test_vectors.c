/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * arch/x86/trap/vectors.S, as it is: the test jumps to the entry points as a processor does, with
 * the frame of an interrupt on the stack. IRETQ works in a process as well. WRMSR does not: the
 * signal that it raises shows that it was reached, and with which registers.
 */
#define _GNU_SOURCE /* names of registers in a signal's context */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/ucontext.h>
#include <unistd.h>

#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/mitigations.h"

#define STUB_BYTES 16
#define REGISTERS 15
#define WRMSR_BYTES 2
#define NMI 2
#define MACHINE_CHECK 18

extern const char vector_stubs[];
void interrupt(const char *stub); /* below */

/* Of the interrupted code: R15 first, RAX last, as in the frame. */
__attribute__((used)) static uint64_t before[REGISTERS], after[REGISTERS];
__attribute__((used)) static uint64_t code_segment, stack_segment, interrupted_rsp, entry_point;
uint32_t speculation_actions;

static struct interrupt_frame seen;
static unsigned entry_count;
static unsigned barrier_count;
static bool barrier_is_late;
static bool barrier_has_values; /* of the interrupted code, in registers */

#define EACH_REGISTER(do)                                                                          \
	do                                                                                         \
	(r15, 0) do(r14, 8) do(r13, 16) do(r12, 24) do(r11, 32) do(r10, 40) do(r9, 48) do(         \
		r8, 56) do(rdi, 64) do(rsi, 72) do(rbp, 80) do(rbx, 88) do(rdx,                    \
									   96) do(rcx,             \
										  104) do(rax,     \
											  112)
#define LOAD(name, place) "	movq before+" #place "(%rip), %" #name "\n"
#define STORE(name, place) "	movq %" #name ", after+" #place "(%rip)\n"

__asm__(".pushsection .text\n"
	"interrupt:\n"
	"	pushq %rbp\n"
	"	pushq %rbx\n"
	"	pushq %r12\n"
	"	pushq %r13\n"
	"	pushq %r14\n"
	"	pushq %r15\n"
	"	subq $8, %rsp\n"
	"	movq %rdi, entry_point(%rip)\n"
	"	movq %rsp, interrupted_rsp(%rip)\n"
	"	leaq 1f(%rip), %rax\n"
	"	pushq stack_segment(%rip)\n"
	"	pushq interrupted_rsp(%rip)\n"
	"	pushfq\n"
	"	pushq code_segment(%rip)\n"
	"	pushq %rax\n" EACH_REGISTER(LOAD) "	jmpq *entry_point(%rip)\n"
						  "1:\n" EACH_REGISTER(STORE) "	addq $8, %rsp\n"
									      "	popq %r15\n"
									      "	popq %r14\n"
									      "	popq %r13\n"
									      "	popq %r12\n"
									      "	popq %rbx\n"
									      "	popq %rbp\n"
									      "	ret\n"
									      ".popsection");

void interrupt_entry(struct interrupt_frame *frame)
{
	seen = *frame;
	entry_count++;
	/* 22 words below an address that the processor has aligned. */
	assert_int_equal((uintptr_t)frame, interrupted_rsp - sizeof(*frame));
	assert_int_equal((uintptr_t)frame % 16, 0);
}

static bool is_of_the_code(greg_t value)
{
	for (unsigned i = 0; i < REGISTERS; i++) {
		if ((uint64_t)value == before[i]) {
			return true;
		}
	}
	return false;
}

/* WRMSR in a process. */
static void note_barrier(int signal, siginfo_t *info, void *context)
{
	static const int registers[] = {REG_RAX, REG_RBX, REG_RCX, REG_RDX, REG_RSI,
					REG_RDI, REG_RBP, REG_R8,  REG_R9,  REG_R10,
					REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
	greg_t *at = ((ucontext_t *)context)->uc_mcontext.gregs;
	(void)signal;
	(void)info;
	if (memcmp((const void *)at[REG_RIP], "\x0f\x30", WRMSR_BYTES) != 0) {
		_exit(3);
	}
	if (at[REG_RCX] == 0x49 && at[REG_RAX] == 1 && at[REG_RDX] == 0) {
		barrier_count++;
	}
	barrier_is_late = barrier_is_late || entry_count != 0;
	for (unsigned i = 0; i < sizeof(registers) / sizeof(registers[0]); i++) {
		barrier_has_values = barrier_has_values || is_of_the_code(at[registers[i]]);
	}
	at[REG_RIP] += WRMSR_BYTES;
}

static void raise_vector(unsigned vector, uint32_t actions)
{
	entry_count = 0;
	barrier_count = 0;
	barrier_is_late = barrier_has_values = false;
	speculation_actions = actions;
	memset(after, 0, sizeof(after));
	for (unsigned i = 0; i < REGISTERS; i++) {
		before[i] = 0xa0a0a0a000000000 + 0x1111 * vector + i;
	}
	__asm__("movq %%cs, %0; movq %%ss, %1" : "=r"(code_segment), "=r"(stack_segment));
	interrupt(vector_stubs + STUB_BYTES * vector);
	assert_int_equal(entry_count, 1);
	assert_int_equal(seen.vector, vector);
	assert_int_equal(seen.error, 0);
	assert_int_equal(seen.rsp, interrupted_rsp);
	assert_memory_equal(&seen, before, sizeof(before));
	assert_memory_equal(after, before, sizeof(before));
}

/* cmocka has a handler of its own for the time of a test. */
static void take_signals(void)
{
	struct sigaction action = {.sa_sigaction = note_barrier, .sa_flags = SA_SIGINFO};
	assert_int_equal(sigaction(SIGSEGV, &action, NULL), 0);
}

/* With every measure, and with none, nothing of what was interrupted is lost. */
static void test_guarded_vectors(void **state)
{
	static const uint32_t actions[] = {0, MITIGATE_RSB_ONE, MITIGATE_RSB_FILL,
					   MITIGATE_RSB_FILL | MITIGATE_RSB_ONE | MITIGATE_VERW,
					   MITIGATE_GUARDED};
	static const unsigned vectors[] = {0, 1, NMI, 3, MACHINE_CHECK, 19, 0x20, 0xff};
	(void)state;
	take_signals();
	for (unsigned i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
		for (unsigned j = 0; j < sizeof(vectors) / sizeof(vectors[0]); j++) {
			raise_vector(vectors[j], actions[i]);
		}
	}
}

/*
 * Regression: an NMI between an exit of VT-x and the end of its guards ran its handler with what
 * the guest had trained, and with its registers.
 */
static void test_barrier_comes_first(void **state)
{
	static const unsigned vectors[] = {NMI, MACHINE_CHECK};
	(void)state;
	take_signals();
	for (unsigned i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		raise_vector(vectors[i], MITIGATE_GUARDED);
		assert_int_equal(barrier_count, 1);
		assert_false(barrier_is_late);
		assert_false(barrier_has_values);
		raise_vector(vectors[i], MITIGATE_RSB_FILL);
		assert_int_equal(barrier_count, 0);
	}
	/* Others cannot come there, and cost what they did. */
	raise_vector(0x20, MITIGATE_GUARDED);
	assert_int_equal(barrier_count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_guarded_vectors),
		cmocka_unit_test(test_barrier_comes_first),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
