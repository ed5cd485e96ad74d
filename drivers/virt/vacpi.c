/* SPDX-License-Identifier: BSD-2-Clause */
/* Builds ACPI's tables, byte by byte in the order of the specification. See the header. */
#include "drivers/virt/vacpi.h"

#include "base/bits.h"
#include "base/string.h"
#include "drivers/virt/pc_dialect.h"
#include "kernel/vm/platform.h"
#include "kernel/vm/vm.h"

#define TABLE_ALIGN 16
#define HEADER_BYTES 36
#define RSDP_BYTES 36
#define RSDP_BYTES_OLD 20 /* what its first checksum is of */
#define XSDT_BYTES (HEADER_BYTES + 2 * 8)
#define FADT_BYTES 276
#define MADT_BYTES_LEAST (HEADER_BYTES + 8)
#define MADT_LAPIC_BYTES 8
#define MADT_IOAPIC_BYTES 12
#define MADT_OVERRIDE_BYTES 10

/* Where they lie from the start; the MADT is last, because its length differs. */
#define XSDT_AT 0x30
#define FADT_AT 0x70
#define DSDT_AT 0x190
#define MADT_AT 0x320

static const char oem[] = "AEROST";
static const char oem_table[] = "AEROSTAT";

/*
 * The definition block: the devices that nothing else announces, and how to switch off. AML as ACPI
 * 6.4, chapter 20 has it; the comments say the same in ASL. A length counts its own bytes.
 */
static const char dsdt_aml[] =
	/* Scope (_SB), 90 bytes */
	"\x10\x4a\x05"
	"_SB_"
	/* Device (COM1), 43 bytes */
	"\x5b\x82\x2b"
	"COM1"
	/* Name (_HID, EisaId ("PNP0501")): a 16550A */
	"\x08"
	"_HID"
	"\x0c\x41\xd0\x05\x01"
	/* Name (_UID, One) */
	"\x08"
	"_UID"
	"\x01"
	/* Name (_CRS, Buffer (13) {...}), 16 bytes: a resource template */
	"\x08"
	"_CRS"
	"\x11\x10\x0a\x0d"
	/* IO (Decode16, 0x3f8, 0x3f8, 1, 8) */
	"\x47\x01\xf8\x03\xf8\x03\x01\x08"
	/* IRQNoFlags () {4}, and the end of the template, whose checksum is not used */
	"\x22\x10\x00\x79\x00"
	/* Device (RTC), 37 bytes */
	"\x5b\x82\x25"
	"RTC_"
	/* Name (_HID, EisaId ("PNP0B00")): a clock as in the PC AT */
	"\x08"
	"_HID"
	"\x0c\x41\xd0\x0b\x00"
	/* Name (_CRS, Buffer (13) {...}), 16 bytes */
	"\x08"
	"_CRS"
	"\x11\x10\x0a\x0d"
	/* IO (Decode16, 0x70, 0x70, 1, 2) */
	"\x47\x01\x70\x00\x70\x00\x01\x02"
	/* IRQNoFlags () {8}, and the end of the template */
	"\x22\x00\x01\x79\x00"
	/* Name (_S5, Package (4) {VACPI_S5_TYPE, 0, 0, 0}), 7 bytes: SLP_TYP of two registers */
	"\x08"
	"_S5_"
	"\x12\x07\x04\x0a\x05\x00\x00\x00";

#define DSDT_AML_BYTES (sizeof(dsdt_aml) - 1)

_Static_assert(VACPI_S5_TYPE == 5, "in the package above");
_Static_assert(XSDT_AT >= RSDP_BYTES && XSDT_AT + XSDT_BYTES <= FADT_AT, "places of the tables");
_Static_assert(FADT_AT + FADT_BYTES <= DSDT_AT, "places of the tables");
_Static_assert(DSDT_AT + HEADER_BYTES + DSDT_AML_BYTES + VACPI_BLOCK_BYTES_MAX <= MADT_AT,
	       "places of the tables");
_Static_assert((XSDT_AT | FADT_AT | DSDT_AT | MADT_AT) % TABLE_ALIGN == 0, "places of the tables");

static void put(uint8_t *table, unsigned offset, uint64_t value, unsigned bytes)
{
	for (unsigned i = 0; i < bytes; i++) {
		table[offset + i] = (uint8_t)(value >> 8 * i);
	}
}

/* Sets the byte that makes the sum of all 0. */
static void put_checksum(uint8_t *table, unsigned offset, unsigned bytes)
{
	uint8_t sum = 0;
	table[offset] = 0;
	for (unsigned i = 0; i < bytes; i++) {
		sum = (uint8_t)(sum + table[i]);
	}
	table[offset] = (uint8_t)-sum;
}

/* The head that every table but the root pointer has (5.2.6), once its contents are there. */
static void put_header(uint8_t *table, const char *signature, unsigned bytes, uint8_t revision)
{
	memcpy(table, signature, 4);
	put(table, 4, bytes, 4);
	put(table, 8, revision, 1);
	memcpy(table + 10, oem, 6);
	memcpy(table + 16, oem_table, 8);
	put(table, 24, 1, 4);	    /* revision of this one */
	memcpy(table + 28, oem, 4); /* which program made it */
	put(table, 32, 1, 4);	    /* and its revision */
	put_checksum(table, 9, bytes);
}

/* Root pointer (5.2.5.3). There is no RSDT: whatever reads revision 2 takes the XSDT. */
static void build_rsdp(uint8_t *to, uint32_t address)
{
	memcpy(to, "RSD PTR ", 8);
	memcpy(to + 9, oem, 6);
	put(to, 15, 2, 1);
	put(to, 20, RSDP_BYTES, 4);
	put(to, 24, address + XSDT_AT, 8);
	put_checksum(to, 8, RSDP_BYTES_OLD);
	put_checksum(to, 32, RSDP_BYTES);
}

static void build_xsdt(uint8_t *to, uint32_t address)
{
	put(to, HEADER_BYTES, address + FADT_AT, 8);
	put(to, HEADER_BYTES + 8, address + MADT_AT, 8);
	put_header(to, "XSDT", XSDT_BYTES, 1);
}

/* A port of one byte as a generic address (5.2.3.2). */
static void put_port(uint8_t *table, unsigned offset, uint16_t port)
{
	put(table, offset, 1, 1);     /* I/O space */
	put(table, offset + 1, 8, 1); /* bits wide, from bit 0 */
	put(table, offset + 3, 1, 1); /* accessed by bytes */
	put(table, offset + 4, port, 8);
}

/* Fixed table (5.2.9), revision 6.4. What is not set is a register that this profile has not. */
static void build_fadt(uint8_t *to, uint32_t address)
{
	enum {
		LEGACY_DEVICES = 1 << 0, /* COM1 */
		NO_VGA = 1 << 2,
		NO_MSI = 1 << 3, /* there is no PCI device */
		WBINVD_WORKS = 1 << 0,
		HALT_WORKS = 1 << 2,
		NO_FIXED_POWER_BUTTON = 1 << 4,
		NO_FIXED_SLEEP_BUTTON = 1 << 5,
		HAS_RESET = 1 << 10,
		HARDWARE_REDUCED = 1 << 20,
	};
	put(to, 40, address + DSDT_AT, 4);
	/* Bit 1 would announce a keyboard controller: there is its reset line, but no keyboard. */
	put(to, 109, LEGACY_DEVICES | NO_VGA | NO_MSI, 2);
	put(to, 112,
	    WBINVD_WORKS | HALT_WORKS | NO_FIXED_POWER_BUTTON | NO_FIXED_SLEEP_BUTTON | HAS_RESET |
		    HARDWARE_REDUCED,
	    4);
	put_port(to, 116, VACPI_RESET);
	put(to, 128, VACPI_RESET_VALUE, 1);
	put(to, 131, 4, 1); /* the 4 of 6.4 */
	put(to, 140, address + DSDT_AT, 8);
	put_port(to, 244, VACPI_SLEEP_CONTROL);
	put_port(to, 256, VACPI_SLEEP_STATUS);
	memcpy(to + 268, oem_table, 8); /* the hypervisor's vendor */
	put_header(to, "FACP", FADT_BYTES, 6);
}

static unsigned madt_bytes(unsigned vcpus)
{
	return MADT_BYTES_LEAST + vcpus * MADT_LAPIC_BYTES + MADT_IOAPIC_BYTES +
	       MADT_OVERRIDE_BYTES;
}

/* Interrupt controllers (5.2.12), revision 5. */
static void build_madt(uint8_t *to, unsigned vcpus)
{
	unsigned at = MADT_BYTES_LEAST;
	put(to, 36, VACPI_LAPIC, 4);
	put(to, 40, 1, 4); /* PCAT_COMPAT: there is a pair of 8259 to be masked, too */
	for (unsigned i = 0; i < vcpus; i++) {
		put(to, at, 0, 1); /* processor local APIC */
		put(to, at + 1, MADT_LAPIC_BYTES, 1);
		put(to, at + 2, i, 1); /* identifier of the processor, */
		put(to, at + 3, i, 1); /* of its APIC */
		put(to, at + 4, 1, 4); /* enabled */
		at += MADT_LAPIC_BYTES;
	}
	put(to, at, 1, 1); /* IOAPIC */
	put(to, at + 1, MADT_IOAPIC_BYTES, 1);
	put(to, at + 2, VACPI_IOAPIC_ID, 1);
	put(to, at + 4, VACPI_IOAPIC, 4);
	put(to, at + 8, 0, 4); /* its pin 0 is the global interrupt 0 */
	at += MADT_IOAPIC_BYTES;
	put(to, at, 2, 1); /* source override, of bus ISA and its interrupt 0 */
	put(to, at + 1, MADT_OVERRIDE_BYTES, 1);
	put(to, at + 4, VACPI_TIMER_PIN, 4);
	put(to, at + 8, 0, 2); /* polarity and trigger as on the bus */
	put_header(to, "APIC", madt_bytes(vcpus), 5);
}

static void build_dsdt(uint8_t *to, const struct vacpi_block *more)
{
	size_t aml_bytes = DSDT_AML_BYTES;

	memcpy(to + HEADER_BYTES, dsdt_aml, DSDT_AML_BYTES);
	if (more != NULL) {
		memcpy(to + HEADER_BYTES + aml_bytes, more->aml, more->bytes);
		aml_bytes += more->bytes;
	}
	put_header(to, "DSDT", (unsigned)(HEADER_BYTES + aml_bytes), 2);
}

size_t vacpi_build(unsigned vcpus, const struct vacpi_block *more, void *to, size_t bytes,
		   uint32_t address)
{
	uint8_t *tables = to;
	size_t needed = MADT_AT + (size_t)madt_bytes(vcpus);
	if (needed > bytes) {
		return 0;
	}
	memset(tables, 0, needed);
	build_rsdp(tables, address);
	build_xsdt(tables + XSDT_AT, address);
	build_fadt(tables + FADT_AT, address);
	build_dsdt(tables + DSDT_AT, more);
	build_madt(tables + MADT_AT, vcpus);
	return needed;
}

size_t platform_tables(const struct vm *vm, void *to, size_t bytes, uint32_t address)
{
	const struct pc_dialect *dialect = pc_dialect_of(vm);
	struct vacpi_block more;

	if (dialect == NULL || dialect->aml == NULL) {
		return vacpi_build(vm->config.vcpus, NULL, to, bytes, address);
	}
	more = (struct vacpi_block){dialect->aml, dialect->aml_bytes};
	return vacpi_build(vm->config.vcpus, &more, to, bytes, address);
}
