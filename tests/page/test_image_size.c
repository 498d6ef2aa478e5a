// SPDX-License-Identifier: MIT
/*
 * Files that keep their size are mapped, and read like a device; any other is
 * read anew, with two system calls a read. The calls are counted, not timed.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/counter.h"
#include "fake.h"
#include "vmclock/vmclock_page.h"

#define FIXED PARACLOCK_DEVICE_FIXED_SIZE
#define READS 100

static struct paraclock_env env;
static unsigned int preads;

static int64_t counted_pread(void *ctx, int fd, void *buf, size_t n,
			     uint64_t offset)
{
	preads++;
	return paraclock_default_env()->pread(ctx, fd, buf, n, offset);
}

static struct vmclock_page good(void)
{
	return (struct vmclock_page){
		.magic = VMCLOCK_MAGIC,
		.size = sizeof(struct vmclock_page),
		.version = 1,
		.counter_id = COUNTER_NATIVE == PARACLOCK_COUNTER_X86_TSC,
		.time_type = VMCLOCK_TIME_TAI,
		.seq_count = 2,
		.disruption_marker = 7,
		.flags = VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT,
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		.counter_value = 1,
		/* The clock stands still: a read gives what was written. */
		.counter_period_frac_sec = 1,
		.counter_period_shift = 64,
		.time_sec = 1700000000,
		.vm_generation_counter = 8,
	};
}

/* --- files ---------------------------------------------------------------- */

struct file {
	int fd;
	char path[64];
};

static struct file in_folder(const char *folder)
{
	struct file file;

	snprintf(file.path, sizeof(file.path), "%s/paraclock-XXXXXX", folder);
	file.fd = mkstemp(file.path);
	assert_true(file.fd >= 0);
	assert_int_equal(fchmod(file.fd, 0644), 0);
	return file;
}

static struct file in_memory(void)
{
	struct file file;

	file.fd = memfd_create("page", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	assert_true(file.fd >= 0);
	snprintf(file.path, sizeof(file.path), "/proc/self/fd/%d", file.fd);
	return file;
}

static void seal(const struct file *file, int seals)
{
	assert_int_equal(fcntl(file->fd, F_ADD_SEALS, seals), 0);
}

static void put(const struct file *file, const struct vmclock_page *vc,
		size_t size)
{
	assert_int_equal(pwrite(file->fd, vc, size, 0), size);
}

static void done_with(const struct file *file)
{
	close(file->fd);
	if (strncmp(file->path, "/proc/", 6) != 0)
		unlink(file->path);
}

static struct paraclock *open_page(const char *backend, const char *path,
				   uint64_t flags)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = path,
		.env = &env,
		.flags = flags,
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	return clk;
}

/* System calls for this many reads, each of which must give the page's time. */
static unsigned int calls_of(const struct paraclock *clk, unsigned int reads,
			     int64_t sec)
{
	struct paraclock_sample sample;

	preads = 0;
	for (unsigned int i = 0; i < reads; i++) {
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_true(sample.valid);
		assert_int_equal(sample.host_ns, sec * 1000000000);
	}
	return preads;
}

/* --- which are mapped ----------------------------------------------------- */

struct size_case {
	const char *name;
	int seals; /* of a memfd; -1: a file in /tmp; -2: in /dev/shm */
	size_t size;
	uint64_t flags;
	unsigned int calls; /* of a read */
};

static struct size_case size_cases[] = {
	/* clang-format off */
	{ "a file", -1, 4096, 0, 2 },
	{ "a file as short as a page may be", -1, 112, 0, 2 },
	{ "a file of root's on tmpfs, which root may truncate",
	  -2, 4096, 0, 2 },
	{ "a memfd without seals", 0, 4096, 0, 2 },
	{ "a memfd that cannot grow", F_SEAL_GROW, 4096, 0, 2 },
	{ "a memfd whose seals are final", F_SEAL_SEAL, 4096, 0, 2 },
	{ "a memfd that cannot shrink", F_SEAL_SHRINK, 4096, 0, 0 },
	{ "a memfd that cannot shrink or grow",
	  F_SEAL_SHRINK | F_SEAL_GROW, 4096,
	  0, 0 },
	{ "a file that its user vouches for", -1, 4096, FIXED, 0 },
	{ "a longer one", -1, 8192 + 5, FIXED, 0 },
	{ "a shorter one", -1, 112, FIXED, 0 },
	{ "a file whose size is not a multiple of a word", -1, 115, FIXED, 0 },
	{ "a file on tmpfs", -2, 4096, FIXED, 0 },
	{ "a file without its last word, which may yet come",
	  -1, 104, FIXED, 2 },
	/* clang-format on */
};

static struct file make(const struct size_case *c)
{
	struct file file;

	if (c->seals >= 0)
		file = in_memory();
	else
		file = in_folder(c->seals == -1 ? "/tmp" : "/dev/shm");
	assert_int_equal(ftruncate(file.fd, (off_t)c->size), 0);
	if (c->seals >= 0)
		seal(&file, c->seals);
	return file;
}

static void check_size(void **state)
{
	const struct size_case *c = *state;
	size_t least = c->size < 112 ? c->size : 112;
	struct vmclock_page vc = good();
	struct paraclock_marker marker;
	uint64_t epoch;
	struct paraclock *clk;
	struct file file;

	if (c->seals == -2 && access("/dev/shm", W_OK)) {
		print_message("skipped: no /dev/shm\n");
		skip();
	}
	file = make(c);
	put(&file, &vc, least);

	clk = open_page("vmclock", file.path, c->flags);
	assert_int_equal(calls_of(clk, READS, 1700000000), READS * c->calls);
	/* The next read gives what was written. */
	vc.seq_count += 2;
	vc.time_sec++;
	put(&file, &vc, least);
	(void)calls_of(clk, 1, 1700000001);
	assert_int_equal(calls_of(clk, READS, 1700000001), READS * c->calls);

	epoch = paraclock_epoch(clk);
	assert_int_equal(paraclock_disrupted(clk, epoch), 0);
	vc.seq_count += 2;
	vc.disruption_marker++;
	put(&file, &vc, least);
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	preads = 0;
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(preads, c->calls / 2);
	assert_int_equal(marker.value, 8);
	assert_int_equal(marker.generation, c->size < sizeof(vc) ? 0 : 8);
	paraclock_close(clk);
	done_with(&file);
}

/* --- what may happen to them ---------------------------------------------- */

/* Nobody vouches for its size: it is malformed when it is too short. */
static void root_truncates_its_file_on_tmpfs(void **state)
{
	static const char *const folders[] = { "/dev/shm", "/tmp", "/run" };
	struct vmclock_page vc = good();
	struct paraclock_sample sample;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
		struct paraclock *clk;
		struct file file;

		if (access(folders[i], W_OK))
			continue;
		file = in_folder(folders[i]);
		put(&file, &vc, sizeof(vc));
		clk = open_page("vmclock", file.path, 0);
		(void)calls_of(clk, 1, 1700000000);
		assert_int_equal(ftruncate(file.fd, 0), 0);
		assert_int_equal(paraclock_read(clk, &sample), -EPROTO);
		put(&file, &vc, sizeof(vc));
		(void)calls_of(clk, 1, 1700000000);
		paraclock_close(clk);
		done_with(&file);
	}
}

static void a_sealed_image_cannot_be_truncated(void **state)
{
	struct vmclock_page vc = good();
	struct file file = in_memory();
	struct paraclock *clk;

	(void)state;
	put(&file, &vc, sizeof(vc));
	assert_int_equal(ftruncate(file.fd, 4096), 0);
	seal(&file, F_SEAL_SHRINK);
	clk = open_page("vmclock", file.path, 0);
	assert_int_equal(ftruncate(file.fd, 0), -1);
	assert_int_equal(ftruncate(file.fd, 4095), -1);
	assert_int_equal(ftruncate(file.fd, 16384), 0);
	assert_int_equal(calls_of(clk, READS, 1700000000), 0);
	paraclock_close(clk);
	done_with(&file);
}

/* A sealed file that was too short when it was opened. */
static void a_sealed_file_that_grows_is_read(void **state)
{
	struct vmclock_page vc = good();
	struct file file = in_memory();
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	put(&file, &vc, 32);
	seal(&file, F_SEAL_SHRINK);
	clk = open_page("vmclock", file.path, 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_STATUS);
	put(&file, &vc, sizeof(vc));
	(void)calls_of(clk, 1, 1700000000);
	paraclock_close(clk);
	done_with(&file);
}

static void an_empty_image_is_malformed(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;
	struct file file = in_folder("/tmp");

	(void)state;
	clk = open_page("vmclock", file.path, FIXED);
	assert_int_equal(paraclock_read(clk, &sample), -EPROTO);
	paraclock_close(clk);
	done_with(&file);
}

/* The others are read by two calls, too; or by none. */
static void every_kind_of_page(void **state)
{
	static const char *const names[] = { "kvmclock", "hyperv" };
	struct fake fake;

	(void)state;
	fake_init(&fake);
	fake_set_pvclock(&fake, 2, 1, 5000);
	fake_set_hyperv(&fake, 2, 0);
	for (size_t i = 0; i < 4; i++) {
		const uint8_t *page = i % 2 ? fake.hyperv : fake.pvclock;
		struct file file = in_folder("/tmp");
		struct paraclock_sample sample;
		struct paraclock *clk;

		assert_int_equal(pwrite(file.fd, page, 4096, 0), 4096);
		clk = open_page(names[i % 2], file.path, i / 2 ? FIXED : 0);
		preads = 0;
		for (unsigned int n = 0; n < READS; n++)
			assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(preads, i / 2 ? 0 : 2 * READS);
		paraclock_close(clk);
		done_with(&file);
	}
}

static void an_unknown_flag_is_refused(void **state)
{
	char detail[256] = "";
	struct paraclock *clk = NULL;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = "/dev/zero",
		.env = &env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};

	(void)state;
	for (unsigned int bit = 2; bit < 64; bit++) {
		opts.flags = 1ULL << bit;
		assert_int_equal(paraclock_open(&clk, &opts), -EINVAL);
		assert_null(clk);
		assert_non_null(strstr(detail, "a flag"));
	}
}

static int setup(void **state)
{
	(void)state;
	if (!paraclock_default_env())
		return -1;
	env = *paraclock_default_env();
	env.pread = counted_pread;
	return 0;
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(root_truncates_its_file_on_tmpfs),
		cmocka_unit_test(a_sealed_image_cannot_be_truncated),
		cmocka_unit_test(a_sealed_file_that_grows_is_read),
		cmocka_unit_test(an_empty_image_is_malformed),
		cmocka_unit_test(every_kind_of_page),
		cmocka_unit_test(an_unknown_flag_is_refused),
	};

	ADD_TESTS(others);
	ADD_ROWS(size_cases, check_size);
	return run_suite(setup, NULL);
}
