// SPDX-License-Identifier: MIT
/* Opening by name, by a table of the caller's, or the best source here. */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "clock.h"
#include "open.h"
#include "registry.h"

static const struct paraclock_backend *
find_backend(const struct paraclock_backend *const *table, const char *name)
{
	for (const struct paraclock_backend *const *be = table; *be; be++) {
		if (pclk_text_equal((*be)->name, name))
			return *be;
	}
	return NULL;
}

const struct paraclock_backend *
pclk_next_backend(const struct paraclock_backend *after)
{
	const struct paraclock_backend *best = NULL;
	bool passed = false;

	for (const struct paraclock_backend *const *be = pclk_backends; *be;
	     be++) {
		bool later = !after || (*be)->quality < after->quality ||
			     (passed && (*be)->quality == after->quality);

		if (later && (!best || (*be)->quality > best->quality))
			best = *be;
		passed = passed || *be == after;
	}
	return best;
}

/* Why no source was chosen, in words. */
struct refusal {
	/* The valid ones: "NAME is on monotonic, NAME is on utc". */
	char here[160];
	/* The others, the best first: "NAME: no such device; ...". */
	char others[1024];
};

/* A text may be the first part of itself: each part is copied in place. */
static void add_refusal(struct refusal *why, const struct paraclock_backend *be,
			const struct opening *opening)
{
	const char *detail = opening->opts.detail;

	if (opening->is_unwanted)
		TEXT(why->here, sizeof(why->here), why->here,
		     why->here[0] ? ", " : "", be->name, " is on ",
		     paraclock_timescale_name(opening->unwanted_scale));
	/* Unless a timescale is wanted, the best one is what to mend. */
	else if (detail && (opening->opts.timescales || !why->others[0]))
		TEXT(why->others, sizeof(why->others), why->others,
		     why->others[0] ? "; " : "", be->name, ": ", detail);
}

static void say_refusal(const struct refusal *why,
			const struct paraclock_options *opts)
{
	char wanted[64] = "";

	for (unsigned int i = 0; i <= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	     i++) {
		if (opts->timescales >> i & 1)
			TEXT(wanted, sizeof(wanted), wanted,
			     wanted[0] ? " or " : "",
			     paraclock_timescale_name(i));
	}
	if (why->here[0])
		TEXT(opts->detail, opts->detail_size,
		     "no valid host clock here is on ", wanted, " (", why->here,
		     ")", why->others[0] ? ": " : "", why->others);
	else
		TEXT(opts->detail, opts->detail_size,
		     "no valid host clock here: ",
		     why->others[0] ? why->others
				    : "this build has no backend to choose by "
				      "itself");
}

static int open_best(struct paraclock **ret_clk, struct opening *opening)
{
	const struct paraclock_options *opts = &opening->opts;
	const struct paraclock_backend *be = NULL;
	struct refusal why = { "", "" };

	if (opts->device) {
		TEXT(opts->detail, opts->detail_size,
		     "options.device is set without a backend; name one");
		return -EINVAL;
	}
	while ((be = pclk_next_backend(be)) && be->quality >= 0) {
		int ret;

		if (!be->get_time)
			continue;
		ret = pclk_open_one(ret_clk, be, opening);
		if (!ret || ret == -ENOMEM || opening->is_final)
			return ret;
		add_refusal(&why, be, opening);
	}
	say_refusal(&why, opts);
	return -ENODEV;
}

static int begin(struct opening *opening, const struct paraclock_options *opts)
{
	struct paraclock_options *own = &opening->opts;
	int ret;

	memset(opening, 0, sizeof(*opening));
	ret = pclk_options_complete(own, opts);
	/* No backend shows the page to its reads in that way. */
	opening->want_memory = own->flags & PARACLOCK_DEVICE_MEMORY;
	own->flags &= ~(uint64_t)PARACLOCK_DEVICE_MEMORY;
	return ret;
}

int paraclock_open(struct paraclock **ret_clk,
		   const struct paraclock_options *opts)
{
	const struct paraclock_backend *be;
	struct opening opening;
	int ret;

	if (!ret_clk)
		return -EINVAL;
	ret = begin(&opening, opts);
	if (ret)
		return ret;
	opening.need_valid = !opening.opts.backend;
	if (opening.need_valid)
		return open_best(ret_clk, &opening);
	be = find_backend(pclk_backends, opening.opts.backend);
	if (!be) {
		TEXT(opening.opts.detail, opening.opts.detail_size,
		     opening.opts.backend,
		     ": no such backend in this build; see "
		     "paraclock_list()");
		return -EINVAL;
	}
	ret = pclk_open_one(ret_clk, be, &opening);
	/* Its markers alone, where no driver shows the page. */
	be = find_backend(pclk_memory_backends, opening.opts.backend);
	if (ret == -ENODEV && opening.want_memory && !opening.opts.device && be)
		ret = pclk_open_one(ret_clk, be, &opening);
	return ret;
}

int paraclock_open_backend(struct paraclock **ret_clk,
			   const struct paraclock_backend *be, void *arg,
			   const struct paraclock_options *opts)
{
	struct opening opening;
	int ret;

	if (!ret_clk || !be)
		return -EINVAL;
	ret = begin(&opening, opts);
	if (ret)
		return ret;
	if (be->size < sizeof(*be) || !be->name || !be->open || !be->close ||
	    opening.opts.backend) {
		TEXT(opening.opts.detail, opening.opts.detail_size,
		     "the backend is incomplete (size, name, open or close), "
		     "or options name another one");
		return -EINVAL;
	}
	opening.arg = arg;
	return pclk_open_one(ret_clk, be, &opening);
}
