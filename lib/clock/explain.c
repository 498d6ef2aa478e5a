// SPDX-License-Identifier: MIT
/* A sentence for each error and reason: what it means, and what to do. */

#include <errno.h>

#include "base/text.h"
#include "clock.h"

static const char *explain_error(int error)
{
	switch (error) {
	case -EACCES:
		return "the source is here, but this process may not use it";
	case -EAGAIN:
		return "the page stayed in the middle of an update, or kept "
		       "changing; try again";
	case -EINVAL:
		return "a bad argument, or a counter value later than now, or "
		       "before the window and the history";
	case -ENODEV:
		return "the source is not here, or has gone; or its counter "
		       "cannot be correlated with the system clocks, because "
		       "the clocksource is not an image of it";
	case -ENOMEM:
		return "no memory or no file descriptor is left";
	case -EOPNOTSUPP:
		return "this source cannot answer that";
	case -EPROTO:
		return "what the host wrote is malformed; report it as a bug "
		       "of the host";
	case -ERANGE:
		return "the host's time does not fit into 64 bits of ns; "
		       "report it as a bug of the host";
	case -ESTALE:
		return "a disruption or a clock set came in between; measure "
		       "again";
	case -ETIMEDOUT:
		return "the device did not answer; try again later";
	default:
		return "an error that the manual page of the function explains";
	}
}

static const char *explain_reason(unsigned int reason)
{
	switch (reason) {
	case PARACLOCK_REASON_OK:
		return "fit for correlation";
	case PARACLOCK_REASON_HOST_CLOCK:
		return "the host gave a time without a counter value";
	case PARACLOCK_REASON_UNSTABLE:
		return "the counters of the CPUs are not known to agree; use "
		       "another source";
	case PARACLOCK_REASON_SEQUENCE:
		return "the host has switched its page off";
	case PARACLOCK_REASON_STATUS:
		return "the host does not vouch for its time";
	case PARACLOCK_REASON_COUNTER:
		return "the page counts with another machine's counter";
	case PARACLOCK_REASON_WINDOW:
		return "the counter is outside of the page's window: before "
		       "its reference point, before the last disruption, or "
		       "past what the page's age allows";
	case PARACLOCK_REASON_WIDE:
		return "the pair is wider than allowed (max_pair_error_ns); "
		       "read again, or allow more";
	case PARACLOCK_REASON_DISRUPTED:
		return "a disruption is being handled; read again in a moment";
	case PARACLOCK_REASON_IMPLAUSIBLE:
		return "a second clock contradicts this one";
	default:
		return "a reason that this library does not know";
	}
}

/* The error of a source that only events look at is not one of the reads'. */
static void explain_lost_memory(const struct paraclock *clk, int error,
				char *buf, size_t size)
{
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (source->be->explain && look_error(source) == error)
			source->be->explain(source->state, error, NULL, buf,
					    size);
	}
}

int paraclock_explain(const struct paraclock *clk, int error,
		      const struct paraclock_sample *sample, char *buf,
		      size_t size)
{
	if (!buf || !size)
		return -EINVAL;
	TEXT(buf, size, "");
	if (clk && error)
		explain_lost_memory(clk, error, buf, size);
	if (clk && !buf[0] && clk->be->explain)
		clk->be->explain(clk->state, error, sample, buf, size);
	/* An error may also come from a source of markers. */
	for (unsigned int i = 0; clk && error && i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (!buf[0] && source->be->explain)
			source->be->explain(source->state, error, sample, buf,
					    size);
	}
	if (buf[0])
		return 0;
	if (error)
		TEXT(buf, size, explain_error(error));
	else
		TEXT(buf, size,
		     explain_reason(sample ? sample->reason
					   : PARACLOCK_REASON_OK));
	return 0;
}
