// SPDX-License-Identifier: MIT
/*
 * The file that `paraclock serve` keeps: which files are mapped, and what
 * becomes of one that is replaced. System calls are counted, not timed.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/counter.h"
#include "fake.h"
#include "vmclock/vmclock_page.h"

#define READS  100
#define NOBODY 65534
#define SEC    1000000000LL

static struct paraclock_env env;
static unsigned int preads;
static char path[64];
static struct paraclock *clk;

static int64_t counted_pread(void *ctx, int fd, void *buf, size_t n,
			     uint64_t offset)
{
	preads++;
	return paraclock_default_env()->pread(ctx, fd, buf, n, offset);
}

/* This machine may have a vmclock, which is not this test's. */
static int map_given(void *ctx, const char *name, const char *device,
		     struct paraclock_mapping *ret_map)
{
	return device ? paraclock_default_env()->map_page(ctx, name, device,
							  ret_map)
		      : -ENODEV;
}

/* The clock stands still: a read gives what was written, and no page gets
 * old. */
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
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		.counter_value = 1,
		.counter_period_frac_sec = 1,
		.counter_period_shift = 64,
		.time_sec = 1700000000,
	};
}

static void make_file(const char *folder, const struct vmclock_page *vc,
		      mode_t mode)
{
	int fd;

	snprintf(path, sizeof(path), "%s/paraclock-XXXXXX", folder);
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(fchmod(fd, mode), 0);
	assert_int_equal(pwrite(fd, vc, sizeof(*vc), 0), sizeof(*vc));
	assert_int_equal(ftruncate(fd, 4096), 0);
	close(fd);
}

static int setup(void **state)
{
	(void)state;
	env = *paraclock_default_env();
	env.pread = counted_pread;
	env.map_page = map_given;
	path[0] = '\0';
	clk = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	paraclock_close(clk);
	if (path[0])
		unlink(path);
	return 0;
}

static bool is_tmpfs(const char *folder)
{
	struct statfs fs;

	return !statfs(folder, &fs) && fs.f_type == TMPFS_MAGIC;
}

static void need_folders(void)
{
	if (is_tmpfs("/dev/shm") && !is_tmpfs("/var/tmp"))
		return;
	print_message("skipped: /dev/shm is no tmpfs, or /var/tmp is one\n");
	skip();
}

static void open_served(uint64_t flags)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "served",
		.device = path,
		.env = &env,
		.flags = flags,
	};

	assert_int_equal(paraclock_open(&clk, &opts), 0);
}

static void assert_reads(int64_t sec)
{
	struct paraclock_sample sample;

	for (unsigned int i = 0; i < READS; i++) {
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
		assert_int_equal(sample.host_ns, sec * SEC);
		assert_true(sample.flags & PARACLOCK_FLAG_OWN_KERNEL);
	}
}

/* --- which are mapped ------------------------------------------------------- */

struct file_case {
	const char *name;
	const char *folder;
	mode_t mode;
	uid_t owner; /* only root can give a file away */
	uint64_t flags;
	unsigned int calls; /* of a read */
};

static struct file_case cases[] = {
	/* clang-format off */
	{ "one's own file on tmpfs is mapped", "/dev/shm", 0644, 0, 0, 0 },
	{ "so is one that its group may read", "/dev/shm", 0640, 0, 0, 0 },
	{ "not one that its group may write", "/dev/shm", 0664, 0, 0, 2 },
	{ "not one that everybody may write", "/dev/shm", 0646, 0, 0, 2 },
	{ "not one of another user", "/dev/shm", 0644, NOBODY, 0, 2 },
	{ "not one on a disk", "/var/tmp", 0644, 0, 0, 2 },
	{ "any that the caller vouches for", "/var/tmp", 0666, NOBODY,
	  PARACLOCK_DEVICE_FIXED_SIZE, 0 },
	/* clang-format on */
};

static void check_file(void **state)
{
	const struct file_case *c = *state;
	const struct vmclock_page vc = good();

	need_folders();
	make_file(c->folder, &vc, c->mode);
	if (c->owner && chown(path, c->owner, (gid_t)-1)) {
		print_message("skipped: only root can give a file away\n");
		skip();
	}
	open_served(c->flags);
	preads = 0;
	assert_reads(1700000000);
	assert_int_equal(preads, READS * c->calls);
}

/* The rule is for the served page alone. */
static void another_image_is_not_mapped(void **state)
{
	const struct vmclock_page vc = good();
	struct paraclock_sample sample;
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = path,
		.env = &env,
	};

	(void)state;
	need_folders();
	make_file("/dev/shm", &vc, 0644);
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	preads = 0;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(preads, 2);
}

/* --- replaced --------------------------------------------------------------- */

static void replace_file(const struct vmclock_page *vc)
{
	char old[sizeof(path)];

	strcpy(old, path);
	make_file("/dev/shm", vc, 0644);
	assert_int_equal(rename(path, old), 0);
	strcpy(path, old);
}

static void reopen(void)
{
	paraclock_close(clk);
	open_served(0);
}

static void a_replaced_file_is_noticed(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct vmclock_page vc = good();
	struct paraclock_sample sample;

	(void)state;
	need_folders();
	make_file("/dev/shm", &vc, 0644);
	open_served(0);
	assert_reads(1700000000);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	vc.time_sec += 5;
	replace_file(&vc);
	/* The old one is still good. */
	assert_reads(1700000000);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_string_equal(event.source, "served");
	reopen();
	assert_reads(1700000005);
	/* Its writer left this one without a time, and another replaced it. */
	vc.clock_status = 4;
	replace_file(&vc);
	reopen();
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_STATUS);
	replace_file(&vc);
	assert_int_equal(paraclock_read(clk, &sample), -ENODEV);
}

static void a_missing_file_is_not_there(void **state)
{
	char detail[256];
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "served",
		.device = "/dev/shm/paraclock/none",
		.env = &env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};

	(void)state;
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	assert_non_null(strstr(detail, "/dev/shm/paraclock/none"));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(another_image_is_not_mapped),
		cmocka_unit_test(a_replaced_file_is_noticed),
		cmocka_unit_test(a_missing_file_is_not_there),
	};

	each_test(setup, teardown);
	ADD_ROWS(cases, check_file);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
