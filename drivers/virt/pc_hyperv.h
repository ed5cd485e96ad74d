/* SPDX-License-Identifier: BSD-2-Clause */
/* as=hyper-v: what a virtual PC has of Hyper-V (vhyperv.h), as pc_dialect.h wants it. */
#ifndef DRIVERS_VIRT_PC_HYPERV_H
#define DRIVERS_VIRT_PC_HYPERV_H

#include "drivers/virt/pc_dialect.h"

extern const struct pc_dialect pc_hyperv;

#endif
