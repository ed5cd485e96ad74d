/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the compiler calls before each access to memory when it compiles for a thread sanitizer, in
 * place of the sanitizer's own library: the names are the compiler's. And memset and memcpy, which
 * it does not look into (the linker's --wrap).
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "interleave/cpus.h"
#include "interleave/memory.h"

#define FROM __builtin_return_address(0)

static inline void plain(const void *at, size_t bytes, bool write, const void *from)
{
	if (cpus_active) {
		memory_plain((uintptr_t)at, bytes, write, from);
	}
}

#define PLAIN(bytes)                                                                               \
	void __tsan_read##bytes(const void *at);                                                   \
	void __tsan_read##bytes(const void *at)                                                    \
	{                                                                                          \
		plain(at, bytes, false, FROM);                                                     \
	}                                                                                          \
	void __tsan_write##bytes(const void *at);                                                  \
	void __tsan_write##bytes(const void *at)                                                   \
	{                                                                                          \
		plain(at, bytes, true, FROM);                                                      \
	}                                                                                          \
	void __tsan_unaligned_read##bytes(const void *at);                                         \
	void __tsan_unaligned_read##bytes(const void *at)                                          \
	{                                                                                          \
		plain(at, bytes, false, FROM);                                                     \
	}                                                                                          \
	void __tsan_unaligned_write##bytes(const void *at);                                        \
	void __tsan_unaligned_write##bytes(const void *at)                                         \
	{                                                                                          \
		plain(at, bytes, true, FROM);                                                      \
	}

PLAIN(1)
PLAIN(2)
PLAIN(4)
PLAIN(8)
PLAIN(16)

void __tsan_read_range(const void *at, size_t bytes);
void __tsan_read_range(const void *at, size_t bytes)
{
	plain(at, bytes, false, FROM);
}

void __tsan_write_range(const void *at, size_t bytes);
void __tsan_write_range(const void *at, size_t bytes)
{
	plain(at, bytes, true, FROM);
}

#define CHANGE(bits, name, what)                                                                   \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,                   \
						    uint##bits##_t value, int order);              \
	uint##bits##_t __tsan_atomic##bits##_##name(volatile uint##bits##_t *at,                   \
						    uint##bits##_t value, int order)               \
	{                                                                                          \
		struct atomic atomic = {.kind = what,                                              \
					.order = order,                                            \
					.bytes = bits / 8,                                         \
					.operand = value,                                          \
					.from = FROM};                                             \
		return (uint##bits##_t)memory_atomic((uintptr_t)at, atomic);                       \
	}

/* GCC calls the one that answers the value, clang the ones that answer whether it was replaced. */
#define COMPARE(bits, name)                                                                        \
	int __tsan_atomic##bits##_compare_exchange_##name(                                         \
		volatile uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t value,       \
		int order, int order_of_failure);                                                  \
	int __tsan_atomic##bits##_compare_exchange_##name(                                         \
		volatile uint##bits##_t *at, uint##bits##_t *expected, uint##bits##_t value,       \
		int order, int order_of_failure)                                                   \
	{                                                                                          \
		struct atomic atomic = {.kind = ATOMIC_COMPARE,                                    \
					.order = order,                                            \
					.bytes = bits / 8,                                         \
					.operand = value,                                          \
					.expected = *expected,                                     \
					.from = FROM};                                             \
		(void)order_of_failure;                                                            \
		uint##bits##_t found = (uint##bits##_t)memory_atomic((uintptr_t)at, atomic);       \
		bool same = found == *expected;                                                    \
		*expected = found;                                                                 \
		return same;                                                                       \
	}

#define ATOMICS(bits)                                                                              \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order);   \
	uint##bits##_t __tsan_atomic##bits##_load(const volatile uint##bits##_t *at, int order)    \
	{                                                                                          \
		struct atomic atomic = {                                                           \
			.kind = ATOMIC_LOAD, .order = order, .bytes = bits / 8, .from = FROM};     \
		return (uint##bits##_t)memory_atomic((uintptr_t)at, atomic);                       \
	}                                                                                          \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value,        \
					 int order);                                               \
	void __tsan_atomic##bits##_store(volatile uint##bits##_t *at, uint##bits##_t value,        \
					 int order)                                                \
	{                                                                                          \
		struct atomic atomic = {.kind = ATOMIC_STORE,                                      \
					.order = order,                                            \
					.bytes = bits / 8,                                         \
					.operand = value,                                          \
					.from = FROM};                                             \
		(void)memory_atomic((uintptr_t)at, atomic);                                        \
	}                                                                                          \
	CHANGE(bits, exchange, ATOMIC_EXCHANGE)                                                    \
	CHANGE(bits, fetch_add, ATOMIC_ADD)                                                        \
	CHANGE(bits, fetch_sub, ATOMIC_SUB)                                                        \
	CHANGE(bits, fetch_and, ATOMIC_AND)                                                        \
	CHANGE(bits, fetch_or, ATOMIC_OR)                                                          \
	CHANGE(bits, fetch_xor, ATOMIC_XOR)                                                        \
	COMPARE(bits, strong)                                                                      \
	COMPARE(bits, weak)                                                                        \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                 \
		volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value,        \
		int order, int order_of_failure);                                                  \
	uint##bits##_t __tsan_atomic##bits##_compare_exchange_val(                                 \
		volatile uint##bits##_t *at, uint##bits##_t expected, uint##bits##_t value,        \
		int order, int order_of_failure)                                                   \
	{                                                                                          \
		struct atomic atomic = {.kind = ATOMIC_COMPARE,                                    \
					.order = order,                                            \
					.bytes = bits / 8,                                         \
					.operand = value,                                          \
					.expected = expected,                                      \
					.from = FROM};                                             \
		(void)order_of_failure;                                                            \
		return (uint##bits##_t)memory_atomic((uintptr_t)at, atomic);                       \
	}

ATOMICS(8)
ATOMICS(16)
ATOMICS(32)
ATOMICS(64)

void __tsan_atomic_thread_fence(int order);
void __tsan_atomic_thread_fence(int order)
{
	memory_fence(order);
}

void __tsan_atomic_signal_fence(int order);
void __tsan_atomic_signal_fence(int order)
{
	(void)order;
}

void __tsan_init(void);
void __tsan_init(void)
{
}

void __tsan_func_entry(const void *from);
void __tsan_func_entry(const void *from)
{
	(void)from;
}

void __tsan_func_exit(void);
void __tsan_func_exit(void)
{
}

void *__real_memset(void *to, int value, size_t bytes);
void *__wrap_memset(void *to, int value, size_t bytes);
void *__wrap_memset(void *to, int value, size_t bytes)
{
	plain(to, bytes, true, FROM);
	return __real_memset(to, value, bytes);
}

void *__real_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes);
void *__wrap_memcpy(void *to, const void *from, size_t bytes)
{
	plain(from, bytes, false, FROM);
	plain(to, bytes, true, FROM);
	return __real_memcpy(to, from, bytes);
}
