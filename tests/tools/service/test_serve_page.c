// SPDX-License-Identifier: MIT
/* The page's file: one writer, one that has died, and what others leave there.
 * It is read at the offsets of the vmclock ABI. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/serve_page.h"

#include "../../shared/rows.h"

#define SYNCHRONIZED 2
#define UNRELIABLE   4

#define MARKER 0x1234567890U

static char folder[32], path[64], other[64];
static struct serve_page page;
static char why[512];

/* From now on: its bound grows, and after years it would allow anything. */
static struct paraclock_timeline plain = {
	.size = sizeof(plain),
	.base_sec = 1800000000,
	.period_frac = 9903520314283042199U, /* 1 GHz */
	.period_shift = 29,
	.maxerror_ns = 1000,
	.maxerror_rate_frac = 1000000000000,
	.flags = PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE,
	.marker = MARKER,
	.timescale = PARACLOCK_TIMESCALE_TAI,
	.counter = PARACLOCK_COUNTER_X86_TSC,
	.status = PARACLOCK_STATUS_SYNCHRONIZED,
};

/* --- a reader ---------------------------------------------------------------- */

static const unsigned char *map(void)
{
	int fd = open(path, O_RDONLY | O_NOFOLLOW);
	const unsigned char *at;

	assert_true(fd >= 0);
	at = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(at, MAP_FAILED);
	close(fd);
	return at;
}

static void check(const unsigned char *at, unsigned int status)
{
	uint32_t magic, size, sequence;

	memcpy(&magic, at, 4);
	memcpy(&sequence, at + 12, 4);
	assert_int_equal(magic, 0x4b4c4356);
	assert_int_equal(sequence & 1, 0);
	memcpy(&size, at + 4, 4);
	assert_int_equal(size, 4096);
	/* Version 1, x86 TSC, TAI. */
	assert_memory_equal(at + 8, "\1\0\1\1", 4);
	assert_int_equal(at[34], status);
}

static void unmap(const unsigned char *at)
{
	munmap((void *)(uintptr_t)at, 4096);
}

static void check_shown(unsigned int status)
{
	const unsigned char *at = map();
	struct stat st;

	check(at, status);
	unmap(at);
	assert_int_equal(lstat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFREG | 0644);
	assert_int_equal(st.st_size, 4096);
}

static void open_page(void)
{
	assert_int_equal(serve_page_open(&page, folder, why, sizeof(why)), 0);
}

/* As a process leaves it that is killed. */
static void die(void)
{
	serve_file_drop(&page.file);
	serve_unlock(&page.lock);
}

/* --- its writer -------------------------------------------------------------- */

static void two_publishers(void **unused)
{
	struct serve_page second;
	char wanted[64];

	(void)unused;
	open_page();
	assert_int_equal(serve_page_write(&page, &plain), 0);
	assert_int_equal(serve_page_open(&second, folder, why, sizeof(why)),
			 -EBUSY);
	snprintf(wanted, sizeof(wanted), "process %d holds the page",
		 (int)getpid());
	assert_non_null(strstr(why, wanted));
	assert_non_null(strstr(why, "--dir"));
	/* It has left no trace. */
	check_shown(SYNCHRONIZED);
	assert_int_equal(serve_page_open(&second, folder, why, sizeof(why)),
			 -EBUSY);
	serve_page_close(&page);
	check_shown(UNRELIABLE);
	open_page();
}

static void dead_one(void **unused)
{
	const unsigned char *at;
	struct paraclock_timeline next = plain;
	uint32_t odd = 4711;
	int fd;

	(void)unused;
	open_page();
	assert_int_equal(page.found, 0);
	assert_int_equal(serve_page_write(&page, &plain), 0);
	at = map();
	die();
	fd = open(path, O_RDWR);
	assert_int_equal(pwrite(fd, &odd, 4, 12), 4);
	close(fd);

	open_page();
	assert_int_equal(page.found, MARKER);
	next.marker++;
	assert_int_equal(serve_page_write(&page, &next), 0);
	/* A reader that has it mapped continues. */
	check(at, SYNCHRONIZED);
	assert_memory_equal(at + 16, &next.marker, 8);
	unmap(at);
}

/* One marker, and two centres that exclude each other. */
static void broken_promise(void **unused)
{
	struct paraclock_timeline next = plain;

	(void)unused;
	open_page();
	assert_int_equal(serve_page_write(&page, &plain), 0);
	die();
	open_page();
	next.base_sec += 10;
	assert_int_equal(serve_page_write(&page, &next), -ESTALE);
	next.marker++;
	assert_int_equal(serve_page_write(&page, &next), 0);
	check_shown(SYNCHRONIZED);
}

static void removed(void **unused)
{
	const unsigned char *at;

	(void)unused;
	open_page();
	assert_int_equal(serve_page_write(&page, &plain), 0);
	at = map();
	assert_int_equal(unlink(path), 0);
	assert_int_equal(serve_page_write(&page, &plain), 0);
	/* Nobody renews it any longer. */
	check(at, UNRELIABLE);
	unmap(at);
	check_shown(SYNCHRONIZED);
}

/* By root, for nobody else can. */
static void overwritten(void **unused)
{
	char bytes[4096];
	int fd;

	(void)unused;
	open_page();
	for (int byte = 0; byte < 256; byte += 0x55) {
		assert_int_equal(serve_page_write(&page, &plain), 0);
		memset(bytes, byte, sizeof(bytes));
		fd = open(path, O_RDWR);
		assert_int_equal(pwrite(fd, bytes, sizeof(bytes), 0),
				 sizeof(bytes));
		close(fd);
		assert_int_equal(serve_page_write(&page, &plain), 0);
		check_shown(SYNCHRONIZED);
	}
}

/* --- what others leave there -------------------------------------------------- */

static void make(const char *name, off_t size, mode_t mode)
{
	int fd = open(name, O_RDWR | O_CREAT | O_EXCL, 0600);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, size), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static void empty(void)
{
	make(path, 0, 0644);
}

static void too_long(void)
{
	make(path, 8192, 0644);
}

static void zeroed(void)
{
	make(path, 4096, 0644);
}

static void for_the_group(void)
{
	make(path, 4096, 0664);
}

static void hard_link(void)
{
	make(other, 4096, 0644);
	assert_int_equal(link(other, path), 0);
}

static void symbolic_link(void)
{
	make(other, 4096, 0644);
	assert_int_equal(symlink(other, path), 0);
}

static void pipe_of_a_name(void)
{
	assert_int_equal(mkfifo(path, 0644), 0);
}

static struct {
	const char *name;
	void (*make)(void);
} leavings[] = {
	{ "an empty file", empty },
	{ "a file that is too long", too_long },
	{ "a file of zeros", zeroed },
	{ "a file that a group may write", for_the_group },
	{ "a file with another name", hard_link },
	{ "a symbolic link", symbolic_link },
	{ "a pipe, that nobody opens", pipe_of_a_name },
};

static void check_leaving(void **row)
{
	const __typeof__(leavings[0]) *c = *row;
	static const char zeros[4096];
	char bytes[4096];
	int fd;

	c->make();
	open_page();
	assert_int_equal(page.found, 0);
	assert_int_equal(serve_page_write(&page, &plain), 0);
	check_shown(SYNCHRONIZED);
	fd = open(other, O_RDONLY);
	if (fd < 0)
		return;
	/* Somebody else's. */
	assert_int_equal(read(fd, bytes, sizeof(bytes)), sizeof(bytes));
	assert_memory_equal(bytes, zeros, sizeof(zeros));
	close(fd);
}

/* What cannot be replaced is refused, and there is nothing left of it. */
static void folder_in_its_place(void **unused)
{
	(void)unused;
	assert_int_equal(mkdir(path, 0755), 0);
	open_page();
	assert_true(serve_page_write(&page, &plain) < 0);
	assert_null(page.file.memory);
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(serve_page_write(&page, &plain), 0);
	check_shown(SYNCHRONIZED);
}

static void long_name(void **unused)
{
	char name[300];

	(void)unused;
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	assert_int_equal(serve_page_open(&page, name, why, sizeof(why)),
			 -ENAMETOOLONG);
}

static int start(void **unused)
{
	(void)unused;
	snprintf(folder, sizeof(folder), "/tmp/serve.XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof(path), "%s/utc.vmclock", folder);
	snprintf(other, sizeof(other), "%s/other", folder);
	return 0;
}

static int end(void **unused)
{
	char lock[64];

	(void)unused;
	serve_page_close(&page);
	unlink(path);
	unlink(other);
	snprintf(lock, sizeof(lock), "%s/serve.lock", folder);
	unlink(lock);
	/* Fails if a temporary file was left. */
	return rmdir(folder);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("two publishers: the second says who holds it",
		     two_publishers),
		TEST("a dead one is followed by another, in the same file",
		     dead_one),
		TEST("what a dead one promised is not contradicted",
		     broken_promise),
		TEST("a page that was removed says UNRELIABLE", removed),
		TEST("a page that was overwritten is whole again", overwritten),
		TEST("a folder in its place", folder_in_its_place),
		TEST("a name that is too long", long_name),
	};

	plain.base_tsc = plain.t_start = paraclock_counter(NULL);
	each_test(start, end);
	ADD_ROWS(leavings, check_leaving);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
