// SPDX-License-Identifier: MIT
/*
 * vmclock: /dev/vmclockN, for its time and its markers. Today's QEMU and
 * Firecracker give markers only.
 *
 * Reference: [1] Linux drivers/ptp/ptp_vmclock.c, the misc device.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "vmclock_source.h"

/* The best source: one page has wall time, the host's own bound, and the host's
 * own word on disruptions. */
#define QUALITY 400

static struct vmclock *vmclock_of(struct page *page)
{
	return (void *)page;
}

void pclk_vmclock_init(struct page *page, const struct paraclock_options *opts)
{
	struct vmclock *vm = vmclock_of(page);

	vm->limits.max_age_ns = opts->max_age_ns;
	vm->limits.counter_id = page->env->counter_id;
	vm->boot = pclk_boot_id(page->env);
}

/* Does firmware announce the device that the kernel does not show? */
static void explain_absence(const struct page *page,
			    const struct paraclock_options *opts)
{
	const struct paraclock_env *env = page->env;
	int where = PARACLOCK_FIRMWARE_UNKNOWN;

	if (!page->absent)
		return;
	if (env->find_device)
		where = env->find_device(env->ctx, "AMZNC10C",
					 "amazon,vmclock");
	if (where == PARACLOCK_FIRMWARE_NONE)
		TEXT(opts->detail, opts->detail_size,
		     "/dev/vmclock0: no such device, and firmware announces "
		     "none; ask the host for one (QEMU 10: -device vmclock)");
	else if (where != PARACLOCK_FIRMWARE_ACPI &&
		 where != PARACLOCK_FIRMWARE_DEVICE_TREE)
		TEXT(opts->detail, opts->detail_size,
		     "/dev/vmclock0: no such device, and it is not known "
		     "whether firmware announces one (/sys is hidden, as in a "
		     "container); run this where /sys is visible");
	else
		TEXT(opts->detail, opts->detail_size,
		     "/dev/vmclock0: no such device, but ",
		     where == PARACLOCK_FIRMWARE_ACPI
			     ? "ACPI announces AMZNC10C"
			     : "the device tree announces amazon,vmclock",
		     "; load ptp_vmclock (Linux 6.13 or later); if it is "
		     "loaded, the kernel's log says why it refused the page; "
		     "on x86, events can do without it (--dev-mem)");
}

/* The boot whose id stands on the page; zero: the page ends before it, or has
 * changed since it was copied. */
static struct boot_id boot_of(struct page *page, const struct page_copy *copy)
{
	struct boot_id id = { { 0 } };
	uint64_t seq;

	if (pclk_page_word(page, BOOT_ID_OFFSET, &id.word[0]) ||
	    pclk_page_word(page, BOOT_ID_OFFSET + sizeof(id.word[0]),
			   &id.word[1]) ||
	    pclk_page_word(page, VMCLOCK_WATCHED_OFFSET, &seq) ||
	    seq >> 32 != copy->seq)
		return (struct boot_id){ { 0 } };
	return id;
}

/* Does the page repeat this kernel's clock? If that is in doubt, it does: who
 * steers a clock by itself takes every error for a right time. */
static bool is_own(struct page *page, const struct page_copy *copy,
		   const struct vmclock_page *vc)
{
	const struct vmclock *vm = vmclock_of(page);
	struct boot_id id;

	if (vm->always_own || !(vc->flags & VMCLOCK_FLAG_OWN_KERNEL))
		return vm->always_own;
	id = boot_of(page, copy);
	return !boot_id_differs(&id, &vm->boot);
}

PAGE_INLINE int convert(struct page *page, const struct page_copy *copy,
			uint64_t counter, struct paraclock_sample *ret_sample,
			struct paraclock_conversion *ret_conv)
{
	const struct vmclock_limits *limits = &vmclock_of(page)->limits;
	struct vmclock_page vc;
	const char *bad = pclk_vmclock_decode(copy, &vc);
	int ret = 0;

	if (!bad)
		ret = pclk_vmclock_convert(&vc, limits, counter, ret_sample,
					   &bad);
	if (bad)
		return page_malformed(page, bad);
	if (ret)
		return ret;
	if (is_own(page, copy, &vc))
		ret_sample->flags |= PARACLOCK_FLAG_OWN_KERNEL;
	if (ret_conv) {
		page_begin_conversion(page, VMCLOCK_WATCHED_OFFSET, ret_conv);
		pclk_vmclock_conversion(&vc, limits, ret_sample, ret_conv);
	}
	return 0;
}

static const struct page_reason reasons[] = {
	{ PARACLOCK_REASON_STATUS,
	  "the host vouches for no time on this page now; pages of QEMU and "
	  "Firecracker never carry a time and show disruptions only" },
	{ PARACLOCK_REASON_COUNTER,
	  "the page does not count with this machine's counter" },
	{ PARACLOCK_REASON_WINDOW,
	  "the page has not been renewed for too long, or the counter is "
	  "before its reference point; is its publisher alive?" },
	{ 0, NULL },
};

static const struct page_kind kind = {
	.shape = &pclk_vmclock_shape,
	.state_size = sizeof(struct vmclock),
	.init = pclk_vmclock_init,
	.explain_absence = explain_absence,
	.read = pclk_page_read,
	.convert = convert,
	.reasons = reasons,
};

static int vmclock_open(const struct paraclock_env *env,
			const struct paraclock_options *opts, void *arg,
			void **ret_state)
{
	(void)arg;
	return pclk_page_source_open(&kind, env, opts, ret_state);
}

int pclk_vmclock_get_conversion(void *state,
				struct paraclock_sample *ret_sample,
				struct paraclock_conversion *ret_conv)
{
	return page_get_conversion(&kind, state, ret_sample, ret_conv);
}

int pclk_vmclock_get_time(void *state, struct paraclock_sample *ret_sample)
{
	return page_get_time(&kind, state, ret_sample);
}

int pclk_vmclock_get_time_at(void *state, uint64_t counter,
			     struct paraclock_sample *ret_sample)
{
	return page_get_time_at(&kind, state, counter, ret_sample);
}

/* --- markers -------------------------------------------------------------- */

/* The marker of a copy, whose words may belong to different updates. */
static int marker_of(struct vmclock *vm, const struct page_copy *copy,
		     struct paraclock_marker *ret_marker)
{
	struct vmclock_page vc;

	memcpy(&vc, copy->word, sizeof(vc));
	if (vc.magic != VMCLOCK_MAGIC)
		return page_malformed(&vm->page, "magic is not 0x4b4c4356");
	if (copy->size < offsetof(struct vmclock_page, pad))
		return page_malformed(&vm->page, "size: no disruption_marker");
	__atomic_store_n(&vm->is_inferred,
			 (vc.flags & VMCLOCK_FLAG_INFERRED) != 0,
			 __ATOMIC_RELAXED);
	*ret_marker = (struct paraclock_marker){
		.value = vc.disruption_marker,
	};
	/* 0 if the copy ends before it. */
	if (vc.flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT &&
	    vc.size >= sizeof(vc))
		ret_marker->generation = vc.vm_generation_counter;
	return 0;
}

static int peek_marker(struct vmclock *vm, struct paraclock_marker *ret_marker)
{
	struct page_copy copy;
	int ret = pclk_page_peek(&vm->page, &copy);

	return ret ? ret : marker_of(vm, &copy, ret_marker);
}

int pclk_vmclock_get_conversion_marker(void *state,
				       struct paraclock_sample *ret_sample,
				       struct paraclock_conversion *ret_conv,
				       struct paraclock_marker *ret_marker)
{
	struct vmclock *vm = state;
	struct page_copy copy;
	struct paraclock_marker marker;
	int ret = pclk_page_read(&vm->page, &copy);

	/* Garbage may look like an update that never ends. */
	if (ret == -EAGAIN && peek_marker(vm, &marker) == -EPROTO)
		return -EPROTO;
	if (!ret)
		ret = marker_of(vm, &copy, ret_marker);
	return ret ? ret
		   : convert(&vm->page, &copy, copy.ticks, ret_sample,
			     ret_conv);
}

/*
 * Not under seq_count: a marker is one word that never has the same value twice,
 * and to see it before its update is complete is to see it sooner.
 */
int pclk_vmclock_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	struct vmclock *vm = state;
	struct paraclock_marker marker = { 0 };
	uint64_t head, flags;

	if (!vm->page.map.addr)
		return peek_marker(vm, ret_marker);
	if (pclk_page_word(&vm->page, 0, &head) ||
	    (uint32_t)head != VMCLOCK_MAGIC)
		return page_malformed(&vm->page, "magic is not 0x4b4c4356");
	if (pclk_page_word(&vm->page,
			   offsetof(struct vmclock_page, disruption_marker),
			   &marker.value) ||
	    pclk_page_word(&vm->page, offsetof(struct vmclock_page, flags),
			   &flags))
		return page_malformed(&vm->page, "size: no disruption_marker");
	__atomic_store_n(&vm->is_inferred, (flags & VMCLOCK_FLAG_INFERRED) != 0,
			 __ATOMIC_RELAXED);
	/* The upper half of head is size. */
	if (flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT &&
	    head >> 32 >= sizeof(struct vmclock_page))
		(void)pclk_page_word(&vm->page,
				     offsetof(struct vmclock_page,
					      vm_generation_counter),
				     &marker.generation);
	*ret_marker = marker;
	return 0;
}

int pclk_vmclock_watch_marker(void *state, const uint64_t *ret_words[2])
{
	struct vmclock *vm = state;
	const char *live = vm->page.map.addr;

	if (!live || vm->page.map.size < sizeof(struct vmclock_page))
		return -EOPNOTSUPP;
	ret_words[0] = (const void *)(live + offsetof(struct vmclock_page,
						      disruption_marker));
	ret_words[1] = (const void *)(live + offsetof(struct vmclock_page,
						      vm_generation_counter));
	return 0;
}

int pclk_vmclock_has_generation(void *state)
{
	struct vmclock *vm = state;
	uint64_t flags;

	return !pclk_page_word(&vm->page, offsetof(struct vmclock_page, flags),
			       &flags) &&
	       flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT;
}

static int vmclock_is_inferred(void *state)
{
	const struct vmclock *vm = state;

	return (int)__atomic_load_n(&vm->is_inferred, __ATOMIC_RELAXED);
}

/*
 * The descriptor polls readable while seq_count differs from that of its last
 * read, see [1]; a read at the end of the file does not count. Kernels without
 * that poll, and hosts without notification, never report anything.
 */
static int vmclock_poll_fd(void *state)
{
	struct vmclock *vm = state;
	const struct paraclock_env *env = vm->page.env;
	uint64_t word;

	if (vm->page.map.fd < 0 || !env->pread)
		return -EOPNOTSUPP;
	(void)env->pread(env->ctx, vm->page.map.fd, &word, sizeof(word), 0);
	return vm->page.map.fd;
}

/* A valid sample has a bound only if the page has both terms of it. */
void pclk_vmclock_explain(void *state, int error,
			  const struct paraclock_sample *sample, char *buf,
			  size_t size)
{
	struct page *page = state;
	const char *lacks = "how far it may be off";
	uint64_t flags;

	pclk_page_source_explain(page, error, sample, buf, size);
	if (error || !sample || !sample->valid ||
	    sample->clock_error_ns != PARACLOCK_ERROR_UNKNOWN ||
	    pclk_page_word(page, offsetof(struct vmclock_page, flags), &flags))
		return;
	if (flags & VMCLOCK_FLAG_TIME_MAXERROR_VALID)
		lacks = "how its error grows "
			"(counter_period_maxerror_rate_frac_sec, flag 4)";
	else if (flags & VMCLOCK_FLAG_PERIOD_MAXERROR_VALID)
		lacks = "how large its error is at the reference time "
			"(time_maxerror_nanosec, flag 6)";
	TEXT(buf, size,
	     "fit for correlation, but without a bound: the page does not "
	     "say ",
	     lacks, "; its publisher has to give both terms of a bound");
}

const struct paraclock_backend pclk_backend_vmclock = {
	.size = sizeof(struct paraclock_backend),
	.name = "vmclock",
	.quality = QUALITY,
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.takes_image = 1,
	.open = vmclock_open,
	.get_time = pclk_vmclock_get_time,
	.get_time_at = pclk_vmclock_get_time_at,
	.get_conversion = pclk_vmclock_get_conversion,
	.get_marker = pclk_vmclock_get_marker,
	.watch_marker = pclk_vmclock_watch_marker,
	.explain = pclk_vmclock_explain,
	.close = pclk_page_source_close,
	.has_generation = pclk_vmclock_has_generation,
	.poll_fd = vmclock_poll_fd,
	.is_there = pclk_page_source_is_there,
	.is_inferred = vmclock_is_inferred,
	.get_conversion_marker = pclk_vmclock_get_conversion_marker,
};
