// SPDX-License-Identifier: MIT
/* The options of an open: checked, and completed by the defaults. */

#include <errno.h>
#include <string.h>

#include "base/env.h"
#include "base/text.h"
#include "open.h"

/* The options of every version are shorter. A larger size is one that nobody
 * set, and must not be followed through memory. */
#define OPTIONS_SIZE_MAX 4096

/* The options of an older caller end where a member begins, not within one. */
static bool ends_at_a_member(size_t size)
{
	static const uint8_t ends[] = {
		offsetof(struct paraclock_options, env),
		offsetof(struct paraclock_options, device),
		offsetof(struct paraclock_options, max_age_ns),
		offsetof(struct paraclock_options, max_pair_error_ns),
		offsetof(struct paraclock_options, detail),
		offsetof(struct paraclock_options, detail_size),
		offsetof(struct paraclock_options, flags),
	};

	for (size_t i = 0; i < sizeof(ends); i++) {
		if (size == ends[i])
			return true;
	}
	return size >= sizeof(struct paraclock_options);
}

/* Does a newer caller ask for something that this library does not know? */
static bool asks_for_more(const struct paraclock_options *opts)
{
	const unsigned char *bytes = (const void *)opts;

	for (size_t i = sizeof(*opts); i < opts->size; i++) {
		if (bytes[i])
			return true;
	}
	return false;
}

static int copy_options(struct paraclock_options *full,
			const struct paraclock_options *opts)
{
	if (opts->size > OPTIONS_SIZE_MAX || !ends_at_a_member(opts->size))
		return -EINVAL;
	memcpy(full, opts,
	       opts->size < sizeof(*full) ? opts->size : sizeof(*full));
	if (!full->detail_size)
		full->detail = NULL;
	TEXT(full->detail, full->detail_size, "");
	if (!asks_for_more(opts) &&
	    !(full->flags & ~(uint64_t)(PARACLOCK_DEVICE_FIXED_SIZE |
					PARACLOCK_DEVICE_MEMORY)))
		return 0;
	TEXT(full->detail, full->detail_size,
	     "options ask for something that this version does not know: "
	     "a flag, or bytes beyond its members that are not 0");
	return -EINVAL;
}

int pclk_options_complete(struct paraclock_options *full,
			  const struct paraclock_options *opts)
{
	const struct paraclock_env *env;

	memset(full, 0, sizeof(*full));
	if (opts) {
		int ret = copy_options(full, opts);

		if (ret)
			return ret;
	}
	full->size = sizeof(*full);
	if (!full->env)
		full->env = pclk_builtin_env;
	env = full->env;
	if (!env) {
		TEXT(full->detail, full->detail_size,
		     "this build has no built-in env; set options.env");
		return -ENODEV;
	}
	if (env->size < sizeof(*env) || !env->alloc || !env->free) {
		TEXT(full->detail, full->detail_size,
		     "the env is incomplete: check size, alloc and free");
		return -EINVAL;
	}
	if (env->check_counter && env->check_counter(env->ctx)) {
		TEXT(full->detail, full->detail_size,
		     "this thread may not read the CPU counter (PR_SET_TSC, or "
		     "a record/replay tool); allow it with prctl(PR_SET_TSC, "
		     "PR_TSC_ENABLE)");
		return -EACCES;
	}
	return 0;
}
