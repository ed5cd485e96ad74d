/* SPDX-License-Identifier: BSD-2-Clause */
/* Breakpoints on ports and on devices in memory: what exits, the processor does not see. */
#include "arch/x86/guest/breakpoint.h"

#include "arch/x86/cpu/registers.h"
#include "arch/x86/guest/guest_state.h"

/* DR7: two bits per breakpoint that enable it, then four that say for what and for how much. */
#define DR7_ENABLED(dr7, n) ((dr7) >> 2 * (n)&3)
#define DR7_KIND(dr7, n) ((dr7) >> (16 + 4 * (n)) & 3)
#define DR7_LENGTH(dr7, n) ((dr7) >> (18 + 4 * (n)) & 3)
#define KIND_WRITE 1
#define KIND_PORT 2
#define KIND_ACCESS 3

/* Lengths 0 to 3 are 1, 2, 8 (which no port has) and 4 bytes; the address is aligned to it. */
static bool meets(uint64_t address, unsigned length, uint64_t at, unsigned bytes)
{
	static const uint8_t lengths[] = {1, 2, 8, 4};
	uint64_t first = address & ~(uint64_t)(lengths[length] - 1);

	return at - first < lengths[length] || first - at < bytes;
}

uint64_t guest_data_breakpoints(const uint64_t address[BREAKPOINTS], uint64_t dr7, uint64_t linear,
				unsigned bytes, bool write)
{
	uint64_t causes = 0;

	for (unsigned n = 0; n < BREAKPOINTS; n++) {
		bool kind = DR7_KIND(dr7, n) == KIND_ACCESS ||
			    (write && DR7_KIND(dr7, n) == KIND_WRITE);

		if (DR7_ENABLED(dr7, n) && kind &&
		    meets(address[n], (unsigned)DR7_LENGTH(dr7, n), linear, bytes)) {
			causes |= 1ull << n;
		}
	}
	return causes;
}

uint64_t guest_data_causes_enabled(uint64_t dr7, uint64_t linear, unsigned bytes, bool write)
{
	return guest_data_breakpoints(
		(const uint64_t[]){read_dr0(), read_dr1(), read_dr2(), read_dr3()}, dr7, linear,
		bytes, write);
}

uint64_t guest_port_breakpoints(const uint64_t address[BREAKPOINTS], uint64_t dr7, uint16_t port,
				unsigned bytes)
{
	uint64_t causes = 0;

	for (unsigned n = 0; n < BREAKPOINTS; n++) {
		if (DR7_ENABLED(dr7, n) && DR7_KIND(dr7, n) == KIND_PORT &&
		    meets(address[n], (unsigned)DR7_LENGTH(dr7, n), port, bytes)) {
			causes |= 1ull << n;
		}
	}
	return causes;
}

uint64_t guest_port_causes_enabled(const struct vcpu *vcpu, uint64_t dr7, uint16_t port,
				   unsigned bytes)
{
	if (!(guest_read(vcpu, GUEST_CR4) & CR4_DE)) {
		return 0;
	}
	return guest_port_breakpoints(
		(const uint64_t[]){read_dr0(), read_dr1(), read_dr2(), read_dr3()}, dr7, port,
		bytes);
}
