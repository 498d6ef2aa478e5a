// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "feed_config.h"
#include "utc.h"

/* --- numbers -------------------------------------------------------------- */

/* The error of a reading alone varies by as much on a busy machine. */
#define SPARE_NS 1000

/* Up, to two significant digits. */
static uint64_t round_up(uint64_t value)
{
	uint64_t unit = 1, rest;

	while (value / unit >= 100)
		unit *= 10;
	rest = value % unit;
	return rest ? add_bounds(value, unit - rest) : value;
}

int64_t feed_config_delay(const struct feed_sample *sample,
			  int64_t assume_error_ns)
{
	uint64_t assumed = sample->has_bound ? 0 : (uint64_t)assume_error_ns;
	uint64_t measured = sample->bound_ns - assumed;
	uint64_t spare = measured / 4 > SPARE_NS ? measured / 4 : SPARE_NS;
	uint64_t half = add_bounds(sample->bound_ns, spare);
	uint64_t delay = round_up(add_bounds(half, half));

	return delay > INT64_MAX ? INT64_MAX : (int64_t)delay;
}

uint64_t feed_config_limit(int64_t delay_ns)
{
	return (uint64_t)delay_ns / 2;
}

const char *feed_format_seconds(uint64_t ns, char *buf, size_t size)
{
	size_t length;

	snprintf(buf, size, "%" PRIu64 ".%09" PRIu64,
		 ns / (uint64_t)NSEC_PER_SEC, ns % (uint64_t)NSEC_PER_SEC);
	length = strlen(buf);
	while (length && buf[length - 1] == '0')
		buf[--length] = '\0';
	if (length && buf[length - 1] == '.')
		buf[length - 1] = '\0';
	return buf;
}

/* --- the lines ------------------------------------------------------------ */

struct lines {
	FILE *to;
	const struct feed_options *options;
	const struct feed_sample *sample;
	char delay[32], interval[32], precision[32];
};

static void put_poll(const struct lines *l)
{
	const struct feed_options *options = l->options;
	int64_t samples =
		feed_poll_ns(options->poll) / options->observer.interval_ns;

	fprintf(l->to,
		"# poll: a sample every %s s, %" PRId64
		" in a poll; chronyd before 4.7 needs %d%s.\n",
		l->interval, samples, FEED_SAMPLES,
		samples < FEED_SAMPLES ? ":\n#   state a shorter --interval, "
					 "or a larger --poll"
				       : "");
}

static void put_why(const struct lines *l)
{
	const struct feed_sample *sample = l->sample;
	char bound[32], assumed[32];

	format_duration_up(sample->bound_ns, bound, sizeof(bound));
	format_duration((uint64_t)l->options->rules.assume_error_ns, assumed,
			sizeof(assumed));
	fprintf(l->to, "# The host's clock (%s), right to within %s now",
		sample->backend, bound);
	if (!sample->has_bound)
		fprintf(l->to,
			",\n# of which %s are assumed, for the host "
			"states no bound (--assume-error)",
			assumed);
	fputs(".\n", l->to);
	fputs("# delay: at least twice that, and a quarter to spare. chronyd "
	      "adds half of\n"
	      "#   it to its own bound; the default, 1 ns, would add nothing. "
	      "paraclock\n"
	      "#   feed delivers nothing while the host is less sure.\n"
	      "# precision: how sure this machine's reading of that clock "
	      "is.\n",
	      l->to);
	put_poll(l);
}

/* For a shell. */
static void put_quoted(const struct lines *l, const char *text)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789%+,-./:=@_";

	if (text[0] && !text[strspn(text, plain)]) {
		fputs(text, l->to);
		return;
	}
	fputc('\'', l->to);
	for (; *text; text++) {
		if (*text == '\'')
			fputs("'\\''", l->to);
		else if (iscntrl((unsigned char)*text))
			/* It must not end the comment. */
			fprintf(l->to, "'$'\\%03o''", (unsigned char)*text);
		else
			fputc(*text, l->to);
	}
	fputc('\'', l->to);
}

static void put_argument(const struct lines *l, const char *option,
			 const char *text)
{
	if (!text)
		return;
	fprintf(l->to, " %s ", option);
	put_quoted(l, text);
}

static void put_flag(const struct lines *l, const char *option, bool is_set)
{
	if (is_set)
		fprintf(l->to, " %s", option);
}

/* What the source needs to be opened, and to be UTC. */
static void put_source(const struct lines *l)
{
	const struct feed_options *options = l->options;
	const struct source *source = &options->observer.source;
	char scales[TIMESCALES_TEXT], start[UTC_TEXT];

	put_argument(l, "-b", source->backend);
	put_argument(l, "-d", source->device);
	put_argument(l, "--timescale", source_timescales(source, scales));
	put_flag(l, "--fixed-size",
		 source->flags & PARACLOCK_DEVICE_FIXED_SIZE);
	put_flag(l, "--dev-mem", source->flags & PARACLOCK_DEVICE_MEMORY);
	if (options->rules.has_start)
		put_argument(l, "--start-utc",
			     format_utc(options->rules.start_utc_ns, false,
					start));
}

static void put_command(const struct lines *l)
{
	const struct feed_options *options = l->options;
	char assumed[32];

	fputs("# With it: paraclock feed", l->to);
	put_source(l);
	put_argument(l, "--chrony-sock",
		     options->unit < 0 && !options->sock ? FEED_SOCKET
							 : options->sock);
	if (options->unit >= 0)
		fprintf(l->to, " --ntp-shm %d", options->unit);
	fprintf(l->to, " --poll %d", options->poll);
	if (options->observer.interval_ns !=
	    feed_poll_ns(options->poll) / FEED_SAMPLES)
		fprintf(l->to, " --interval %s", l->interval);
	fprintf(l->to, " --delay %s", l->delay);
	if (!l->sample->has_bound)
		fprintf(l->to, " --assume-error %s",
			feed_format_seconds(
				(uint64_t)options->rules.assume_error_ns,
				assumed, sizeof(assumed)));
	put_argument(l, "--chronyc-socket", options->chronyc_socket);
	put_flag(l, "--no-reset", options->no_reset);
	if (strcmp(options->folder, FEED_FOLDER) != 0)
		put_argument(l, "--dir", options->folder);
	fputc('\n', l->to);
}

/* log2 of the sampling interval, rounded down: how often SHM is looked at. */
static int dpoll(int64_t interval_ns)
{
	int dpoll = 0;

	while (dpoll < FEED_POLL_MAX && feed_poll_ns(dpoll + 1) <= interval_ns)
		dpoll++;
	while (dpoll > 2 * FEED_POLL_MIN && feed_poll_ns(dpoll) > interval_ns)
		dpoll--;
	return dpoll;
}

static void put_refclocks(const struct lines *l)
{
	const struct feed_options *options = l->options;

	if (options->sock || options->unit < 0)
		fprintf(l->to,
			"refclock SOCK %s refid HOST poll %d delay %s "
			"precision %s\n",
			options->sock ? options->sock : FEED_SOCKET,
			options->poll, l->delay, l->precision);
	if (options->unit >= 0)
		fprintf(l->to,
			"refclock SHM %d refid HSHM poll %d dpoll %d delay %s "
			"precision %s\n",
			options->unit, options->poll,
			dpoll(options->observer.interval_ns), l->delay,
			l->precision);
}

void feed_config_print(FILE *to, const struct feed_options *options,
		       const struct feed_sample *sample)
{
	int64_t delay_ns =
		feed_config_delay(sample, options->rules.assume_error_ns);
	uint64_t precision_ns = sample->precision_ns > sample->spread_ns
					? sample->precision_ns
					: sample->spread_ns;
	struct lines l = { .to = to, .options = options, .sample = sample };

	if (delay_ns < options->delay_ns)
		delay_ns = options->delay_ns;
	feed_format_seconds((uint64_t)delay_ns, l.delay, sizeof(l.delay));
	feed_format_seconds((uint64_t)options->observer.interval_ns, l.interval,
			    sizeof(l.interval));
	feed_format_seconds(round_up(precision_ns ? precision_ns : 1),
			    l.precision, sizeof(l.precision));
	put_why(&l);
	put_command(&l);
	put_refclocks(&l);
}
