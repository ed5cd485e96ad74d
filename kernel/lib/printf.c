/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Formatted text into a bounded buffer, as base/string.h describes. A conversion that is not listed
 * there is printed as it stands, so that a mistake is seen instead of misreading the arguments.
 */
#include "base/string.h"

struct output {
	char *to;
	size_t room;   /* bytes of `to`, the terminator included */
	size_t length; /* of the whole text, also what did not fit */
};

struct conversion {
	bool zero; /* flag 0 */
	bool left; /* flag - */
	size_t width;
	int precision;	 /* -1: none */
	unsigned length; /* 0 int, 1 long, 2 long long; all larger ones are 64 bits */
	char letter;
};

static void put(struct output *out, char c)
{
	if (out->length + 1 < out->room) {
		out->to[out->length] = c;
	}
	out->length++;
}

static void put_padding(struct output *out, char c, size_t count)
{
	while (count-- > 0) {
		put(out, c);
	}
}

/* `sign` is "" or "-" or "0x": it stays in front of padding zeros. */
static void put_field(struct output *out, const struct conversion *how, const char *sign,
		      const char *text, size_t length)
{
	size_t sign_length = strlen(sign);
	size_t used = sign_length + length;
	size_t padding = how->width > used ? how->width - used : 0;
	bool zeros = how->zero && !how->left;

	if (!how->left && !zeros) {
		put_padding(out, ' ', padding);
	}
	for (size_t i = 0; i < sign_length; i++) {
		put(out, sign[i]);
	}
	if (zeros) {
		put_padding(out, '0', padding);
	}
	for (size_t i = 0; i < length; i++) {
		put(out, text[i]);
	}
	if (how->left) {
		put_padding(out, ' ', padding);
	}
}

static void put_number(struct output *out, const struct conversion *how, const char *sign,
		       uint64_t value, unsigned base)
{
	static const char digits[] = "0123456789abcdef";
	char text[20]; /* 2^64 has 20 decimal digits */
	size_t start = sizeof(text);

	do {
		text[--start] = digits[value % base];
		value /= base;
	} while (value != 0);
	put_field(out, how, sign, text + start, sizeof(text) - start);
}

static const char *parse_conversion(const char *at, struct conversion *how, va_list *arguments)
{
	*how = (struct conversion){.precision = -1};
	for (; *at == '0' || *at == '-'; at++) {
		how->zero |= *at == '0';
		how->left |= *at == '-';
	}
	for (; *at >= '0' && *at <= '9'; at++) {
		how->width = how->width * 10 + (size_t)(*at - '0');
	}
	if (*at == '.') {
		at++;
		if (*at == '*') {
			how->precision = va_arg(*arguments, int);
			at++;
		} else {
			how->precision = 0;
			for (; *at >= '0' && *at <= '9'; at++) {
				how->precision = how->precision * 10 + (*at - '0');
			}
		}
	}
	for (; *at == 'l' || *at == 'z'; at++) {
		how->length += *at == 'z' ? 2 : 1;
	}
	how->letter = *at;
	return at;
}

static void put_string(struct output *out, struct conversion *how, const char *text)
{
	if (text == NULL) {
		text = "(null)";
	}
	how->zero = false;
	put_field(out, how, "", text,
		  how->precision < 0 ? strlen(text) : strnlen(text, (size_t)how->precision));
}

static void put_signed(struct output *out, const struct conversion *how, int64_t value)
{
	put_number(out, how, value < 0 ? "-" : "",
		   value < 0 ? 0 - (uint64_t)value : (uint64_t)value, 10);
}

/* False: no such conversion, and no argument was taken for it. */
static bool put_conversion(struct output *out, struct conversion *how, va_list *arguments)
{
	char character;

	switch (how->letter) {
	case '%':
		put(out, '%');
		return true;
	case 'c':
		character = (char)va_arg(*arguments, int);
		how->zero = false;
		put_field(out, how, "", &character, 1);
		return true;
	case 's':
		put_string(out, how, va_arg(*arguments, const char *));
		return true;
	case 'd':
	case 'i':
		put_signed(out, how,
			   how->length ? va_arg(*arguments, int64_t) : va_arg(*arguments, int));
		return true;
	case 'u':
	case 'x':
		put_number(out, how, "",
			   how->length ? va_arg(*arguments, uint64_t)
				       : va_arg(*arguments, unsigned),
			   how->letter == 'x' ? 16 : 10);
		return true;
	case 'p':
		put_number(out, how, "0x", (uintptr_t)va_arg(*arguments, void *), 16);
		return true;
	default:
		return false;
	}
}

int vsnprintf(char *to, size_t bytes, const char *format, va_list arguments)
{
	struct output out = {to, bytes, 0};
	va_list copy; /* a va_list parameter may be an array type: only a copy has an address */

	va_copy(copy, arguments);
	for (const char *at = format; *at != '\0'; at++) {
		struct conversion how;

		if (*at != '%') {
			put(&out, *at);
			continue;
		}
		const char *letter = parse_conversion(at + 1, &how, &copy);
		if (put_conversion(&out, &how, &copy)) {
			at = letter;
		} else {
			put(&out, '%');
		}
	}
	va_end(copy);
	if (bytes > 0) {
		to[out.length < bytes ? out.length : bytes - 1] = '\0';
	}
	return (int)out.length;
}

int snprintf(char *to, size_t bytes, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	int length = vsnprintf(to, bytes, format, arguments);
	va_end(arguments);
	return length;
}
