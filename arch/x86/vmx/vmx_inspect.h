/* SPDX-License-Identifier: BSD-2-Clause */
/* Reading the registers of a vCPU that does not run, for reports (backend->vcpu_open). */
#ifndef ARCH_X86_VMX_VMX_INSPECT_H
#define ARCH_X86_VMX_VMX_INSPECT_H

#include "base/types.h"

struct vcpu;

bool vmx_inspect_open(struct vcpu *vcpu);
void vmx_inspect_close(struct vcpu *vcpu);

#endif
