// SPDX-License-Identifier: MIT
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "trace.h"

/* --- one row -------------------------------------------------------------- */

static int64_t cell_s64(const struct record_row *row, enum record_column column)
{
	return row->cell[column].s64;
}

static int complain(char *detail, size_t size, enum record_column column,
		    const char *what)
{
	snprintf(detail, size, "%s: %s", record_column_name(column), what);
	return -EPROTO;
}

static int note_time(struct trace *trace, const struct record_row *row,
		     char *detail, size_t size)
{
	int64_t raw_ns;

	if (!record_knows(row, RECORD_MONOTONIC_RAW_NS))
		return 0;
	raw_ns = cell_s64(row, RECORD_MONOTONIC_RAW_NS);
	if (raw_ns < 0)
		return complain(detail, size, RECORD_MONOTONIC_RAW_NS,
				"expected 0 or more");
	if (!trace->has_rows)
		trace->first_ns = raw_ns;
	else if (raw_ns < trace->last_ns)
		return complain(detail, size, RECORD_MONOTONIC_RAW_NS,
				"earlier than in a row before");
	trace->last_ns = raw_ns;
	trace->has_rows = true;
	return 0;
}

static void add_mark(struct trace *trace, enum trace_kind kind,
		     const char *name, const struct record_row *row)
{
	struct trace_mark *mark = &trace->marks[trace->mark_count];

	trace->kinds[kind]++;
	if (kind == TRACE_DISRUPTION)
		trace->is_marked = true;
	if (trace->mark_count == TRACE_MARKS_MAX)
		return;
	trace->mark_count++;
	*mark = (struct trace_mark){
		.raw_ns = trace->last_ns,
		.kind = kind,
	};
	snprintf(mark->name, sizeof(mark->name), "%s", name);
	if (row && record_knows(row, RECORD_GAP_NS)) {
		mark->has_gap = true;
		mark->gap_ns = cell_s64(row, RECORD_GAP_NS);
	}
}

static void add_event(struct trace *trace, const struct record_row *row)
{
	static const char *const others[] = {
		"clocksource-changed",
		"source-lost",
		"source-found",
	};
	const char *name = row->cell[RECORD_KIND].name;
	/* A kind that only a later version knows may be a disruption. */
	enum trace_kind kind = TRACE_DISRUPTION;

	if (strcmp(name, "clock-set") == 0)
		kind = TRACE_CLOCK_SET;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		if (strcmp(name, others[i]) == 0)
			kind = TRACE_OTHER;
	}
	add_mark(trace, kind, name, row);
	/* CLOCK_MONOTONIC_RAW goes on when CLOCK_REALTIME is set. */
	if (kind != TRACE_CLOCK_SET)
		trace->begins_run = true;
}

static void add_not_valid(struct trace *trace)
{
	struct trace_span *span = &trace->spans[trace->span_count];

	trace->not_valid++;
	/* Nobody vouches for what the host did meanwhile. */
	trace->begins_run = true;
	if (trace->is_not_valid) {
		span[-1].to_ns = trace->last_ns;
	} else if (trace->span_count < TRACE_SPANS_MAX) {
		span->from_ns = span->to_ns = trace->last_ns;
		trace->span_count++;
		trace->is_not_valid = true;
	}
}

/* Was there a disruption, or is it another scale, since the point before? */
static void compare(struct trace *trace, const struct record_row *row)
{
	const uint64_t epoch = row->cell[RECORD_EPOCH].u64;
	const char *timescale = row->cell[RECORD_TIMESCALE].name;

	if (trace->count && epoch != trace->epoch) {
		if (!trace->is_marked)
			add_mark(trace, TRACE_DISRUPTION, "disruption", NULL);
		trace->begins_run = true;
	}
	if (strcmp(timescale, trace->timescale) != 0)
		trace->begins_run = true;
	trace->epoch = epoch;
	trace->is_marked = false;
	snprintf(trace->timescale, sizeof(trace->timescale), "%s", timescale);
}

static uint64_t add_bound(uint64_t a, const struct record_row *row,
			  enum record_column column)
{
	uint64_t sum;

	if (a == TRACE_NO_BOUND || !record_knows(row, column) ||
	    __builtin_add_overflow(a, row->cell[column].u64, &sum))
		return TRACE_NO_BOUND;
	return sum;
}

static void set_bounds(struct trace_point *point, const struct record_row *row)
{
	const uint64_t bound_ns = add_bound(0, row, RECORD_PAIR_ERROR_NS);

	point->reading_bound_ns =
		add_bound(bound_ns, row, RECORD_UNCERTAINTY_NS);
	point->utc_bound_ns = add_bound(0, row, RECORD_BOUND_NS);
}

static int grow(struct trace *trace)
{
	const size_t room = trace->room ? 2 * trace->room : 1024;
	struct trace_point *points;

	if (trace->count < trace->room)
		return 0;
	points = realloc(trace->points, room * sizeof(*points));
	if (!points)
		return -ENOMEM;
	trace->points = points;
	trace->room = room;
	return 0;
}

static int check_reading(const struct record_row *row, char *detail,
			 size_t size)
{
	static const enum record_column needed[] = {
		RECORD_HOST_NS,
		RECORD_EPOCH,
		RECORD_MONOTONIC_RAW_NS,
	};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		if (!record_knows(row, needed[i]))
			return complain(detail, size, needed[i],
					"empty, in a valid reading");
	}
	return 0;
}

static int add_point(struct trace *trace, const struct record_row *row,
		     char *detail, size_t size)
{
	struct trace_point point = { .raw_ns = trace->last_ns };
	int ret = check_reading(row, detail, size);

	if (ret)
		return ret;
	if (trace->count == TRACE_POINTS_MAX)
		return complain(detail, size, RECORD_KIND,
				"more readings than a picture can be made of; "
				"record with a longer interval (-i)");
	if (__builtin_sub_overflow(cell_s64(row, RECORD_HOST_NS), point.raw_ns,
				   &point.ahead_ns))
		return complain(detail, size, RECORD_HOST_NS,
				"too far from monotonic_raw_ns");
	ret = grow(trace);
	if (ret)
		return ret;
	point.has_offset = record_knows(row, RECORD_OFFSET_NS);
	if (point.has_offset)
		point.offset_ns = cell_s64(row, RECORD_OFFSET_NS);
	set_bounds(&point, row);
	compare(trace, row);
	point.begins_run = !trace->count || trace->begins_run;
	trace->begins_run = false;
	trace->is_not_valid = false;
	trace->points[trace->count++] = point;
	return 0;
}

static int add_row(struct trace *trace, const struct record_row *row,
		   char *detail, size_t size)
{
	const char *kind = row->cell[RECORD_KIND].name;
	int ret = note_time(trace, row, detail, size);

	if (ret)
		return ret;
	if (strcmp(kind, RECORD_READING) != 0 &&
	    strcmp(kind, RECORD_FAILED) != 0) {
		add_event(trace, row);
		return 0;
	}
	if (!record_knows(row, RECORD_VALID))
		return complain(detail, size, RECORD_VALID,
				"empty, in a reading");
	if (row->cell[RECORD_VALID].u64)
		return add_point(trace, row, detail, size);
	add_not_valid(trace);
	return 0;
}

/* --- the file ------------------------------------------------------------- */

/* A NUL is a byte as any other. 1: *ret_length bytes; 0: no more lines; -E2BIG.
 * *ret_is_cut: the newline was missing. */
static int read_line(FILE *from, char *buf, size_t *ret_length,
		     bool *ret_is_cut)
{
	size_t length = 0;
	int c = getc_unlocked(from);

	if (c == EOF)
		return 0;
	for (; c != EOF && c != '\n'; c = getc_unlocked(from)) {
		if (length == RECORD_LINE_MAX)
			return -E2BIG;
		buf[length++] = (char)c;
	}
	*ret_is_cut = c == EOF;
	/* Someone's editor may have added it. */
	if (length && buf[length - 1] == '\r')
		length--;
	*ret_length = length;
	return 1;
}

static int number(char *detail, size_t size, uint64_t line, const char *what)
{
	snprintf(detail, size, "%" PRIu64 ": %s", line, what);
	return -EPROTO;
}

static int load_line(struct trace *trace, struct record_parser *parser,
		     const char *line, size_t length, char *what, size_t size)
{
	struct record_row row;
	int ret = record_parse(parser, line, length, &row, what, size);

	return ret == 1 ? add_row(trace, &row, what, size) : ret;
}

int trace_load(struct trace *trace, FILE *from, char *detail, size_t size)
{
	struct record_parser parser = { 0 };
	char line[RECORD_LINE_MAX], what[256] = "";
	uint64_t lines = 0;
	size_t length;
	int ret;

	*trace = (struct trace){ 0 };
	while ((ret = read_line(from, line, &length, &trace->is_cut)) > 0) {
		lines++;
		/* The program that wrote it was killed. */
		if (trace->is_cut && parser.columns)
			break;
		ret = load_line(trace, &parser, line, length, what,
				sizeof(what));
		if (ret == -EPROTO)
			return number(detail, size, lines, what);
		if (ret)
			return ret;
	}
	if (ret < 0)
		return number(detail, size, lines + 1,
			      "longer than any line of a record");
	if (ferror(from)) {
		number(detail, size, lines + 1, "cannot be read");
		return -EIO;
	}
	trace->about = parser.about;
	if (parser.columns)
		return 0;
	return number(detail, size, lines + 1,
		      "ends before the names of the columns");
}

void trace_free(struct trace *trace)
{
	free(trace->points);
	trace->points = NULL;
	trace->count = trace->room = 0;
}

bool trace_next_run(const struct trace *trace, size_t *begin, size_t *end)
{
	if (*end >= trace->count)
		return false;
	*begin = *end;
	do
		++*end;
	while (*end < trace->count && !trace->points[*end].begins_run);
	return true;
}
