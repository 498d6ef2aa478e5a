// SPDX-License-Identifier: MIT
/* The words of a script: numbers with units, and words from lists. */

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "script.h"

static const char out_of_range[] = "is out of range";

struct entry {
	const char *word;
	int64_t value;
};

static const struct entry time_units[] = {
	{ "ns", 1 },
	{ "us", 1000 },
	{ "ms", 1000000 },
	{ "s", 1000000000 },
	{ "min", 60000000000 },
	{ "h", 3600000000000 },
	{ "d", 86400000000000 },
	{ NULL, 0 },
};

static const struct entry rate_units[] = {
	{ "Hz", 1 },	       { "kHz", 1000 }, { "MHz", 1000000 },
	{ "GHz", 1000000000 }, { NULL, 0 },
};

static const struct entry ppb_units[] = {
	{ "ppb", 1 },
	{ "ppm", 1000 },
	{ NULL, 0 },
};

static const struct entry no_units[] = {
	{ "", 1 },
	{ NULL, 0 },
};

static const struct entry statuses[] = {
	{ "unknown", PARACLOCK_STATUS_UNKNOWN },
	{ "initializing", PARACLOCK_STATUS_INITIALIZING },
	{ "synchronized", PARACLOCK_STATUS_SYNCHRONIZED },
	{ "freerunning", PARACLOCK_STATUS_FREERUNNING },
	{ "unreliable", PARACLOCK_STATUS_UNRELIABLE },
	{ NULL, 0 },
};

static const struct entry leaps[] = {
	{ "none", PARACLOCK_LEAP_NONE },
	{ "positive", PARACLOCK_LEAP_PRE_POS },
	{ "negative", PARACLOCK_LEAP_PRE_NEG },
	{ NULL, 0 },
};

static const struct entry timescales[] = {
	{ "utc", PARACLOCK_TIMESCALE_UTC },
	{ "tai", PARACLOCK_TIMESCALE_TAI },
	{ "monotonic", PARACLOCK_TIMESCALE_MONOTONIC },
	{ NULL, 0 },
};

static const struct entry reasons[] = {
	{ "host-clock", PARACLOCK_REASON_HOST_CLOCK },
	{ "unstable", PARACLOCK_REASON_UNSTABLE },
	{ "sequence", PARACLOCK_REASON_SEQUENCE },
	{ "status", PARACLOCK_REASON_STATUS },
	{ "counter", PARACLOCK_REASON_COUNTER },
	{ "window", PARACLOCK_REASON_WINDOW },
	{ "wide", PARACLOCK_REASON_WIDE },
	{ "disrupted", PARACLOCK_REASON_DISRUPTED },
	{ NULL, 0 },
};

static const struct entry errors[] = {
	{ "EAGAIN", -EAGAIN }, { "ENODEV", -ENODEV },
	{ "EPROTO", -EPROTO }, { "EOPNOTSUPP", -EOPNOTSUPP },
	{ "EINVAL", -EINVAL }, { "ERANGE", -ERANGE },
	{ "EACCES", -EACCES }, { "ETIMEDOUT", -ETIMEDOUT },
	{ NULL, 0 },
};

static const struct entry backends[] = {
	{ "vmclock", 1 },     { "kvmclock", 2 }, { "hyperv", 3 }, { "phc", 4 },
	{ "kvm-pairing", 5 }, { "sim", 6 },	 { NULL, 0 },
};

static const struct entry sources[] = {
	{ "tsc", 1 },
	{ "other", 0 },
	{ NULL, 0 },
};

static const struct entry guest_sources[] = {
	{ "tsc", 1 },  { "kvm-clock", 2 }, { "hyperv_clocksource_tsc_page", 3 },
	{ "hpet", 4 }, { "acpi_pm", 5 },   { "xen", 6 },
	{ NULL, 0 },
};

static const struct entry parts[] = {
	{ "pvclock", PARACLOCK_SIM_HAS_PVCLOCK },
	{ "hyperv", PARACLOCK_SIM_HAS_HYPERV },
	{ "vmclock", PARACLOCK_SIM_HAS_VMCLOCK },
	{ "vmclock-markers", PARACLOCK_SIM_HAS_VMCLOCK_MARKERS },
	{ "generation", PARACLOCK_SIM_HAS_GENERATION },
	{ "pairing", PARACLOCK_SIM_HAS_PAIRING },
	{ "ptp-hyperv", PARACLOCK_SIM_HAS_PTP_HYPERV },
	{ "ptp-vmclock", PARACLOCK_SIM_HAS_PTP_VMCLOCK },
	{ "no-writer", PARACLOCK_SIM_HAS_NO_WRITER },
	{ NULL, 0 },
};

static const struct entry pages[] = {
	{ "pvclock", PARACLOCK_SIM_PVCLOCK },
	{ "hyperv", PARACLOCK_SIM_HYPERV },
	{ "vmclock", PARACLOCK_SIM_VMCLOCK },
	{ NULL, 0 },
};

#define ANY_NAME "a name: a-z first, then a-z, 0-9, - or _, at most 15"

/* A number has units and a range [min, max]; a list has words and no range. */
static const struct {
	const char *name; /* in a usage */
	const char *noun; /* with its article */
	const char *example;
	const struct entry *list;
	int64_t min, max;
} kinds[KINDS] = {
	/* clang-format off */
	[KIND_NONE] = { "", "", "", NULL, 0, 0 },
	[KIND_NEW_HOST] = { "NAME", "a name", ANY_NAME, NULL, 0, 0 },
	[KIND_NEW_VM] = { "NAME", "a name", ANY_NAME, NULL, 0, 0 },
	[KIND_NEW_STATE] = { "NAME", "a name", ANY_NAME, NULL, 0, 0 },
	[KIND_HOST] = { "HOST", "a host", "the name of a host", NULL, 0, 0 },
	[KIND_VM] = { "VM", "a VM", "the name of a VM", NULL, 0, 0 },
	[KIND_STATE] = { "NAME", "a saved state", "the name of a saved state",
			 NULL, 0, 0 },
	[KIND_TIME] = { "TIME", "a time",
			"a time such as 500ms or 1.5s, up to 366d",
			time_units, 0, (int64_t)PASSES_MAX_NS },
	[KIND_SPAN] = { "TIME", "a time",
			"a time such as +5s or -20us, up to 3660d",
			time_units, -10 * (int64_t)PASSES_MAX_NS,
			10 * (int64_t)PASSES_MAX_NS },
	[KIND_BOUND] = { "< TIME", "a time", "'<' and a time such as 10ns",
			 time_units, 0, (int64_t)PASSES_MAX_NS },
	[KIND_PPB] = { "PPB", "a rate",
		       "a rate such as 20ppb or -5ppm, up to 100000ppm",
		       ppb_units, -100000000, 100000000 },
	[KIND_GROWTH] = { "PPB", "a rate",
			  "a rate such as 20ppb or 5ppm, up to 100000ppm",
			  ppb_units, 0, 100000000 },
	[KIND_HZ] = { "FREQUENCY", "a frequency",
		      "a frequency such as 2.9GHz, from 1MHz to 100GHz",
		      rate_units, 1000000, 100000000000 },
	[KIND_TICKS] = { "TICKS", "a number of ticks",
			 "a number of ticks such as 1000 or -1000",
			 no_units, INT64_MIN, INT64_MAX },
	[KIND_NUMBER] = { "N", "a number", "a number from 0 to 65535",
			  no_units, 0, 65535 },
	[KIND_DATE] = { "DATE", "a date",
			"UTC such as 2026-12-31T23:59:00Z, from 1972 to 2115",
			NULL, 0, 0 },
	[KIND_PARTS] = { "PART,...", "a part", "parts, separated by commas:",
			 parts, 0, 0 },
	[KIND_PAGE] = { "PAGE", "a page",
			"pvclock.N (of vCPU N), or one of", pages, 0, 0 },
	[KIND_STATUS] = { "STATUS", "a status", "one of", statuses, 0, 0 },
	[KIND_LEAP] = { "LEAP", "a leap second", "one of", leaps, 0, 0 },
	[KIND_TIMESCALE] = { "TIMESCALE", "a timescale", "one of", timescales,
			     0, 0 },
	[KIND_REASON] = { "REASON", "a reason", "one of", reasons, 0, 0 },
	[KIND_ERROR] = { "ERROR", "an error", "one of", errors, 0, 0 },
	[KIND_BACKEND] = { "BACKEND", "a backend", "one of", backends, 0, 0 },
	[KIND_SOURCE] = { "SOURCE", "a clocksource of a host", "one of",
			  sources, 0, 0 },
	[KIND_GUEST_SOURCE] = { "SOURCE", "a clocksource of a guest", "one of",
				guest_sources, 0, 0 },
	/* clang-format on */
};

const char *pclk_sim_script_kind_name(unsigned int kind)
{
	return kinds[kind].name;
}

const char *pclk_sim_script_noun(unsigned int kind)
{
	return kinds[kind].noun;
}

const char *pclk_sim_script_nth_word(unsigned int kind, unsigned int n)
{
	const struct entry *list = kinds[kind].list;

	if (!list || kinds[kind].max)
		return NULL;
	for (; list->word && n; list++)
		n--;
	return list->word;
}

void pclk_sim_script_describe(unsigned int kind, char *buf, size_t size)
{
	const struct entry *list = kinds[kind].list;
	int n = snprintf(buf, size, "%s", kinds[kind].example);

	if (!list || kinds[kind].max)
		return;
	for (; list->word && n > 0 && (size_t)n < size; list++)
		n += snprintf(buf + n, size - (size_t)n, " %s", list->word);
}

static const struct entry *find(const struct entry *list, const char *word,
				size_t length)
{
	for (; list->word; list++) {
		if (strlen(list->word) == length &&
		    memcmp(list->word, word, length) == 0)
			return list;
	}
	return NULL;
}

const char *pclk_sim_script_word(unsigned int kind, int64_t value)
{
	for (const struct entry *e = kinds[kind].list; e && e->word; e++) {
		if (e->value == value)
			return e->word;
	}
	return NULL;
}

/* Digits, perhaps with a fraction, times unit. NULL: good; else what is wrong:
 * the product must be whole, and fit. */
static const char *parse_decimal(const char *digits, size_t length,
				 int64_t unit, int64_t *ret_value)
{
	bool fraction = false;
	int64_t value = 0;

	for (size_t i = 0; i < length; i++) {
		int64_t digit = digits[i] - '0';

		if (digits[i] == '.') {
			fraction = true;
			continue;
		}
		if (fraction) {
			if (unit % 10 && digit)
				return "has too many digits after its point";
			unit /= 10;
		} else if (__builtin_mul_overflow(value, 10, &value)) {
			return out_of_range;
		}
		if (__builtin_mul_overflow(digit, unit, &digit) ||
		    __builtin_add_overflow(value, digit, &value))
			return out_of_range;
	}
	*ret_value = value;
	return NULL;
}

/* Digits, at most one point, and digits on both sides of it. */
static bool is_decimal(const char *digits, size_t length)
{
	const char *point = memchr(digits, '.', length);

	if (!length || digits[0] == '.' || digits[length - 1] == '.')
		return false;
	return !point ||
	       !memchr(point + 1, '.', length - (size_t)(point + 1 - digits));
}

static bool parse_number(unsigned int kind, const char *word,
			 int64_t *ret_value, struct flaw *ret_flaw)
{
	bool minus = word[0] == '-';
	const char *digits = word + (minus || word[0] == '+');
	size_t length = strspn(digits, "0123456789.");
	const char *rest = digits + length;
	const struct entry *unit = find(kinds[kind].list, rest, strlen(rest));
	int64_t value;

	if (!is_decimal(digits, length))
		return false;
	if (digits != word && kinds[kind].min == 0)
		ret_flaw->says = "has a sign";
	else if (!unit)
		ret_flaw->says = *rest ? "has an unknown unit" : "has no unit";
	else
		ret_flaw->says =
			parse_decimal(digits, length, unit->value, &value);
	if (ret_flaw->says)
		return false;
	value = minus ? -value : value;
	if (value < kinds[kind].min || value > kinds[kind].max) {
		ret_flaw->says = out_of_range;
		return false;
	}
	*ret_value = value;
	return true;
}

static bool parse_parts(const char *word, int64_t *ret_value,
			struct flaw *ret_flaw)
{
	int64_t value = 0;

	for (size_t at = 0;;) {
		size_t length = strcspn(word + at, ",");
		const struct entry *part = find(parts, word + at, length);

		ret_flaw->at = at;
		ret_flaw->length = length;
		if (part && value & part->value)
			ret_flaw->says = "is given twice";
		if (!part || ret_flaw->says)
			return false;
		value |= part->value;
		at += length;
		if (!word[at])
			break;
		at++;
	}
	*ret_value = value;
	return true;
}

/* See page_kind() and page_vcpu(). */
static bool parse_page(const char *word, int64_t *ret_value,
		       struct flaw *ret_flaw)
{
	size_t length = strcspn(word, ".");
	const struct entry *page = find(pages, word, length);
	int64_t vcpu = 0;

	if (!page)
		return false;
	if (word[length] && page->value != PARACLOCK_SIM_PVCLOCK)
		ret_flaw->says = "has a vCPU, as only pvclock pages have";
	else if (word[length] &&
		 !parse_number(KIND_NUMBER, word + length + 1, &vcpu, ret_flaw))
		ret_flaw->says = "has no number of a vCPU after its point";
	if (ret_flaw->says)
		return false;
	*ret_value = page->value | vcpu << 8;
	return true;
}

bool pclk_sim_script_value(unsigned int kind, const char *word,
			   int64_t *ret_value, struct flaw *ret_flaw)
{
	const struct entry *entry;

	switch (kind) {
	case KIND_DATE:
		return pclk_sim_script_date(word, ret_value);
	case KIND_PARTS:
		return parse_parts(word, ret_value, ret_flaw);
	case KIND_PAGE:
		return parse_page(word, ret_value, ret_flaw);
	default:
		break;
	}
	if (kinds[kind].max)
		return parse_number(kind, word, ret_value, ret_flaw);
	entry = kinds[kind].list ? find(kinds[kind].list, word, strlen(word))
				 : NULL;
	if (!entry)
		return false;
	*ret_value = entry->value;
	return true;
}
