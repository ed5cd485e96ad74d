/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One step of waiting for another CPU, for every layer. The only place outside arch/ that knows a
 * processor's name: tools/check-layers refuses its builtins elsewhere.
 */
#ifndef BASE_SPIN_H
#define BASE_SPIN_H

#if defined(__x86_64__) || defined(__i386__)
/* PAUSE frees the core for its sibling thread and makes a nested hypervisor take notice. */
static inline void spin_hint(void)
{
	__builtin_ia32_pause();
}
#elif defined(__aarch64__)
/* Host tests run on such machines, too. */
static inline void spin_hint(void)
{
	__builtin_aarch64_isb();
}
#else
static inline void spin_hint(void)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}
#endif

#endif
