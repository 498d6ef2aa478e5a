// SPDX-License-Identifier: MIT
/*
 * An env that lies: lengths of more than was asked for, numbers that are no
 * errno, texts without an end, clocks that say anything. What the library then
 * answers is an error or a sample, and it touches no memory but its own (which
 * ASan sees).
 */

#include <stdio.h>

#include <paraclock/backend.h>
#include <paraclock/host.h>

#include "fake.h"
#include "random.h"

/* Few enough for a sanitizer, many enough that each line is lied to. */
#define ROUNDS 4000

#define PAGE_FD 9

struct world {
	struct fake fake; /* first: its env.ctx is this struct */
	uint64_t lies;	  /* one in so many answers is one; 0: none */
	int64_t length;	  /* a row's: what pread() and read_text() return */
	bool as_it_says;  /* whether they return that */
	unsigned int preads;
	struct paraclock_system_clocks local;
};

static struct world world;

static bool lie(void)
{
	return world.lies && random_word() % world.lies == 0;
}

/* Anything, and often what might be taken for something. */
static int64_t nonsense(void)
{
	static const int64_t favourites[] = {
		INT64_MIN, -(INT64_C(1) << 32),
		-4096,	   -4095,
		-1,	   1,
		4095,	   4096,
		INT32_MAX, INT64_C(1) << 32,
		INT64_MAX,
	};
	uint64_t word = random_word();

	if (word % 2)
		return favourites[word / 2 % ARRAY_LEN(favourites)];
	return (int64_t)random_length() * (word % 4 ? 1 : -1);
}

/* 0, or an error that may be none. */
static int answer(void)
{
	return lie() ? (int)nonsense() : 0;
}

static void fill(void *buf, size_t size, int byte)
{
	if (lie()) {
		for (size_t i = 0; i < size; i++)
			((uint8_t *)buf)[i] = (uint8_t)random_word();
	} else {
		memset(buf, byte, size);
	}
}

static uint64_t counter(void *ctx)
{
	(void)ctx;
	world.fake.counter += lie() ? random_length() : 100;
	return world.fake.counter;
}

static int check_counter(void *ctx)
{
	(void)ctx;
	return answer();
}

static int cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		 uint32_t ret_regs[4])
{
	static const char kvm[] = "KVMKVMKVM\0\0";

	(void)ctx;
	(void)subleaf;
	fill(ret_regs, 16, leaf >> 28 ? 0 : 0xff);
	if (leaf == 0x40000000 && !lie())
		memcpy(&ret_regs[1], kvm, 12);
	return answer();
}

static int map_page(void *ctx, const char *name, const char *path,
		    struct paraclock_mapping *ret_map)
{
	uint8_t *page = strcmp(name, "pvclock") == 0  ? world.fake.pvclock
			: strcmp(name, "hyperv") == 0 ? world.fake.hyperv
						      : world.fake.vmclock;
	int ret = answer();

	(void)ctx;
	if (ret) {
		memset(ret_map->why, 'w', sizeof(ret_map->why));
		return ret;
	}
	/* An address is taken at its word; a descriptor's bytes are not. */
	ret_map->addr = path ? NULL : page;
	ret_map->size = path ? random_length() : 4096;
	ret_map->fd = PAGE_FD;
	return 0;
}

static void unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	map->addr = NULL;
}

static int64_t read_page(void *ctx, int fd, void *buf, size_t n,
			 uint64_t offset)
{
	(void)ctx;
	(void)fd;
	world.preads++;
	assert_true(offset <= 4096);
	if (n > 4096 - offset)
		n = 4096 - offset;
	memcpy(buf, world.fake.vmclock + offset, n);
	if (world.as_it_says)
		return world.length;
	return lie() ? nonsense() : (int64_t)n;
}

static int find_device(void *ctx, const char *hid, const char *compatible)
{
	(void)ctx;
	(void)hid;
	(void)compatible;
	return lie() ? (int)nonsense() : PARACLOCK_FIRMWARE_ACPI;
}

static int describe(void *ctx, struct paraclock_machine *ret_machine)
{
	(void)ctx;
	*ret_machine = world.fake.machine;
	if (lie())
		memset(ret_machine, 'm', sizeof(*ret_machine));
	return answer();
}

static int read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)ctx;
	*ret_ns = clock_id == 11 ? 37000000000 : 0;
	*ret_ns += (int64_t)world.fake.counter;
	world.fake.counter += 40;
	if (lie())
		*ret_ns = nonsense();
	return answer();
}

static int run_on_cpu(void *ctx, unsigned int cpu, int go)
{
	(void)ctx;
	(void)cpu;
	(void)go;
	return answer();
}

static uint32_t process_id(void *ctx)
{
	(void)ctx;
	return lie() ? (uint32_t)nonsense() : 4711;
}

static int clocksource(void *ctx, char ret_name[32], uint8_t *ret_kind)
{
	(void)ctx;
	memset(ret_name, 0, 32);
	memcpy(ret_name, "tsc", 4);
	*ret_kind = PARACLOCK_CLOCKSOURCE_COUNTER;
	if (lie())
		memset(ret_name, 'c', 32);
	if (lie())
		*ret_kind = (uint8_t)random_word();
	return answer();
}

static int read_text(void *ctx, const char *path, char *buf, size_t size)
{
	static const char *const names[] = { "hyperv", "KVM virtual PTP",
					     "vmclock0",
					     "1 (a) S 1 2 3 4 5 6 7 8 9" };
	const char *name = names[random_word() % ARRAY_LEN(names)];

	(void)ctx;
	(void)path;
	memset(buf, 't', size);
	if (world.as_it_says)
		return (int)world.length;
	if (lie())
		return (int)nonsense();
	return snprintf(buf, size, "%s", name);
}

static int open_device(void *ctx, const char *path, int *ret_fd)
{
	(void)ctx;
	(void)path;
	*ret_fd = lie() ? (int)nonsense() : 5;
	return answer();
}

static int any_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	(void)ctx;
	(void)fd;
	if (arg && request >> 30)
		fill(arg, request >> 16 & 0x3fff, 1);
	return answer();
}

static void close_device(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
}

static int hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		     uint64_t ret_regs[4])
{
	(void)ctx;
	(void)number;
	(void)args;
	fill(ret_regs, 32, 0);
	return answer();
}

static int msr(void *ctx, uint32_t number, uint64_t *ret_value)
{
	(void)ctx;
	(void)number;
	*ret_value = random_word();
	return answer();
}

static int watch(void *ctx, int *fd)
{
	(void)ctx;
	if (*fd < 0)
		*fd = lie() ? (int)nonsense() : 6;
	return answer();
}

static int poll_group(void *ctx, int *group, int fd)
{
	(void)fd;
	return watch(ctx, group);
}

static int identify(void *ctx, uint32_t id, struct paraclock_process *ret_who)
{
	(void)ctx;
	(void)id;
	fill(ret_who, sizeof(*ret_who), 1);
	return answer();
}

static int is_there(void *ctx, const struct paraclock_mapping *map)
{
	(void)ctx;
	(void)map;
	return answer();
}

static int device_number(void *ctx, int fd, uint32_t *ret_major,
			 uint32_t *ret_minor)
{
	(void)ctx;
	(void)fd;
	*ret_major = (uint32_t)random_word();
	*ret_minor = (uint32_t)random_word();
	return answer();
}

static int next_number(void *ctx, const char *prefix, uint32_t from,
		       uint32_t *ret_number)
{
	(void)ctx;
	(void)prefix;
	*ret_number = lie() ? (uint32_t)nonsense() : from;
	return answer();
}

static void init(uint64_t lies)
{
	struct paraclock_env *env = &world.fake.env;

	memset(&world, 0, sizeof(world));
	fake_init(&world.fake);
	fake_set_vmclock(&world.fake, 2, 1, 1000, 5000);
	fake_set_hyperv(&world.fake, 2, 0);
	world.lies = lies;
	*env = (struct paraclock_env){
		.size = sizeof(*env),
		.ctx = &world,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.counter = counter,
		.check_counter = check_counter,
		.cpuid = cpuid,
		.map_page = map_page,
		.unmap_page = unmap_page,
		.pread = read_page,
		.find_device = find_device,
		.describe = describe,
		.read_clock = read_clock,
		.run_on_cpu = run_on_cpu,
		.process_id = process_id,
		.alloc = env->alloc,
		.free = env->free,
		.system_clocks = &world.local,
		.clocksource = clocksource,
		.read_text = read_text,
		.open_device = open_device,
		.ioctl = any_ioctl,
		.close_device = close_device,
		.watch_clock = watch,
		.watch_generation = watch,
		.poll_group = poll_group,
		.identify = identify,
		.fork_id = process_id,
		.is_there = is_there,
		.device_number = device_number,
		.next_number = next_number,
	};
}

/* --- lengths -------------------------------------------------------------- */

struct length_case {
	const char *name;
	int64_t length;
	int ret;
};

/* Of the page's 112 bytes. What is more than was asked for is all of it. */
static struct length_case lengths[] = {
	/* clang-format off */
	{ "one byte more", 113, 0 },
	{ "a page more", 112 + 4096, 0 },
	{ "2^31", INT64_C(1) << 31, 0 },
	{ "2^32, of which an int keeps nothing", INT64_C(1) << 32, 0 },
	{ "the most that there is", INT64_MAX, 0 },
	{ "nothing", 0, -EPROTO },
	{ "no errno", -4096, -EIO },
	{ "-2^32, of which an int keeps 0", -(INT64_C(1) << 32), -EIO },
	{ "the least that there is", INT64_MIN, -EIO },
	{ "the last errno", -4095, -4095 },
	{ "an errno", -ENODEV, -ENODEV },
	/* clang-format on */
};

static struct paraclock *open_it(const char *backend, const char *device,
				 int *ret)
{
	char detail[64];
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.env = &world.fake.env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = NULL;

	memset(detail, 'd', sizeof(detail));
	*ret = paraclock_open(&clk, &opts);
	assert_true(*ret <= 0 && *ret >= -4095);
	assert_non_null(memchr(detail, '\0', sizeof(detail)));
	assert_true(!*ret == !!clk);
	return clk;
}

static void check_length(void **state)
{
	const struct length_case *c = *state;
	struct paraclock_sample sample;
	struct paraclock *clk;
	int ret;

	init(0);
	clk = open_it("vmclock", "image", &ret);
	assert_int_equal(ret, 0);
	world.length = c->length;
	world.as_it_says = true;
	memset(&sample, 0xa5, sizeof(sample));
	assert_int_equal(paraclock_read(clk, &sample), c->ret);
	if (c->ret) {
		assert_int_equal(sample.host_ns, 0xa5a5a5a5a5a5a5a5);
	} else {
		assert_true(sample.valid);
		assert_int_equal(sample.epoch, 1);
	}
	paraclock_close(clk);
}

/* A name of any length that is told ends where its buffer does. */
static void check_text(void **state)
{
	const struct length_case *c = *state;
	struct paraclock_page_writer writer = { 0 };
	struct paraclock *clk;
	int ret;

	init(0);
	world.length = c->length;
	world.as_it_says = true;
	clk = open_it("phc", "/dev/ptp0", &ret);
	if (clk)
		paraclock_close(clk);
	clk = open_it("kvm-pairing", "/dev/ptp0", &ret);
	if (clk)
		paraclock_close(clk);
	(void)paraclock_page_writer_acquire(&writer, &world.fake.env);
}

/* --- everything ----------------------------------------------------------- */

static void check_result(int ret)
{
	assert_true(ret <= 0 && ret >= -4095);
}

static void try_clock(struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	char text[100];

	for (unsigned int i = 0; i < 3; i++) {
		int ret = paraclock_read(clk, &sample);

		check_result(ret);
		memset(text, 't', sizeof(text));
		paraclock_explain(clk, ret, ret ? NULL : &sample, text,
				  sizeof(text));
		assert_non_null(memchr(text, '\0', sizeof(text)));
		check_result(paraclock_read_at(
			clk, world.fake.counter - random_word() % 1000,
			&sample));
		check_result(paraclock_marker(clk, &marker));
		assert_true(paraclock_event_fd(clk) >= -4095);
		assert_in_range(paraclock_next_event(clk, &event) + 4095, 0,
				4096);
	}
}

static int count(void *arg, const struct paraclock_listing *listing)
{
	++*(unsigned int *)arg;
	check_result(listing->error);
	assert_true(strlen(listing->detail) < 256);
	return 0;
}

static void try_machine(void)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	struct paraclock_page_writer writer = { 0 };
	struct paraclock_watch *watching = NULL;
	unsigned int listed = 0;

	if (!paraclock_describe_machine(&world.fake.env, &machine)) {
		assert_true(strlen(machine.hypervisor) < 32);
		assert_true(strlen(machine.clocksource) < 32);
	}
	check_result(paraclock_snapshot(&world.fake.env, &snap));
	assert_true(strlen(snap.clocksource) < 32);
	assert_in_range(snap.clocksource_kind, 0, PARACLOCK_CLOCKSOURCE_OTHER);
	check_result(paraclock_refresh(&world.fake.env));
	if (!paraclock_watch_open(&watching, &world.fake.env)) {
		assert_in_range(paraclock_watch_update(watching) + 4095, 0,
				4096);
		paraclock_watch_close(watching);
	}
	check_result(paraclock_list(&world.fake.env, count, &listed));
	check_result(paraclock_page_writer_acquire(&writer, &world.fake.env));
}

static void nothing_is_taken_for_granted(void **state)
{
	static const char *const names[] = { "kvmclock",    "hyperv", "vmclock",
					     "kvm-pairing", "phc",    "tsc",
					     "kvm-host",    NULL };
	static const char *const devices[] = { NULL, "image", "/dev/ptp0",
					       "248:0" };
	unsigned int opened = 0;

	(void)state;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		const char *backend = names[i % ARRAY_LEN(names)];
		struct paraclock *clk;
		int ret;

		init(1 + random_word() % 64);
		if (random_word() % 8 == 0)
			world.fake.env.hypercall = hypercall;
		if (random_word() % 4 == 0)
			world.fake.env.rdmsr = msr;
		clk = open_it(backend,
			      backend ? devices[random_word() % 4] : NULL,
			      &ret);
		if (clk) {
			opened++;
			try_clock(clk);
			paraclock_close(clk);
		}
		if (i % 8 == 0)
			try_machine();
		assert_int_equal(world.fake.allocs, world.fake.frees);
	}
	/* Else nothing was tried. */
	assert_true(opened > ROUNDS / 8);
}

int main(void)
{
	static char names[ARRAY_LEN(lengths)][64];

	add_test("nothing_is_taken_for_granted", nothing_is_taken_for_granted);
	ADD_ROWS(lengths, check_length);
	for (size_t i = 0; i < ARRAY_LEN(lengths); i++) {
		snprintf(names[i], sizeof(names[i]), "in a text: %s",
			 lengths[i].name);
		add_row(names[i], check_text, &lengths[i]);
	}
	return run_suite(NULL, NULL);
}
