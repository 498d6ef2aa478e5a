// SPDX-License-Identifier: MIT
/* This kernel's uevents, and several descriptors that are polled as one. */

#include <fcntl.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "fake.h"
#include "linux/device.h"
#include "linux/generation.h"

/* --- the text ------------------------------------------------------------- */

struct text_case {
	const char *name;
	const char *text;
	size_t size;
	int expected;
};

#define TEXT(name, text, expected)                      \
	{                                               \
		name, text, sizeof(text) - 1, expected, \
	}

static struct text_case texts[] = {
	TEXT("the kernel's message",
	     "change@/devices/VMGENCTR:00\0ACTION=change\0"
	     "NEW_VMGENID=1\0SUBSYSTEM=acpi\0SEQNUM=4039\0",
	     1),
	TEXT("the last variable", "change@/a\0NEW_VMGENID=1\0", 1),
	TEXT("nothing", "", 0),
	TEXT("another device", "change@/a\0ACTION=change\0SEQNUM=1\0", 0),
	TEXT("a variable that a user made",
	     "change@/a\0"
	     "SYNTH_ARG_NEW_VMGENID=1\0",
	     0),
	TEXT("a longer value", "change@/a\0NEW_VMGENID=10\0", 0),
	TEXT("another value", "change@/a\0NEW_VMGENID=0\0", 0),
	TEXT("a name alone", "change@/a\0NEW_VMGENID\0", 0),
	TEXT("a message that is cut off before the NUL",
	     "change@/a\0NEW_VMGENID=1", 0),
	TEXT("a message that is cut off in the name", "change@/a\0NEW_VM", 0),
	TEXT("empty strings", "\0\0\0\0NEW_VMGENID=1\0", 1),
};

static void a_text(void **state)
{
	const struct text_case *c = *state;
	/* On the heap: a sanitizer sees an access to the byte behind. */
	char *copy = malloc(c->size ? c->size : 1);

	memcpy(copy, c->text, c->size);
	assert_int_equal(pclk_uevent_is_generation(copy, c->size), c->expected);
	free(copy);
}

static void no_text_is_read_past_its_end(void **state)
{
	static const char parts[] = "NEW_VMGENID=1\0\0a=";
	uint32_t random = 1;

	(void)state;
	for (unsigned int i = 0; i < 200000; i++) {
		size_t size = i % 48;
		char *text = malloc(size ? size : 1);
		bool whole;

		for (size_t at = 0; at < size; at++) {
			random = random * 1664525 + 1013904223;
			/* Mostly correct messages. */
			text[at] = random >> 28
					   ? parts[at % (sizeof(parts) - 1)]
					   : (char)(random >> 20);
		}
		whole = size && memmem(text, size, "NEW_VMGENID=1", 14);
		if (pclk_uevent_is_generation(text, size))
			assert_true(whole);
		free(text);
	}
}

/* --- the kernel ----------------------------------------------------------- */

static const struct paraclock_env *env;

static int setup(void **state)
{
	(void)state;
	env = paraclock_default_env();
	return 0;
}

static bool is_readable(int fd, int timeout_ms)
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };

	return poll(&poller, 1, timeout_ms) == 1 && poller.revents & POLLIN;
}

/*
 * All waiting messages are received at once, and none is ours. Other processes
 * of this machine may cause more of them, but not as often.
 */
static void assert_drained(int fd)
{
	int left = 1;

	for (int i = 0; i < 20 && left; i++) {
		assert_int_equal(env->watch_generation(env->ctx, &fd), 0);
		left = is_readable(fd, 0);
	}
	assert_int_equal(left, 0);
}

static int write_uevent(void)
{
	int fd = open("/sys/class/mem/null/uevent", O_WRONLY);
	ssize_t put = fd < 0 ? -1 : write(fd, "change", 6);

	if (fd >= 0)
		close(fd);
	return put == 6 ? 0 : -1;
}

static void another_uevent_is_received_and_is_no_event(void **state)
{
	int fd = -1;

	(void)state;
	if (pclk_uevent_open(&fd)) {
		puts("skipped: this process may not listen to uevents");
		skip();
	}
	assert_true(fd >= 0);
	assert_int_equal(env->watch_generation(env->ctx, &fd), 0);
	if (write_uevent() || !is_readable(fd, 1000)) {
		env->close_device(env->ctx, fd);
		puts("skipped: no uevent can be made here (not root, or a "
		     "container)");
		skip();
	}
	assert_drained(fd);
	env->close_device(env->ctx, fd);
}

/*
 * A full queue accepts nothing more until it is empty, and reports that once.
 */
static void a_lost_message_may_have_been_a_generation(void **state)
{
	int fd = -1, small = 1, reported = 0;

	(void)state;
	if (pclk_uevent_open(&fd)) {
		puts("skipped: this process may not listen to uevents");
		skip();
	}
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small,
				    sizeof(small)),
			 0);
	if (write_uevent() || !is_readable(fd, 1000)) {
		env->close_device(env->ctx, fd);
		puts("skipped: no uevent can be made here (not root, or a "
		     "container)");
		skip();
	}
	for (int i = 0; i < 100; i++)
		reported |= write_uevent();
	assert_int_equal(reported, 0);
	assert_int_equal(env->watch_generation(env->ctx, &fd), 2);
	/* Later messages are received again. */
	assert_drained(fd);
	assert_int_equal(write_uevent(), 0);
	assert_true(is_readable(fd, 1000));
	assert_drained(fd);
	env->close_device(env->ctx, fd);
}

static void all_that_waits_is_received_at_once(void **state)
{
	int fd = -1;

	(void)state;
	if (pclk_uevent_open(&fd)) {
		puts("skipped: this process may not listen to uevents");
		skip();
	}
	for (int i = 0; i < 100; i++)
		(void)write_uevent();
	if (!is_readable(fd, 1000)) {
		env->close_device(env->ctx, fd);
		puts("skipped: no uevent can be made here (not root, or a "
		     "container)");
		skip();
	}
	assert_drained(fd);
	env->close_device(env->ctx, fd);
}

/* Only the kernel's port is 0; only root may send at all. */
static void another_process_is_not_believed(void **state)
{
	static const char forged[] = "change@/a\0NEW_VMGENID=1";
	const struct sockaddr_nl to = { .nl_family = AF_NETLINK,
					.nl_groups = 1 };
	int from = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC,
			  NETLINK_KOBJECT_UEVENT);
	ssize_t sent = -1;
	int fd = -1;

	(void)state;
	if (!pclk_uevent_open(&fd) && from >= 0)
		sent = sendto(from, forged, sizeof(forged), 0,
			      (const void *)&to, sizeof(to));
	if (from >= 0)
		close(from);
	if (sent < 0 || !is_readable(fd, 1000)) {
		if (fd >= 0)
			env->close_device(env->ctx, fd);
		puts("skipped: this process cannot send to the group");
		skip();
	}
	assert_drained(fd);
	env->close_device(env->ctx, fd);
}

static void a_group_wakes_each_time_and_not_for_ever(void **state)
{
	int group = -1, one = eventfd(0, EFD_NONBLOCK);
	const uint64_t add = 1;

	(void)state;
	assert_int_equal(env->poll_group(env->ctx, &group, one), 0);
	assert_true(group >= 0);
	assert_false(is_readable(group, 0));
	for (int i = 0; i < 3; i++) {
		assert_int_equal(write(one, &add, sizeof(add)), sizeof(add));
		assert_true(is_readable(group, 0));
		assert_int_equal(env->poll_group(env->ctx, &group, -1), 0);
		/* Nobody has read it, and it does not wake the group again. */
		assert_true(is_readable(one, 0));
		assert_false(is_readable(group, 0));
	}
	env->close_device(env->ctx, group);
	close(one);
}

/* As a vmclock without notification is, for ever. */
static void a_device_that_hung_up_is_no_busy_loop(void **state)
{
	struct pollfd poller;
	int group = -1, ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	close(ends[1]);
	assert_int_equal(env->poll_group(env->ctx, &group, ends[0]), 0);
	poller = (struct pollfd){ .fd = group, .events = POLLIN };
	assert_int_equal(poll(&poller, 1, 0), 1);
	assert_int_equal(env->poll_group(env->ctx, &group, -1), 0);
	for (int i = 0; i < 10; i++)
		assert_int_equal(poll(&poller, 1, 5), 0);
	env->close_device(env->ctx, group);
	close(ends[0]);
}

/* As a vmclock of a kernel without poll for it. */
static void a_file_that_cannot_be_polled_stays_out(void **state)
{
	int group = -1, file = open("/proc/self/exe", O_RDONLY);

	(void)state;
	assert_true(file >= 0);
	assert_int_equal(env->poll_group(env->ctx, &group, file), -EOPNOTSUPP);
	assert_int_equal(group, -1);
	close(file);
}

/* --- all of it, on this machine ------------------------------------------- */

static void write_image(int fd, uint64_t marker, uint64_t generation)
{
	struct fake fake;

	fake_init(&fake);
	fake_set_vmclock(&fake, 2, marker, 1000, 1700000000);
	put64(fake.vmclock, 24, 1 | 1 << 8);
	put64(fake.vmclock, 104, generation);
	assert_int_equal(pwrite(fd, fake.vmclock, 4096, 0), 4096);
}

static unsigned int count_fds(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void an_image_that_is_restored_wakes_within_a_second(void **state)
{
	char path[] = "/tmp/paraclock-event-XXXXXX";
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.device = path,
	};
	struct paraclock_event event = { .size = sizeof(event) };
	int file = mkstemp(path), fd, looks = 0, ret;
	unsigned int fds = count_fds();
	struct paraclock *clk = NULL;

	(void)state;
	assert_true(file >= 0);
	write_image(file, 7, 0);
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	fd = paraclock_event_fd(clk);
	assert_true(fd >= 0);
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	write_image(file, 8, 1);
	do {
		assert_true(is_readable(fd, -1));
		ret = paraclock_next_event(clk, &event);
		/*
		 * The first look reports it; but another process may set the
		 * clock meanwhile.
		 */
		looks++;
	} while (looks < 100 &&
		 (ret == -EAGAIN || event.kind >= PARACLOCK_EVENT_CLOCK_SET));
	assert_int_equal(ret, 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_int_equal(event.marker_after.generation, 1);
	paraclock_close(clk);
	assert_int_equal(count_fds(), fds);
	close(file);
	unlink(path);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_text_is_read_past_its_end),
		cmocka_unit_test(another_uevent_is_received_and_is_no_event),
		cmocka_unit_test(a_lost_message_may_have_been_a_generation),
		cmocka_unit_test(all_that_waits_is_received_at_once),
		cmocka_unit_test(another_process_is_not_believed),
		cmocka_unit_test(a_group_wakes_each_time_and_not_for_ever),
		cmocka_unit_test(a_device_that_hung_up_is_no_busy_loop),
		cmocka_unit_test(a_file_that_cannot_be_polled_stays_out),
		cmocka_unit_test(
			an_image_that_is_restored_wakes_within_a_second),
	};

	ADD_ROWS(texts, a_text);
	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
