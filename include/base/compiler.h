/* SPDX-License-Identifier: BSD-2-Clause */
/* What GCC and Clang spell differently, or at too great a length, written once. */
#ifndef BASE_COMPILER_H
#define BASE_COMPILER_H

/* The function is seldom called: its registers and its stack frame stay out of the frequent ones.
 */
#define NOT_INLINE __attribute__((noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))

/*
 * In front of a function of the C library: the compiler must not recognise its loop as that very
 * function, which would then call itself.
 */
#if defined(__clang__)
#define NO_LOOP_IDIOMS __attribute__((no_builtin))
#else
#define NO_LOOP_IDIOMS __attribute__((optimize("no-tree-loop-distribute-patterns")))
#endif

#endif
