/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keyboard controller and the PCI ports of a virtual PC. Real: drivers/virt/vi8042.c and
 * drivers/virt/vpci.c. Stubbed: nothing.
 */
#include "tests/proofs/proof.h"

#include "drivers/virt/vi8042.c"
#include "drivers/virt/vpci.c"

/*
 * PROOF keyboard_controller_resets_when_told
 * Shows: the reset line is pulled by a write at one of the three ports only, by no read, and stays
 * pulled; its output is never stored as low; an interrupt comes only with a byte to read
 * Bound: all states, ports and bytes; one access
 * Assumes: the output of the reset line was high
 * Classes: H13
 * Sources: drivers/virt/vi8042.c
 * Fault: drivers/virt/vi8042.c | if ((value & OUTPUT_NO_RESET) == 0) { | if (value == 0) {
 */
void keyboard_controller_resets_when_told(void)
{
	struct vi8042 controller;
	HAVOC(controller);
	controller.reset_wanted = any_bool();
	ASSUME(controller.output_port & OUTPUT_NO_RESET);
	bool wanted = controller.reset_wanted;
	uint16_t port = any_u16();
	if (any_bool()) {
		uint8_t value = any_u8();
		bool outputs = port == VI8042_DATA_PORT && controller.pending == CMD_WRITE_OUTPUTS;
		vi8042_write(&controller, port, value);
		PROVE(!outputs || (value & OUTPUT_NO_RESET) || vi8042_reset_wanted(&controller));
		PROVE(!wanted || vi8042_reset_wanted(&controller));
		PROVE(vi8042_reset_wanted(&controller) == wanted || port == VI8042_DATA_PORT ||
		      port == VI8042_COMMAND_PORT || port == VI8042_SYSTEM_PORT);
	} else {
		(void)vi8042_read(&controller, port);
		PROVE(vi8042_reset_wanted(&controller) == wanted);
		PROVE(port != VI8042_DATA_PORT || !vi8042_interrupt(&controller));
	}
	PROVE(controller.output_port & OUTPUT_NO_RESET);
	PROVE(!vi8042_interrupt(&controller) || (controller.status & STATUS_FULL));
}

/*
 * PROOF pci_ports_answer_in_width
 * Shows: an answer has no bits beyond the width of the access, beyond the eight ports it is ones;
 * only a rise of the reset bit at its own port resets; only a whole word reaches the address
 * Bound: all states, ports of the eight, widths and values; one read and one write
 * Assumes: nothing
 * Classes: H13
 * Sources: drivers/virt/vpci.c
 * Options: --unwind 6
 * Fault: drivers/virt/vpci.c | uint8_t risen = byte & (uint8_t)~pci->reset_control; | uint8_t risen =
 * byte;
 */
void pci_ports_answer_in_width(void)
{
	struct vpci pci = {any_u32(), any_u8() & RESET_KEPT, any_bool()};
	struct vpci before = pci;
	uint16_t port = VPCI_PORT + (uint16_t)any_below(VPCI_PORTS);
	unsigned bytes = 1u << any_below(3);
	uint32_t value = vpci_read(&pci, port, bytes);
	PROVE(bytes == 4 || value >> 8 * bytes == 0);
	PROVE(port != VPCI_PORT + VPCI_PORTS - 1 || bytes < 2 || (value >> 8 & 0xff) == 0xff);
	vpci_write(&pci, port, bytes, any_u32());
	PROVE(pci.address == before.address || (port == VPCI_PORT && bytes == 4));
	PROVE(pci.reset_wanted == before.reset_wanted ||
	      (!(before.reset_control & RESET_PROCESSOR) && pci.reset_control & RESET_PROCESSOR));
	PROVE((pci.reset_control & ~RESET_KEPT) == 0);
}
