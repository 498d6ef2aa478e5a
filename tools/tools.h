/* SPDX-License-Identifier: MIT */
/* Shared by the subcommands of paraclock(1). */
#ifndef TOOLS_H
#define TOOLS_H

#include <argp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <paraclock/paraclock.h>

#include "duration.h"
#include "utc.h"

/* The exit status: scripts of others rely on it. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_VALID = 3,
};

/* The subcommands. argv[0] is "paraclock NAME"; each returns enum status. */
int cmd_agent(int argc, char **argv);
/* It returns what monitoring plug-ins do. */
int cmd_alarm(int argc, char **argv);
int cmd_bench(int argc, char **argv);
int cmd_cross(int argc, char **argv);
int cmd_decode(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_feed(int argc, char **argv);
int cmd_keep(int argc, char **argv);
int cmd_plot(int argc, char **argv);
int cmd_read(int argc, char **argv);
int cmd_record(int argc, char **argv);
int cmd_serve(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);

/* --- status.c ------------------------------------------------------------- */

/* Show the clocks of an env; NULL: this machine's. timescales: of what may be
 * chosen; 0: any. Returns enum status. */
int status_show(const struct paraclock_env *env, uint32_t timescales,
		bool json);

/* --- args.c: the command line --------------------------------------------- */

/* Like argp_parse(), with -h and -V, and each error is one line on stderr that
 * says where to find help: STATUS_OK, or STATUS_USAGE. The parser calls
 * args_init() for ARGP_KEY_INIT. */
int args_parse(const struct argp *argp, int argc, char **argv, void *input);
/* The same, and what is no option is parsed where it stands: the parser sets
 * state->next to state->argc to leave the rest alone. */
int args_parse_in_order(const struct argp *argp, int argc, char **argv,
			void *input);
void args_init(struct argp_state *state);
/* Print the error; the parser returns what this returns. */
error_t args_error(const struct argp_state *state, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Each accepts only a text that is a number as a whole: 0, or -EINVAL and
 * nothing is written. */
int parse_u64(const char *text, uint64_t *ret_value); /* decimal, or 0x */
int parse_seconds(const char *text, int64_t *ret_ns); /* "0.25" */
/* Each of the following prints its own error, which names the option and the
 * limits. */
struct number_range {
	uint64_t least, most;
};
error_t parse_number(const struct argp_state *state, const char *option,
		     const char *text, struct number_range range,
		     uint64_t *ret_value);
/* The argument of -n, 1 or more. */
error_t parse_count(const struct argp_state *state, const char *text,
		    uint64_t *ret_count);
struct span_range {
	int64_t least_ns, most_ns; /* most_ns 0: 10^9 s */
};
error_t parse_span_within(const struct argp_state *state, const char *option,
			  const char *text, struct span_range range,
			  int64_t *ret_ns);
error_t parse_span(const struct argp_state *state, const char *option,
		   const char *text, int64_t *ret_ns);
/* The argument of a service's --interval, 0.01 or more. */
error_t parse_interval(const struct argp_state *state, const char *text,
		       int64_t *ret_ns);

/* --- source.c: which clock ------------------------------------------------ */

/* -b, -d and --fixed-size, as a child of a subcommand's argp. */
struct source {
	const char *backend;
	const char *device;
	uint64_t flags; /* PARACLOCK_DEVICE_x */
	/* Acceptable timescales, as in paraclock_options; 0: any. */
	uint32_t timescales;
	/* Without a name and a timescale: a source that says what time it is
	 * goes before one of a higher quality that does not. */
	bool prefers_utc;
};
#define TIMESCALES_CERTAIN \
	(1U << PARACLOCK_TIMESCALE_UTC | 1U << PARACLOCK_TIMESCALE_TAI)
#define TIMESCALES_UTC \
	(TIMESCALES_CERTAIN | 1U << PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)
extern const struct argp source_argp;
/* The same with --dev-mem, for the subcommands that ask for events. They call
 * paraclock_next_event() every LOOK_NS if PARACLOCK_DEVICE_MEMORY is set. */
extern const struct argp source_memory_argp;
#define LOOK_NS (NSEC_PER_SEC / 10)

/* The argument of --timescale, for those that take neither -b nor -d. */
error_t parse_timescales(const struct argp_state *state, const char *list,
			 uint32_t *ret_timescales);
/* "utc,tai", as --timescale takes it; NULL: any. */
#define TIMESCALES_TEXT 64
const char *source_timescales(const struct source *source,
			      char buf[TIMESCALES_TEXT]);
/* Open it, or the best that it admits: paraclock_open() with these options, its
 * error, and its sentence in opts->detail. */
int source_choose(const struct source *source,
		  const struct paraclock_options *opts,
		  struct paraclock **ret_clk);
/* STATUS_OK and *ret_clk is open; else stderr says why not. */
int source_open(const struct source *source, struct paraclock **ret_clk);
/* For disruptions: if no source was named and none gives a valid time, open the
 * best one that answers, such as a vmclock with markers only. */
int source_open_any(const struct source *source, struct paraclock **ret_clk);
/* Which file or device -d names now: another may have that name later. All 0
 * without -d. */
struct source_identity {
	uint64_t device, inode, node;
};
struct source_identity source_identify(const struct source *source);
/* NULL: -d still names what was opened. Else the end of a sentence: "was
 * removed". */
const char *source_is_replaced(const struct source *source,
			       const struct source_identity *opened);
/* Open again what was opened as clk: true if it can be read. Prints nothing. */
bool source_reopen(const struct source *source, const struct paraclock *clk,
		   struct paraclock **ret_clk);

/* --- series.c: readings, one after the other ------------------------------ */

/* Zero the members that are not set. */
struct series {
	struct source source;
	uint64_t count;
	int64_t interval_ns;
	bool json;
	/* Prints the table's header, without a newline; on a terminal only. */
	void (*print_header)(void);
	/* Private: rows printed, and rows per header (0: no header). */
	uint64_t rows;
	unsigned int page;
	/* The reason that was explained last; a new one is explained. */
	unsigned int explained;
};
/* -n, -i and -j of a command whose input is a series, with source_argp as its
 * first child. */
error_t series_parse(int key, char *arg, struct argp_state *state);

/* Makes and prints one reading: enum status. @p series is the one that
 * series_run() was given. */
typedef int series_read_fn(struct series *series, const struct paraclock *clk);
/* Open the clock and make the readings; the first failure ends the series. */
int series_run(struct series *series, series_read_fn *read_once);
/* Call before a row of the table. Prints what to know of the source, once, and
 * the header where it is due. @p remark may be NULL. */
void series_begin_row(struct series *series,
		      const struct paraclock_sample *sample,
		      const char *remark);
/* Call after a row. When the reason has changed, explains on stderr why the
 * reading is not valid: stdout has one line for each reading. */
void series_end_row(struct series *series, const struct paraclock *clk,
		    const struct paraclock_sample *sample);

/* --- sample.c: one answer ------------------------------------------------- */

struct json;

/* Print a line of JSON: 0, or -EIO and stderr says why. */
int sample_print_json(const char *backend,
		      const struct paraclock_sample *sample);
/* Put the members of that line. */
void sample_put_json(struct json *json, const char *backend,
		     const struct paraclock_sample *sample);
/* An error or a bound, ns; null: not known. */
void sample_put_error(struct json *json, const char *key, uint64_t error_ns);
/* "ok", or the reason why the sample is not valid. */
const char *sample_state(const struct paraclock_sample *sample);
/* The same in a table: "own-kernel" in place of "ok" where no host was asked. */
const char *sample_word(const struct paraclock_sample *sample);
/* Print that word, padded and coloured. */
void sample_print_state(const struct paraclock_sample *sample);
/* All of it, a line for each member. */
void sample_print_long(const char *backend,
		       const struct paraclock_sample *sample);
/* a - b, saturating: two values of a page may be any distance apart. */
int64_t difference_ns(int64_t a, int64_t b);
/* A date or seconds, without a blank and without the timescale. */
void sample_format_time(const struct paraclock_sample *sample,
			char ret_text[UTC_TEXT]);
/* True time on the sample's timescale is within this of host_ns, ns;
 * PARACLOCK_ERROR_UNKNOWN: no bound is known. */
uint64_t sample_bound(const struct paraclock_sample *sample);
/* For a column: "-" for PARACLOCK_ERROR_UNKNOWN. */
const char *format_bound(uint64_t ns, char ret_text[SHORT_TEXT]);
/* An error bound in ns, or "unknown". */
void format_error_ns(uint64_t error_ns, char *buf, size_t size);

/* --- event.c: one event --------------------------------------------------- */

/* A row of 5 columns. */
void event_print_header(void);
void event_print_row(const struct paraclock_event *event);
/* Print a line of JSON: 0, or -EIO and stderr says why. @p why: the sentence
 * that explains a lost source; else NULL. */
int event_print_json(const struct paraclock_event *event, const char *why);
/* Why the source is lost: a sentence without double quotes. */
void event_explain_loss(const struct paraclock_event *event,
			const struct paraclock *clk, char *buf, size_t size);
/* "+1.500000000 s", or "unknown". */
void event_format_gap(const struct paraclock_event *event, char *buf,
		      size_t size);

/* --- stop.c: signals ------------------------------------------------------ */

/* 1: a signal has asked the program to stop. */
extern volatile sig_atomic_t stop;

/*
 * Catch the signals that ask a program to stop, except those that are ignored.
 * System calls are not restarted, so that a signal ends a write to a full pipe.
 * With @p once, a second signal kills the process.
 */
void stop_on_signals(bool once);
/* ppoll(2). It unblocks the signals and waits in one step, so that a signal
 * just before the wait ends it too. -1 also if a signal came earlier. @p left
 * NULL: wait for ever. */
int stop_poll(struct pollfd *poller, unsigned int n,
	      const struct timespec *left);

/* --- output.c: stdout ----------------------------------------------------- */

/* Flush stdout: 0, or -EIO and stderr says why. */
int output_flush(void);
/* For atexit(3): makes a full disk or a closed pipe a failure. */
void output_close(void);
/* Is stdout a terminal, and are colours welcome there? */
bool output_has_colour(void);
#define STYLE_RESET  "\033[0m"
#define STYLE_BOLD   "\033[1m"
#define STYLE_DIM    "\033[2m"
#define STYLE_GREEN  "\033[32m"
#define STYLE_YELLOW "\033[33m"
/* @p style; "" where colours are not welcome. */
const char *output_style(const char *style);
unsigned int output_width(void);
/* Lines of the terminal; 0: stdout is not a terminal. */
unsigned int output_height(void);
/* How many bytes of @p text fit a line of @p width, broken at a space. */
size_t wrap_length(const char *text, size_t width);
/* Print text in lines of at most @p width, indented. */
void print_wrapped(const char *text, unsigned int indent, unsigned int width);

#endif
