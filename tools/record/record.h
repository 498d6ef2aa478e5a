/* SPDX-License-Identifier: MIT */
/*
 * The file that 'paraclock record' writes and 'paraclock plot' reads: lines that
 * begin with '#' and describe the record, the names of the columns, and a row
 * for each reading and each event. paraclock-record(1) documents it.
 */
#ifndef RECORD_H
#define RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <paraclock/paraclock.h>

#define RECORD_TITLE "# paraclock record 1"

/* In the order of the columns. Append only: others read them by name. */
enum record_column {
	RECORD_KIND,
	RECORD_VALID,
	RECORD_REASON,
	RECORD_HOST_NS,
	RECORD_HOST_TSC,
	RECORD_TIMESCALE,
	RECORD_PAIR_ERROR_NS,
	RECORD_CLOCK_ERROR_NS,
	RECORD_EPOCH,
	RECORD_MARKER_CLASS,
	RECORD_LEAP,
	RECORD_TAI_OFFSET_SEC,
	RECORD_COUNTER,
	RECORD_REALTIME_NS,
	RECORD_MONOTONIC_NS,
	RECORD_MONOTONIC_RAW_NS,
	RECORD_BOOTTIME_NS,
	RECORD_TAI_NS,
	RECORD_UNCERTAINTY_NS,
	RECORD_OFFSET_NS,
	RECORD_GAP_NS,
	RECORD_SOURCE,
	RECORD_BOUND_NS,
	RECORD_COLUMNS
};

/* What a cell holds, if it holds anything. */
enum record_type {
	RECORD_NAME, /* lower case, digits, '-' */
	RECORD_BOOL, /* 0 or 1 */
	RECORD_S64,
	RECORD_U64
};

const char *record_column_name(enum record_column column);
enum record_type record_column_type(enum record_column column);

/* row.name of a reading, and of a reading that failed; else an event's kind. */
#define RECORD_READING "reading"
#define RECORD_FAILED  "failed"

/* The longest name in a cell, with its NUL. */
#define RECORD_NAME_SIZE 32

/* One row. */
struct record_row {
	uint32_t known; /* mask of 1 << enum record_column */
	union {
		int64_t s64;
		uint64_t u64; /* RECORD_BOOL too */
		char name[RECORD_NAME_SIZE];
	} cell[RECORD_COLUMNS];
};

static inline bool record_knows(const struct record_row *row,
				enum record_column column)
{
	return row->known >> column & 1;
}

/* --- record_row.c: rows to write ------------------------------------------ */

/* A reading. @p off: its offset from CLOCK_REALTIME; NULL: unknown. */
void record_put_crosststamp(struct record_row *row,
			    const struct paraclock_crosststamp *xt,
			    const struct paraclock_offset *off);
/* A reading that failed. */
void record_put_failure(struct record_row *row, int error);
void record_put_event(struct record_row *row,
		      const struct paraclock_event *event);
/* The system clocks, to rows that have none. */
void record_put_snapshot(struct record_row *row,
			 const struct paraclock_snapshot *snap);

/* The same ones as another row has. */
void record_put_clocks_of(struct record_row *row,
			  const struct record_row *other);

/* Each writes a line; ferror() tells whether it could. */
void record_write_columns(FILE *to);
void record_write_row(FILE *to, const struct record_row *row);

/* --- record_parse.c: lines to read ---------------------------------------- */

/* What the lines before the columns say. A member that no line sets is "". */
struct record_about {
	char version[RECORD_NAME_SIZE];
	char backend[RECORD_NAME_SIZE];
	char timescale[RECORD_NAME_SIZE];
	char clocksource[RECORD_NAME_SIZE];
	char started[RECORD_NAME_SIZE];
};

/* The longest line, with its newline. */
#define RECORD_LINE_MAX	   4096U
#define RECORD_COLUMNS_MAX 64U

/* Zero it before the first line. */
struct record_parser {
	struct record_about about;
	bool has_title;
	size_t columns; /* 0: their names have not come yet */
	/* enum record_column; RECORD_COLUMNS: one that this version lacks. */
	uint8_t column[RECORD_COLUMNS_MAX];
};

/*
 * Read one line, without its newline. 1: *ret_row is a row. 0: it has no row.
 * -EPROTO: @p detail receives what is wrong with it, and where in the line.
 */
int record_parse(struct record_parser *parser, const char *line, size_t length,
		 struct record_row *ret_row, char *detail, size_t size);

#endif
