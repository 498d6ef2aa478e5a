// SPDX-License-Identifier: MIT
/* A row of a record: its columns, and how it is filled and written. */

#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "record.h"

static const struct {
	const char *name;
	enum record_type type;
} columns[RECORD_COLUMNS] = {
	[RECORD_KIND] = { "kind", RECORD_NAME },
	[RECORD_VALID] = { "valid", RECORD_BOOL },
	[RECORD_REASON] = { "reason", RECORD_NAME },
	[RECORD_HOST_NS] = { "host_ns", RECORD_S64 },
	[RECORD_HOST_TSC] = { "host_tsc", RECORD_U64 },
	[RECORD_TIMESCALE] = { "timescale", RECORD_NAME },
	[RECORD_PAIR_ERROR_NS] = { "pair_error_ns", RECORD_U64 },
	[RECORD_CLOCK_ERROR_NS] = { "clock_error_ns", RECORD_U64 },
	[RECORD_EPOCH] = { "epoch", RECORD_U64 },
	[RECORD_MARKER_CLASS] = { "marker_class", RECORD_NAME },
	[RECORD_LEAP] = { "leap", RECORD_NAME },
	[RECORD_TAI_OFFSET_SEC] = { "tai_offset_sec", RECORD_S64 },
	[RECORD_COUNTER] = { "counter", RECORD_U64 },
	[RECORD_REALTIME_NS] = { "realtime_ns", RECORD_S64 },
	[RECORD_MONOTONIC_NS] = { "monotonic_ns", RECORD_S64 },
	[RECORD_MONOTONIC_RAW_NS] = { "monotonic_raw_ns", RECORD_S64 },
	[RECORD_BOOTTIME_NS] = { "boottime_ns", RECORD_S64 },
	[RECORD_TAI_NS] = { "tai_ns", RECORD_S64 },
	[RECORD_UNCERTAINTY_NS] = { "uncertainty_ns", RECORD_U64 },
	[RECORD_OFFSET_NS] = { "offset_ns", RECORD_S64 },
	[RECORD_GAP_NS] = { "gap_ns", RECORD_S64 },
	[RECORD_SOURCE] = { "source", RECORD_NAME },
	[RECORD_BOUND_NS] = { "bound_ns", RECORD_U64 },
};

const char *record_column_name(enum record_column column)
{
	return columns[column].name;
}

enum record_type record_column_type(enum record_column column)
{
	return columns[column].type;
}

/* --- filling -------------------------------------------------------------- */

static void put_name(struct record_row *row, enum record_column column,
		     const char *name)
{
	char *cell = row->cell[column].name;

	snprintf(cell, RECORD_NAME_SIZE, "%s", name);
	for (; *cell; cell++)
		*cell = (char)tolower((unsigned char)*cell);
	row->known |= 1U << column;
}

static void put_s64(struct record_row *row, enum record_column column,
		    int64_t value)
{
	row->cell[column].s64 = value;
	row->known |= 1U << column;
}

static void put_u64(struct record_row *row, enum record_column column,
		    uint64_t value)
{
	row->cell[column].u64 = value;
	row->known |= 1U << column;
}

static void put_error(struct record_row *row, enum record_column column,
		      uint64_t error_ns)
{
	if (error_ns != PARACLOCK_ERROR_UNKNOWN)
		put_u64(row, column, error_ns);
}

static void put_clocks(struct record_row *row, uint8_t known,
		       const int64_t ns[PARACLOCK_CLOCKS])
{
	static const enum record_column column[PARACLOCK_CLOCKS] = {
		[PARACLOCK_CLOCK_REALTIME] = RECORD_REALTIME_NS,
		[PARACLOCK_CLOCK_MONOTONIC] = RECORD_MONOTONIC_NS,
		[PARACLOCK_CLOCK_MONOTONIC_RAW] = RECORD_MONOTONIC_RAW_NS,
		[PARACLOCK_CLOCK_BOOTTIME] = RECORD_BOOTTIME_NS,
		[PARACLOCK_CLOCK_TAI] = RECORD_TAI_NS,
	};

	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		if (known >> i & 1)
			put_s64(row, column[i], ns[i]);
	}
}

static void put_sample(struct record_row *row,
		       const struct paraclock_sample *sample)
{
	put_u64(row, RECORD_VALID, sample->valid ? 1 : 0);
	put_name(row, RECORD_REASON,
		 paraclock_reason_name(sample->valid ? 0U : sample->reason));
	put_s64(row, RECORD_HOST_NS, sample->host_ns);
	put_u64(row, RECORD_HOST_TSC, sample->host_tsc);
	put_name(row, RECORD_TIMESCALE,
		 paraclock_timescale_name(sample->timescale));
	put_error(row, RECORD_PAIR_ERROR_NS, sample->pair_error_ns);
	put_error(row, RECORD_CLOCK_ERROR_NS, sample->clock_error_ns);
	put_u64(row, RECORD_EPOCH, sample->epoch);
	put_name(row, RECORD_MARKER_CLASS,
		 paraclock_marker_class_name(sample->marker_class));
	if (sample->leap != PARACLOCK_LEAP_UNKNOWN)
		put_name(row, RECORD_LEAP, paraclock_leap_name(sample->leap));
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		put_s64(row, RECORD_TAI_OFFSET_SEC, sample->tai_offset_sec);
}

void record_put_crosststamp(struct record_row *row,
			    const struct paraclock_crosststamp *xt,
			    const struct paraclock_offset *off)
{
	put_name(row, RECORD_KIND, RECORD_READING);
	put_sample(row, &xt->sample);
	if (!xt->known)
		return;
	put_u64(row, RECORD_COUNTER, xt->counter);
	put_clocks(row, xt->known, xt->ns);
	put_u64(row, RECORD_UNCERTAINTY_NS, xt->uncertainty_ns);
	if (!off)
		return;
	put_s64(row, RECORD_OFFSET_NS, off->offset_ns);
	put_error(row, RECORD_BOUND_NS, off->bound_ns);
}

void record_put_failure(struct record_row *row, int error)
{
	put_name(row, RECORD_KIND, RECORD_FAILED);
	put_u64(row, RECORD_VALID, 0);
	put_name(row, RECORD_REASON, paraclock_error_name(error));
}

void record_put_event(struct record_row *row,
		      const struct paraclock_event *event)
{
	put_name(row, RECORD_KIND, paraclock_event_kind_name(event->kind));
	if (event->error)
		put_name(row, RECORD_REASON,
			 paraclock_error_name(event->error));
	if (event->flags & PARACLOCK_EVENT_AFTER &&
	    event->kind != PARACLOCK_EVENT_CLOCK_SET) {
		put_s64(row, RECORD_HOST_NS, event->host_ns_after);
		put_u64(row, RECORD_HOST_TSC, event->counter_after);
		put_name(row, RECORD_TIMESCALE,
			 paraclock_timescale_name(event->timescale));
	}
	put_u64(row, RECORD_EPOCH, event->epoch);
	put_name(row, RECORD_MARKER_CLASS,
		 paraclock_marker_class_name(event->marker_class));
	if (event->flags & PARACLOCK_EVENT_GAP)
		put_s64(row, RECORD_GAP_NS, event->gap_ns);
	put_name(row, RECORD_SOURCE, event->source);
}

void record_put_snapshot(struct record_row *row,
			 const struct paraclock_snapshot *snap)
{
	put_clocks(row, snap->known, snap->ns);
	if (!snap->valid_for_correlation)
		return;
	put_u64(row, RECORD_COUNTER, snap->counter);
	put_u64(row, RECORD_UNCERTAINTY_NS, snap->uncertainty_ns);
}

void record_put_clocks_of(struct record_row *row,
			  const struct record_row *other)
{
	for (unsigned int i = RECORD_COUNTER; i <= RECORD_UNCERTAINTY_NS; i++) {
		if (record_knows(other, i))
			row->cell[i] = other->cell[i];
		row->known |= other->known & 1U << i;
	}
}

/* --- writing -------------------------------------------------------------- */

static void write_cell(FILE *to, const struct record_row *row,
		       enum record_column column)
{
	switch (columns[column].type) {
	case RECORD_NAME:
		fputs(row->cell[column].name, to);
		break;
	case RECORD_S64:
		fprintf(to, "%" PRId64, row->cell[column].s64);
		break;
	default:
		fprintf(to, "%" PRIu64, row->cell[column].u64);
	}
}

void record_write_columns(FILE *to)
{
	for (unsigned int i = 0; i < RECORD_COLUMNS; i++)
		fprintf(to, "%s%s", i ? "," : "", columns[i].name);
	fputc('\n', to);
}

void record_write_row(FILE *to, const struct record_row *row)
{
	for (unsigned int i = 0; i < RECORD_COLUMNS; i++) {
		if (i)
			fputc(',', to);
		if (record_knows(row, i))
			write_cell(to, row, i);
	}
	fputc('\n', to);
}
