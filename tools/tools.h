/* SPDX-License-Identifier: MIT */
/* What the subcommands of paraclock(1) share. */
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

#define NSEC_PER_SEC INT64_C(1000000000)

/* What the program exits with; other people's scripts rely on it. */
enum status {
	STATUS_OK = 0,
	STATUS_FAILED = 1,
	STATUS_USAGE = 2,
	STATUS_NOT_VALID = 3,
};

/* The subcommands. argv[0] is "paraclock NAME"; each returns enum status. */
int cmd_bench(int argc, char **argv);
int cmd_cross(int argc, char **argv);
int cmd_decode(int argc, char **argv);
int cmd_events(int argc, char **argv);
int cmd_read(int argc, char **argv);
int cmd_simulate(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);

/* --- status.c ------------------------------------------------------------- */

/* What is there in an env; NULL: this machine's. Enum status. */
int status_show(const struct paraclock_env *env, bool json);

/* --- args.c: the command line --------------------------------------------- */

/* As argp_parse(), but one line on stderr for each error: STATUS_OK, or
 * STATUS_USAGE. The parser calls args_init() for ARGP_KEY_INIT. */
int args_parse(const struct argp *argp, int argc, char **argv, void *input);
void args_init(struct argp_state *state);
/* Complain; the parser returns what this returns. */
error_t args_error(const struct argp_state *state, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Whole texts only. 0, or -EINVAL and nothing is written. */
int parse_u64(const char *text, uint64_t *ret_value); /* decimal, or 0x */
int parse_seconds(const char *text, int64_t *ret_ns); /* "0.25" */
/* 1 or more; for an option's own argument: complains by itself. */
error_t parse_count(const struct argp_state *state, const char *text,
		    uint64_t *ret_count);

/* --- source.c: which clock ------------------------------------------------ */

/* -b, -d and --fixed-size, as a child of a subcommand's argp. */
struct source {
	const char *backend;
	const char *device;
	uint64_t flags; /* PARACLOCK_DEVICE_x */
};
extern const struct argp source_argp;

/* STATUS_OK and *ret_clk is open; else it has complained. */
int source_open(const struct source *source, struct paraclock **ret_clk);
/* For disruptions: if no time is valid here and none was named, the best source
 * that answers, as a vmclock that has markers only. */
int source_open_any(const struct source *source, struct paraclock **ret_clk);
/* What -d names now, to be told from what has its name later; all 0 without. */
struct source_identity {
	uint64_t device, inode, node;
};
struct source_identity source_identify(const struct source *source);
/* Does nothing, or something else, have the name by now? NULL: no; else the
 * sentence that says so goes on with this. */
const char *source_is_replaced(const struct source *source,
			       const struct source_identity *opened);
/* Open anew what was opened as clk: true if it can be read, else nothing is
 * said. */
bool source_reopen(const struct source *source, const struct paraclock *clk,
		   struct paraclock **ret_clk);

/* --- series.c: readings, one after the other ------------------------------ */

/* Zero what is not set. */
struct series {
	struct source source;
	uint64_t count;
	int64_t interval_ns;
	bool json;
	/* The table's, without a newline; on a terminal only. */
	void (*print_header)(void);
	/* The series' own: rows printed, and per header (0: no header). */
	uint64_t rows;
	unsigned int page;
	/* What was explained last; it is explained when it changes. */
	unsigned int explained;
};
/* -n, -i and -j of a command whose input is a series, with source_argp as its
 * first child. */
error_t series_parse(int key, char *arg, struct argp_state *state);

/* Makes and prints one reading: enum status. @p series as it was handed to
 * series_run(). */
typedef int series_read_fn(struct series *series, const struct paraclock *clk);
/* Open the clock and make the readings; a failure ends it. */
int series_run(struct series *series, series_read_fn *read_once);
/* Before a row of the table: what to know of its source, once, and the header
 * where it is due. @p remark may be NULL. */
void series_begin_row(struct series *series,
		      const struct paraclock_sample *sample,
		      const char *remark);
/* After it, on stderr, for stdout has one line for each reading: why it is
 * not valid, when that has changed. */
void series_end_row(struct series *series, const struct paraclock *clk,
		    const struct paraclock_sample *sample);

/* --- sample.c: one answer ------------------------------------------------- */

struct json;

/* A line of JSON; *backend as paraclock_backend_name(). */
int sample_print_json(const char *backend,
		      const struct paraclock_sample *sample);
/* The members of that. */
void sample_put_json(struct json *json, const char *backend,
		     const struct paraclock_sample *sample);
/* "ok", or the reason why not. */
const char *sample_state(const struct paraclock_sample *sample);
/* The state, padded for a table and coloured. */
void sample_print_state(const struct paraclock_sample *sample);
/* What ends a line for people: LOCAL, if it is, and the newline. */
void sample_end_line(const struct paraclock_sample *sample);
/* a - b, of any two values; a page's need not be near to each other. */
int64_t difference_ns(int64_t a, int64_t b);
/* Date or seconds, without the timescale; @p decimals: 0 or 9, of a date. */
void sample_format_time(const struct paraclock_sample *sample,
			unsigned int decimals, char *buf, size_t size);
/* An error bound in ns, or "unknown". */
void format_error_ns(uint64_t error_ns, char *buf, size_t size);

/* --- events.c: one event -------------------------------------------------- */

/* A line of key=value; clk is whose it is. */
void event_print(const struct paraclock_event *event,
		 const struct paraclock *clk);
/* "+1.500000000 s", or "unknown". */
void event_format_gap(const struct paraclock_event *event, char *buf,
		      size_t size);

/* --- stop.c: signals ------------------------------------------------------ */

/* 1: a signal came that asks to stop. */
extern volatile sig_atomic_t stop;

/*
 * Catch them, but for those that are ignored. Calls are not restarted, so that
 * a write to a full pipe ends; with @p once a second signal is a plain one.
 */
void stop_on_signals(bool once);
/* ppoll(2), opening the mask and waiting at once: no signal falls in between;
 * -1 as well if one has come before. @p left NULL: for ever. */
int stop_poll(struct pollfd *poller, unsigned int n,
	      const struct timespec *left);

/* --- output.c: stdout ----------------------------------------------------- */

/* Hand out what was printed: 0, or -EIO and stderr says why. */
int output_flush(void);
/* For atexit(3): a full disk or a closed pipe is a failure. */
void output_close(void);
/* Is stdout a terminal that may be coloured? */
bool output_has_colour(void);
#define STYLE_RESET  "\033[0m"
#define STYLE_BOLD   "\033[1m"
#define STYLE_DIM    "\033[2m"
#define STYLE_GREEN  "\033[32m"
#define STYLE_YELLOW "\033[33m"
/* @p style, or nothing where there is no colour. */
const char *output_style(const char *style);
unsigned int output_width(void);
/* Lines of the terminal; 0: stdout is none. */
unsigned int output_height(void);
/* Bytes of @p text that fit a line of @p width, broken at a space. */
size_t wrap_length(const char *text, size_t width);
/* Words in lines of the terminal's width. */
void print_wrapped(const char *text, unsigned int indent, unsigned int width);

#endif
