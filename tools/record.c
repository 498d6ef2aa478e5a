// SPDX-License-Identifier: MIT
/* paraclock record: a file of readings, for 'paraclock plot' and for others. */

#include <err.h>
#include <errno.h>
#include <time.h>

#include "cross_result.h"
#include "record/progress.h"
#include "record/record_file.h"

/* Three readings of a device take some 100 us. */
#define INTERVAL_MIN_NS (NSEC_PER_SEC / 1000)
#define INTERVAL_MAX_NS (86400 * NSEC_PER_SEC)
#define INTERVAL_NS	(NSEC_PER_SEC / 10)
/* A reader of the file sees what is this old. */
#define FLUSH_NS (NSEC_PER_SEC / 5)

struct record {
	struct series series; /* its source, count, interval */
	int64_t duration_ns;  /* 0: not limited */
	const char *path;
	struct record_file file;
	struct paraclock *clk;
	int event_fd; /* negative: look for events at each reading */
	int failed;   /* the error that was explained last */
	int64_t start_ns, flushed_ns;
	struct progress progress;
};

static const char doc[] =
	"Write readings of a host clock, together with the system clocks, to a "
	"file: one row for each reading, and one for each disruption and each "
	"time that CLOCK_REALTIME is set. 'paraclock plot' makes a picture of "
	"it."
	"\v"
	"The file is CSV (comma-separated values), after lines that begin with "
	"'#'. Integers are exact, and a value that is not known is an empty "
	"cell. paraclock-record(1) documents the columns, and how to read them "
	"with Python. Without -n and -t, the record ends with SIGINT or "
	"SIGTERM; after these too the file is complete.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 "
	"failure; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock record -t 60 -o clock.csv\n"
	"  paraclock record -b vmclock -i 1 -t 86400 -o day.csv\n"
	"  paraclock record -n 100 -o - | cut -d, -f1,2,4";

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Write to FILE; -: to stdout", 0 },
	{ "count", 'n', "N", 0, "Stop after N readings", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Time between readings, 0.001 to 86400 (default 0.1)", 0 },
	{ "duration", 't', "SECONDS", 0, "Stop after this time", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct record *record = state->input;
	struct series *series = &record->series;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &series->source;
		return 0;
	case 'o':
		record->path = arg;
		return 0;
	case 'n':
		return parse_count(state, arg, &series->count);
	case 'i':
		return parse_span_within(state, "-i", arg,
					 (struct span_range){ INTERVAL_MIN_NS,
							      INTERVAL_MAX_NS },
					 &series->interval_ns);
	case 't':
		return parse_span_within(state, "-t", arg,
					 (struct span_range){ 1, 0 },
					 &record->duration_ns);
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	case ARGP_KEY_END:
		if (!record->path)
			return args_error(state, "no file; name it with -o");
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* The clock that the rows count with: slewing does not bend the intervals. */
static int64_t raw_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

/* 0, or -EIO and stderr says why. */
static int complain(struct record *record, int error)
{
	if (!error)
		return 0;
	progress_clear(&record->progress);
	record_file_complain(&record->file, error);
	return -EIO;
}

static int flush_if_due(struct record *record, int64_t now_ns)
{
	if (now_ns - record->flushed_ns < FLUSH_NS)
		return 0;
	record->flushed_ns = now_ns;
	return complain(record, record_file_flush(&record->file));
}

/* --- the rows ------------------------------------------------------------- */

/* When it was, for rows that are no cross timestamp. */
static void put_clocks(struct record_row *row)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	if (!paraclock_snapshot(NULL, &snap))
		record_put_snapshot(row, &snap);
}

static bool is_disruption(const struct paraclock_event *event)
{
	return event->kind >= PARACLOCK_EVENT_UPDATED &&
	       event->kind <= PARACLOCK_EVENT_RESTORED;
}

/* @p reading, which may be NULL, is the row that follows: it may be the one that
 * noticed them, and has their time then. */
static void write_events(struct record *record,
			 const struct record_row *reading)
{
	struct paraclock_event event = { .size = sizeof(event) };

	while (!paraclock_next_event(record->clk, &event)) {
		struct record_row row = { 0 };

		record_put_event(&row, &event);
		if (reading)
			record_put_clocks_of(&row, reading);
		else
			put_clocks(&row);
		record_write_row(record->file.to, &row);
		if (is_disruption(&event))
			record->progress.disruptions++;
	}
}

static void explain_sample(struct record *record,
			   const struct paraclock_sample *sample)
{
	if (!sample->valid && sample->reason != record->series.explained)
		progress_clear(&record->progress);
	series_end_row(&record->series, record->clk, sample);
	record->failed = 0;
}

static void explain_failure(struct record *record, int error)
{
	char text[512];

	if (error == record->failed)
		return;
	record->failed = error;
	progress_clear(&record->progress);
	cross_explain(record->clk, error, text, sizeof(text));
	warnx("%s: no reading: %s", paraclock_backend_name(record->clk), text);
}

/* Has the source gone for good? Other errors may pass. */
static bool is_gone(const struct record *record, int error)
{
	struct paraclock_sample sample;

	return error == -ENODEV &&
	       paraclock_read(record->clk, &sample) == -ENODEV;
}

static void put_reading(struct record *record, struct record_row *row,
			const struct paraclock_crosststamp *xt)
{
	struct paraclock_offset off;
	const bool known = xt->sample.valid && cross_utc_offset(xt, &off);

	record_put_crosststamp(row, xt, known ? &off : NULL);
	if (!xt->sample.valid) {
		record->progress.not_valid++;
		put_clocks(row);
	}
}

/* 0, or -ENODEV: that was the last one. */
static int write_reading(struct record *record)
{
	struct paraclock_crosststamp xt;
	struct record_row row = { 0 };
	const int ret = cross_narrow(record->clk, &xt);

	record->progress.readings++;
	if (ret) {
		record->progress.not_valid++;
		record_put_failure(&row, ret);
		put_clocks(&row);
		explain_failure(record, ret);
	} else {
		put_reading(record, &row, &xt);
		explain_sample(record, &xt.sample);
	}
	write_events(record, &row);
	record_write_row(record->file.to, &row);
	return is_gone(record, ret) ? -ENODEV : 0;
}

/* --- the loop ------------------------------------------------------------- */

static struct timespec time_left(const struct record *record, int64_t until_ns,
				 int64_t now_ns)
{
	int64_t left_ns = until_ns > now_ns ? until_ns - now_ns : 0;

	if (record->progress.is_shown && left_ns > PROGRESS_EVERY_NS)
		left_ns = PROGRESS_EVERY_NS;
	return (struct timespec){ .tv_sec = left_ns / NSEC_PER_SEC,
				  .tv_nsec = left_ns % NSEC_PER_SEC };
}

/* Wait, and write the events meanwhile: 0, or -EIO. */
static int wait_until(struct record *record, int64_t until_ns)
{
	struct pollfd poller = { .fd = record->event_fd, .events = POLLIN };
	int64_t now_ns = raw_ns();

	while (!stop && now_ns < until_ns) {
		const struct timespec left =
			time_left(record, until_ns, now_ns);

		if (stop_poll(&poller, 1, &left) > 0)
			write_events(record, NULL);
		now_ns = raw_ns();
		progress_draw(&record->progress, now_ns,
			      now_ns - record->start_ns);
		if (flush_if_due(record, now_ns))
			return -EIO;
	}
	return 0;
}

/* The number of the interval that a reading is due in next. A process that did
 * not run for a while does not catch up, and keeps to the beat. */
static int64_t next_slot(const struct record *record, int64_t slot)
{
	const int64_t passed =
		(raw_ns() - record->start_ns) / record->series.interval_ns;

	return passed > slot ? passed + 1 : slot + 1;
}

static bool is_over(const struct record *record, int64_t slot)
{
	const struct series *series = &record->series;

	if (series->count && record->progress.readings >= series->count)
		return true;
	return record->duration_ns &&
	       slot > (record->duration_ns - 1) / series->interval_ns;
}

static int run(struct record *record)
{
	int64_t slot = 0;
	int ret = 0;

	record->start_ns = raw_ns();
	while (!stop && !ret && !is_over(record, slot)) {
		ret = wait_until(record,
				 record->start_ns +
					 slot * record->series.interval_ns);
		if (stop || ret)
			break;
		ret = write_reading(record);
		slot = next_slot(record, slot);
	}
	return ret;
}

static int64_t expected_ns(const struct record *record)
{
	const struct series *series = &record->series;
	int64_t total_ns = record->duration_ns;
	int64_t by_count_ns;

	if (series->count &&
	    !__builtin_mul_overflow(series->count - 1, series->interval_ns,
				    &by_count_ns) &&
	    (!total_ns || by_count_ns < total_ns))
		total_ns = by_count_ns ? by_count_ns : 1;
	return total_ns;
}

static void show_result(struct record *record)
{
	char counts[128];

	progress_clear(&record->progress);
	progress_format_counts(&record->progress, counts, sizeof(counts));
	if (record->progress.is_shown)
		fprintf(stderr, "%s: %s\n", record->file.name, counts);
}

static int record_clock(struct record *record)
{
	struct paraclock_crosststamp xt;
	char text[512];
	int ret = cross_narrow(record->clk, &xt);

	if (ret) {
		cross_explain(record->clk, ret, text, sizeof(text));
		warnx("%s: %s", paraclock_backend_name(record->clk), text);
		return STATUS_FAILED;
	}
	/* A second signal kills: it ends a write that hangs. */
	stop_on_signals(true);
	if (complain(record, record_file_open(&record->file, record->path)))
		return STATUS_FAILED;
	record->event_fd = paraclock_event_fd(record->clk);
	record->series.explained = PARACLOCK_REASON_OK;
	record_file_about(&record->file, record->clk, &xt,
			  record->series.interval_ns);
	progress_start(&record->progress, expected_ns(record));
	ret = run(record);
	/* After -EIO it is closed already. */
	if (record->file.to &&
	    complain(record, record_file_close(&record->file)))
		return STATUS_FAILED;
	if (ret)
		return STATUS_FAILED;
	show_result(record);
	return record->progress.not_valid ? STATUS_NOT_VALID : STATUS_OK;
}

int cmd_record(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &source_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct record record = { .series = { .interval_ns = INTERVAL_NS } };
	int ret = args_parse(&argp, argc, argv, &record);

	if (ret)
		return ret;
	ret = source_open(&record.series.source, &record.clk);
	if (ret)
		return ret;
	ret = record_clock(&record);
	paraclock_close(record.clk);
	return ret;
}
