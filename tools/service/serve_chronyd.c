// SPDX-License-Identifier: MIT
/*
 * Source: chrony's client.c: "tracking", with -c: seconds with 9 decimals, ppm
 * with 3. A positive correction: the system clock is slow. A positive frequency:
 * it would gain so many us in each second of its own.
 */

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "duration.h"
#include "serve_chronyd.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

#define BILLION 1000000000U

/* chronyd without any source: itself, or somebody's wrist watch. Neither knows
 * how far it is off. */
#define REFID_LOCAL  "7F7F0101"
#define REFID_MANUAL "4D414E55"

enum field {
	REFID,
	NAME,
	STRATUM,
	REFERENCE,
	CORRECTION,
	LAST_OFFSET,
	RMS_OFFSET,
	FREQUENCY,
	RESIDUAL,
	SKEW,
	ROOT_DELAY,
	ROOT_DISPERSION,
	INTERVAL,
	LEAP,
	FIELDS,
};

static const char *const names[FIELDS] = {
	[REFID] = "reference id",
	[NAME] = "name",
	[STRATUM] = "stratum",
	[REFERENCE] = "reference time",
	[CORRECTION] = "remaining correction",
	[LAST_OFFSET] = "last offset",
	[RMS_OFFSET] = "RMS offset",
	[FREQUENCY] = "frequency",
	[RESIDUAL] = "residual frequency",
	[SKEW] = "skew",
	[ROOT_DELAY] = "root delay",
	[ROOT_DISPERSION] = "root dispersion",
	[INTERVAL] = "update interval",
	[LEAP] = "leap status",
};

/* --- numbers -------------------------------------------------------------- */

/* A decimal number times 10^9 or 10^3, exact; nothing else around it. */
static int parse_decimal(const char *text, unsigned int decimals,
			 int64_t *ret_value)
{
	bool negative = *text == '-';
	bool has_point = false, has_digit = false;
	int64_t value = 0;

	text += negative;
	for (; *text; text++) {
		if (*text == '.' && !has_point && has_digit) {
			has_point = true;
			continue;
		}
		if (!isdigit((unsigned char)*text) || (has_point && !decimals))
			return -EPROTO;
		if (__builtin_mul_overflow(value, 10, &value) ||
		    __builtin_add_overflow(value, *text - '0', &value))
			return -EPROTO;
		has_digit = true;
		decimals -= has_point;
	}
	for (; decimals; decimals--) {
		if (__builtin_mul_overflow(value, 10, &value))
			return -EPROTO;
	}
	if (!has_digit)
		return -EPROTO;
	*ret_value = negative ? -value : value;
	return 0;
}

/* --- the line ------------------------------------------------------------- */

/* The fields of one line. The last one ends with the newline. */
static int split(char *line, const char *fields[FIELDS])
{
	int count = 0;
	char *end = strchr(line, '\n');

	if (!end || end[1])
		return -EPROTO;
	*end = '\0';
	for (char *next = line; next; count++) {
		if (count == FIELDS)
			return -EPROTO;
		fields[count] = next;
		next = strchr(next, ',');
		if (next)
			*next++ = '\0';
	}
	return count == FIELDS ? 0 : -EPROTO;
}

struct number {
	enum field field;
	unsigned int decimals;
	int64_t least, most;
};

/* A bound that a person would not believe is a fault of the line. */
#define SEC_MAX (1000000 * NSEC_PER_SEC)
#define PPB_MAX 500000000

static const struct number numbers[] = {
	{ STRATUM, 0, 0, 16 },
	{ REFERENCE, 9, 0, INT64_MAX },
	{ CORRECTION, 9, -SEC_MAX, SEC_MAX },
	{ LAST_OFFSET, 9, -SEC_MAX, SEC_MAX },
	{ RMS_OFFSET, 9, 0, SEC_MAX },
	{ FREQUENCY, 3, -PPB_MAX, PPB_MAX },
	{ RESIDUAL, 3, -PPB_MAX, PPB_MAX },
	{ SKEW, 3, 0, INT64_MAX },
	{ ROOT_DELAY, 9, 0, SEC_MAX },
	{ ROOT_DISPERSION, 9, 0, SEC_MAX },
	{ INTERVAL, 9, 0, INT64_MAX },
};

static int parse_numbers(const char *const fields[FIELDS],
			 int64_t values[FIELDS], char *why, size_t size)
{
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		const struct number *number = &numbers[i];
		int64_t *value = &values[number->field];

		if (!parse_decimal(fields[number->field], number->decimals,
				   value) &&
		    *value >= number->least && *value <= number->most)
			continue;
		snprintf(why, size, "its %s is \"%.40s\"", names[number->field],
			 fields[number->field]);
		return -EPROTO;
	}
	return 0;
}

static int parse_leap(const char *text, struct serve_tracking *tracking)
{
	if (strcmp(text, "Normal") == 0)
		return 0;
	if (strcmp(text, "Not synchronised") == 0) {
		tracking->is_synchronised = false;
		return 0;
	}
	tracking->has_leap = true;
	return strcmp(text, "Insert second") != 0 &&
			       strcmp(text, "Delete second") != 0
		       ? -EPROTO
		       : 0;
}

static uint64_t magnitude(int64_t value)
{
	return value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
}

int serve_tracking_parse(const char *line, struct serve_tracking *ret_tracking,
			 char *why, size_t size)
{
	const char *fields[FIELDS];
	int64_t values[FIELDS] = { 0 };
	struct serve_tracking tracking;
	char copy[1024];

	if (strlen(line) >= sizeof(copy)) {
		snprintf(why, size, "it is too long");
		return -EPROTO;
	}
	memcpy(copy, line, strlen(line) + 1);
	if (split(copy, fields)) {
		snprintf(why, size, "it is not one line of %d fields", FIELDS);
		return -EPROTO;
	}
	if (parse_numbers(fields, values, why, size))
		return -EPROTO;
	tracking = (struct serve_tracking){
		.reference_ns = values[REFERENCE],
		.correction_ns = values[CORRECTION],
		.frequency_ppb = values[FREQUENCY],
		.residual_ppb = values[RESIDUAL],
		.skew_ppb = magnitude(values[SKEW]),
		.delay_ns = magnitude(values[ROOT_DELAY]),
		.dispersion_ns = magnitude(values[ROOT_DISPERSION]),
		.is_synchronised = values[STRATUM] > 0 &&
				   values[STRATUM] < 16 &&
				   strcmp(fields[REFID], REFID_LOCAL) != 0 &&
				   strcmp(fields[REFID], REFID_MANUAL) != 0,
	};
	if (parse_leap(fields[LEAP], &tracking)) {
		snprintf(why, size, "its %s is \"%.40s\"", names[LEAP],
			 fields[LEAP]);
		return -EPROTO;
	}
	*ret_tracking = tracking;
	return 0;
}

/* --- the pair ------------------------------------------------------------- */

/*
 * chronyd read its clock at some moment m while it was asked. Let D be
 * CLOCK_REALTIME less chronyd's time: D(m) = -correction. Over the whole window,
 * W long, D has changed by s, which is known: CLOCK_REALTIME's own advance less
 * what chronyd's clock advances. At no moment does it change faster than by M,
 * --max-slew-ppm. If it rose by u and fell by v in all, u - v = s and u + v <=
 * M W, so u <= (M W + s) / 2 and v <= (M W - s) / 2: whatever it did after m
 * lies within M W / 2 of s / 2.
 */
struct slew {
	int64_t middle_ns; /* s / 2 */
	uint64_t half_ns;  /* M W / 2 */
};

static int64_t by_chronyd(const struct serve_asked *asked, int64_t raw_ns)
{
	/* At most a minute times half a second a second. */
	return raw_ns - (int64_t)((s128)raw_ns * asked->tracking.frequency_ppb /
				  BILLION);
}

static int find_slew(const struct serve_asked *asked, struct slew *ret_slew)
{
	int64_t took_ns = by_chronyd(asked, asked->raw_took_ns);
	int64_t slewed_ns = asked->real_took_ns - took_ns;
	uint64_t most_ns;

	if (took_ns < 0 || took_ns > 60 * NSEC_PER_SEC)
		return -ERANGE;
	/* Its rate is known no better than the counter's. */
	most_ns = (uint64_t)((u128)(uint64_t)took_ns *
			     (asked->slew_ppb + asked->drift_ppb) / BILLION) +
		  asked->error_ns + 1;
	if (magnitude(slewed_ns) > most_ns)
		return -ESTALE;
	ret_slew->middle_ns = slewed_ns / 2;
	ret_slew->half_ns = most_ns / 2 + 1;
	return 0;
}

int64_t serve_tracking_age_ns(const struct serve_asked *asked)
{
	int64_t age_ns;

	if (__builtin_add_overflow(asked->real_ns,
				   asked->tracking.correction_ns, &age_ns) ||
	    __builtin_sub_overflow(age_ns, asked->tracking.reference_ns,
				   &age_ns))
		return INT64_MIN;
	return age_ns;
}

bool serve_tracking_is_after(const struct serve_asked *asked, int64_t since_ns)
{
	int64_t age_ns = serve_tracking_age_ns(asked);

	/* A tenth of it, and 10 ms: the one span is by a slewed clock. */
	return age_ns >= 0 && age_ns < since_ns &&
	       age_ns + age_ns / 10 + NSEC_PER_SEC / 100 < since_ns;
}

/* In sum: chronyd's own bound, grown; what may have happened while it was asked;
 * and the readings. */
static int find_bound(const struct serve_asked *asked, const struct slew *slew,
		      uint64_t *ret_ns)
{
	const struct serve_tracking *tracking = &asked->tracking;
	int64_t age_ns = serve_tracking_age_ns(asked);
	u128 bound;

	/* Not even a clock that is slewed shows the future. */
	if (age_ns < -NSEC_PER_SEC)
		return -ERANGE;
	bound = magnitude(tracking->correction_ns);
	bound += tracking->delay_ns / 2 + 1;
	bound += tracking->dispersion_ns;
	bound += age_ns > 0
			 ? (u128)(uint64_t)age_ns * asked->drift_ppb / BILLION
			 : 0;
	bound += slew->half_ns;
	/* 3: each of chronyd's numbers is rounded to a ns. */
	bound += asked->error_ns + 3;
	if (bound > INT64_MAX)
		return -ERANGE;
	*ret_ns = (uint64_t)bound;
	return 0;
}

int serve_claim_by_chronyd(const struct serve_asked *asked,
			   struct serve_claim *ret_claim)
{
	const struct serve_tracking *tracking = &asked->tracking;
	struct serve_rate rate;
	struct slew slew;
	struct serve_claim claim = { .counter = asked->counter };
	int ret = find_slew(asked, &slew);

	if (!ret)
		ret = find_bound(asked, &slew, &claim.bound_ns);
	if (!ret)
		ret = serve_rate_slower(&asked->raw, tracking->frequency_ppb,
					&rate);
	if (ret)
		return ret;
	/* What D has gained since m is in CLOCK_REALTIME, and chronyd's number
	 * is from before. */
	if (__builtin_add_overflow(asked->real_ns,
				   tracking->correction_ns - slew.middle_ns,
				   &claim.tai_ns))
		return -ERANGE;
	claim.hz_frac = rate.hz_frac;
	claim.growth_ppb =
		asked->drift_ppb + rate.error_ppb +
		magnitude(tracking->residual_ppb) +
		(tracking->skew_ppb < PPB_MAX ? tracking->skew_ppb : PPB_MAX) +
		2;
	*ret_claim = claim;
	return 0;
}
