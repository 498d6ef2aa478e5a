// SPDX-License-Identifier: MIT
/* The sources of this build, one by one: which are here, and why not? */

#include <errno.h>

#include "base/env.h"
#include "base/env_call.h"
#include "open.h"

static void list_source(struct paraclock_listing *listing,
			const struct paraclock_options *opts)
{
	struct paraclock *clk;

	listing->error = paraclock_open(&clk, opts);
	if (listing->error)
		return;
	listing->error = paraclock_read(clk, &listing->sample);
	listing->own_kernel |=
		(listing->sample.flags & PARACLOCK_FLAG_OWN_KERNEL) != 0;
	(void)paraclock_explain(clk, listing->error, &listing->sample,
				opts->detail, opts->detail_size);
	paraclock_close(clk);
}

/* A source of markers only cannot be read: ask it for its marker. */
static void list_markers_only(struct paraclock_listing *listing,
			      const struct paraclock_backend *be,
			      const struct paraclock_options *opts)
{
	struct paraclock_options full;
	struct paraclock_marker marker;
	void *state;

	listing->error = pclk_options_complete(&full, opts);
	if (!listing->error)
		listing->error =
			pclk_env_error(be->open(full.env, &full, NULL, &state));
	if (listing->error)
		return;
	listing->error = pclk_env_error(be->get_marker(state, &marker));
	be->close(state);
}

static int list_one(const struct paraclock_backend *be,
		    const struct paraclock_env *env, paraclock_list_fn *fn,
		    void *arg)
{
	char detail[512] = "";
	struct paraclock_listing listing = {
		.size = sizeof(listing),
		.name = be->name,
		.quality = be->quality,
		.gives_time = be->get_time != NULL,
		.own_kernel = be->quality < 0,
		.detail = detail,
	};
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = be->name,
		.env = env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};

	if (be->get_time)
		list_source(&listing, &opts);
	else
		list_markers_only(&listing, be, &opts);
	return fn(arg, &listing);
}

int paraclock_list(const struct paraclock_env *env, paraclock_list_fn *fn,
		   void *arg)
{
	const struct paraclock_backend *be = NULL;

	if (!fn)
		return -EINVAL;
	if (!env && !pclk_builtin_env)
		return -ENODEV;
	while ((be = pclk_next_backend(be))) {
		int ret = list_one(be, env, fn, arg);

		if (ret)
			return ret;
	}
	return 0;
}
