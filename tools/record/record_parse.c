// SPDX-License-Identifier: MIT
/* A line of a record. Anybody may have written it. */

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "record.h"

/* Part of a line. */
struct text {
	const char *at;
	size_t length;
};

/* So that no error shows what a terminal would obey. */
#define SHOWN_MAX 40

struct shown {
	char text[SHOWN_MAX + 1];
};

static struct shown show(struct text text)
{
	struct shown shown = { "" };

	for (size_t i = 0; i < text.length && i < SHOWN_MAX; i++) {
		const char c = text.at[i];

		shown.text[i] = '?';
		if (c >= ' ' && c <= '~')
			shown.text[i] = c;
	}
	return shown;
}

static int complain(char *detail, size_t size, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static int complain(char *detail, size_t size, const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vsnprintf(detail, size, format, list);
	va_end(list);
	return -EPROTO;
}

static bool equals(struct text text, const char *word)
{
	return text.length == strlen(word) &&
	       memcmp(text.at, word, text.length) == 0;
}

/* The text up to the next comma; *rest begins after it, or is empty at NULL. */
static struct text next_cell(struct text *rest)
{
	const char *comma = memchr(rest->at, ',', rest->length);
	struct text cell = *rest;

	if (!comma) {
		*rest = (struct text){ 0 };
		return cell;
	}
	cell.length = (size_t)(comma - rest->at);
	rest->at = comma + 1;
	rest->length -= cell.length + 1;
	return cell;
}

/* --- the lines before the columns ----------------------------------------- */

/* These end up in the title of a picture. */
static bool is_plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9') || c == '-' || c == '.' || c == ':' ||
	       c == '_';
}

static int copy_plain(struct text value, char buf[RECORD_NAME_SIZE])
{
	if (value.length >= RECORD_NAME_SIZE)
		return -EPROTO;
	for (size_t i = 0; i < value.length; i++) {
		if (!is_plain(value.at[i]))
			return -EPROTO;
	}
	memcpy(buf, value.at, value.length);
	buf[value.length] = '\0';
	return 0;
}

/* "# key: value". Other lines are for people, or for later versions. */
static int parse_about(struct record_about *about, struct text line,
		       char *detail, size_t size)
{
	const struct {
		const char *key;
		char *to;
	} keys[] = {
		{ "# paraclock: ", about->version },
		{ "# backend: ", about->backend },
		{ "# timescale: ", about->timescale },
		{ "# clocksource: ", about->clocksource },
		{ "# started: ", about->started },
	};

	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		const size_t length = strlen(keys[i].key);
		const struct text value = { line.at + length,
					    line.length - length };

		if (line.length < length ||
		    memcmp(line.at, keys[i].key, length) != 0)
			continue;
		if (copy_plain(value, keys[i].to))
			return complain(detail, size,
					"%s%s: expected at most %d letters, "
					"digits, '-', '.', ':' or '_'",
					keys[i].key + 2, show(value).text,
					RECORD_NAME_SIZE - 1);
		return 0;
	}
	return 0;
}

/* --- the names of the columns --------------------------------------------- */

static enum record_column find_column(struct text name)
{
	for (unsigned int i = 0; i < RECORD_COLUMNS; i++) {
		if (equals(name, record_column_name(i)))
			return i;
	}
	return RECORD_COLUMNS;
}

static int check_columns(uint32_t found, char *detail, size_t size)
{
	static const enum record_column needed[] = {
		RECORD_KIND,
		RECORD_VALID,
		RECORD_HOST_NS,
		RECORD_EPOCH,
		RECORD_MONOTONIC_RAW_NS,
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!(found >> needed[i] & 1))
			return complain(detail, size, "no column %s",
					record_column_name(needed[i]));
	}
	return 0;
}

static int parse_columns(struct record_parser *parser, struct text line,
			 char *detail, size_t size)
{
	uint32_t found = 0;
	size_t count = 0;
	int ret;

	while (line.at) {
		const struct text name = next_cell(&line);
		const enum record_column column = find_column(name);

		if (count == RECORD_COLUMNS_MAX)
			return complain(detail, size,
					"expected at most %u columns",
					RECORD_COLUMNS_MAX);
		if (column < RECORD_COLUMNS && found >> column & 1)
			return complain(detail, size, "two columns %s",
					record_column_name(column));
		if (column < RECORD_COLUMNS)
			found |= 1U << column;
		parser->column[count++] = (uint8_t)column;
	}
	ret = check_columns(found, detail, size);
	if (!ret)
		parser->columns = count;
	return ret;
}

/* --- rows ----------------------------------------------------------------- */

static int parse_u64_cell(struct text cell, uint64_t *ret_value)
{
	uint64_t value = 0;

	for (size_t i = 0; i < cell.length; i++) {
		const unsigned int digit = (unsigned int)cell.at[i] - '0';

		if (digit > 9 || __builtin_mul_overflow(value, 10U, &value) ||
		    __builtin_add_overflow(value, digit, &value))
			return -EPROTO;
	}
	if (!cell.length)
		return -EPROTO;
	*ret_value = value;
	return 0;
}

static int parse_s64_cell(struct text cell, int64_t *ret_value)
{
	const bool negative = cell.length && cell.at[0] == '-';
	const uint64_t most = (uint64_t)INT64_MAX + (negative ? 1 : 0);
	uint64_t value;

	cell.at += negative;
	cell.length -= negative;
	if (parse_u64_cell(cell, &value) || value > most)
		return -EPROTO;
	*ret_value = (int64_t)(negative ? 0 - value : value);
	return 0;
}

static int parse_name_cell(struct text cell, char name[RECORD_NAME_SIZE])
{
	for (size_t i = 0; i < cell.length; i++) {
		const char c = cell.at[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
		      c == '-' || c == '_'))
			return -EPROTO;
	}
	return copy_plain(cell, name);
}

/* NULL, or what was expected. */
static const char *parse_cell(struct record_row *row, enum record_column column,
			      struct text text)
{
	switch (record_column_type(column)) {
	case RECORD_NAME:
		return parse_name_cell(text, row->cell[column].name)
			       ? "a name of lower case letters, digits and '-'"
			       : NULL;
	case RECORD_S64:
		return parse_s64_cell(text, &row->cell[column].s64)
			       ? "an integer of 64 bits"
			       : NULL;
	case RECORD_BOOL:
		return parse_u64_cell(text, &row->cell[column].u64) ||
				       row->cell[column].u64 > 1
			       ? "0 or 1"
			       : NULL;
	default:
		return parse_u64_cell(text, &row->cell[column].u64)
			       ? "an integer of 64 bits, 0 or more"
			       : NULL;
	}
}

static int parse_row(const struct record_parser *parser, struct text line,
		     struct record_row *row, char *detail, size_t size)
{
	size_t count = 0;

	for (; line.at; count++) {
		const struct text cell = next_cell(&line);
		enum record_column column;
		const char *expected;

		if (count == parser->columns)
			return complain(detail, size,
					"more than the %zu cells that the "
					"columns have",
					parser->columns);
		column = parser->column[count];
		if (column == RECORD_COLUMNS || !cell.length)
			continue;
		expected = parse_cell(row, column, cell);
		if (expected)
			return complain(detail, size, "%s: %s: expected %s",
					record_column_name(column),
					show(cell).text, expected);
		row->known |= 1U << column;
	}
	if (count < parser->columns)
		return complain(detail, size, "%zu cells, expected %zu", count,
				parser->columns);
	if (!record_knows(row, RECORD_KIND))
		return complain(detail, size, "kind: empty");
	return 1;
}

int record_parse(struct record_parser *parser, const char *line, size_t length,
		 struct record_row *ret_row, char *detail, size_t size)
{
	const struct text text = { line, length };
	struct record_row row = { 0 };
	int ret;

	if (!parser->has_title) {
		if (!equals(text, RECORD_TITLE))
			return complain(detail, size,
					"not a record of 'paraclock record': "
					"expected '%s'",
					RECORD_TITLE);
		parser->has_title = true;
		return 0;
	}
	if (length && line[0] == '#')
		return parse_about(&parser->about, text, detail, size);
	if (!parser->columns)
		return parse_columns(parser, text, detail, size);
	ret = parse_row(parser, text, &row, detail, size);
	if (ret == 1)
		*ret_row = row;
	return ret;
}
