// SPDX-License-Identifier: MIT
/* What paraclock keep --json prints after a step, which no test makes. */

#include "news.h"

int main(void)
{
	const struct measurement after = {
		.sample.valid = 1,
		.offset_ns = INT64_MIN,
		.bound_ns = UINT64_MAX,
	};
	const struct keep_news news = {
		.state = KEEP_RIGHT,
		.corrected = true,
		.backend = "vmclock",
		.cause = { .kind = "restored",
			   .source = "vmclock",
			   .marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
			   .has_markers = true,
			   .after.value = UINT64_MAX },
		.stepped_ns = INT64_MAX,
		.before = { .sample.valid = 1,
			    .bound_ns = 1,
			    .has_bound = true },
		.after = after,
	};
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	news_put_json(&json, &news);
	json_end(&json, '}');
	return json_finish(&json) ? 1 : 0;
}
