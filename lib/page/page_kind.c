// SPDX-License-Identifier: MIT
/* What the readers of pages share, but for reading itself. */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "page_kind.h"

int pclk_page_source_open(const struct page_kind *kind,
			  const struct paraclock_env *env,
			  const struct paraclock_options *opts,
			  void **ret_state)
{
	struct page *page = env->alloc(env->ctx, kind->state_size);
	int ret;

	if (!page)
		return -ENOMEM;
	memset(page, 0, kind->state_size);
	ret = pclk_page_open(page, env, kind->shape, opts);
	if (ret) {
		if (ret == -ENODEV && !opts->device)
			kind->explain_absence(page, opts);
		env->free(env->ctx, page);
		return ret;
	}
	page->kind = kind;
	if (kind->init)
		kind->init(page, opts);
	if (!opts->device && kind->start)
		ret = kind->start(page, opts);
	if (ret)
		pclk_page_source_close(page);
	else
		*ret_state = page;
	return ret;
}

int pclk_page_switch_on(struct page *page, uint32_t msr, uint64_t value)
{
	const struct paraclock_env *env = page->env;
	int ret = env->wrmsr(env->ctx, msr, value);

	if (!ret)
		page->msr = msr;
	return ret;
}

void pclk_page_source_close(void *state)
{
	struct page *page = state;
	const struct paraclock_env *env = page->env;

	if (page->msr)
		(void)env->wrmsr(env->ctx, page->msr, 0);
	pclk_page_close(page);
	env->free(env->ctx, page);
}

int pclk_page_source_is_there(void *state)
{
	const struct page *page = state;
	const struct paraclock_env *env = page->env;

	return env->is_there ? env->is_there(env->ctx, &page->map) : 0;
}

void pclk_page_foreign(struct paraclock_sample *sample)
{
	sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->valid = 0;
	sample->reason = PARACLOCK_REASON_COUNTER;
}

static void explain_error(const struct page *page, int error, char *buf,
			  size_t size)
{
	const char *field = __atomic_load_n(&page->bad_field, __ATOMIC_RELAXED);

	if (error == -EPROTO && field)
		TEXT(buf, size, "the ", page->shape->name,
		     " page is malformed: ", field,
		     " (its writer is at fault)");
	else if (error == -EAGAIN)
		TEXT(buf, size, "the ", page->shape->name,
		     " page stayed in the middle of an update for 100 us; its "
		     "writer is stopped or dead; try again");
	else if (error == -ENODEV)
		TEXT(buf, size, "the file or device of the ", page->shape->name,
		     " page was removed or replaced, or cannot be read any "
		     "more; open it anew");
}

void pclk_page_source_explain(void *state, int error,
			      const struct paraclock_sample *sample, char *buf,
			      size_t size)
{
	const struct page *page = state;
	const struct page_reason *row = page->kind->reasons;

	if (error) {
		explain_error(page, error, buf, size);
		return;
	}
	for (; sample && row->text; row++) {
		if (row->reason == sample->reason)
			TEXT(buf, size, row->text);
	}
}
