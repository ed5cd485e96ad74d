/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions that are expected. While trap_init()'s table is loaded, an exception is written down
 * and execution goes on: at `trap_resume` if that is set (which clears it), else where the
 * processor's own return address points. Single-stepping ends with the first trap.
 */
#ifndef GUESTS_PROBE_TRAP_H
#define GUESTS_PROBE_TRAP_H

#define TRAP_CODE_64 0x08
#define TRAP_DATA 0x10
#define TRAP_CODE_32 0x18
#define TRAP_USER_CODE 0x23
#define TRAP_USER_DATA 0x2b
#define TRAP_TASK 0x30 /* two slots */

#define TRAP_SOFTWARE_VECTOR 0x80
#define TRAP_LEAVE_USER_VECTOR 0x81

#define TRAP_NONE 0xff

#ifndef __ASSEMBLY__

#include <stdint.h>

/* Of the last exception. */
extern uint64_t trap_vector;
extern uint64_t trap_error;
extern uint64_t trap_rip;
extern uint64_t trap_rflags; /* as pushed */
extern uint64_t trap_count;  /* since trap_init */
extern uint64_t trap_resume;

/* Loads a GDT with the selectors above, a TSS and the table of vectors. */
void trap_init(void);

/*
 * Runs one instruction that may fault and answers the vector, TRAP_NONE when nothing happened. Its
 * operands follow as in any asm statement; RAX, RCX, RDX and R11 may change.
 */
#define TRAP_TRY(instruction, ...)                                                                 \
	({                                                                                         \
		trap_vector = TRAP_NONE;                                                           \
		__asm__ volatile("leaq 9f(%%rip), %%r11\n"                                         \
				 "movq %%r11, trap_resume(%%rip)\n" instruction "\n"               \
				 "9: movq $0, trap_resume(%%rip)"                                  \
				 :                                                                 \
				 : __VA_ARGS__                                                     \
				 : "r11", "memory", "cc");                                         \
		trap_vector;                                                                       \
	})

/* steps.S. One step each; the address at which the trap has to arrive. */
uint64_t step_nop(void);
uint64_t step_cpuid(void);
uint64_t step_vmcall(void);
uint64_t step_mov_ss_cpuid(void);
uint64_t step_sti(void);
uint64_t step_touch(const void *address);
uint64_t step_mov_ss_touch(const void *address);

/* CPUID with RF set, then INT $TRAP_SOFTWARE_VECTOR. */
void resume_cpuid_int(void);

/* STI, then a touch in its shadow. */
void sti_touch(const void *address);

/* One event each, delivered on a stack that ends at `top`. */
void deliver_int(uint64_t top);
void deliver_int3(uint64_t top);
void deliver_int1(uint64_t top);
void deliver_undefined(uint64_t top);
void deliver_protection(uint64_t top);
void deliver_page_fault(uint64_t top);
void deliver_step(uint64_t top);

/*
 * Out of long mode, through 32-bit paging and real mode, and back. Answers what VMCALL said in real
 * mode. `directory`: a page of 32-bit entries that maps the lowest 4 GiB with 4 MiB pages.
 */
int32_t mode_round_trip(uint64_t directory);

/* VMCALL and a misaligned access in user mode; answers what VMCALL said. */
int64_t user_visit(void);
extern uint8_t user_stack[], user_stack_end[];

#endif /* __ASSEMBLY__ */

#endif
