// SPDX-License-Identifier: MIT
/* Linux's refusals, on this machine's files, and their details. */

#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "fake.h"

#define NOBODY 65534

static char folder[] = "/tmp/paraclock-errors-XXXXXX";
static const struct paraclock_env *env;

static const char *at(const char *name)
{
	static char path[96];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

/* Both kinds of opening: as a page, and as a device with ioctls. */
static bool is_said(const char *backend, const char *path, int want,
		    const char *says)
{
	char detail[256] = "";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = path,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = NULL;
	int ret = paraclock_open(&clk, &opts);

	if (ret == want && strstr(detail, says) &&
	    !strncmp(detail, path, strlen(path)))
		return true;
	/* From a child as well, where cmocka cannot fail. */
	fprintf(stderr, "%s %s: %d, '%s'; want %d, '%s'\n", backend, path, ret,
		detail, want, says);
	return false;
}

static bool both_say(const char *path, int want, const char *says)
{
	bool page = is_said("vmclock", path, want, says);

	return is_said("phc", path, want, says) && page;
}

static void a_link_to_itself(void **state)
{
	(void)state;
	assert_int_equal(symlink("loop", at("loop")), 0);
	assert_true(both_say(at("loop"), -ENODEV, "form a loop"));
}

static void a_node_without_a_driver(void **state)
{
	struct sockaddr_un name = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)state;
	/* Linux answers for a socket as it does for such a node: ENXIO. */
	snprintf(name.sun_path, sizeof(name.sun_path), "%s", at("socket"));
	assert_int_equal(bind(fd, (void *)&name, sizeof(name)), 0);
	close(fd);
	assert_true(both_say(at("socket"), -ENODEV, "no driver is behind"));
}

static void an_absent_node(void **state)
{
	(void)state;
	assert_true(both_say(at("absent"), -ENODEV, "no such device"));
	assert_true(both_say(at("file/below"), -ENODEV, "no such device"));
}

static void a_file_is_no_ptp_clock(void **state)
{
	(void)state;
	assert_true(
		is_said("phc", at("file"), -ENODEV, "this is no PTP clock"));
	assert_true(is_said("phc", folder, -ENODEV, "this is a directory"));
	assert_true(
		is_said("phc", "/dev/null", -ENODEV, "this is no PTP clock"));
	/* Its name is in sysfs. */
	assert_true(is_said("phc", "1:3", -ENODEV,
			    access("/sys/dev/char/1:3/uevent", R_OK)
				    ? "no node in /dev"
				    : "/dev/null: this is no PTP clock"));
}

static void a_device_has_a_page(void **state)
{
	static const char *const kinds[] = { "vmclock", "kvmclock", "hyperv" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
		assert_true(is_said(kinds[i], "/dev/null", -ENODEV,
				    "/dev/null: this device has no page"));
}

/* 1 from a child that found something wrong. */
static int in_child(bool (*check)(void))
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child)
		_exit(!check());
	assert_int_equal(waitpid(child, &status, 0), child);
	return status;
}

static bool descriptors_are_out(void)
{
	struct rlimit limit = { 0, 0 };
	int fd = dup(0);

	if (fd < 0)
		return false;
	close(fd);
	limit.rlim_cur = limit.rlim_max = (rlim_t)fd;
	return !setrlimit(RLIMIT_NOFILE, &limit) &&
	       both_say(at("file"), -ENOMEM, "no file descriptor left");
}

static void no_descriptor_is_left(void **state)
{
	(void)state;
	assert_int_equal(in_child(descriptors_are_out), 0);
}

static bool mode_forbids(void)
{
	return !setgroups(0, NULL) && !setegid(NOBODY) && !seteuid(NOBODY) &&
	       both_say(at("secret"), -EACCES, "ask for read access");
}

static void a_mode_that_forbids(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("skipped: only root may become another user\n");
		skip();
	}
	assert_int_equal(in_child(mode_forbids), 0);
}

/* A node that root made on a mount without devices: root may not open it. */
static bool nodev_forbids(void)
{
	const char *node;

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", folder, "tmpfs", MS_NODEV, NULL)) {
		dprintf(1, "skipped: no mount namespace of its own\n");
		return true;
	}
	node = at("null");
	if (mknod(node, S_IFCHR | 0666, makedev(1, 3))) {
		dprintf(1, "skipped: no right to make a node\n");
		return true;
	}
	return both_say(node, -EACCES, "mount with nodev") &&
	       /* Nor may another user, whom its mode lets in. */
	       !setgroups(0, NULL) && !setegid(NOBODY) && !seteuid(NOBODY) &&
	       both_say(node, -EACCES, "mount with nodev");
}

static void a_mount_that_forbids_root(void **state)
{
	(void)state;
	if (geteuid()) {
		print_message("skipped: only root can test what root may do\n");
		skip();
	}
	assert_int_equal(in_child(nodev_forbids), 0);
}

#define BOOT_ID "/proc/sys/kernel/random/boot_id"

/* As systemd-nspawn mounts one. */
static bool boot_id_is_not_the_kernels(void)
{
	char text[64] = "";

	if (unshare(CLONE_NEWNS) ||
	    mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount(at("file"), BOOT_ID, NULL, MS_BIND, NULL)) {
		dprintf(1, "skipped: no mount namespace of its own\n");
		return true;
	}
	return env->read_text(env->ctx, BOOT_ID, text, sizeof(text)) ==
		       -ENODEV &&
	       env->read_text(env->ctx, at("file"), text, sizeof(text)) >= 0;
}

static void a_boot_id_that_is_mounted_over(void **state)
{
	char text[64];

	(void)state;
	if (env->read_text(env->ctx, BOOT_ID, text, sizeof(text)) != 36) {
		print_message("skipped: the kernel's boot id is hidden\n");
		skip();
	}
	assert_int_equal(in_child(boot_id_is_not_the_kernels), 0);
}

/* --- numbers -------------------------------------------------------------- */

static void a_device_has_its_number(void **state)
{
	uint32_t major = 77, minor = 78;
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	(void)state;
	errno = 12345;
	assert_int_equal(env->device_number(env->ctx, fd, &major, &minor), 0);
	assert_int_equal(major, 1);
	assert_int_equal(minor, 3);
	close(fd);
	fd = open(at("file"), O_RDONLY | O_CLOEXEC);
	assert_int_equal(env->device_number(env->ctx, fd, &major, &minor),
			 -ENODEV);
	close(fd);
	assert_int_equal(env->device_number(env->ctx, fd, &major, &minor),
			 -ENODEV);
	assert_int_equal(major, 1);
	assert_int_equal(minor, 3);
	assert_int_equal(errno, 12345);
}

static void numbers_come_in_order(void **state)
{
	static const char *const names[] = {
		"ptp10",	 "ptp2",  "ptp0",
		"ptp",		 "ptp07", "ptp3x",
		"xptp4",	 "ptp-5", "ptp4294967295",
		"ptp4294967296", "ptp33", "ptp18446744073709551617",
	};
	static const uint32_t want[] = { 0, 2, 10, 33, 4294967295U };
	uint32_t number = 0;
	char prefix[96];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		assert_int_equal(mkdir(at(names[i]), 0700), 0);
	snprintf(prefix, sizeof(prefix), "%s/ptp", folder);
	for (size_t i = 0; i < ARRAY_LEN(want); i++) {
		assert_int_equal(
			env->next_number(env->ctx, prefix, number, &number), 0);
		assert_int_equal(number, want[i]);
		number += i + 1 < ARRAY_LEN(want);
	}
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)rmdir(at(names[i]));
	number = 4711;
	assert_int_equal(env->next_number(env->ctx, prefix, 0, &number),
			 -ENODEV);
	assert_int_equal(env->next_number(env->ctx, "/nonexistent/ptp", 0,
					  &number),
			 -ENODEV);
	assert_int_equal(env->next_number(env->ctx, "ptp", 0, &number),
			 -ENODEV);
	assert_int_equal(number, 4711);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	env = paraclock_default_env();
	if (!env || !mkdtemp(folder) || chmod(folder, 0755))
		return -1;
	fd = open(at("secret"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	close(fd);
	fd = open(at("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -1 : close(fd);
}

static int teardown(void **state)
{
	static const char *const names[] = { "loop", "socket", "secret",
					     "file" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		(void)unlink(at(names[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_link_to_itself),
		cmocka_unit_test(a_node_without_a_driver),
		cmocka_unit_test(an_absent_node),
		cmocka_unit_test(a_file_is_no_ptp_clock),
		cmocka_unit_test(a_device_has_a_page),
		cmocka_unit_test(no_descriptor_is_left),
		cmocka_unit_test(a_mode_that_forbids),
		cmocka_unit_test(a_mount_that_forbids_root),
		cmocka_unit_test(a_boot_id_that_is_mounted_over),
		cmocka_unit_test(a_device_has_its_number),
		cmocka_unit_test(numbers_come_in_order),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
