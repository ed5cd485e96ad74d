/* SPDX-License-Identifier: BSD-2-Clause */
/* as=vmware: the backdoor, and the balloon behind it. */
#ifndef DRIVERS_VIRT_PC_VMWARE_H
#define DRIVERS_VIRT_PC_VMWARE_H

#include "drivers/virt/pc_dialect.h"

extern const struct pc_dialect pc_vmware;

#endif
