// SPDX-License-Identifier: MIT
/*
 * The vmclock page in physical memory, where no driver shows it: a source of
 * markers for whoever asks for events. It gives no time: what a look has seen is
 * old by the time of a read.
 */

#include <errno.h>
#include <string.h>

#include "base/relaxed.h"
#include "base/text.h"
#include "page/page_kind.h"
#include "vmclock_page.h"

/* How often a reader tries to copy what a look stores meanwhile. */
#define COPY_TRIES 8

struct vmclock_memory {
	struct page page;
	/* What looks have seen: seen[n % 2] last. Only a look that saw another
	 * marker changes it, and n last of all; a child that was forked in
	 * between knows the one before. */
	struct vmclock_seen {
		struct paraclock_marker marker;
		uint64_t flags;
	} seen[2];
	uint64_t n;
	int error; /* of the last look */
};

_Static_assert(offsetof(struct vmclock_memory, page) == 0,
	       "a page is its source");

static struct vmclock_seen seen_of(const struct vmclock_page *vc)
{
	struct vmclock_seen seen = {
		.marker.value = vc->disruption_marker,
		.flags = vc->flags,
	};

	/* 0 if the page ends before it. */
	if (vc->flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT)
		seen.marker.generation = vc->vm_generation_counter;
	return seen;
}

static bool is_same(const struct vmclock_seen *a, const struct vmclock_seen *b)
{
	return a->marker.value == b->marker.value &&
	       a->marker.generation == b->marker.generation &&
	       a->flags == b->flags;
}

static struct vmclock_seen last_seen(const struct vmclock_memory *vm)
{
	struct vmclock_seen seen = { 0 };
	uint64_t n;

	/* The same entry is stored to again at the next look but one. */
	for (unsigned int i = 0; i < COPY_TRIES; i++) {
		/* Pairs with the release store in store_seen(). */
		n = __atomic_load_n(&vm->n, __ATOMIC_ACQUIRE);
		seen.marker.value = LOAD(vm->seen[n % 2].marker.value);
		seen.marker.generation =
			LOAD(vm->seen[n % 2].marker.generation);
		seen.flags = LOAD(vm->seen[n % 2].flags);
		/* Pairs with the release fence there. */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (LOAD(vm->n) == n)
			break;
	}
	return seen;
}

static void store_seen(struct vmclock_memory *vm,
		       const struct vmclock_seen *seen)
{
	uint64_t n = LOAD(vm->n) + 1;

	/* Whoever sees a word of the new entry sees the last n, too. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	STORE(vm->seen[n % 2].marker.value, seen->marker.value);
	STORE(vm->seen[n % 2].marker.generation, seen->marker.generation);
	STORE(vm->seen[n % 2].flags, seen->flags);
	/* After the entry: a reader of n finds it whole. */
	__atomic_store_n(&vm->n, n, __ATOMIC_RELEASE);
}

/* One copy, whose words may belong to different updates: enough to see that
 * nothing has changed. */
static int glance(struct vmclock_memory *vm, struct vmclock_page *ret_vc)
{
	struct page_copy copy = { .size = 0 };
	int ret = pclk_page_peek(&vm->page, &copy);
	const char *bad;

	if (ret)
		return ret;
	if (copy.size < vm->page.shape->min_size)
		return page_malformed(&vm->page, "size: it ends before its "
						 "fixed fields do");
	bad = pclk_vmclock_decode(&copy, ret_vc);
	return bad ? page_malformed(&vm->page, bad) : 0;
}

/* One state of the page. */
static int examine(struct vmclock_memory *vm, struct vmclock_page *ret_vc)
{
	struct page_copy copy;
	const char *bad;
	int ret = pclk_page_read(&vm->page, &copy);

	if (ret)
		return ret;
	bad = pclk_vmclock_decode(&copy, ret_vc);
	return bad ? page_malformed(&vm->page, bad) : 0;
}

/* 1: another marker than before. */
static int look(struct vmclock_memory *vm)
{
	const struct vmclock_seen before = last_seen(vm);
	struct vmclock_page vc;
	struct vmclock_seen now;
	int ret = glance(vm, &vc);

	if (ret)
		return ret;
	now = seen_of(&vc);
	if (is_same(&before, &now))
		return 0;
	ret = examine(vm, &vc);
	if (ret)
		return ret;
	now = seen_of(&vc);
	if (is_same(&before, &now))
		return 0;
	store_seen(vm, &now);
	return 1;
}

static int memory_look(void *state)
{
	struct vmclock_memory *vm = state;
	int ret = look(vm);

	STORE(vm->error, ret < 0 ? ret : 0);
	return ret;
}

static int memory_is_there(void *state)
{
	const struct vmclock_memory *vm = state;

	return LOAD(vm->error);
}

/* --- opening ---------------------------------------------------------------- */

/* The first look. */
static int start(struct page *page, const struct paraclock_options *opts)
{
	struct vmclock_memory *vm = (void *)page;
	struct vmclock_page vc;
	int ret = examine(vm, &vc);

	if (!ret) {
		vm->seen[0] = seen_of(&vc);
		return 0;
	}
	pclk_page_source_explain(vm, ret, NULL, opts->detail,
				 opts->detail_size);
	return ret == -EAGAIN ? -ENODEV : ret;
}

static void leave_absence(const struct page *page,
			  const struct paraclock_options *opts)
{
	/* The env has said all. */
	(void)page;
	(void)opts;
}

static const struct page_reason reasons[] = {
	{ PARACLOCK_REASON_STATUS,
	  "the page is in physical memory, and is looked at for its markers "
	  "only" },
	{ 0, NULL },
};

static const struct page_kind kind = {
	.shape = &pclk_vmclock_shape,
	.state_size = sizeof(struct vmclock_memory),
	.start = start,
	.explain_absence = leave_absence,
	.reasons = reasons,
};

static int memory_open(const struct paraclock_env *env,
		       const struct paraclock_options *opts, void *arg,
		       void **ret_state)
{
	const struct paraclock_options own = {
		.size = sizeof(own),
		.flags = PARACLOCK_DEVICE_MEMORY,
		.detail = opts->detail,
		.detail_size = opts->detail_size,
	};

	(void)arg;
	if (!env->read_memory) {
		TEXT(opts->detail, opts->detail_size,
		     "this env cannot look at physical memory");
		return -EOPNOTSUPP;
	}
	return pclk_page_source_open(&kind, env, &own, ret_state);
}

/* --- as a source ------------------------------------------------------------ */

static int memory_get_time(void *state, struct paraclock_sample *ret_sample)
{
	const struct vmclock_memory *vm = state;
	const struct paraclock_env *env = vm->page.env;

	*ret_sample = (struct paraclock_sample){
		.host_tsc = counter_read(env, vm->page.how),
		.pair_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.reason = PARACLOCK_REASON_STATUS,
		.counter = env->counter_id,
	};
	return 0;
}

static int memory_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	*ret_marker = last_seen(state).marker;
	return 0;
}

static int memory_watch_marker(void *state, const uint64_t *ret_words[2])
{
	const struct vmclock_memory *vm = state;

	ret_words[0] = &vm->n;
	ret_words[1] = NULL;
	return 0;
}

static int memory_has_generation(void *state)
{
	return (last_seen(state).flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT) !=
	       0;
}

static int memory_is_inferred(void *state)
{
	return (last_seen(state).flags & VMCLOCK_FLAG_INFERRED) != 0;
}

static void memory_explain(void *state, int error,
			   const struct paraclock_sample *sample, char *buf,
			   size_t size)
{
	if (error == -ENODEV)
		TEXT(buf, size,
		     "the vmclock page can no longer be read in physical "
		     "memory, perhaps because a driver has claimed it; open "
		     "the clock anew");
	else if (error == -ENOMEM)
		TEXT(buf, size,
		     "no memory or no file descriptor is left to look at the "
		     "vmclock page in physical memory with");
	else
		pclk_page_source_explain(state, error, sample, buf, size);
}

const struct paraclock_backend pclk_backend_vmclock_memory = {
	.size = sizeof(struct paraclock_backend),
	.name = "vmclock",
	/* Only by name, see paraclock_open(). */
	.quality = -1,
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.open = memory_open,
	.get_time = memory_get_time,
	.get_marker = memory_get_marker,
	.watch_marker = memory_watch_marker,
	.has_generation = memory_has_generation,
	.is_inferred = memory_is_inferred,
	.look = memory_look,
	.is_there = memory_is_there,
	.explain = memory_explain,
	.close = pclk_page_source_close,
};
