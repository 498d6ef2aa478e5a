// SPDX-License-Identifier: MIT
/* The command line: one line per error, and strict numbers. */

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "option.h"
#include "tools.h"

/* 31 years: a deadline that far ahead still fits an int64_t of ns. */
#define SECONDS_MAX INT64_C(1000000000)

#define DECIMAL "0123456789"
#define HEX	DECIMAL "abcdefABCDEF"

/* The error of a parser whose error is printed already. argp's own is EINVAL. */
#define TOLD ECANCELED

/* No letters: these options have no short form. */
enum {
	KEY_USAGE = 0x200
};

struct parsing {
	void *input;
	int next; /* the word at which argp has stopped */
};

/* In place of argp's: it has no -h. */
static const struct argp_option common_options[] = {
	{ "help", 'h', NULL, 0, "Show this help", -1 },
	{ NULL, '?', NULL, OPTION_HIDDEN, NULL, -1 },
	{ "usage", KEY_USAGE, NULL, 0, "Show the options alone", -1 },
	{ "version", 'V', NULL, 0, "Show the version", -1 },
	{ 0 },
};

/* argp's help is silent where its errors are. */
static void show_help(struct argp_state *state, unsigned int what)
{
	state->flags &= ~(unsigned int)ARGP_NO_ERRS;
	argp_state_help(state, state->out_stream, what | ARGP_HELP_EXIT_OK);
}

static error_t parse_common(int key, char *arg, struct argp_state *state)
{
	struct parsing *parsing = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = parsing->input;
		return 0;
	case 'h':
	case '?':
		show_help(state, ARGP_HELP_STD_HELP);
		return 0;
	case KEY_USAGE:
		show_help(state, ARGP_HELP_USAGE);
		return 0;
	case 'V':
		printf("paraclock %s\n", paraclock_version());
		exit(STATUS_OK);
	case ARGP_KEY_ERROR:
		parsing->next = state->next;
		return ARGP_ERR_UNKNOWN;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/*
 * After each error argp prints where to find help, and exits. Without an error
 * stream it does neither: the line of args_error() or of args_parse() is then
 * the only one, and the caller returns STATUS_USAGE.
 */
void args_init(struct argp_state *state)
{
	state->err_stream = NULL;
}

error_t args_error(const struct argp_state *state, const char *format, ...)
{
	char message[256];
	va_list list;

	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	warnx("%s; see '%s --help'", message, state->argv[0]);
	return TOLD;
}

static int parse_with(const struct argp *argp, unsigned int flags, int argc,
		      char **argv, struct parsing *parsing)
{
	/* What is shown is the whole command's, once. */
	const struct argp inner = {
		.options = argp->options,
		.parser = argp->parser,
		.children = argp->children,
	};
	const struct argp_child children[] = { { .argp = &inner }, { 0 } };
	const struct argp whole = {
		.options = common_options,
		.parser = parse_common,
		.args_doc = argp->args_doc,
		.doc = argp->doc,
		.children = children,
	};
	char why[256];
	int ret;

	ret = argp_parse(&whole, argc, argv,
			 flags | ARGP_NO_HELP | ARGP_NO_ERRS, NULL, parsing);
	if (!ret)
		return STATUS_OK;
	if (ret != TOLD) {
		option_explain(&whole, argv, parsing->next, why, sizeof(why));
		warnx("%s; see '%s --help'", why, argv[0]);
	}
	return STATUS_USAGE;
}

int args_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	struct parsing parsing = { .input = input };

	return parse_with(argp, 0, argc, argv, &parsing);
}

int args_parse_in_order(const struct argp *argp, int argc, char **argv,
			void *input)
{
	struct parsing parsing = { .input = input };

	return parse_with(argp, ARGP_IN_ORDER, argc, argv, &parsing);
}

int parse_u64(const char *text, uint64_t *ret_value)
{
	bool hex = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hex ? text + 2 : text;
	unsigned long long value;

	/* strtoull() would take spaces, signs and a second 0x. */
	if (!digits[0] || digits[strspn(digits, hex ? HEX : DECIMAL)])
		return -EINVAL;
	errno = 0;
	value = strtoull(digits, NULL, hex ? 16 : 10);
	if (errno)
		return -EINVAL;
	*ret_value = value;
	return 0;
}

int parse_seconds(const char *text, int64_t *ret_ns)
{
	int64_t ns = 0, unit = NSEC_PER_SEC;
	bool point = false, digits = false;

	for (; *text; text++) {
		int64_t digit = *text - '0';

		if (*text == '.' && !point) {
			point = true;
			continue;
		}
		if (!isdigit((unsigned char)*text))
			return -EINVAL;
		digits = true;
		if (point) {
			unit /= 10;
			if (!unit)
				return -EINVAL;
			ns += digit * unit;
		} else {
			/* Before it no longer fits an int64_t. */
			if (ns > SECONDS_MAX * NSEC_PER_SEC / 10)
				return -EINVAL;
			ns = ns * 10 + digit * unit;
		}
	}
	if (!digits || ns > SECONDS_MAX * NSEC_PER_SEC)
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

error_t parse_number(const struct argp_state *state, const char *option,
		     const char *text, struct number_range range,
		     uint64_t *ret_value)
{
	uint64_t value;

	if (parse_u64(text, &value) || value < range.least ||
	    value > range.most)
		return args_error(state,
				  "%s %s: not a whole number from %" PRIu64
				  " to %" PRIu64,
				  option, text, range.least, range.most);
	*ret_value = value;
	return 0;
}

error_t parse_count(const struct argp_state *state, const char *text,
		    uint64_t *ret_count)
{
	return parse_number(state, "-n", text,
			    (struct number_range){ 1, UINT64_MAX }, ret_count);
}

/* "0.25": without zeros at its end. */
static void format_seconds(int64_t ns, char *buf, size_t size)
{
	size_t length;

	snprintf(buf, size, "%" PRId64 ".%09" PRId64, ns / NSEC_PER_SEC,
		 ns % NSEC_PER_SEC);
	length = strlen(buf);
	while (buf[length - 1] == '0')
		buf[--length] = '\0';
	if (buf[length - 1] == '.')
		buf[length - 1] = '\0';
}

error_t parse_span_within(const struct argp_state *state, const char *option,
			  const char *text, struct span_range range,
			  int64_t *ret_ns)
{
	const int64_t most_ns =
		range.most_ns ? range.most_ns : SECONDS_MAX * NSEC_PER_SEC;
	char least[32], most[32];
	int64_t ns;

	if (!parse_seconds(text, &ns) && ns >= range.least_ns &&
	    ns <= most_ns) {
		*ret_ns = ns;
		return 0;
	}
	format_seconds(range.least_ns, least, sizeof(least));
	format_seconds(most_ns, most, sizeof(most));
	return args_error(state,
			  "%s %s: not a number of seconds from %s to %s, with "
			  "9 decimals at most",
			  option, text, least, most);
}

error_t parse_span(const struct argp_state *state, const char *option,
		   const char *text, int64_t *ret_ns)
{
	return parse_span_within(state, option, text, (struct span_range){ 0 },
				 ret_ns);
}

error_t parse_interval(const struct argp_state *state, const char *text,
		       int64_t *ret_ns)
{
	return parse_span_within(state, "--interval", text,
				 (struct span_range){ NSEC_PER_SEC / 100, 0 },
				 ret_ns);
}
