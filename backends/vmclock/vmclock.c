// SPDX-License-Identifier: MIT
/*
 * vmclock: /dev/vmclockN, for its time and for its markers. On today's QEMU
 * and Firecracker it has no time, only markers.
 *
 * Reference: [1] Linux drivers/ptp/ptp_vmclock.c, the misc device.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "vmclock_page.h"

/* The best there is: wall time, with the host's own bound and its own word on
 * disruptions, on one page. */
#define QUALITY 400

struct vmclock {
	struct page page;
	struct vmclock_limits limits;
	uint32_t is_inferred; /* by the flags when its marker was last read */
};

static int read_page(struct vmclock *vm, struct page_copy *ret_copy,
		     struct vmclock_page *ret_vc)
{
	const char *bad;
	int ret = pclk_page_read(&vm->page, ret_copy);

	if (ret)
		return ret;
	bad = pclk_vmclock_decode(ret_copy, ret_vc);
	return bad ? page_malformed(&vm->page, bad) : 0;
}

static void vmclock_close(void *state)
{
	struct vmclock *vm = state;
	const struct paraclock_env *env = vm->page.env;

	pclk_page_close(&vm->page);
	env->free(env->ctx, vm);
}

/* Why there is no device, where firmware announces one. */
static void explain_absence(const struct paraclock_env *env,
			    const struct paraclock_options *opts)
{
	int where = PARACLOCK_FIRMWARE_UNKNOWN;

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
		     "/dev/vmclock0: no such device, and whether firmware "
		     "announces one cannot be known here (/sys is hidden, as "
		     "in a container); run this outside of it");
	else
		TEXT(opts->detail, opts->detail_size,
		     "/dev/vmclock0: no such device, but ",
		     where == PARACLOCK_FIRMWARE_ACPI
			     ? "ACPI announces AMZNC10C"
			     : "the device tree announces amazon,vmclock",
		     "; load ptp_vmclock (Linux 6.13 or later); if it is, the "
		     "kernel's log says why it refused the page");
}

static int vmclock_open(const struct paraclock_env *env,
			const struct paraclock_options *opts, void *arg,
			void **ret_state)
{
	struct vmclock *vm = env->alloc(env->ctx, sizeof(*vm));
	int ret;

	(void)arg;

	if (!vm)
		return -ENOMEM;
	memset(vm, 0, sizeof(*vm));
	vm->limits.max_age_ns = opts->max_age_ns;
	vm->limits.counter_id = env->counter_id;
	ret = pclk_page_open(&vm->page, env, &pclk_vmclock_shape, opts);
	if (ret) {
		if (vm->page.absent && !opts->device)
			explain_absence(env, opts);
		env->free(env->ctx, vm);
		return ret;
	}
	*ret_state = vm;
	return 0;
}

static int convert(struct vmclock *vm, const struct vmclock_page *vc,
		   uint64_t counter, struct paraclock_sample *ret_sample)
{
	const char *bad = NULL;
	int ret = pclk_vmclock_convert(vc, &vm->limits, counter, ret_sample,
				       &bad);

	return bad ? page_malformed(&vm->page, bad) : ret;
}

static int conv_of(struct vmclock *vm, const struct page_copy *copy,
		   const struct vmclock_page *vc,
		   struct paraclock_sample *ret_sample,
		   struct paraclock_conversion *ret_conv)
{
	const char *live = vm->page.map.addr;
	int ret = convert(vm, vc, copy->ticks, ret_sample);

	if (ret)
		return ret;
	memset(ret_conv, 0, sizeof(*ret_conv));
	if (live && vm->page.map.size >= sizeof(*vc))
		ret_conv->page = (const void *)(live + VMCLOCK_LINE_OFFSET);
	pclk_vmclock_conversion(vc, &vm->limits, ret_sample, ret_conv);
	return 0;
}

static int vmclock_get_conversion(void *state,
				  struct paraclock_sample *ret_sample,
				  struct paraclock_conversion *ret_conv)
{
	struct vmclock *vm = state;
	struct vmclock_page vc;
	struct page_copy copy;
	int ret = read_page(vm, &copy, &vc);

	return ret ? ret : conv_of(vm, &copy, &vc, ret_sample, ret_conv);
}

static int vmclock_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct paraclock_conversion conv;

	return vmclock_get_conversion(state, ret_sample, &conv);
}

static int vmclock_get_time_at(void *state, uint64_t counter,
			       struct paraclock_sample *ret_sample)
{
	struct vmclock *vm = state;
	struct vmclock_page vc;
	struct page_copy copy;
	int ret = read_page(vm, &copy, &vc);

	return ret ? ret : convert(vm, &vc, counter, ret_sample);
}

/* Of a copy, whole or not. */
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
	/* 0 where the copy ends before it. */
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

static int vmclock_get_conversion_marker(void *state,
					 struct paraclock_sample *ret_sample,
					 struct paraclock_conversion *ret_conv,
					 struct paraclock_marker *ret_marker)
{
	struct vmclock *vm = state;
	struct vmclock_page vc;
	struct page_copy copy;
	struct paraclock_marker marker;
	int ret = read_page(vm, &copy, &vc);

	/* Garbage may look as if it were being written for ever. */
	if (ret == -EAGAIN && peek_marker(vm, &marker) == -EPROTO)
		return -EPROTO;
	if (!ret)
		ret = marker_of(vm, &copy, ret_marker);
	return ret ? ret : conv_of(vm, &copy, &vc, ret_sample, ret_conv);
}

/*
 * Not under seq_count: a marker is one word that is never the same twice, and
 * one that is seen before its update is complete is seen the sooner.
 */
static int vmclock_get_marker(void *state, struct paraclock_marker *ret_marker)
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
	/* head's upper half is size. */
	if (flags & VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT &&
	    head >> 32 >= sizeof(struct vmclock_page))
		(void)pclk_page_word(&vm->page,
				     offsetof(struct vmclock_page,
					      vm_generation_counter),
				     &marker.generation);
	*ret_marker = marker;
	return 0;
}

static int vmclock_watch_marker(void *state, const uint64_t *ret_words[2])
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

static int vmclock_has_generation(void *state)
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
 * The driver has something to tell while seq_count is not the one of this
 * descriptor's last read, and a read at the end of the file is none, see [1].
 * Kernels without that poll, and hosts without notification, never tell.
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

static int vmclock_is_there(void *state)
{
	return pclk_page_is_there(&((struct vmclock *)state)->page);
}

static void vmclock_explain(void *state, int error,
			    const struct paraclock_sample *sample, char *buf,
			    size_t size)
{
	struct vmclock *vm = state;

	if (error)
		pclk_page_explain(&vm->page, error, buf, size);
	else if (sample && sample->reason == PARACLOCK_REASON_STATUS)
		TEXT(buf, size,
		     "the host vouches for no time on this page (QEMU and "
		     "Firecracker never do): it shows disruptions only");
	else if (sample && sample->reason == PARACLOCK_REASON_COUNTER)
		TEXT(buf, size,
		     "the page does not count with this machine's counter");
	else if (sample && sample->reason == PARACLOCK_REASON_WINDOW)
		TEXT(buf, size,
		     "the page was not renewed for too long, or the counter is "
		     "before its reference point; is its publisher alive?");
}

const struct paraclock_backend pclk_backend_vmclock = {
	.size = sizeof(struct paraclock_backend),
	.name = "vmclock",
	.quality = QUALITY,
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.takes_image = 1,
	.open = vmclock_open,
	.get_time = vmclock_get_time,
	.get_time_at = vmclock_get_time_at,
	.get_conversion = vmclock_get_conversion,
	.get_marker = vmclock_get_marker,
	.watch_marker = vmclock_watch_marker,
	.explain = vmclock_explain,
	.close = vmclock_close,
	.has_generation = vmclock_has_generation,
	.poll_fd = vmclock_poll_fd,
	.is_there = vmclock_is_there,
	.is_inferred = vmclock_is_inferred,
	.get_conversion_marker = vmclock_get_conversion_marker,
};
