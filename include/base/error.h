/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is wrong with an input, in words: one error message that names the value. For parsers and
 * loaders, whose caller prints it; nothing decides by the text.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "base/status.h"

#define ERROR_TEXT_BYTES 240

struct error {
	char text[ERROR_TEXT_BYTES]; /* terminated; what does not fit is cut */
};

/* Formats the message as snprintf does and returns `status`, so that a caller can return both. */
MUST_CHECK enum status error_set(struct error *error, enum status status, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

#endif
