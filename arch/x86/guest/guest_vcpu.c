/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames, first segments, extended state and register report of a virtual processor. */
#include "arch/x86/guest/guest_vcpu.h"

#include "arch/x86/cpu/cpuid.h"
#include "arch/x86/cpu/speculation.h"
#include "arch/x86/cpu/xstate.h"
#include "arch/x86/guest/guest_cpuid.h"
#include "base/bits.h"
#include "base/check.h"
#include "base/log.h"
#include "base/string.h"
#include "kernel/vm/vm.h"
#include "mm/alloc.h"
#include "mm/phys.h"

typedef unsigned long long ull;

#define RIGHTS_CODE_32 0xc09b /* present, accessed, read and execute, 4 KiB units, 32-bit */
#define RIGHTS_DATA_32 0xc093 /* present, accessed, read and write, 4 KiB units, 32-bit */
#define RIGHTS_CODE_16 0x009b /* present, accessed, read and execute, bytes, 16-bit */
#define RIGHTS_DATA_16 0x0093 /* present, accessed, read and write, bytes, 16-bit */
#define RIGHTS_LDT 0x0082
#define RIGHTS_TSS_BUSY 0x008b
#define TSS_LIMIT_LEAST 0x67

static const struct guest_segment protected_segments[GUEST_SEGMENT_COUNT] = {
	[GUEST_ES] = {0x10, 0, 0xffffffff, RIGHTS_DATA_32},
	[GUEST_CS] = {0x08, 0, 0xffffffff, RIGHTS_CODE_32},
	[GUEST_SS] = {0x10, 0, 0xffffffff, RIGHTS_DATA_32},
	[GUEST_DS] = {0x10, 0, 0xffffffff, RIGHTS_DATA_32},
	[GUEST_FS] = {0x10, 0, 0xffffffff, RIGHTS_DATA_32},
	[GUEST_GS] = {0x10, 0, 0xffffffff, RIGHTS_DATA_32},
	[GUEST_LDTR] = {0, 0, 0, GUEST_SEGMENT_UNUSABLE},
	[GUEST_TR] = {0, 0, TSS_LIMIT_LEAST, RIGHTS_TSS_BUSY},
};

static const struct guest_segment real_segments[GUEST_SEGMENT_COUNT] = {
	[GUEST_ES] = {0, 0, 0xffff, RIGHTS_DATA_16},
	[GUEST_CS] = {0, 0, 0xffff, RIGHTS_CODE_16}, /* selector and base: the vector's */
	[GUEST_SS] = {0, 0, 0xffff, RIGHTS_DATA_16},
	[GUEST_DS] = {0, 0, 0xffff, RIGHTS_DATA_16},
	[GUEST_FS] = {0, 0, 0xffff, RIGHTS_DATA_16},
	[GUEST_GS] = {0, 0, 0xffff, RIGHTS_DATA_16},
	[GUEST_LDTR] = {0, 0, 0xffff, RIGHTS_LDT},
	[GUEST_TR] = {0, 0, 0xffff, RIGHTS_TSS_BUSY},
};

struct guest_segment guest_entry_segment(const struct vcpu *vcpu, enum guest_segment_name name)
{
	struct guest_segment segment;

	if (!vcpu->entry_real_mode) {
		return protected_segments[name];
	}
	segment = real_segments[name];
	if (name == GUEST_CS) {
		segment.selector = (uint16_t)(vcpu->entry >> 4);
		segment.base = vcpu->entry;
	}
	return segment;
}

uint64_t guest_entry_cr0(const struct vcpu *vcpu)
{
	uint64_t kept = vcpu->arch->cr0 & (CR0_CD | CR0_NW); /* by INIT; 0 before it ever ran */

	return kept | (vcpu->entry_real_mode ? CR0_ET : CR0_PE | CR0_ET);
}

uint64_t guest_entry_rip(const struct vcpu *vcpu)
{
	return vcpu->entry_real_mode ? 0 : vcpu->entry;
}

uint32_t guest_entry_table_limit(const struct vcpu *vcpu)
{
	return vcpu->entry_real_mode ? 0xffff : 0;
}

const uint8_t guest_exit_always[3 * PAGE_BYTES] __attribute__((aligned(4096))) = {
	[0 ... 3 * PAGE_BYTES - 1] = 0xff,
};

static struct frame_tag vcpu_tag(const struct vcpu *vcpu)
{
	return (struct frame_tag){FRAME_HYPERVISOR, ORDER_4K, vcpu->vm->id};
}

enum status guest_vcpu_alloc(struct vcpu *vcpu, struct s2 *s2, size_t bytes,
			     const struct guest_access *access)
{
	struct frame_tag tag = vcpu_tag(vcpu);
	size_t xstate_start = align_up_u64(bytes, XSTATE_ALIGN);
	struct arch_vcpu *arch;
	pfn_t self, control;
	enum status status;

	CHECK(xstate_start + xstate_bytes() <= PAGE_BYTES);
	status = frame_alloc(ORDER_4K, tag, &self);
	if (status != STATUS_OK) {
		return status;
	}
	status = frame_alloc(ORDER_4K, tag, &control);
	if (status != STATUS_OK) {
		frame_free(self, tag);
		return status;
	}
	arch = pfn_to_virt(self);
	arch->access = access;
	arch->vcpu = vcpu;
	arch->s2 = s2;
	arch->self = self;
	arch->control = control;
	arch->xcr0 = XCR0_X87;
	arch->debug.dr6 = GUEST_ENTRY_DR6;
	arch->xstate = (uint8_t *)arch + xstate_start;
	xstate_init(arch->xstate);
	vcpu->arch = arch;
	guest_cpuid_choose(vcpu);
	return STATUS_OK;
}

void guest_vcpu_reset(struct vcpu *vcpu)
{
	struct arch_vcpu *arch = vcpu->arch;

	memset(vcpu->regs, 0, sizeof(vcpu->regs));
	vcpu->regs[GPR_RDX] = cpuid_read(1, 0).eax; /* family, model, stepping */
	arch->debug = (struct debug_registers){.dr6 = GUEST_ENTRY_DR6};
	arch->event = (struct guest_event){.info = 0};
	arch->entry_failed = false;
	arch->doubtful = false;
}

void guest_vcpu_free(struct vcpu *vcpu)
{
	struct frame_tag tag = vcpu_tag(vcpu);
	pfn_t self = vcpu->arch->self;
	pfn_t control = vcpu->arch->control;

	vcpu->arch = NULL;
	frame_free(control, tag);
	frame_free(self, tag);
}

/* Reading it costs nothing, but under another hypervisor every write is an exit. */
static void xcr0_set(uint64_t value)
{
	if (guest_features.xcr0 != 0 && read_xcr0() != value) {
		write_xcr0(value);
	}
}

void guest_state_save(struct arch_vcpu *arch)
{
	/* Also the components that the guest has switched off hold bytes of its. */
	xcr0_set(xstate_mask());
	xstate_save(arch->xstate, xstate_mask());
	debug_registers_save(&arch->debug);
}

void guest_state_load(const struct arch_vcpu *arch)
{
	uint64_t reachable = xstate_reachable();

	speculation_switch(arch->vcpu->vm->id);
	/*
	 * Also the components that this guest has switched off may hold bytes of the last one, and
	 * those that no guest is offered: they are in no area, so they get their initial state.
	 */
	xcr0_set(reachable);
	xstate_restore(arch->xstate, reachable);
	debug_registers_restore(&arch->debug);
	xcr0_set(arch->xcr0);
}

void guest_dump_registers(const struct vcpu *vcpu)
{
	const char *name = vm_name(vcpu->vm);

	log_event(name, "registers rip=0x%llx rsp=0x%llx rflags=0x%llx cs=0x%llx ss=0x%llx",
		  (ull)guest_read(vcpu, GUEST_RIP), (ull)guest_read(vcpu, GUEST_RSP),
		  (ull)guest_read(vcpu, GUEST_RFLAGS), (ull)guest_read(vcpu, GUEST_CS_SELECTOR),
		  (ull)guest_read(vcpu, GUEST_SS_SELECTOR));
	log_event(name, "registers cr0=0x%llx cr2=0x%llx cr3=0x%llx cr4=0x%llx efer=0x%llx",
		  (ull)guest_read(vcpu, GUEST_CR0), (ull)guest_read(vcpu, GUEST_CR2),
		  (ull)guest_read(vcpu, GUEST_CR3), (ull)guest_read(vcpu, GUEST_CR4),
		  (ull)guest_read(vcpu, GUEST_EFER));
	guest_dump_general_registers(vcpu);
}

void guest_dump_general_registers(const struct vcpu *vcpu)
{
	const char *name = vm_name(vcpu->vm);
	const uint64_t *regs = vcpu->regs;

	log_event(name, "registers rax=0x%llx rbx=0x%llx rcx=0x%llx rdx=0x%llx", (ull)regs[GPR_RAX],
		  (ull)regs[GPR_RBX], (ull)regs[GPR_RCX], (ull)regs[GPR_RDX]);
	log_event(name, "registers rsi=0x%llx rdi=0x%llx rbp=0x%llx r8=0x%llx", (ull)regs[GPR_RSI],
		  (ull)regs[GPR_RDI], (ull)regs[GPR_RBP], (ull)regs[GPR_R8]);
	log_event(name, "registers r9=0x%llx r10=0x%llx r11=0x%llx r12=0x%llx", (ull)regs[GPR_R9],
		  (ull)regs[GPR_R10], (ull)regs[GPR_R11], (ull)regs[GPR_R12]);
	log_event(name, "registers r13=0x%llx r14=0x%llx r15=0x%llx", (ull)regs[GPR_R13],
		  (ull)regs[GPR_R14], (ull)regs[GPR_R15]);
}
