/* SPDX-License-Identifier: BSD-2-Clause */
/* Interrupts between processors, beyond what include/arch/arch.h declares. */
#ifndef ARCH_X86_CPU_IPI_H
#define ARCH_X86_CPU_IPI_H

/* From the NMI handler: when another CPU has asked all to halt, says so to it and never returns. */
void ipi_halt_if_asked(void);

/* Before arch_cpus_halt_others(): the others do VMXOFF first (cpu_leave_vmx), for a reset. */
void ipi_leave_vmx_at_halt(void);

#endif
