/* SPDX-License-Identifier: BSD-2-Clause */
/* The string of a guest's module: what is accepted keeps the rules of kernel/vm/vm_config.h. */
#include <stdlib.h>

#include "fuzz.h"

#include "kernel/vm/vm_config.h"

const char fuzz_name[] = "vm_config";

static void check_name(const char *name)
{
	size_t length = strnlen(name, VM_NAME_BYTES);
	FUZZ_CHECK(length < VM_NAME_BYTES);
	for (size_t i = 0; i < length; i++) {
		char c = name[i];
		FUZZ_CHECK((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			   (c >= '0' && c <= '9') || c == '-' || c == '_');
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct vm_config config;
	struct error error;
	char *text = malloc(bytes + 1);
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	memset(&error, 'x', sizeof(error));
	enum status status = vm_config_parse(text, &config, &error);
	fuzz_check_error(&error, status != STATUS_OK);
	check_name(config.name);
	if (status == STATUS_OK) {
		FUZZ_CHECK(config.name[0] != '\0');
		FUZZ_CHECK(config.min_pages <= config.mem_pages);
		FUZZ_CHECK(config.mem_pages > 0 && config.mem_pages <= config.max_pages);
		FUZZ_CHECK(config.max_pages <= UINT32_MAX);
		FUZZ_CHECK(config.shares >= 1 && config.shares <= 10000);
		FUZZ_CHECK(config.on_touch <= ON_TOUCH_STOP);
		FUZZ_CHECK(config.vcpus >= 1 && config.vcpus <= AEROSTAT_VCPUS_MAX);
		FUZZ_CHECK(config.weight >= 1 && config.weight <= 10000);
		FUZZ_CHECK(config.cpu_mask != 0);
		FUZZ_CHECK(config.devices <= DEVICES_PC && config.on_reboot <= ON_REBOOT_STOP);
		FUZZ_CHECK(config.files <= VM_FILES_MAX);
		/* Arguments are the end of the text, unchanged. */
		size_t length = strlen(config.arguments);
		FUZZ_CHECK(length <= strlen(text));
		FUZZ_CHECK(strcmp(text + strlen(text) - length, config.arguments) == 0);
	}
	if (vm_config_is_file(text)) {
		struct vm_file_config file;
		memset(&error, 'x', sizeof(error));
		status = vm_config_parse_file(text, &file, &error);
		fuzz_check_error(&error, status != STATUS_OK);
		check_name(file.of);
		FUZZ_CHECK(file.arguments[0] == '\0' ||
			   (file.arguments > text && file.arguments < text + bytes));
	}
	free(text);
	return 0;
}
