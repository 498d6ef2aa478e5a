/* SPDX-License-Identifier: MIT */
/* What the subcommands of paraclock(1) share. */
#ifndef TOOLS_H
#define TOOLS_H

#include <argp.h>
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
int cmd_decode(int argc, char **argv);
int cmd_read(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_watch(int argc, char **argv);

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

/* -b and -d, as a child of a subcommand's argp. */
struct source {
	const char *backend;
	const char *device;
};
extern const struct argp source_argp;

/* STATUS_OK and *ret_clk is open; else it has complained. */
int source_open(const struct source *source, struct paraclock **ret_clk);

/* --- sample.c: one answer ------------------------------------------------- */

/* A line of JSON; *backend as paraclock_backend_name(). */
int sample_print_json(const char *backend,
		      const struct paraclock_sample *sample);
/* "ok", or the reason why not. */
const char *sample_state(const struct paraclock_sample *sample);
/* Date or seconds, without the timescale; @p decimals: 0 or 9, of a date. */
void sample_format_time(const struct paraclock_sample *sample,
			unsigned int decimals, char *buf, size_t size);
/* An error bound in ns, or "unknown". */
void format_error_ns(uint64_t error_ns, char *buf, size_t size);

/* --- output.c: stdout ----------------------------------------------------- */

/* Hand out what was printed: 0, or -EIO and stderr says why. */
int output_flush(void);
/* For atexit(3): a full disk or a closed pipe is a failure. */
void output_close(void);
/* Is stdout a terminal that may be coloured? */
bool output_has_colour(void);
unsigned int output_width(void);
/* Bytes of @p text that fit a line of @p width, broken at a space. */
size_t wrap_length(const char *text, size_t width);
/* Words in lines of the terminal's width. */
void print_wrapped(const char *text, unsigned int indent, unsigned int width);

#endif
