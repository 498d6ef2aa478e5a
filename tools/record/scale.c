// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>

#include "scale.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* The largest unit of which there is at least one. */
static struct scale choose(const struct scale *scales, size_t count,
			   double most)
{
	while (--count) {
		if (most >= scales[count].size)
			break;
	}
	return scales[count];
}

struct scale scale_of_ns(double most_ns)
{
	static const struct scale scales[] = {
		{ "ns", 1 },
		{ "us", 1e3 },
		{ "ms", 1e6 },
		{ "s", 1e9 },
	};

	return choose(scales, COUNT(scales), most_ns);
}

/* 90 s is easier to read than 1.5 min. */
#define ENOUGH 3

struct scale scale_of_elapsed(double most_ns)
{
	static const struct scale scales[] = {
		{ "s", 1e9 },
		{ "min", 60e9 },
		{ "h", 3600e9 },
		{ "d", 86400e9 },
	};

	return choose(scales, COUNT(scales), most_ns / ENOUGH);
}

struct scale scale_of_rate(double most)
{
	static const struct scale scales[] = {
		{ "ppb", 1e-9 },
		{ "ppm", 1e-6 },
		{ "%", 1e-2 },
	};

	return choose(scales, COUNT(scales), most);
}

int64_t scale_round_up(double ns)
{
	static const int64_t steps[] = { 1, 2, 5 };
	int64_t power = 1;

	for (; power <= INT64_MAX / 100; power *= 10) {
		for (size_t i = 0; i < COUNT(steps); i++) {
			if ((double)(steps[i] * power) >= ns)
				return steps[i] * power;
		}
	}
	return power;
}

void scale_format_ns(int64_t ns, char *buf, size_t size)
{
	static const struct {
		const char *unit;
		uint64_t size;
	} units[] = {
		{ "ns", 1 },
		{ "us", 1000 },
		{ "ms", 1000000 },
		{ "s", 1000000000 },
	};
	const uint64_t distance = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	const char sign = ns < 0 ? '-' : '+';
	size_t i = COUNT(units) - 1;
	uint64_t rest, whole;
	int digits = 3;

	while (i &&
	       (distance < units[i].size ||
		(units[i].size > 1000 && distance % (units[i].size / 1000))))
		i--;
	whole = distance / units[i].size;
	rest = i ? distance % units[i].size / (units[i].size / 1000) : 0;
	while (digits && rest % 10 == 0) {
		rest /= 10;
		digits--;
	}
	if (digits)
		snprintf(buf, size, "%c%" PRIu64 ".%0*" PRIu64 " %s", sign,
			 whole, digits, rest, units[i].unit);
	else
		snprintf(buf, size, "%c%" PRIu64 " %s", sign, whole,
			 units[i].unit);
}
