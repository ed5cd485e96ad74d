# SPDX-License-Identifier: BSD-2-Clause
# What the hypervisor is made of: the board.

HV_C_SOURCES += \
	drivers/phys/acpi.c \
	drivers/phys/acpi_power.c \
	drivers/phys/acpi_tables.c \
	drivers/phys/debugcon.c \
	drivers/phys/firmware.c \
	drivers/phys/font.c \
	drivers/phys/framebuffer.c \
	drivers/phys/keyboard.c \
	drivers/phys/mp_table.c \
	drivers/phys/pci.c \
	drivers/phys/power.c \
	drivers/phys/processors.c \
	drivers/phys/ps2.c \
	drivers/phys/screen.c \
	drivers/phys/terminal.c \
	drivers/phys/uart.c \
	drivers/phys/vga_text.c \
	drivers/virt/pc.c \
	drivers/virt/pc_dialect.c \
	drivers/virt/pc_hyperv.c \
	drivers/virt/pc_interrupt.c \
	drivers/virt/pc_kvm.c \
	drivers/virt/pc_time.c \
	drivers/virt/pc_vmware.c \
	drivers/virt/vacpi.c \
	drivers/virt/vbackdoor.c \
	drivers/virt/vballoon.c \
	drivers/virt/vballoon_queue.c \
	drivers/virt/vballoon_statistics.c \
	drivers/virt/vdynmem.c \
	drivers/virt/vdynmem_request.c \
	drivers/virt/vdynmem_send.c \
	drivers/virt/vguest.c \
	drivers/virt/vhyperv.c \
	drivers/virt/vhyperv_hint.c \
	drivers/virt/vi8042.c \
	drivers/virt/vioapic.c \
	drivers/virt/vlapic.c \
	drivers/virt/vlapic_message.c \
	drivers/virt/vlapic_registers.c \
	drivers/virt/vlapic_timer.c \
	drivers/virt/vmmio.c \
	drivers/virt/vpci.c \
	drivers/virt/vpic.c \
	drivers/virt/vpit.c \
	drivers/virt/vpit_channel.c \
	drivers/virt/vring.c \
	drivers/virt/vrtc.c \
	drivers/virt/vrtc_calendar.c \
	drivers/virt/vsynic.c \
	drivers/virt/vuart.c \
	drivers/virt/vvmballoon.c \
	drivers/virt/vvmbus.c \
	drivers/virt/vvmring.c
