/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What an access to a device needs to know of the exit that it made. The backend whose fields are
 * quick to read gives all of it at once; elsewhere it is read register by register.
 */
#ifndef ARCH_X86_GUEST_GUEST_FAULT_H
#define ARCH_X86_GUEST_GUEST_FAULT_H

#include "arch/x86/guest/guest_exit.h"

struct guest_fault {
	uint64_t rip;
	uint64_t cr3;
	bool is_64bit;	 /* guest_is_64bit() */
	bool of_operand; /* GUEST_FAULT_OPERAND */
	bool is_write;	 /* GUEST_FAULT_WRITE */
};

struct guest_fault vmx_guest_fault_read(const struct vcpu *vcpu) __attribute__((weak));

/* The second-stage fault that is being handled on this CPU. */
static inline struct guest_fault guest_fault_read(const struct vcpu *vcpu)
{
	if (vcpu->arch->access == &vmx_guest_access) {
		return vmx_guest_fault_read(vcpu);
	}
	return (struct guest_fault){
		.rip = guest_read(vcpu, GUEST_RIP),
		.cr3 = guest_read(vcpu, GUEST_CR3),
		.is_64bit = guest_is_64bit(vcpu),
		.of_operand = guest_read(vcpu, GUEST_FAULT_OPERAND) != 0,
		.is_write = guest_read(vcpu, GUEST_FAULT_WRITE) != 0,
	};
}

#endif
