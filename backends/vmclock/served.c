// SPDX-License-Identifier: MIT
/*
 * served: the vmclock page that `paraclock serve` keeps for the processes of
 * this machine. It is read like a device's page, with less trust: its writer is
 * a process, which may die, be restored with a time of long ago, or leave its
 * file behind.
 */

#include <errno.h>

#include "base/text.h"
#include "vmclock_source.h"

/*
 * By name only: in the end it repeats what this kernel says or what a source
 * above says, which is opened by itself. Above kvm-host's -50 and tsc's -100,
 * because it has a bound.
 */
#define QUALITY (-25)

/* A writer renews its page four times a second. One that has not for so long is
 * dead, stopped, or not of this moment. */
#define AGE_CAP_NS 60000000000U

static const struct page_shape served_shape = {
	.name = "served",
	.seq_offset = offsetof(struct vmclock_page, seq_count),
	.size = sizeof(struct vmclock_page),
	.min_size = offsetof(struct vmclock_page, pad),
	.sequence = PAGE_ODD,
};

static void served_init(struct page *page, const struct paraclock_options *opts)
{
	struct vmclock *vm = (void *)page;

	pclk_vmclock_init(page, opts);
	vm->limits.age_cap_ns = AGE_CAP_NS;
	vm->always_own = 1;
}

static void explain_absence(const struct page *page,
			    const struct paraclock_options *opts)
{
	if (page->absent)
		TEXT(opts->detail, opts->detail_size,
		     "no page at " PARACLOCK_SERVED_PATH
		     "; run 'paraclock serve'");
}

static const struct page_reason reasons[] = {
	{ PARACLOCK_REASON_STATUS,
	  "'paraclock serve' vouches for no time now; its log says why" },
	{ PARACLOCK_REASON_COUNTER,
	  "the page does not count with this machine's counter" },
	{ PARACLOCK_REASON_DISRUPTED,
	  "a disruption came after the page was written, by the vmclock "
	  "device's marker; 'paraclock serve' writes the page anew if it "
	  "runs" },
	{ PARACLOCK_REASON_WINDOW,
	  "the page has not been renewed for 60 s or longer than allowed, or "
	  "the counter is before its reference point; is 'paraclock serve' "
	  "running?" },
	{ 0, NULL },
};

static const struct page_kind kind = {
	.shape = &served_shape,
	.state_size = sizeof(struct vmclock),
	.init = served_init,
	.explain_absence = explain_absence,
	.reasons = reasons,
};

static int served_open(const struct paraclock_env *env,
		       const struct paraclock_options *opts, void *arg,
		       void **ret_state)
{
	(void)arg;
	return pclk_page_source_open(&kind, env, opts, ret_state);
}

/* A page that is not valid may have been replaced: then its reader shall open
 * the new one, and not wait for ever. A valid one is not asked for, because
 * that is a system call. */
static int judge(void *state, int ret, const struct paraclock_sample *sample)
{
	return !ret && !sample->valid &&
			       pclk_page_source_is_there(state) == -ENODEV
		       ? -ENODEV
		       : ret;
}

static int served_get_conversion(void *state,
				 struct paraclock_sample *ret_sample,
				 struct paraclock_conversion *ret_conv)
{
	int ret = pclk_vmclock_get_conversion(state, ret_sample, ret_conv);

	return judge(state, ret, ret_sample);
}

static int served_get_time(void *state, struct paraclock_sample *ret_sample)
{
	int ret = pclk_vmclock_get_time(state, ret_sample);

	return judge(state, ret, ret_sample);
}

static int served_get_time_at(void *state, uint64_t counter,
			      struct paraclock_sample *ret_sample)
{
	int ret = pclk_vmclock_get_time_at(state, counter, ret_sample);

	return judge(state, ret, ret_sample);
}

static int served_get_conversion_marker(void *state,
					struct paraclock_sample *ret_sample,
					struct paraclock_conversion *ret_conv,
					struct paraclock_marker *ret_marker)
{
	int ret = pclk_vmclock_get_conversion_marker(state, ret_sample,
						     ret_conv, ret_marker);

	return judge(state, ret, ret_sample);
}

const struct paraclock_backend pclk_backend_served = {
	.size = sizeof(struct paraclock_backend),
	.name = "served",
	.quality = QUALITY,
	/* Its marker alone shows a disruption only after `paraclock serve` has
	 * noticed it. */
	.marker_class = PARACLOCK_MARKER_NONE,
	.copies_marker = 1,
	.open = served_open,
	.get_time = served_get_time,
	.get_time_at = served_get_time_at,
	.get_conversion = served_get_conversion,
	.get_marker = pclk_vmclock_get_marker,
	.watch_marker = pclk_vmclock_watch_marker,
	.explain = pclk_vmclock_explain,
	.close = pclk_page_source_close,
	.has_generation = pclk_vmclock_has_generation,
	.is_there = pclk_page_source_is_there,
	.get_conversion_marker = served_get_conversion_marker,
};
