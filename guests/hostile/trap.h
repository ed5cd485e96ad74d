/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Running code that may raise an exception, in any mode, and coming back. Outside of trap_run() an
 * exception ends the guest with the library's report.
 */
#ifndef GUESTS_HOSTILE_TRAP_H
#define GUESTS_HOSTILE_TRAP_H

#define TRAP_CODE_64 0x08
#define TRAP_DATA 0x10
#define TRAP_CODE_32 0x18
#define TRAP_USER_DATA 0x23
#define TRAP_USER_CODE_64 0x2b
#define TRAP_USER_CODE_32 0x33
#define TRAP_TASK 0x38 /* two slots */

/* Where user mode sees the first 2 MiB of RAM. RAM ends below. */
#define TRAP_USER_BASE 0xc0000000

#define TRAP_NONE (-1)

#ifndef __ASSEMBLY__

#include <stdint.h>

/* Of the last exception. */
extern uint64_t trap_rax;
extern uint64_t trap_error;
extern uint64_t trap_rip;

/* Descriptor tables, a task state with stacks of its own, and the pages of user mode. */
void trap_init(void);

/* Calls; answers the vector of the exception that ended it, or TRAP_NONE. Does not nest. */
int trap_run(void (*call)(void *), void *argument);

/* From now on every exception is a triple fault. */
void trap_forget(void);

/* The page of the descriptor table of interrupts. */
uint64_t trap_table_page(void);

/* Registers of a hypercall, as it is to be issued. */
struct wild {
	uint64_t rax, rdi, rsi, rdx, r10;
	uint64_t result;
};

extern struct wild wild;

/*
 * Issue `wild` in one state of the processor each (trap_run's calls; the argument is not used).
 * Those that cannot come back by themselves end in an exception with the result in trap_rax.
 */
void wild_plain(void *unused);	    /* 64-bit mode, privileged */
void wild_shadow_sti(void *unused); /* in the shadow of STI */
void wild_shadow_ss(void *unused);  /* in the shadow of MOV SS */
void wild_step(void *unused);	    /* single-stepped: #DB */
void wild_step_ss(void *unused);    /* single-stepped in the shadow of MOV SS: #DB */
void wild_compatible(void *unused); /* 32-bit, privileged: #UD */
void wild_user(void *unused);	    /* user mode: #UD */
void wild_user_32(void *unused);    /* 32-bit user mode: #UD */

#endif /* __ASSEMBLY__ */

#endif
