# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor is made of: the processor.

HV_C_SOURCES += \
	arch/x86/boot/main.c \
	arch/x86/boot/memory.c \
	arch/x86/boot/multiboot2.c \
	arch/x86/boot/multiboot2_screen.c \
	arch/x86/boot/ram.c \
	arch/x86/boot/smp.c \
	arch/x86/cpu/console.c \
	arch/x86/cpu/console_screen.c \
	arch/x86/cpu/cpu.c \
	arch/x86/cpu/features.c \
	arch/x86/cpu/gdt.c \
	arch/x86/cpu/ipi.c \
	arch/x86/cpu/lapic.c \
	arch/x86/cpu/mitigations.c \
	arch/x86/cpu/pic.c \
	arch/x86/cpu/power.c \
	arch/x86/cpu/speculation.c \
	arch/x86/cpu/string.c \
	arch/x86/cpu/tsc.c \
	arch/x86/cpu/xstate.c \
	arch/x86/guest/breakpoint.c \
	arch/x86/guest/entry_checks.c \
	arch/x86/guest/guest_code.c \
	arch/x86/guest/guest_cpuid.c \
	arch/x86/guest/guest_cpuid_exit.c \
	arch/x86/guest/guest_cr.c \
	arch/x86/guest/guest_decode.c \
	arch/x86/guest/guest_device.c \
	arch/x86/guest/guest_event.c \
	arch/x86/guest/guest_execute.c \
	arch/x86/guest/guest_exit.c \
	arch/x86/guest/guest_msr.c \
	arch/x86/guest/guest_pc.c \
	arch/x86/guest/guest_personality.c \
	arch/x86/guest/guest_place.c \
	arch/x86/guest/guest_steps.c \
	arch/x86/guest/guest_vcpu.c \
	arch/x86/guest/guest_walk.c \
	arch/x86/svm/npt.c \
	arch/x86/svm/svm_asid.c \
	arch/x86/svm/svm_backend.c \
	arch/x86/svm/svm_caps.c \
	arch/x86/svm/svm_check.c \
	arch/x86/svm/svm_cpu.c \
	arch/x86/svm/svm_cr.c \
	arch/x86/svm/svm_debug.c \
	arch/x86/svm/svm_decode.c \
	arch/x86/svm/svm_dump.c \
	arch/x86/svm/svm_exit.c \
	arch/x86/svm/svm_nmi.c \
	arch/x86/svm/svm_quick.c \
	arch/x86/svm/svm_run.c \
	arch/x86/svm/svm_setup.c \
	arch/x86/svm/svm_state.c \
	arch/x86/svm/svm_step.c \
	arch/x86/svm/svm_trial.c \
	arch/x86/trap/backtrace.c \
	arch/x86/trap/fault.c \
	arch/x86/trap/idt.c \
	arch/x86/trap/paging.c \
	arch/x86/vmx/ept.c \
	arch/x86/vmx/vmx_backend.c \
	arch/x86/vmx/vmx_caps.c \
	arch/x86/vmx/vmx_check.c \
	arch/x86/vmx/vmx_cpu.c \
	arch/x86/vmx/vmx_dump.c \
	arch/x86/vmx/vmx_exit.c \
	arch/x86/vmx/vmx_fields.c \
	arch/x86/vmx/vmx_inspect.c \
	arch/x86/vmx/vmx_nmi.c \
	arch/x86/vmx/vmx_quick.c \
	arch/x86/vmx/vmx_run.c \
	arch/x86/vmx/vmx_setup.c \
	arch/x86/vmx/vmx_state.c

HV_ASM_SOURCES += \
	arch/x86/boot/entry.S \
	arch/x86/boot/trampoline.S \
	arch/x86/svm/svm_entry.S \
	arch/x86/trap/vectors.S \
	arch/x86/vmx/vmx_entry.S
