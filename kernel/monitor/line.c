/* SPDX-License-Identifier: BSD-2-Clause */
/* See line.h. The keys are those of Emacs and of every shell. */
#include "kernel/monitor/line.h"

#include "base/bits.h"
#include "base/string.h"

#define CTRL(letter) ((letter)-0x40)
#define KEY_TAB 0x09
#define KEY_ESCAPE 0x1b
#define KEY_DELETE 0x7f
#define PARAMETER_MOST 99

void line_init(struct line *line)
{
	memset(line, 0, sizeof(*line));
}

static void set_text(struct line *line, const char *text)
{
	line->length = strnlen(text, LINE_BYTES - 1);
	memmove(line->text, text, line->length);
	line->text[line->length] = '\0';
	line->cursor = line->length;
}

void line_insert(struct line *line, const char *text, size_t length)
{
	size_t count = min_u64(length, LINE_BYTES - 1 - line->length);
	memmove(line->text + line->cursor + count, line->text + line->cursor,
		line->length - line->cursor);
	memcpy(line->text + line->cursor, text, count);
	line->length += count;
	line->cursor += count;
	line->text[line->length] = '\0';
}

/* Takes [from, to) out; the cursor stands at `from` then. */
static enum line_event cut(struct line *line, size_t from, size_t to)
{
	if (from >= to) {
		return LINE_NOTHING;
	}
	memmove(line->text + from, line->text + to, line->length - to);
	line->length -= to - from;
	line->text[line->length] = '\0';
	line->cursor = from;
	return LINE_CHANGED;
}

static enum line_event move_to(struct line *line, size_t cursor)
{
	if (cursor == line->cursor || cursor > line->length) {
		return LINE_NOTHING;
	}
	line->cursor = cursor;
	return LINE_CHANGED;
}

/* Where the word before the cursor begins. */
static size_t word_begin(const struct line *line)
{
	size_t at = line->cursor;
	while (at > 0 && line->text[at - 1] == ' ') {
		at--;
	}
	while (at > 0 && line->text[at - 1] != ' ') {
		at--;
	}
	return at;
}

static char *entry(struct line *line, unsigned back)
{
	return line->history[(line->entered - back) % LINE_HISTORY];
}

/* Shows the line that was entered `back` lines ago; 0: the new one again. */
static enum line_event show_entry(struct line *line, unsigned back)
{
	if (back > min_u64(line->entered, LINE_HISTORY) || back == line->back) {
		return LINE_NOTHING;
	}
	if (line->back == 0) {
		memcpy(line->kept, line->text, LINE_BYTES);
	}
	line->back = back;
	set_text(line, back == 0 ? line->kept : entry(line, back));
	return LINE_CHANGED;
}

void line_clear(struct line *line, bool remember)
{
	bool same = line->entered > 0 && strcmp(entry(line, 1), line->text) == 0;
	if (remember && line->length > 0 && !same) {
		line->entered++;
		memcpy(entry(line, 1), line->text, LINE_BYTES);
	}
	line->back = 0;
	set_text(line, "");
}

static enum line_event older(struct line *line)
{
	return show_entry(line, line->back + 1);
}

static enum line_event newer(struct line *line)
{
	return line->back > 0 ? show_entry(line, line->back - 1) : LINE_NOTHING;
}

static enum line_event left(struct line *line)
{
	return line->cursor > 0 ? move_to(line, line->cursor - 1) : LINE_NOTHING;
}

static enum line_event delete_here(struct line *line)
{
	return line->cursor < line->length ? cut(line, line->cursor, line->cursor + 1)
					   : LINE_NOTHING;
}

static enum line_event delete_before(struct line *line)
{
	return line->cursor > 0 ? cut(line, line->cursor - 1, line->cursor) : LINE_NOTHING;
}

/* The last byte of a control sequence: arrows, Home, End and Delete, in the ways of terminals. */
static enum line_event sequence_end(struct line *line, uint8_t key)
{
	switch (key) {
	case 'A':
		return older(line);
	case 'B':
		return newer(line);
	case 'C':
		return move_to(line, line->cursor + 1);
	case 'D':
		return left(line);
	case 'H':
		return move_to(line, 0);
	case 'F':
		return move_to(line, line->length);
	case '~':
		break;
	default:
		return LINE_NOTHING;
	}
	switch (line->parameter) {
	case 1:
	case 7:
		return move_to(line, 0);
	case 4:
	case 8:
		return move_to(line, line->length);
	case 3:
		return delete_here(line);
	default:
		return LINE_NOTHING;
	}
}

static enum line_event sequence_key(struct line *line, uint8_t key)
{
	if (line->state == LINE_ESCAPE) {
		line->state = key == '[' || key == 'O' ? LINE_SEQUENCE : LINE_PLAIN;
		line->parameter = 0;
		return LINE_NOTHING;
	}
	if (key >= '0' && key <= '9') {
		line->parameter =
			(unsigned)min_u64(line->parameter * 10 + (key - '0'), PARAMETER_MOST);
		return LINE_NOTHING;
	}
	if (key == ';') {
		return LINE_NOTHING;
	}
	line->state = LINE_PLAIN;
	return sequence_end(line, key);
}

static enum line_event control_key(struct line *line, uint8_t key)
{
	switch (key) {
	case '\r':
	case '\n':
		return LINE_ENTERED;
	case KEY_TAB:
		return LINE_COMPLETION;
	case KEY_ESCAPE:
		line->state = LINE_ESCAPE;
		return LINE_NOTHING;
	case KEY_DELETE:
	case CTRL('H'):
		return delete_before(line);
	case CTRL('A'):
		return move_to(line, 0);
	case CTRL('B'):
		return left(line);
	case CTRL('C'):
		line_clear(line, false);
		return LINE_DROPPED;
	case CTRL('D'):
		return line->length == 0 ? LINE_LEFT : delete_here(line);
	case CTRL('E'):
		return move_to(line, line->length);
	case CTRL('F'):
		return move_to(line, line->cursor + 1);
	case CTRL('K'):
		line->length = line->cursor;
		line->text[line->length] = '\0';
		return LINE_CHANGED;
	case CTRL('N'):
		return newer(line);
	case CTRL('P'):
		return older(line);
	case CTRL('L'):
		return LINE_CHANGED;
	case CTRL('U'):
		return cut(line, 0, line->cursor);
	case CTRL('W'):
		return cut(line, word_begin(line), line->cursor);
	default:
		return LINE_NOTHING;
	}
}

enum line_event line_key(struct line *line, uint8_t key)
{
	if (key >= 0x80) {
		return LINE_NOISE;
	}
	if (line->state != LINE_PLAIN && key >= ' ' && key < KEY_DELETE) {
		return sequence_key(line, key);
	}
	line->state = LINE_PLAIN;
	if (key < ' ' || key == KEY_DELETE) {
		return control_key(line, key);
	}
	if (line->length == LINE_BYTES - 1) {
		return LINE_NOTHING;
	}
	char byte = (char)key;
	line_insert(line, &byte, 1);
	return LINE_CHANGED;
}

size_t line_show(const struct line *line, const char *prompt, size_t columns, char *to,
		 size_t *behind)
{
	size_t used = min_u64(strlen(prompt), columns);
	size_t room = columns - used;
	size_t first = sub_floor_u64(line->cursor + 1, room);
	size_t count = min_u64(line->length - min_u64(first, line->length), room);
	memcpy(to, prompt, used);
	memcpy(to + used, line->text + first, count);
	to[used + count] = '\0';
	*behind = first + count - line->cursor;
	return used + count;
}
