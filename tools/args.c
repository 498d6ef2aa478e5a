// SPDX-License-Identifier: MIT
/* The command line: one line per error, and strict numbers. */

#include <ctype.h>
#include <err.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "tools.h"

/* 31 years: a deadline that far ahead still fits an int64_t of ns. */
#define SECONDS_MAX INT64_C(1000000000)

#define DECIMAL "0123456789"
#define HEX	DECIMAL "abcdefABCDEF"

/*
 * After each error argp prints where to find help, and exits. Without an error
 * stream it does neither: the line of getopt or of args_error() is then the
 * only one, and the caller returns STATUS_USAGE.
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
	return EINVAL;
}

int args_parse(const struct argp *argp, int argc, char **argv, void *input)
{
	if (argp_parse(argp, argc, argv, 0, NULL, input))
		return STATUS_USAGE;
	return STATUS_OK;
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
			ns = ns * 10 + digit * unit;
			if (ns > SECONDS_MAX * NSEC_PER_SEC)
				return -EINVAL;
		}
	}
	if (!digits)
		return -EINVAL;
	*ret_ns = ns;
	return 0;
}

error_t parse_count(const struct argp_state *state, const char *text,
		    uint64_t *ret_count)
{
	uint64_t count;

	if (parse_u64(text, &count) || count == 0)
		return args_error(state, "-n %s: not a number of 1 or more",
				  text);
	*ret_count = count;
	return 0;
}

error_t parse_span(const struct argp_state *state, const char *option,
		   const char *text, int64_t *ret_ns)
{
	if (!parse_seconds(text, ret_ns))
		return 0;
	return args_error(state, "%s %s: not a number of seconds", option,
			  text);
}

error_t parse_interval(const struct argp_state *state, const char *text,
		       int64_t *ret_ns)
{
	error_t ret = parse_span(state, "--interval", text, ret_ns);

	if (!ret && *ret_ns < NSEC_PER_SEC / 100)
		return args_error(state, "--interval %s: less than 0.01", text);
	return ret;
}
