/* SPDX-License-Identifier: BSD-2-Clause */
/* as=kvm: the virtio balloon of a virtual PC, found by its ACPI tables. See pc_dialect.h. */
#ifndef DRIVERS_VIRT_PC_KVM_H
#define DRIVERS_VIRT_PC_KVM_H

#include "drivers/virt/pc_dialect.h"

#define PC_KVM_WINDOW 0xd0000000u /* guest-physical address of the registers */
#define PC_KVM_IRQ 10u		  /* input of the IOAPIC, active high, by level */

extern const struct pc_dialect pc_kvm;

#endif
