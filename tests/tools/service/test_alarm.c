// SPDX-License-Identifier: MIT
/* paraclock alarm: an offset and its error against the limits. */

#include <string.h>

#include "alarm.h"

#include "../../shared/rows.h"

#define US 1000LL
#define MS (1000 * US)

/* A limit that was not given. */
#define NONE (-1)

struct alarm_case {
	const char *name;
	int64_t offset_ns;
	uint64_t error_ns;
	int64_t warn_ns;
	int64_t max_ns;
	enum level level;
	const char *says; /* of all sentences, one after the other */
};

/* clang-format off */
static const struct alarm_case cases[] = {
	{ "well inside", 10 * US, 5 * US, MS, 100 * MS, LEVEL_OK, "" },
	{ "the error ends at the limit", -900 * US, 100 * US, MS, NONE,
	  LEVEL_OK, "" },
	{ "the error reaches a ns beyond the limit", -900 * US, 100 * US + 1,
	  MS, NONE, LEVEL_UNKNOWN,
	  "that may or may not be more than 1.00 ms, given the error of the "
	  "measurement" },
	{ "inside --max-offset, with the error perhaps not", 90 * MS, 20 * MS,
	  NONE, 100 * MS, LEVEL_UNKNOWN,
	  "that may or may not be more than 100.00 ms, given the error of the "
	  "measurement" },
	{ "outside --max-offset, with the error perhaps not", 110 * MS,
	  20 * MS, NONE, 100 * MS, LEVEL_UNKNOWN,
	  "that may or may not be more than 100.00 ms, given the error of the "
	  "measurement" },
	{ "outside --warn-offset, with the error perhaps not", -1100 * US,
	  100 * US, MS, NONE, LEVEL_UNKNOWN,
	  "that may or may not be more than 1.00 ms, given the error of the "
	  "measurement" },
	{ "outside by more than the error", -1100 * US - 1, 100 * US, MS, NONE,
	  LEVEL_WARNING, "that is more than 1.00 ms" },
	{ "surely beyond both", 120 * MS + 1, 20 * MS, MS, 100 * MS,
	  LEVEL_CRITICAL, "that is more than 100.00 ms" },
	{ "surely beyond one, perhaps beyond the other", 110 * MS, 20 * MS, MS,
	  100 * MS, LEVEL_WARNING,
	  "that is more than 1.00 ms"
	  "that may or may not be more than 100.00 ms, given the error of the "
	  "measurement" },
	{ "perhaps beyond both", 10 * US, 100 * US, 50 * US, 60 * US,
	  LEVEL_UNKNOWN,
	  "the measurement is too wide to compare with 60.0 us" },
	{ "perhaps beyond one, inside the other", 10 * US, 100 * US, 50 * US,
	  MS, LEVEL_UNKNOWN,
	  "the measurement is too wide to compare with 50.0 us" },
	{ "an error that is not known", 1000 * MS, UINT64_MAX, MS, 100 * MS,
	  LEVEL_UNKNOWN,
	  "the measurement is too wide to compare with 100.00 ms" },
	{ "exact, and at the limit", MS, 0, MS, MS, LEVEL_OK, "" },
	{ "exact, and a ns beyond it", MS + 1, 0, MS, MS, LEVEL_CRITICAL,
	  "that is more than 1.00 ms" },
	{ "the lowest offset that there is", INT64_MIN, 0, NONE, MS,
	  LEVEL_CRITICAL, "that is more than 1.00 ms" },
};
/* clang-format on */

static void check_alarm(void **state)
{
	const struct alarm_case *c = *state;
	struct alarm alarm = {
		.far.is_known = true,
		.far.off.offset_ns = c->offset_ns,
		.far.off.error_ns = c->error_ns,
	};
	char said[2 * sizeof(alarm.check[0].why)];

	alarm.check[WARN_OFFSET].is_asked = c->warn_ns != NONE;
	alarm.check[WARN_OFFSET].limit_ns = c->warn_ns;
	alarm.check[MAX_OFFSET].is_asked = c->max_ns != NONE;
	alarm.check[MAX_OFFSET].limit_ns = c->max_ns;
	alarm_judge(&alarm);

	snprintf(said, sizeof(said), "%s%s", alarm.check[WARN_OFFSET].why,
		 alarm.check[MAX_OFFSET].why);
	assert_string_equal(said, c->says);
	assert_int_equal(alarm.level, c->level);
}

int main(void)
{
	ADD_ROWS(cases, check_alarm);
	return run_suite(NULL, NULL);
}
