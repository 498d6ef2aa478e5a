// SPDX-License-Identifier: MIT
#include <stddef.h>
#include <string.h>

#include "qga_scan.h"

enum state {
	BETWEEN, /* requests */
	KEY_OR_END,
	KEY,
	COLON,
	VALUE_OR_END,
	VALUE,
	AFTER_VALUE,
	STRING,
	ESCAPE,
	HEX,
	LITERAL,
	/* Numbers: what was read last. */
	MINUS,
	ZERO,
	DIGITS,
	POINT,
	FRACTION,
	EXPONENT,
	SIGN,
	POWER,
};

static const char *const names[] = {
	[QGA_PING] = "guest-ping",
	[QGA_SYNC] = "guest-sync",
	[QGA_SYNC_DELIMITED] = "guest-sync-delimited",
	[QGA_INFO] = "guest-info",
	[QGA_GET_TIME] = "guest-get-time",
	[QGA_SET_TIME] = "guest-set-time",
	[QGA_STATUS] = "guest-paraclock-status",
};
#define NAMES (sizeof(names) / sizeof(names[0]))

const char *qga_command_name(enum qga_command command)
{
	return (size_t)command < NAMES ? names[command] : NULL;
}

void qga_scan_reset(struct qga_scan *scan)
{
	*scan = (struct qga_scan){ .state = BETWEEN };
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

/* --- the string at depth 1 ------------------------------------------------- */

static void text_add(struct qga_scan *scan, uint8_t byte)
{
	if (scan->depth != 1)
		return;
	if (scan->text_len == sizeof(scan->text))
		scan->text_is_long = true;
	else
		scan->text[scan->text_len++] = (char)byte;
}

static bool text_is(const struct qga_scan *scan, const char *name)
{
	return !scan->text_is_long && scan->text_len == strlen(name) &&
	       memcmp(scan->text, name, scan->text_len) == 0;
}

static enum qga_command find_command(const struct qga_scan *scan)
{
	for (size_t i = QGA_PING; i < NAMES; i++) {
		if (text_is(scan, names[i]))
			return (enum qga_command)i;
	}
	return QGA_OTHER;
}

static void text_end(struct qga_scan *scan)
{
	if (scan->depth != 1)
		return;
	if (scan->is_key)
		scan->is_execute = text_is(scan, "execute");
	/* Of two, some parsers take the first and some the last. */
	else if (scan->is_execute && scan->command < QGA_FIRST_OWN)
		scan->command = find_command(scan);
}

static enum qga_token begin_string(struct qga_scan *scan, uint8_t quote,
				   bool is_key)
{
	scan->state = STRING;
	scan->quote = quote;
	scan->text_len = 0;
	scan->text_is_long = false;
	scan->is_key = is_key;
	return QGA_MORE;
}

static enum qga_token in_string(struct qga_scan *scan, uint8_t byte)
{
	if (byte < 0x20)
		return QGA_BAD;
	if (byte == scan->quote) {
		text_end(scan);
		scan->state = scan->is_key ? COLON : AFTER_VALUE;
	} else if (byte == '\\') {
		scan->state = ESCAPE;
	} else {
		text_add(scan, byte);
	}
	return QGA_MORE;
}

static enum qga_token in_escape(struct qga_scan *scan, uint8_t byte)
{
	static const char from[] = "\"'\\/bfnrt", to[] = "\"'\\/\b\f\n\r\t";
	const char *found = byte ? strchr(from, byte) : NULL;

	if (byte == 'u') {
		scan->state = HEX;
		scan->hex_left = 4;
		scan->hex = 0;
		return QGA_MORE;
	}
	if (!found)
		return QGA_BAD;
	text_add(scan, (uint8_t)to[found - from]);
	scan->state = STRING;
	return QGA_MORE;
}

static int hex_digit(uint8_t byte)
{
	if (is_digit(byte))
		return byte - '0';
	byte |= 0x20;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

static enum qga_token in_hex(struct qga_scan *scan, uint8_t byte)
{
	int digit = hex_digit(byte);

	if (digit < 0)
		return QGA_BAD;
	scan->hex = (uint16_t)(scan->hex << 4 | digit);
	if (--scan->hex_left == 0) {
		/* No name that is looked for has a character beyond ASCII. */
		text_add(scan, scan->hex < 0x80 ? (uint8_t)scan->hex : 0xff);
		scan->state = STRING;
	}
	return QGA_MORE;
}

/* --- objects and arrays ---------------------------------------------------- */

static bool in_object(const struct qga_scan *scan)
{
	unsigned int i = scan->depth - 1U;

	return scan->is_object[i / 8] >> (i % 8) & 1;
}

static enum qga_token open_bracket(struct qga_scan *scan, bool is_object)
{
	unsigned int i = scan->depth;
	uint8_t bit = (uint8_t)(1U << (i % 8));

	if (scan->depth == QGA_SCAN_DEPTH)
		return QGA_BAD;
	if (is_object)
		scan->is_object[i / 8] |= bit;
	else
		scan->is_object[i / 8] &= (uint8_t)~bit;
	scan->depth++;
	if (scan->depth > scan->deepest)
		scan->deepest = scan->depth;
	scan->state = is_object ? KEY_OR_END : VALUE_OR_END;
	return QGA_MORE;
}

static enum qga_token close_bracket(struct qga_scan *scan, uint8_t byte)
{
	if (byte != (in_object(scan) ? '}' : ']'))
		return QGA_BAD;
	scan->depth--;
	scan->state = scan->depth ? AFTER_VALUE : BETWEEN;
	return scan->depth ? QGA_MORE : QGA_END;
}

static enum qga_token after_value(struct qga_scan *scan, uint8_t byte)
{
	if (is_space(byte)) {
		scan->state = AFTER_VALUE;
		return QGA_MORE;
	}
	if (byte != ',')
		return close_bracket(scan, byte);
	scan->state = in_object(scan) ? KEY : VALUE;
	return QGA_MORE;
}

/* --- scalars --------------------------------------------------------------- */

static enum qga_token begin_literal(struct qga_scan *scan, uint8_t byte)
{
	static const char *const literals[] = { "true", "false", "null" };

	for (size_t i = 0; i < 3; i++) {
		if (byte != (uint8_t)literals[i][0])
			continue;
		scan->literal = literals[i] + 1;
		scan->state = LITERAL;
		return QGA_MORE;
	}
	return QGA_BAD;
}

static enum qga_token in_literal(struct qga_scan *scan, uint8_t byte)
{
	if (byte != (uint8_t)*scan->literal)
		return QGA_BAD;
	scan->literal++;
	if (!*scan->literal)
		scan->state = AFTER_VALUE;
	return QGA_MORE;
}

static enum qga_token begin_value(struct qga_scan *scan, uint8_t byte)
{
	if (byte == '"' || byte == '\'')
		return begin_string(scan, byte, false);
	if (byte == '{' || byte == '[')
		return open_bracket(scan, byte == '{');
	if (byte == '-' || is_digit(byte)) {
		scan->state = DIGITS;
		if (!is_digit(byte))
			scan->state = MINUS;
		else if (byte == '0')
			scan->state = ZERO;
		return QGA_MORE;
	}
	return begin_literal(scan, byte);
}

/* The state after this byte of a number; BETWEEN: the number has ended. */
static enum state number_state(enum state state, uint8_t byte)
{
	bool digit = is_digit(byte);
	bool is_e = byte == 'e' || byte == 'E';

	switch (state) {
	case MINUS:
		return byte == '0' ? ZERO : digit ? DIGITS : BETWEEN;
	case DIGITS:
		if (digit)
			return DIGITS;
		/* fall through */
	case ZERO:
		return byte == '.' ? POINT : is_e ? EXPONENT : BETWEEN;
	case FRACTION:
		if (is_e)
			return EXPONENT;
		/* fall through */
	case POINT:
		return digit ? FRACTION : BETWEEN;
	case EXPONENT:
		if (byte == '+' || byte == '-')
			return SIGN;
		/* fall through */
	default:
		return digit ? POWER : BETWEEN;
	}
}

static enum qga_token in_number(struct qga_scan *scan, uint8_t byte)
{
	enum state state = scan->state;
	enum state next = number_state(state, byte);

	if (next != BETWEEN) {
		scan->state = (uint8_t)next;
		return QGA_MORE;
	}
	if (state == ZERO || state == DIGITS || state == FRACTION ||
	    state == POWER)
		return after_value(scan, byte);
	return QGA_BAD;
}

/* --- the whole ------------------------------------------------------------- */

/* A byte where a token begins. */
static enum qga_token begin_token(struct qga_scan *scan, uint8_t byte)
{
	enum state state = scan->state;

	if (is_space(byte))
		return QGA_MORE;
	switch (state) {
	case KEY_OR_END:
	case KEY:
		if (byte == '"' || byte == '\'')
			return begin_string(scan, byte, true);
		return state == KEY_OR_END ? close_bracket(scan, byte)
					   : QGA_BAD;
	case COLON:
		scan->state = VALUE;
		return byte == ':' ? QGA_MORE : QGA_BAD;
	case VALUE_OR_END:
		if (byte == ']')
			return close_bracket(scan, byte);
		/* fall through */
	default:
		return begin_value(scan, byte);
	}
}

enum qga_token qga_scan_byte(struct qga_scan *scan, uint8_t byte)
{
	if (byte == 0xff)
		return QGA_SENTINEL;
	/* No byte of UTF-8 either. qemu-ga drops a request with it, too. */
	if (byte == 0xfe)
		return QGA_BAD;
	switch (scan->state) {
	case BETWEEN:
		if (is_space(byte))
			return QGA_SPACE;
		qga_scan_reset(scan);
		return byte == '{' ? open_bracket(scan, true) : QGA_BAD;
	case STRING:
		return in_string(scan, byte);
	case ESCAPE:
		return in_escape(scan, byte);
	case HEX:
		return in_hex(scan, byte);
	case LITERAL:
		return in_literal(scan, byte);
	case AFTER_VALUE:
		return after_value(scan, byte);
	default:
		return scan->state >= MINUS ? in_number(scan, byte)
					    : begin_token(scan, byte);
	}
}
