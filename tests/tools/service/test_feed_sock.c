// SPDX-License-Identifier: MIT
/*
 * Samples as chronyd receives them: byte by byte, by the layout that is
 * documented, not by the struct of the code.
 */

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "feed_bed.h"

static struct {
	char folder[32], path[64];
	int fd;
	struct feed_output output;
} sock;

static void receiver_starts(void)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };

	(void)unlink(sock.path);
	sock.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	assert_true(sock.fd >= 0);
	memcpy(at.sun_path, sock.path, strlen(sock.path) + 1);
	assert_int_equal(bind(sock.fd, (struct sockaddr *)&at, sizeof(at)), 0);
}

static int open_sock(void **state)
{
	(void)reset(state);
	strcpy(sock.folder, "/tmp/feed-test-XXXXXX");
	assert_non_null(mkdtemp(sock.folder));
	snprintf(sock.path, sizeof(sock.path), "%s/chrony.sock", sock.folder);
	receiver_starts();
	return feed_sock_open(&sock.output, sock.path);
}

static int close_sock(void **state)
{
	(void)state;
	feed_output_close(&sock.output);
	close(sock.fd);
	(void)unlink(sock.path);
	return rmdir(sock.folder);
}

struct sock_case {
	const char *name;
	int64_t real_ns, offset_ns;
	int64_t sec, us;
	double offset;
};

static const struct sock_case socks[] = {
	{ "behind", 1795000000123456789, 4864680, 1795000000, 123456,
	  4864680e-9 },
	{ "ahead, and tv is floored all the same", 1795000000000000999, -1,
	  1795000000, 0, -1e-9 },
	{ "a ns before the second", 1795000000999999999, -999999999, 1795000000,
	  999999, -0.999999999 },
	{ "104 days to the ns", 1795000000000000000, 9007199254740991,
	  1795000000, 0, 9007199.254740991 },
	{ "1970", 0, 1795000000000000000, 0, 0, 1795000000.0 },
	{ "just below 2^32 s", 0, 4294967295LL * SEC, 0, 0, 4294967295.0 },
};

static void check_sock(void **state)
{
	const struct sock_case *c = *state;
	const struct feed_sample sample = sample_of(c->real_ns, c->offset_ns);
	char data[64];
	double offset;

	assert_true(feed_output_send(&sock.output, &sample));
	assert_int_equal(recv(sock.fd, data, sizeof(data), 0), 40);
	assert_int_equal(word(data, 0, 8), c->sec);
	assert_int_equal(word(data, 8, 8), c->us);
	memcpy(&offset, data + 16, 8);
	assert_true(offset == c->offset);
	assert_int_equal(word(data, 24, 4), 0);
	assert_int_equal(word(data, 28, 4), 1);
	assert_int_equal(word(data, 32, 4), 0);
	assert_int_equal(word(data, 36, 4), 0x534f434b);
	assert_true(recv(sock.fd, data, sizeof(data), 0) < 0);
}

static void an_offset_that_chronyd_drops_is_not_sent(void **state)
{
	struct feed_sample sample = sample_of(0, SEC << 32);

	(void)state;
	assert_false(feed_output_send(&sock.output, &sample));
	sample.offset_ns = INT64_MIN;
	assert_false(feed_output_send(&sock.output, &sample));
	assert_int_equal(sock.output.failed, 2);
	assert_int_equal(logged, 1);
	assert_true(recv(sock.fd, &sample, sizeof(sample), 0) < 0);
}

static void a_receiver_that_starts_again(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	char data[64];

	(void)state;
	assert_true(feed_output_send(&sock.output, &sample));
	/* Killed: the name stays. */
	close(sock.fd);
	for (int i = 0; i < 5; i++)
		assert_false(feed_output_send(&sock.output, &sample));
	assert_int_equal(sock.output.error, -ECONNREFUSED);
	/* Gone, with its folder's content. */
	unlink(sock.path);
	for (int i = 0; i < 5; i++)
		assert_false(feed_output_send(&sock.output, &sample));
	assert_int_equal(sock.output.error, -ENOENT);
	assert_false(sock.output.connected);
	receiver_starts();
	/* The very next sample. */
	assert_true(feed_output_send(&sock.output, &sample));
	assert_int_equal(recv(sock.fd, data, sizeof(data), 0), 40);
	assert_true(sock.output.connected);
	assert_int_equal(sock.output.delivered, 2);
	assert_int_equal(sock.output.failed, 10);
	/* Delivering, refused, gone, delivering. */
	assert_int_equal(logged, 4);
}

static void a_full_queue(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	unsigned int sent = 0;
	char data[64];

	(void)state;
	while (sent < 100000 && feed_output_send(&sock.output, &sample))
		sent++;
	assert_int_equal(sock.output.error, -EAGAIN);
	for (int i = 0; i < 100; i++)
		assert_false(feed_output_send(&sock.output, &sample));
	assert_int_equal(logged, 2);
	while (recv(sock.fd, data, sizeof(data), 0) == 40)
		sent--;
	assert_int_equal(sent, 0);
	assert_true(feed_output_send(&sock.output, &sample));
	assert_int_equal(logged, 3);
}

static void a_name_that_is_no_datagram_socket(void **state)
{
	const struct feed_sample sample = sample_of(1795000000 * SEC, 1);
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	(void)state;
	unlink(sock.path);
	memcpy(at.sun_path, sock.path, strlen(sock.path) + 1);
	assert_int_equal(bind(fd, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_false(feed_output_send(&sock.output, &sample));
	close(fd);
	unlink(sock.path);
	fd = open(sock.path, O_CREAT | O_WRONLY, 0600);
	assert_false(feed_output_send(&sock.output, &sample));
	close(fd);
	assert_int_equal(sock.output.failed, 2);
}

static void a_path_of_any_length(void **state)
{
	struct feed_output output;
	char path[109];

	(void)state;
	memset(path, 'x', 108);
	path[108] = '\0';
	assert_int_equal(feed_sock_open(&output, path), -ENAMETOOLONG);
	assert_int_equal(feed_sock_open(&output, ""), -ENAMETOOLONG);
	path[107] = '\0';
	assert_int_equal(feed_sock_open(&output, path), 0);
	assert_string_equal(output.target, path);
}

static const struct CMUnitTest tests[] = {
	TEST("an offset that chronyd drops is not sent",
	     an_offset_that_chronyd_drops_is_not_sent),
	TEST("a receiver that starts again gets the next sample",
	     a_receiver_that_starts_again),
	TEST("a full queue is told once, and nobody waits", a_full_queue),
	TEST("a name that is no datagram socket",
	     a_name_that_is_no_datagram_socket),
	TEST("a path that is too long", a_path_of_any_length),
};

int main(void)
{
	each_test(open_sock, close_sock);
	ADD_ROWS(socks, check_sock);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
