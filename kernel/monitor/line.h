/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The editor of the operator's line: keys of an ANSI terminal change a text of bounded length.
 * Pure: no hardware, no output, no allocation. Every byte is accepted; what means nothing changes
 * nothing.
 */
#ifndef KERNEL_MONITOR_LINE_H
#define KERNEL_MONITOR_LINE_H

#include "base/types.h"

#define LINE_BYTES 128 /* with the terminating zero */
#define LINE_HISTORY 16

enum line_event {
	LINE_NOTHING,
	LINE_CHANGED,	 /* text or cursor: it is to be shown again */
	LINE_ENTERED,	 /* text holds the line; line_clear() begins the next one */
	LINE_COMPLETION, /* the key Tab */
	LINE_DROPPED,	 /* Ctrl-C: the text is empty now */
	LINE_LEFT,	 /* Ctrl-D in an empty line */
	LINE_NOISE,	 /* a byte that no keyboard sends; the text is as it was */
};

/* Of a control sequence (ECMA-48): what has come of it. */
enum line_state { LINE_PLAIN, LINE_ESCAPE, LINE_SEQUENCE };

struct line {
	char text[LINE_BYTES];
	size_t length;
	size_t cursor; /* at most length */
	enum line_state state;
	unsigned parameter; /* of the control sequence, its first number */
	char history[LINE_HISTORY][LINE_BYTES];
	uint64_t entered;      /* lines that were put into the history since the start */
	unsigned back;	       /* so many lines back is the one that is shown; 0: the new one */
	char kept[LINE_BYTES]; /* the new one, while an old one is shown */
};

/* An empty line without a history. */
void line_init(struct line *line);

/* One byte of the terminal. */
enum line_event line_key(struct line *line, uint8_t key);

/* The next line begins; the one that was entered is the newest of the history, if it is not empty
 * and not the same as the newest already. */
void line_clear(struct line *line, bool remember);

/* Puts as much of `text` in at the cursor as there is room for. */
void line_insert(struct line *line, const char *text, size_t length);

/*
 * `prompt` and the part of the text around the cursor that fits into `columns`. Returns the bytes
 * written to `to`, which has room for columns + 1; *behind is how many of them the cursor stands
 * before the end.
 */
size_t line_show(const struct line *line, const char *prompt, size_t columns, char *to,
		 size_t *behind);

#endif
