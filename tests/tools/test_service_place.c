// SPDX-License-Identifier: MIT
/* State files, memory, and the places where a service may run. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "place.h"

/* --- places --------------------------------------------------------------- */

#define TIME_NS 4026531834U
#define PID_NS	4026531836U

struct place_case {
	const char *name;
	struct place place;
	bool in_container;
	const char *want; /* in the sentence; NULL: no objection */
};

static struct place_case place_cases[] = {
	/* clang-format off */
	{ "the machine itself", { TIME_NS, PID_NS, false, NULL }, false, NULL },
	{ "the machine itself, and a container is welcome",
	  { TIME_NS, PID_NS, false, NULL }, true, NULL },
	{ "a kernel without these namespaces", { 0, 0, false, NULL }, false,
	  NULL },
	{ "a time namespace", { 4026532000U, PID_NS, false, NULL }, false,
	  "time namespace" },
	{ "a time namespace where a container is welcome",
	  { 4026532000U, PID_NS, false, NULL }, true, "time namespace" },
	{ "offsets alone show a time namespace", { 0, PID_NS, true, NULL }, true,
	  "time namespace" },
	{ "a PID namespace", { TIME_NS, 4026532001U, false, NULL }, false,
	  "--container" },
	{ "a PID namespace where a container is welcome",
	  { TIME_NS, 4026532001U, false, NULL }, true, NULL },
	{ "a container that shares the host's processes",
	  { TIME_NS, PID_NS, false, "podman" }, false, "(podman)" },
	{ "the same where a container is welcome",
	  { TIME_NS, PID_NS, false, "podman" }, true, NULL },
	/* clang-format on */
};

static void check_place(void **state)
{
	const struct place_case *c = *state;
	char why[256] = "untouched";

	assert_int_equal(place_judge(&c->place, c->in_container, why,
				     sizeof(why)),
			 c->want ? -EPERM : 0);
	if (c->want)
		assert_non_null(strstr(why, c->want));
	else
		assert_string_equal(why, "untouched");
}

/* What service_check_place() says in new namespaces: 0, EPERM, or 77 if there
 * are none. */
static int ask_in(int flags, bool in_container)
{
	pid_t pid = fork();
	char why[256];
	int status;

	if (pid == 0) {
		unsetenv("container");
		/* Children alone are in them. */
		if (flags && unshare(flags))
			_exit(77);
		pid = fork();
		if (pid == 0)
			_exit(-service_check_place(in_container, why,
						   sizeof(why)));
		waitpid(pid, &status, 0);
		_exit(WEXITSTATUS(status));
	}
	assert_true(pid > 0);
	waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

static void real_namespaces_are_noticed(void **state)
{
	(void)state;
	if (ask_in(CLONE_NEWTIME, true) == 77) {
		print_message("skipped: a new time namespace needs root and "
			      "Linux 5.6\n");
		skip();
	}
	assert_int_equal(ask_in(CLONE_NEWTIME, true), EPERM);
	assert_int_equal(ask_in(CLONE_NEWPID, false), EPERM);
	/* A test may itself run in a container, but hardly in a time
	 * namespace. */
	assert_int_equal(ask_in(0, true), 0);
	assert_int_equal(ask_in(CLONE_NEWPID, true), 0);
}

static void the_environment_tells_of_a_container(void **state)
{
	char why[256];

	(void)state;
	setenv("container", "lxc\n", 1);
	assert_int_equal(service_check_place(false, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "lxc"));
	assert_int_equal(service_check_place(true, why, sizeof(why)), 0);
	unsetenv("container");
}

/* In kB, of /proc/self/status. */
static long status_of(const char *name)
{
	FILE *file = fopen("/proc/self/status", "r");
	char line[256];
	long value = -1;

	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		if (strncmp(line, name, strlen(name)) == 0)
			value = atol(line + strlen(name));
	}
	fclose(file);
	return value;
}

static void memory_is_locked_as_far_as_it_is_used(void **state)
{
	char *untouched = malloc(64 << 20);
	long before, after;

	(void)state;
	before = status_of("VmRSS:");
	service_lock_memory();
	after = status_of("VmRSS:");
	print_message("VmRSS %ld kB, locked %ld kB, VmLck %ld kB\n", before,
		      after, status_of("VmLck:"));
	if (status_of("VmLck:") == 0) {
		print_message("skipped: this user may not lock memory\n");
		free(untouched);
		skip();
	}
	/* Not the 64 MiB. */
	assert_true(after - before < 16 << 10);
	free(untouched);
}

/* --- state files ---------------------------------------------------------- */

struct folder {
	char name[32];
	char path[64];
	char other[64];
};

static int setup(void **state)
{
	static struct folder folder;

	strcpy(folder.name, "/tmp/paraclock-state-XXXXXX");
	if (!mkdtemp(folder.name))
		return -1;
	snprintf(folder.path, sizeof(folder.path), "%s/keep.json", folder.name);
	snprintf(folder.other, sizeof(folder.other), "%s/other", folder.name);
	*state = &folder;
	return 0;
}

static int teardown(void **state)
{
	const struct folder *folder = *state;

	unlink(folder->path);
	rmdir(folder->path);
	unlink(folder->other);
	/* Fails if a temporary file was left. */
	return rmdir(folder->name);
}

static const char *content(const char *path)
{
	static char text[64];
	const int fd = open(path, O_RDONLY);
	const ssize_t n = read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	close(fd);
	return text;
}

static void a_file_is_replaced_and_readable(void **state)
{
	const struct folder *f = *state;
	const mode_t old = umask(0077);
	struct stat first, second;
	int reader;
	char text[8] = "";

	assert_int_equal(state_write(f->path, "one\n"), 0);
	assert_int_equal(stat(f->path, &first), 0);
	assert_int_equal(first.st_mode & 07777, 0644);
	reader = open(f->path, O_RDONLY);
	assert_int_equal(state_write(f->path, "two\n"), 0);
	umask(old);
	assert_int_equal(stat(f->path, &second), 0);
	assert_int_not_equal(first.st_ino, second.st_ino);
	assert_int_equal(second.st_mode & 07777, 0644);
	assert_string_equal(content(f->path), "two\n");
	/* Whoever had it open reads the old text, whole. */
	assert_int_equal(read(reader, text, sizeof(text)), 4);
	assert_string_equal(text, "one\n");
	close(reader);
}

static void a_symbolic_link_is_not_followed(void **state)
{
	const struct folder *f = *state;
	struct stat st;

	assert_int_equal(state_write(f->other, "untouched"), 0);
	assert_int_equal(symlink(f->other, f->path), 0);
	assert_int_equal(state_write(f->path, "new"), 0);
	assert_string_equal(content(f->other), "untouched");
	assert_string_equal(content(f->path), "new");
	assert_int_equal(lstat(f->path, &st), 0);
	assert_true(S_ISREG(st.st_mode));
}

/* Its name can be guessed, so somebody may have been there first. */
static void a_link_in_the_temporary_place_is_not_followed(void **state)
{
	const struct folder *f = *state;
	char temporary[128];

	snprintf(temporary, sizeof(temporary), "%s/.keep.json.%ld", f->name,
		 (long)getpid());
	assert_int_equal(state_write(f->other, "untouched"), 0);
	assert_int_equal(symlink(f->other, temporary), 0);
	assert_int_equal(state_write(f->path, "new"), 0);
	assert_string_equal(content(f->other), "untouched");
	assert_string_equal(content(f->path), "new");
}

static void a_failure_leaves_nothing_behind(void **state)
{
	const struct folder *f = *state;
	char path[5000];

	assert_int_equal(state_write("/nonexistent/keep.json", "x"), -ENOENT);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(state_write(f->path, "x"), -EISDIR);
	memset(path, 'x', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	assert_int_equal(state_write(path, "x"), -ENAMETOOLONG);
}

static void a_name_without_a_folder_is_here(void **state)
{
	const struct folder *f = *state;

	assert_int_equal(chdir(f->name), 0);
	assert_int_equal(state_write("keep.json", "here"), 0);
	assert_int_equal(chdir("/"), 0);
	assert_string_equal(content(f->path), "here");
}

/* In a microVM nothing else makes them, and init may run with any umask. */
static void folders_are_for_everybody(void **state)
{
	const struct folder *f = *state;
	const mode_t old = umask(0077);
	char path[128];
	struct stat st;

	snprintf(path, sizeof(path), "%s/run/serve", f->name);
	state_make_folders(path);
	umask(old);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(rmdir(path), 0);
	/* The one that was there before is somebody else's matter. */
	assert_int_equal(stat(f->name, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);

	snprintf(path, sizeof(path), "%s/run", f->name);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0755);
	assert_int_equal(rmdir(path), 0);
	state_make_folders("");
}

#define LENGTH(a) (sizeof(a) / sizeof((a)[0]))
#define STATE(f)  cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	struct CMUnitTest rows[LENGTH(place_cases)];
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(real_namespaces_are_noticed),
		cmocka_unit_test(the_environment_tells_of_a_container),
		cmocka_unit_test(memory_is_locked_as_far_as_it_is_used),
		STATE(a_file_is_replaced_and_readable),
		STATE(a_symbolic_link_is_not_followed),
		STATE(a_link_in_the_temporary_place_is_not_followed),
		STATE(a_failure_leaves_nothing_behind),
		STATE(a_name_without_a_folder_is_here),
		STATE(folders_are_for_everybody),
	};

	memset(rows, 0, sizeof(rows));
	for (size_t i = 0; i < LENGTH(place_cases); i++) {
		rows[i].name = place_cases[i].name;
		rows[i].test_func = check_place;
		rows[i].initial_state = &place_cases[i];
	}
	return cmocka_run_group_tests_name("places", rows, NULL, NULL) +
	       cmocka_run_group_tests_name("others", tests, NULL, NULL);
}
