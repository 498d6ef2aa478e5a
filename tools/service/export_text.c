// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <string.h>

#include "duration.h"
#include "export_text.h"

/* --- what took how long --------------------------------------------------- */

/* A mapped page is read in some 30 ns, a PTP device in some 10 us. The text is
 * the value as Go prints it, which OpenMetrics wants. */
static const struct {
	uint64_t ns;
	const char *text;
} limits[HISTOGRAM_BUCKETS] = {
	{ 50, "5e-08" },      { 100, "1e-07" },	    { 200, "2e-07" },
	{ 500, "5e-07" },     { 1000, "1e-06" },    { 10000, "1e-05" },
	{ 100000, "0.0001" }, { 1000000, "0.001" }, { 10000000, "0.01" },
};

void histogram_add(struct histogram *histogram, uint64_t ns)
{
	size_t i = 0;

	while (i < HISTOGRAM_BUCKETS && ns > limits[i].ns)
		i++;
	histogram->count[i]++;
	histogram->sum_ns += ns;
}

/* --- one family ----------------------------------------------------------- */

static const char *type_name(enum metric_type type, enum text_format format)
{
	static const char *const names[] = {
		[METRIC_GAUGE] = "gauge",	  [METRIC_COUNTER] = "counter",
		[METRIC_HISTOGRAM] = "histogram", [METRIC_INFO] = "info",
		[METRIC_STATESET] = "stateset",
	};

	/* Prometheus refuses a file with a type that it does not know. */
	if (format == TEXT_PROMETHEUS &&
	    (type == METRIC_INFO || type == METRIC_STATESET))
		return names[METRIC_GAUGE];
	return names[type];
}

/* What the names of a family's samples end in. */
static const char *suffix_of(enum metric_type type)
{
	switch (type) {
	case METRIC_COUNTER:
		return "_total";
	case METRIC_INFO:
		return "_info";
	default:
		return "";
	}
}

void text_begin(struct text *text, const struct metric *metric)
{
	/* The older format describes samples, not families. */
	const char *suffix =
		text->format == TEXT_PROMETHEUS ? suffix_of(metric->type) : "";

	text->metric = metric;
	fprintf(text->to, "# TYPE %s%s %s\n", metric->name, suffix,
		type_name(metric->type, text->format));
	if (metric->unit && text->format == TEXT_OPENMETRICS)
		fprintf(text->to, "# UNIT %s %s\n", metric->name, metric->unit);
	fprintf(text->to, "# HELP %s%s %s\n", metric->name, suffix,
		metric->help);
}

/* --- one sample ----------------------------------------------------------- */

/* Some readers end a line at any control character. */
static void put_escaped(struct text *text, const char *value)
{
	for (; *value; value++) {
		const unsigned char c = (unsigned char)*value;

		if (c == '\n')
			fputs("\\n", text->to);
		else if (c == '"' || c == '\\')
			fprintf(text->to, "\\%c", c);
		else
			fputc(c < ' ' || c == 0x7f ? '?' : c, text->to);
	}
}

static void put_label(struct text *text, const struct label *label,
		      bool *is_first)
{
	if (!label->value || !label->value[0])
		return;
	fprintf(text->to, "%c%s=\"", *is_first ? '{' : ',', label->name);
	put_escaped(text, label->value);
	fputc('"', text->to);
	*is_first = false;
}

/* @p more: one more label, or NULL. */
static void put_name(struct text *text, const char *suffix,
		     const struct label *labels, size_t count,
		     const struct label *more)
{
	bool is_first = true;

	fprintf(text->to, "%s%s", text->metric->name, suffix);
	for (size_t i = 0; i < count; i++)
		put_label(text, &labels[i], &is_first);
	if (more)
		put_label(text, more, &is_first);
	fputs(is_first ? " " : "} ", text->to);
}

static void put_number(struct text *text, struct number number)
{
	const uint64_t n = number.magnitude;

	switch (number.kind) {
	case NUMBER_COUNT:
		fprintf(text->to, "%" PRIu64 "\n", n);
		break;
	case NUMBER_NS:
		/* In decimal: no digit is lost. */
		fprintf(text->to, "%s%" PRIu64 ".%09" PRIu64 "\n",
			number.is_negative ? "-" : "", n / NSEC_PER_SEC,
			n % NSEC_PER_SEC);
		break;
	case NUMBER_RATIO:
		fprintf(text->to, "%.9e\n", number.ratio);
		break;
	}
}

void text_put(struct text *text, const struct label *labels, size_t count,
	      struct number number)
{
	put_name(text, suffix_of(text->metric->type), labels, count, NULL);
	put_number(text, number);
}

void text_put_histogram(struct text *text, const struct label *labels,
			size_t count, const struct histogram *histogram)
{
	uint64_t sum = 0;

	for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++) {
		const struct label limit = {
			"le",
			i < HISTOGRAM_BUCKETS ? limits[i].text : "+Inf",
		};

		sum += histogram->count[i];
		put_name(text, "_bucket", labels, count, &limit);
		put_number(text, number_count(sum));
	}
	put_name(text, "_sum", labels, count, NULL);
	put_number(text, number_unsigned_ns(histogram->sum_ns));
	put_name(text, "_count", labels, count, NULL);
	put_number(text, number_count(sum));
}

void text_put_states(struct text *text, const struct label *labels,
		     size_t count, const struct states *states)
{
	for (size_t i = 0; i < states->count; i++) {
		const struct label state = {
			text->metric->name,
			states->names[i],
		};

		put_name(text, "", labels, count, &state);
		put_number(text, number_count(i == states->current));
	}
}

void text_end(struct text *text)
{
	if (text->format == TEXT_OPENMETRICS)
		fputs("# EOF\n", text->to);
}

const char *text_content_type(enum text_format format)
{
	return format == TEXT_OPENMETRICS
		       ? "application/openmetrics-text; version=1.0.0; "
			 "charset=utf-8"
		       : "text/plain; version=0.0.4; charset=utf-8";
}
