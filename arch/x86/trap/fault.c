/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Exceptions of the hypervisor itself. Each is a bug of ours or broken hardware, so this prints all
 * that helps to find it and switches off; only instructions with a fix-up (RDMSR and WRMSR of a
 * register that may not exist, and the first one behind VMRUN) go on.
 */
#include "arch/x86/trap/backtrace.h"
#include "arch/x86/cpu/cpu.h"
#include "arch/x86/cpu/interrupt.h"
#include "arch/x86/cpu/msr.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "kernel/log/panic.h"
#include "kernel/log/symbols.h"

#define ERROR_WORDS_BYTES 96

/* Page-fault error code (Intel SDM volume 3, figure 4-12). */
#define PF_PRESENT BIT(0)
#define PF_WRITE BIT(1)
#define PF_RESERVED BIT(3)
#define PF_FETCH BIT(4)

/* Selector error code (figure 6-7). */
#define SELECTOR_EXTERNAL BIT(0)
#define SELECTOR_IDT BIT(1)
#define SELECTOR_LDT BIT(2)

#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MC0_STATUS 0x401
#define MCG_CAP_COUNT 0xff
#define MC_STATUS_VALID BIT(63)

/* Of what may go on; also of a trap, which comes behind the instruction that raised it. */
struct fixup {
	uint64_t fault_rip;
	uint64_t resume_rip;
	uint64_t vector; /* the only exception for which it holds */
};

extern const struct fixup fixups_start[], fixups_end[];

/* The instruction at label 1, on a fault, continues at label 2 with `failed` set. */
#define FIXUP                                                                                      \
	".pushsection .fixups, \"a\"\n\t"                                                          \
	".quad 1b, 2b, 13\n\t" /* #GP */                                                           \
	".popsection\n\t"

bool msr_read_safe(uint32_t index, uint64_t *value)
{
	uint32_t low;
	uint32_t high;
	uint32_t failed = 1;

	__asm__ volatile("1: rdmsr\n\t"
			 "xorl %2, %2\n"
			 "2:\n\t" FIXUP
			 : "=&a"(low), "=&d"(high), "+&r"(failed)
			 : "c"(index)
			 : "memory", "cc");
	if (failed) {
		return false;
	}
	*value = (uint64_t)high << 32 | low;
	return true;
}

bool msr_write_safe(uint32_t index, uint64_t value)
{
	uint32_t failed = 1;

	__asm__ volatile("1: wrmsr\n\t"
			 "xorl %0, %0\n"
			 "2:\n\t" FIXUP
			 : "+&r"(failed)
			 : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(index)
			 : "memory", "cc");
	return failed == 0;
}

bool fault_fix_up(struct interrupt_frame *frame)
{
	for (const struct fixup *fixup = fixups_start; fixup < fixups_end; fixup++) {
		if (fixup->fault_rip == frame->rip && fixup->vector == frame->vector) {
			frame->rip = fixup->resume_rip;
			return true;
		}
	}
	return false;
}

static const char *const vector_names[VECTOR_EXCEPTIONS] = {
	[0] = "#DE divide error",
	[1] = "#DB debug exception",
	[2] = "NMI",
	[3] = "#BP breakpoint",
	[4] = "#OF overflow",
	[5] = "#BR bound range exceeded",
	[6] = "#UD undefined instruction",
	[7] = "#NM device not available",
	[8] = "#DF double fault",
	[10] = "#TS invalid task-state segment",
	[11] = "#NP segment not present",
	[12] = "#SS stack fault",
	[13] = "#GP general protection",
	[14] = "#PF page fault",
	[16] = "#MF x87 floating-point error",
	[17] = "#AC alignment check",
	[18] = "#MC machine check",
	[19] = "#XM vector floating-point error",
	[20] = "#VE virtualization exception",
	[21] = "#CP control protection",
	[28] = "#HV hypervisor injection",
	[29] = "#VC VMM communication",
	[30] = "#SX security exception",
};

static void describe_page_fault(char *to, uint64_t error)
{
	const char *access = error & PF_FETCH ? "execution" : error & PF_WRITE ? "write" : "read";
	const char *cause = "not mapped";

	if (error & PF_RESERVED) {
		cause = "mapped with a reserved bit set";
	} else if (error & PF_PRESENT) {
		cause = "mapped without that right";
	}
	snprintf(to, ERROR_WORDS_BYTES, "%s of a page that is %s", access, cause);
}

static void describe_selector(char *to, uint64_t error)
{
	const char *table = error & SELECTOR_IDT ? "IDT" : error & SELECTOR_LDT ? "LDT" : "GDT";

	snprintf(to, ERROR_WORDS_BYTES, "selector 0x%lx in the %s%s", error & 0xfff8, table,
		 error & SELECTOR_EXTERNAL ? ", during delivery of an event" : "");
}

static void describe_error(char *to, const struct interrupt_frame *frame)
{
	to[0] = '\0';
	switch (frame->vector) {
	case VECTOR_PAGE_FAULT:
		describe_page_fault(to, frame->error);
		break;
	case VECTOR_INVALID_TSS:
	case VECTOR_NOT_PRESENT:
	case VECTOR_STACK:
	case VECTOR_PROTECTION:
		if (frame->error != 0) {
			describe_selector(to, frame->error);
		}
		break;
	}
}

static void print_registers(const struct interrupt_frame *f)
{
	log_event(NULL, "registers rip=0x%016lx rsp=0x%016lx rflags=0x%08lx cs=0x%lx ss=0x%lx",
		  f->rip, f->rsp, f->rflags, f->cs, f->ss);
	log_event(NULL, "registers rax=0x%016lx rcx=0x%016lx rdx=0x%016lx rbx=0x%016lx", f->rax,
		  f->rcx, f->rdx, f->rbx);
	log_event(NULL, "registers rsi=0x%016lx rdi=0x%016lx rbp=0x%016lx r8=0x%016lx", f->rsi,
		  f->rdi, f->rbp, f->r8);
	log_event(NULL, "registers r9=0x%016lx r10=0x%016lx r11=0x%016lx r12=0x%016lx", f->r9,
		  f->r10, f->r11, f->r12);
	log_event(NULL, "registers r13=0x%016lx r14=0x%016lx r15=0x%016lx", f->r13, f->r14, f->r15);
	log_event(NULL, "registers cr0=0x%08lx cr2=0x%016lx cr3=0x%016lx cr4=0x%08lx", read_cr0(),
		  read_cr2(), read_cr3(), read_cr4());
}

void fault_report(const struct interrupt_frame *frame)
{
	char error_words[ERROR_WORDS_BYTES];
	const char *name = vector_names[frame->vector];
	uint64_t cr2 = read_cr2();
	uint64_t offset = 0;
	const char *function = symbol_find(frame->rip, &offset);

	panic_begin();
	describe_error(error_words, frame);
	log_event(NULL, "panic: %s (vector %lu) in the hypervisor at %s+0x%lx, error code 0x%lx",
		  name != NULL ? name : "reserved exception", frame->vector,
		  function != NULL ? function : "(outside its code)", offset, frame->error);
	if (error_words[0] != '\0') {
		log_event(NULL, "fault: %s", error_words);
	}
	if (frame->vector == VECTOR_PAGE_FAULT || frame->vector == VECTOR_DOUBLE_FAULT) {
		const char *guard = cpu_guard_name(cpu_current(), cr2);

		log_event(NULL, "fault: address 0x%016lx%s%s%s", cr2,
			  guard != NULL ? " is the guard page below the " : "",
			  guard != NULL ? guard : "", guard != NULL ? ": stack overflow" : "");
	}
	print_registers(frame);
	backtrace_print_fault(frame->rip, frame->rbp, frame->rsp);
	panic_end();
}

/* The banks name the unit that failed; what their bits mean depends on the model. */
void machine_check_report(void)
{
	uint64_t capability = 0;
	uint64_t status = 0;

	panic_begin();
	(void)msr_read_safe(MSR_MCG_STATUS, &status);
	log_event(NULL, "panic: machine check, a hardware error; global status 0x%lx", status);
	(void)msr_read_safe(MSR_MCG_CAP, &capability);
	for (uint32_t bank = 0; bank < (capability & MCG_CAP_COUNT); bank++) {
		if (msr_read_safe(MSR_MC0_STATUS + 4 * bank, &status) &&
		    (status & MC_STATUS_VALID)) {
			log_event(NULL, "machine-check bank=%u status=0x%016lx", bank, status);
		}
	}
	arch_print_backtrace();
	panic_end();
}
