/* SPDX-License-Identifier: BSD-2-Clause */
/* The names of consoles. Pure; the text comes from the boot loader and is not trusted. */
#include "arch/console.h"

#include "base/string.h"

#define BAUD_LEAST 1200 /* slower, a full queue takes longer than the driver waits */
#define BAUD_MOST 115200
#define PORT_LEAST 0x100 /* the board's own devices lie below */
#define PORT_MOST 0xfff8
#define UART_PORTS 8
#define BUS_MOST 0xff
#define DEVICE_MOST 0x1f
#define FUNCTION_MOST 7

static const struct {
	const char *name;
	uint16_t port;
} ports[] = {
	{"com1", 0x3f8},  {"com2", 0x2f8},  {"com3", 0x3e8},  {"com4", 0x2e8},
	{"ttyS0", 0x3f8}, {"ttyS1", 0x2f8}, {"ttyS2", 0x3e8}, {"ttyS3", 0x2e8},
};

static int digit_value(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	char lower = (char)(c | 0x20);
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

/* A number of at most `most` in front of what follows; *text is moved behind it. */
static bool take_number(const char **text, int base, uint32_t most, uint32_t *number)
{
	const char *at = *text;
	uint32_t value = 0;
	for (int digit; (digit = digit_value(*at)) >= 0 && digit < base; at++) {
		value = value * (uint32_t)base + (uint32_t)digit;
		if (value > most) {
			return false;
		}
	}
	bool found = at != *text;
	*text = at;
	*number = value;
	return found;
}

static bool take_text(const char **text, const char *wanted)
{
	size_t length = strlen(wanted);
	if (strncmp(*text, wanted, length) != 0) {
		return false;
	}
	*text += length;
	return true;
}

/* [0000:]BB:DD.F, in hexadecimal, as lspci prints it. */
static bool take_function(const char **text, uint32_t *function)
{
	uint32_t bus;
	uint32_t device;
	uint32_t number;
	(void)take_text(text, "0000:");
	if (!take_number(text, 16, BUS_MOST, &bus) || !take_text(text, ":") ||
	    !take_number(text, 16, DEVICE_MOST, &device) || !take_text(text, ".") ||
	    !take_number(text, 16, FUNCTION_MOST, &number)) {
		return false;
	}
	*function = bus << 8 | device << 3 | number;
	return true;
}

static bool take_port(const char **text, struct console *console)
{
	uint32_t number;
	for (unsigned i = 0; i < sizeof(ports) / sizeof(ports[0]); i++) {
		if (take_text(text, ports[i].name)) {
			console->port = ports[i].port;
			return true;
		}
	}
	if (!take_text(text, "0x") || !take_number(text, 16, PORT_MOST, &number) ||
	    number < PORT_LEAST || number % UART_PORTS != 0) {
		return false;
	}
	console->port = (uint16_t)number;
	return true;
}

static bool take_baud(const char **text, uint16_t *divisor)
{
	uint32_t baud;
	if (take_text(text, "auto")) {
		*divisor = CONSOLE_DIVISOR_KEPT;
		return true;
	}
	if (!take_number(text, 10, BAUD_MOST, &baud) || baud < BAUD_LEAST ||
	    BAUD_MOST % baud != 0) {
		return false;
	}
	*divisor = (uint16_t)(BAUD_MOST / baud);
	return take_text(text, "n8") || take_text(text, ",8n1") || **text == '\0';
}

bool console_parse(const char *text, struct console *console)
{
	struct console found = {.divisor = 1};
	bool good = true;
	if (strcmp(text, "none") == 0 || strcmp(text, "e9") == 0) {
		found.kind = text[0] == 'e' ? CONSOLE_E9 : CONSOLE_NONE;
		*console = found;
		return true;
	}
	if (take_text(&text, "pci")) {
		found.kind = CONSOLE_PCI;
		found.function = CONSOLE_PCI_FIRST;
		good = !take_text(&text, ":") || take_function(&text, &found.function);
	} else {
		found.kind = CONSOLE_PORT;
		good = take_port(&text, &found);
	}
	if (good && take_text(&text, ",")) {
		good = take_baud(&text, &found.divisor);
	}
	if (!good || *text != '\0') {
		return false;
	}
	*console = found;
	return true;
}
