/* SPDX-License-Identifier: MIT */
/*
 * Metrics as text: OpenMetrics 1.0, and the older format of Prometheus (0.0.4),
 * which is all that node_exporter's textfile collector reads. Both carry the
 * same samples under the same names.
 */
#ifndef EXPORT_TEXT_H
#define EXPORT_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum text_format {
	TEXT_OPENMETRICS,
	TEXT_PROMETHEUS,
	TEXT_FORMATS,
};

enum metric_type {
	METRIC_GAUGE,
	METRIC_COUNTER,
	METRIC_HISTOGRAM,
	METRIC_INFO,
	METRIC_STATESET,
};

/* A family of metrics. */
struct metric {
	const char *name; /* without _total and _info */
	enum metric_type type;
	const char *unit; /* the end of the name; NULL: none */
	const char *help;
};

/* Value NULL or empty: the sample does not have this label. */
struct label {
	const char *name;
	const char *value;
};

enum number_kind {
	NUMBER_COUNT, /* magnitude */
	NUMBER_NS,    /* magnitude ns, printed as seconds */
	NUMBER_RATIO, /* ratio */
};
struct number {
	enum number_kind kind;
	bool is_negative;
	uint64_t magnitude;
	double ratio; /* finite */
};

static inline struct number number_count(uint64_t count)
{
	return (struct number){ .kind = NUMBER_COUNT, .magnitude = count };
}

static inline struct number number_ns(int64_t ns)
{
	return (struct number){
		.kind = NUMBER_NS,
		.is_negative = ns < 0,
		.magnitude = ns < 0 ? -(uint64_t)ns : (uint64_t)ns,
	};
}

static inline struct number number_unsigned_ns(uint64_t ns)
{
	return (struct number){ .kind = NUMBER_NS, .magnitude = ns };
}

static inline struct number number_ratio(double ratio)
{
	return (struct number){ .kind = NUMBER_RATIO, .ratio = ratio };
}

/* How long something took. */
#define HISTOGRAM_BUCKETS 9
struct histogram {
	/* Each bucket alone, not cumulated; the last one has no limit. */
	uint64_t count[HISTOGRAM_BUCKETS + 1];
	uint64_t sum_ns;
};
void histogram_add(struct histogram *histogram, uint64_t ns);

struct text {
	FILE *to;
	enum text_format format;
	const struct metric *metric; /* the family that was begun last */
};

/* The family that the samples after it belong to. A family without samples
 * tells the reader that it exists. */
void text_begin(struct text *text, const struct metric *metric);
void text_put(struct text *text, const struct label *labels, size_t count,
	      struct number number);
void text_put_histogram(struct text *text, const struct label *labels,
			size_t count, const struct histogram *histogram);
/* Of a METRIC_STATESET: one sample for each of the states. */
struct states {
	const char *const *names;
	size_t count;
	size_t current;
};
void text_put_states(struct text *text, const struct label *labels,
		     size_t count, const struct states *states);
/* After the last family. */
void text_end(struct text *text);

const char *text_content_type(enum text_format format);

#endif
