// SPDX-License-Identifier: MIT
/*
 * System clocks, PTP devices and hypercalls that answer anything: each call
 * returns one of its documented errors, or a whole result.
 */

#include <errno.h>
#include <string.h>

#include <paraclock/paraclock.h>

#include "fuzz_page.h"

/* The input sets the world's next answers; at its end the world is calm. */
struct world {
	const uint8_t *data;
	size_t size;
	uint64_t counter;
	int64_t ns;
	struct paraclock_system_clocks system_clocks;
	struct paraclock_env env;
	uint8_t pairing[64];
	unsigned int open_devices;
};

static uint64_t take(struct world *world, size_t n)
{
	uint64_t value = 0;

	if (world->size < n) {
		world->size = 0;
		return 0;
	}
	memcpy(&value, world->data, n);
	world->data += n;
	world->size -= n;
	return value;
}

static uint64_t counter(void *ctx)
{
	struct world *world = ctx;

	world->counter += 26;
	return world->counter;
}

/* Mostly time passes; now and then a clock, or the counter, is anywhere. */
static int read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	struct world *world = ctx;
	uint8_t act = (uint8_t)take(world, 1);

	world->counter += 40;
	world->ns = (int64_t)((uint64_t)world->ns + 20);
	if (act < 8)
		world->counter = take(world, 8);
	else if (act < 16)
		world->ns = (int64_t)take(world, 8);
	else if (act < 32)
		world->counter += take(world, 3);
	else if (act < 40)
		return -EOPNOTSUPP;
	*ret_ns = (int64_t)((uint64_t)world->ns +
			    (clock_id == 11 ? 37000000000U : 0U));
	return 0;
}

static int clocksource(void *ctx, char ret_name[32], uint8_t *ret_kind)
{
	memset(ret_name, 'x', 32);
	*ret_kind = (uint8_t)(1 + take(ctx, 1) % 3);
	return 0;
}

static int read_text(void *ctx, const char *path, char *buf, size_t size)
{
	static const char *const names[] = { "hyperv", "vmclock0",
					     "KVM virtual PTP",
					     "Virtio PTP type 1/variant 0" };
	const char *name = names[take(ctx, 1) % 4];

	(void)path;
	strncpy(buf, name, size - 1);
	buf[size - 1] = '\0';
	return (int)strlen(buf);
}

static int open_device(void *ctx, const char *path, int *ret_fd)
{
	(void)path;
	((struct world *)ctx)->open_devices++;
	*ret_fd = 5;
	return 0;
}

static int device_number(void *ctx, int fd, uint32_t *ret_major,
			 uint32_t *ret_minor)
{
	CHECK(fd == 5);
	*ret_major = (uint32_t)take(ctx, 2);
	*ret_minor = (uint32_t)take(ctx, 4);
	return -(int)(take(ctx, 1) % 2);
}

static int next_number(void *ctx, const char *prefix, uint32_t from,
		       uint32_t *ret_number)
{
	(void)prefix;
	*ret_number = (uint32_t)take(ctx, 1) - (from & 1);
	return -(int)(take(ctx, 1) % 3);
}

static void close_device(void *ctx, int fd)
{
	CHECK(fd == 5);
	CHECK(((struct world *)ctx)->open_devices--);
}

/* An answer of any bytes, of the request's length. */
static int any_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	struct world *world = ctx;
	size_t size = request >> 16 & 0x3fff;
	uint8_t act = (uint8_t)take(world, 1);

	CHECK(fd == 5);
	world->counter += 100;
	if (act < 64)
		return -(int)act;
	for (size_t i = 0; i + 8 <= size && act < 224; i += 8) {
		uint64_t value = take(world, 2) << (take(world, 1) & 63);

		memcpy((uint8_t *)arg + i, &value, sizeof(value));
	}
	return 0;
}

static int hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		     uint64_t ret_regs[4])
{
	struct world *world = ctx;

	(void)number;
	(void)args;
	for (unsigned int i = 0; i < 4; i++)
		ret_regs[i] = take(world, 4);
	for (unsigned int i = 0; i < sizeof(world->pairing); i++)
		world->pairing[i] = (uint8_t)take(world, 1);
	return 0;
}

static int map_page(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	struct world *world = ctx;

	(void)path;
	if (strcmp(name, "kvm-pairing") != 0)
		return -ENODEV;
	*ret_map = (struct paraclock_mapping){
		.addr = world->pairing,
		.size = sizeof(world->pairing),
		.phys = 0x1000,
		.fd = -1,
	};
	return 0;
}

static void unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	(void)map;
}

static int cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		 uint32_t ret_regs[4])
{
	static const uint32_t kvm[4] = { 0x40000001, 0x4b4d564b, 0x564b4d56,
					 0x4d };

	(void)ctx;
	(void)subleaf;
	memset(ret_regs, 0, 4 * sizeof(*ret_regs));
	if (leaf == 0x40000000)
		memcpy(ret_regs, kvm, sizeof(kvm));
	return 0;
}

static void *allocate(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void release(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

static void check_error(int ret)
{
	/* The clocks' own errors, and those that the header lists. */
	static const int listed[] = { EINVAL,	 ENODEV, EOPNOTSUPP, EACCES,
				      EAGAIN,	 ESTALE, ERANGE,     EPROTO,
				      ETIMEDOUT, ENOMEM, 0 };

	for (size_t i = 0; i < sizeof(listed) / sizeof(listed[0]); i++) {
		if (ret == -listed[i])
			return;
	}
	fprintf(stderr, "error %d is not documented\n", ret);
	abort();
}

static void check_clocks(uint8_t known, const int64_t ns[PARACLOCK_CLOCKS],
			 uint64_t uncertainty_ns)
{
	CHECK(known < 1 << PARACLOCK_CLOCKS);
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		CHECK(known >> i & 1 || ns[i] == 0);
	CHECK(!known || uncertainty_ns > 0);
}

static void check_sample(const struct paraclock_sample *sample)
{
	CHECK(sample->valid == !sample->reason);
	CHECK(sample->valid || sample->reason == PARACLOCK_REASON_WIDE ||
	      sample->pair_error_ns == PARACLOCK_ERROR_UNKNOWN);
	CHECK(!sample->valid || sample->pair_error_ns <= 1000);
}

static void cross(const struct paraclock *clk,
		  const struct paraclock_history *hist)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) }, was = xt;
	struct paraclock_sample sample;
	int ret = paraclock_crosststamp(clk, hist, &xt);

	check_error(ret);
	if (ret) {
		CHECK(memcmp(&xt, &was, sizeof(xt)) == 0);
	} else {
		check_sample(&xt.sample);
		check_clocks(xt.known, xt.ns, xt.uncertainty_ns);
		CHECK(xt.sample.valid || !xt.known);
	}
	ret = paraclock_read(clk, &sample);
	check_error(ret);
	if (!ret)
		check_sample(&sample);
}

static void offset(const struct paraclock *clk)
{
	struct paraclock_offset off = { .size = sizeof(off) }, was = off;
	int ret = paraclock_offset(clk, &off);

	check_error(ret);
	if (ret) {
		CHECK(memcmp(&off, &was, sizeof(off)) == 0);
		return;
	}
	check_sample(&off.sample);
	CHECK(off.valid == (off.reason == PARACLOCK_REASON_OK));
	CHECK(off.sample.valid || !off.valid);
	CHECK(off.bound_ns >= off.error_ns);
	if (off.sample.valid)
		CHECK(off.offset_ns == off.utc_ns - off.realtime_ns);
}

static void snapshots(struct world *world, struct paraclock_history *hist)
{
	for (unsigned int i = 0; i < 4; i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };
		struct paraclock_snapshot was = snap;
		int ret = paraclock_snapshot(&world->env, &snap);

		check_error(ret);
		if (ret) {
			CHECK(memcmp(&snap, &was, sizeof(snap)) == 0);
			continue;
		}
		check_clocks(snap.known, snap.ns, snap.uncertainty_ns);
		check_error(paraclock_history_add(hist, &snap));
	}
}

static void run(struct world *world, const char *backend)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &world->env,
		.backend = backend,
		.device = world->env.hypercall ? NULL : "/dev/ptp0",
	};
	struct paraclock_check check = { .size = sizeof(check) };
	struct paraclock_history *hist;
	struct paraclock *clk;
	int ret;

	if (paraclock_history_new(&hist, &world->env, 4))
		return;
	snapshots(world, hist);
	ret = paraclock_open(&clk, &opts);
	check_error(ret);
	if (!ret) {
		for (unsigned int i = 0; i < 4; i++)
			cross(clk, i % 2 ? hist : NULL);
		offset(clk);
		ret = paraclock_check(clk, &check);
		if (ret != 1)
			check_error(ret);
		paraclock_close(clk);
	}
	paraclock_history_free(hist);
	CHECK(!world->open_devices);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct world world = {
		.data = data,
		.size = size,
		.env = {
			.size = sizeof(struct paraclock_env),
			.ctx = &world,
			.counter_id = PARACLOCK_COUNTER_X86_TSC,
			.counter = counter,
			.read_clock = read_clock,
			.clocksource = clocksource,
			.read_text = read_text,
			.open_device = open_device,
			.close_device = close_device,
			.ioctl = any_ioctl,
			.device_number = device_number,
			.next_number = next_number,
			.map_page = map_page,
			.unmap_page = unmap_page,
			.cpuid = cpuid,
			.alloc = allocate,
			.free = release,
			.system_clocks = &world.system_clocks,
		},
	};
	uint8_t kind = (uint8_t)take(&world, 1);

	world.counter = take(&world, 8);
	world.ns = (int64_t)take(&world, 8);
	if (kind & 1)
		world.env.hypercall = hypercall;
	if (kind & 2)
		world.env.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	run(&world, kind & 5 ? "kvm-pairing" : "phc");
	return 0;
}
