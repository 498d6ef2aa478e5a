// SPDX-License-Identifier: MIT
#include <errno.h>
#include <time.h>

#include "duration.h"
#include "how_far.h"
#include "json.h"
#include "service/judge.h"
#include "service/service.h"
#include "service/steer.h"

/* As 'paraclock cross': what makes a reading fail is soon over, and an interrupt
 * widens some. */
#define TRY_NS	 (NSEC_PER_SEC / 100)
#define TRIES	 10
#define READINGS 5

/* A PTP clock is read by a system call, which in a slow guest takes
 * milliseconds; the width is stated. */
#define MAX_PAIR_ERROR_NS 10000000

/* --- measuring ------------------------------------------------------------ */

static bool may_pass(int error)
{
	return error == -EAGAIN || error == -ESTALE || error == -EINVAL;
}

static int measure_once(const struct paraclock *clk,
			const struct paraclock_leap_table *table,
			struct paraclock_offset *ret_off)
{
	const struct timespec pause = { .tv_nsec = TRY_NS };
	int ret = -EAGAIN;

	for (unsigned int i = 0; i < TRIES && may_pass(ret); i++) {
		if (i)
			nanosleep(&pause, NULL);
		*ret_off = (struct paraclock_offset){
			.size = sizeof(*ret_off),
			.leap_table = table,
		};
		ret = paraclock_offset(clk, ret_off);
	}
	return ret;
}

/* The list gives TAI its offset, and shows that nothing is smeared now. */
static int measure_narrow(const struct paraclock *clk,
			  struct paraclock_offset *ret_off)
{
	struct paraclock_leap_table table;
	bool has_table = !steer_leap_table(NULL, &table);
	struct paraclock_offset more;
	int ret = measure_once(clk, has_table ? &table : NULL, ret_off);

	for (unsigned int i = 1; !ret && ret_off->valid && i < READINGS; i++) {
		more = (struct paraclock_offset){
			.size = sizeof(more),
			.leap_table = has_table ? &table : NULL,
		};
		if (!paraclock_offset(clk, &more) && more.valid &&
		    (more.sample.epoch != ret_off->sample.epoch ||
		     more.error_ns < ret_off->error_ns))
			*ret_off = more;
	}
	/* It is this function's own. */
	ret_off->leap_table = NULL;
	return ret;
}

/* An offset from what repeats this kernel's clock says nothing of that clock. */
static const char *unfit(const struct paraclock_sample *sample)
{
	if (sample->flags & PARACLOCK_FLAG_OWN_KERNEL)
		return "it only repeats this kernel's own clock; name another "
		       "source with -b";
	if (sample->flags & PARACLOCK_FLAG_UNVOUCHED)
		return "its driver hides whether the host still vouches for "
		       "its clock; name another source with -b";
	return NULL;
}

/* The timescale of a clock that has no time of day; NULL: it has. */
static const char *timeless(const struct paraclock *clk)
{
	struct paraclock_sample sample;

	if (paraclock_read(clk, &sample) || !sample.valid ||
	    TIMESCALES_UTC >> sample.timescale & 1)
		return NULL;
	return paraclock_timescale_name(sample.timescale);
}

static void look_at(const struct paraclock *clk, struct how_far *far)
{
	int ret = measure_narrow(clk, &far->off);
	const char *why = ret ? NULL : unfit(&far->off.sample);
	char text[512] = "";

	snprintf(far->backend, sizeof(far->backend), "%s",
		 paraclock_backend_name(clk));
	far->is_known = !ret && far->off.valid && !why;
	if (far->is_known)
		return;
	if (ret == -EOPNOTSUPP)
		far->timescale = timeless(clk);
	if (!why)
		paraclock_explain(clk, ret, &far->off.sample, text,
				  sizeof(text));
	if (far->timescale)
		snprintf(far->why, sizeof(far->why),
			 "%s says how much time passes (%s), not what time it "
			 "is; 'paraclock status' says which clock would",
			 far->backend, far->timescale);
	else if (ret == -EOPNOTSUPP)
		snprintf(far->why, sizeof(far->why), "%s", text);
	else
		snprintf(far->why, sizeof(far->why), "%s: %s", far->backend,
			 why ? why : text);
	if (ret)
		far->off = (struct paraclock_offset){ 0 };
}

void how_far_look(const struct source *source, const struct paraclock_env *env,
		  struct how_far *ret_far)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = env,
		.max_pair_error_ns = MAX_PAIR_ERROR_NS,
		.detail = ret_far->why,
		.detail_size = sizeof(ret_far->why),
	};
	struct paraclock *clk;
	int ret;

	*ret_far = (struct how_far){ 0 };
	ret = source_choose(source, &opts, &clk);
	if (!ret) {
		look_at(clk, ret_far);
		paraclock_close(clk);
	} else if (!ret_far->why[0]) {
		paraclock_explain(NULL, ret, NULL, ret_far->why,
				  sizeof(ret_far->why));
	}
}

/* --- for people ----------------------------------------------------------- */

static const char *scale_of(const struct how_far *far)
{
	return paraclock_timescale_name(far->off.sample.timescale);
}

/* "340 ns, and with UTC to within 1.20 ms"; "" without a bound. */
static void describe_bounds(const struct paraclock_offset *off, uint64_t more,
			    const char *with, char *buf, size_t size)
{
	char error[48], bound[48];

	format_duration_up(add_bounds(off->error_ns, more), error,
			   sizeof(error));
	format_duration_up(add_bounds(off->bound_ns, more), bound,
			   sizeof(bound));
	if (off->bound_ns == PARACLOCK_ERROR_UNKNOWN)
		snprintf(buf, size, "%s", error);
	else
		snprintf(buf, size, "%s, and %s UTC to within %s", error, with,
			 bound);
}

void how_far_describe(const struct how_far *far, char *buf, size_t size)
{
	const struct paraclock_offset *off = &far->off;
	const uint64_t distance = duration_of(off->offset_ns);
	char offset[48], bounds[128];

	if (!far->is_known) {
		snprintf(buf, size,
			 "how far CLOCK_REALTIME is off is not known: %s",
			 far->why);
		return;
	}
	/* The sign of what is smaller than its error says nothing. */
	if (distance <= off->error_ns) {
		describe_bounds(off, distance, "with", bounds, sizeof(bounds));
		snprintf(buf, size,
			 "CLOCK_REALTIME agrees with the host's clock to "
			 "within %s (%s, %s)",
			 bounds, far->backend, scale_of(far));
		return;
	}
	/* It is less exact by the digits that are not shown. */
	describe_bounds(off, duration_rest(distance),
			off->offset_ns < 0 ? "of" : "behind", bounds,
			sizeof(bounds));
	snprintf(buf, size,
		 "CLOCK_REALTIME is %s %s the host's clock, to within %s (%s, "
		 "%s)",
		 format_duration(distance, offset, sizeof(offset)),
		 off->offset_ns < 0 ? "ahead of" : "behind", bounds,
		 far->backend, scale_of(far));
}

void history_describe(const struct keep_history *history, char *buf,
		      size_t size)
{
	const int64_t now_ns = loop_now_ns();
	char text[48];

	buf[0] = '\0';
	if (!history->is_running || !history->watching_since_ns)
		return;
	if (history->last_ns)
		snprintf(buf, size,
			 "the last disruption that keep saw (%s) "
			 "was %s ago",
			 history->last,
			 format_duration(duration_of(now_ns - history->last_ns),
					 text, sizeof(text)));
	else
		snprintf(
			buf, size,
			"keep has seen no disruption in the %s that it has "
			"watched%s",
			format_duration(duration_of(now_ns -
						    history->watching_since_ns),
					text, sizeof(text)),
			history->is_authoritative
				? ""
				: ", but without the host's marker some do "
				  "not show");
}

/* --- for programs --------------------------------------------------------- */

void how_far_put(const struct how_far *far, struct json *json)
{
	const struct paraclock_offset *off = &far->off;

	json_put_text(json, "offset_source",
		      far->backend[0] ? far->backend : NULL);
	json_put_text(json, "offset_timescale",
		      far->is_known ? scale_of(far) : NULL);
	if (!far->is_known) {
		json_put_null(json, "offset_ns");
		json_put_null(json, "error_ns");
		json_put_null(json, "bound_ns");
		json_put_null(json, "maybe_smeared");
		return;
	}
	json_put_s64(json, "offset_ns", off->offset_ns);
	sample_put_error(json, "error_ns", off->error_ns);
	sample_put_error(json, "bound_ns", off->bound_ns);
	json_put_bool(json, "maybe_smeared",
		      off->flags & PARACLOCK_OFFSET_MAYBE_SMEARED);
}
