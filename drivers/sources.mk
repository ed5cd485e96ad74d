# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor is made of: the board.

HV_C_SOURCES += \
	drivers/phys/acpi.c \
	drivers/phys/acpi_power.c \
	drivers/phys/acpi_tables.c \
	drivers/phys/debugcon.c \
	drivers/phys/firmware.c \
	drivers/phys/mp_table.c \
	drivers/phys/pci.c \
	drivers/phys/power.c \
	drivers/phys/processors.c \
	drivers/phys/uart.c
