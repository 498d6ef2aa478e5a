// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "feed_output.h"
#include "service.h"

static const char *explain(int error)
{
	switch (error) {
	case -ENOENT:
	case -ECONNREFUSED:
		return "nobody receives there (is chronyd running?)";
	case -ERANGE:
		return "the offset is larger than the format holds";
	case -EAGAIN:
		return "the receiver does not read, and its queue is full";
	default:
		return strerror(-error);
	}
}

/* One line when it begins, one when the reason changes, one when it ends. */
static void tell(const struct feed_output *output, int error)
{
	char label[160];

	/* stdout has no other name. */
	snprintf(label, sizeof(label), "%s%s%s", output->kind->name,
		 output->target[0] ? " " : "", output->target);
	if (error && error != output->error)
		service_log(LOG_LEVEL_WARNING,
			    "%s: not delivered: %s; trying with each sample",
			    label, explain(error));
	else if (!error && !output->connected)
		service_log(LOG_LEVEL_INFO, "%s: delivering", label);
}

bool feed_output_send(struct feed_output *output,
		      const struct feed_sample *sample)
{
	int error = output->kind->send(output, sample);

	tell(output, error);
	output->error = error;
	output->connected = !error;
	if (error)
		output->failed++;
	else
		output->delivered++;
	return !error;
}

void feed_output_withdraw(struct feed_output *output)
{
	if (output->kind->withdraw)
		output->kind->withdraw(output);
}

void feed_output_close(struct feed_output *output)
{
	if (output->kind && output->kind->close)
		output->kind->close(output);
}
