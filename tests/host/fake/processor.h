/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A processor for host tests: what the sources of arch/ execute through arch/x86/cpu/registers.h,
 * msr.h, cpuid.h and xstate_instructions.h happens here. It is as strict as a real one (Intel SDM
 * volume 1, chapter 13): what would raise an exception fails the test.
 */
#ifndef FAKE_PROCESSOR_H
#define FAKE_PROCESSOR_H

#include "arch/x86/cpu/cpuid.h"
#include "base/types.h"

#define PROCESSOR_COMPONENTS 64

/*
 * After reset, without any CPUID leaf (before, CPUID answers as on this machine) and with XCR0 = 1.
 * `components`: what XCR0 may enable, each with bytes and a place of its own in the standard
 * format, as leaf 0xd says from then on.
 */
void processor_reset(uint64_t components);

/* Answers of CPUID; leaf 0xd is answered from the components, but for EAX of its sub-leaf 1. */
void processor_cpuid_set(uint32_t leaf, uint32_t subleaf, struct cpuid answer);

/* It saves and restores the pointers of the last x87 instruction only with an exception pending. */
extern bool processor_drops_pointers;

/* What AVX-512 adds does not come back from the compacted format; how often that was tried. */
extern bool processor_loses_compacted;
extern unsigned processor_compacted_trials;

/* What a guest does without an exit where XSETBV is not intercepted. */
void processor_guest_xsetbv(uint64_t value);

/* Fills the state of a component, whether XCR0 enables it or not; and is all of it that `byte`? */
void processor_fill(unsigned component, uint8_t byte);
bool processor_holds(unsigned component, uint8_t byte);

/* Is it as after reset? Component 0 with its pointers. */
bool processor_is_initial(unsigned component);

/* How many XSETBV there were, each of which may be an exit to an outer hypervisor. */
extern unsigned processor_xsetbv_count;

/* How often MSR `index` was written since processor_reset. */
unsigned processor_msr_writes(uint32_t index);

#endif
