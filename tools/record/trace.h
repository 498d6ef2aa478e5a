/* SPDX-License-Identifier: MIT */
/* A whole record in memory: what a picture is made of. */
#ifndef RECORD_TRACE_H
#define RECORD_TRACE_H

#include "record.h"

/* 160 MB: five days of ten readings a second. */
#define TRACE_POINTS_MAX (1U << 22)
/* More of them cannot be told apart in a picture; the others are counted. */
#define TRACE_MARKS_MAX 256U
#define TRACE_SPANS_MAX 1024U

/* No bound is known. */
#define TRACE_NO_BOUND UINT64_MAX

/* One valid reading. */
struct trace_point {
	int64_t raw_ns;	   /* CLOCK_MONOTONIC_RAW */
	int64_t ahead_ns;  /* the host clock less CLOCK_MONOTONIC_RAW */
	int64_t offset_ns; /* the host's UTC less CLOCK_REALTIME */
	/* How far ahead_ns and offset_ns may be from what the clocks said; and
	 * how far offset_ns may be from that of UTC. */
	uint64_t reading_bound_ns, utc_bound_ns;
	bool has_offset;
	/* Nothing may be computed from this point and the one before. */
	bool begins_run;
};

enum trace_kind {
	TRACE_DISRUPTION,
	TRACE_CLOCK_SET,
	TRACE_OTHER, /* another clocksource, a source that is lost or found */
	TRACE_KINDS
};

struct trace_mark {
	int64_t raw_ns;
	enum trace_kind kind;
	bool has_gap;
	int64_t gap_ns;
	char name[RECORD_NAME_SIZE]; /* of the event */
};

/* Readings from the first to the last of these instants were not valid. */
struct trace_span {
	int64_t from_ns, to_ns;
};

struct trace {
	struct record_about about;
	struct trace_point *points;
	size_t count, room;
	struct trace_mark marks[TRACE_MARKS_MAX];
	size_t mark_count; /* of those that are kept */
	struct trace_span spans[TRACE_SPANS_MAX];
	size_t span_count;
	uint64_t kinds[TRACE_KINDS]; /* all marks, by kind */
	uint64_t not_valid;
	int64_t first_ns, last_ns; /* of all rows; 0 without rows */
	bool is_cut; /* the last line has no end, and was dropped */
	/* Private: what the row before left. */
	bool has_rows, is_not_valid, begins_run, is_marked;
	uint64_t epoch;
	char timescale[RECORD_NAME_SIZE];
};

/* Load a record. @p trace is zeroed first. 0; -ENOMEM; or -EPROTO, -EIO: @p
 * detail receives the line's number, and what is wrong. trace_free() in any
 * case. */
int trace_load(struct trace *trace, FILE *from, char *detail, size_t size);
void trace_free(struct trace *trace);

/* The next run that begins at or after *end: its points are [*begin, *end).
 * Begin with *end = 0. */
bool trace_next_run(const struct trace *trace, size_t *begin, size_t *end);

#endif
