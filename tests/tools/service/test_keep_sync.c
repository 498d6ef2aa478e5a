// SPDX-License-Identifier: MIT
/*
 * 'paraclock keep --sync' against a keep of the test's own, which is restored
 * from a saved state between its reply and the client's next look: the reply
 * lay in the saved state.
 */

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <paraclock/sim.h>

#include "keep_options.h"
#include "keep_sync.h"

#include "../../shared/rows.h"

/* The vmclock of a guest before it is restored, and after. */
struct image {
	uint8_t page[4096];
	uint64_t marker, generation;
};

struct folder {
	char name[64], page[96], socket[96];
	struct image before, after;
};

/* --- the machine ---------------------------------------------------------- */

static void take_image(struct paraclock_sim_vm *vm, struct image *image)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
		.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER),
	};
	struct paraclock_marker marker;
	struct paraclock *clk;
	size_t size = 0;
	void *page = paraclock_sim_page(vm, PARACLOCK_SIM_VMCLOCK, 0, &size);

	assert_int_equal(size, sizeof(image->page));
	memcpy(image->page, page, size);
	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	paraclock_close(clk);
	image->marker = marker.value;
	image->generation = marker.generation;
}

static void take_images(struct folder *f)
{
	const struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = PARACLOCK_SIM_HAS_VMCLOCK |
			 PARACLOCK_SIM_HAS_GENERATION,
	};
	struct paraclock_sim_state *saved;
	struct paraclock_sim_host *host;
	struct paraclock_sim_vm *vm;
	struct paraclock_sim *sim;

	assert_int_equal(paraclock_sim_new(&sim, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&host, sim, NULL), 0);
	assert_int_equal(paraclock_sim_vm_new(&vm, host, &opts), 0);
	take_image(vm, &f->before);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, 0), 0);
	take_image(vm, &f->after);
	paraclock_sim_state_free(saved);
	paraclock_sim_free(sim);
	assert_int_not_equal(f->before.marker, f->after.marker);
	assert_int_not_equal(f->before.generation, f->after.generation);
}

/* What memory shows from now on. */
static void show(const struct folder *f, const struct image *image)
{
	int fd = open(f->page, O_RDWR | O_CREAT | O_CLOEXEC, 0644);

	assert_true(fd >= 0);
	assert_int_equal(pwrite(fd, image->page, sizeof(image->page), 0),
			 sizeof(image->page));
	assert_int_equal(close(fd), 0);
}

static void make_folder(struct folder *f)
{
	strcpy(f->name, "/tmp/paraclock-sync-XXXXXX");
	assert_non_null(mkdtemp(f->name));
	snprintf(f->page, sizeof(f->page), "%s/vmclock", f->name);
	snprintf(f->socket, sizeof(f->socket), "%s/keep.sock", f->name);
	take_images(f);
	show(f, &f->before);
}

static void remove_folder(const struct folder *f)
{
	assert_int_equal(unlink(f->page), 0);
	assert_int_equal(unlink(f->socket), 0);
	assert_int_equal(rmdir(f->name), 0);
}

/* --- the keep ------------------------------------------------------------- */

enum sort {
	CURRENT,    /* by what memory shows */
	OLD,	    /* from the saved state; memory shows the other one */
	UNMARKED,   /* it knows of no marker */
	NOT_RIGHT,  /* by what memory shows */
	OLD_MARKER, /* of the two, only the marker is old */
	OLD_GENERATION,
	REFUSED,
	GARBAGE,
	GONE, /* it ends, and does not answer */
};

static void format_reply(const struct folder *f, enum sort sort, char *text,
			 size_t size)
{
	uint64_t marker = f->after.marker, generation = f->after.generation;

	if (sort == OLD || sort == OLD_MARKER)
		marker = f->before.marker;
	if (sort == OLD || sort == OLD_GENERATION)
		generation = f->before.generation;
	if (sort == UNMARKED)
		snprintf(text, size,
			 "{\"right\":true,\"offset_ns\":5,\"counter\":7,"
			 "\"marker\":null,\"generation\":null}");
	else if (sort == REFUSED)
		snprintf(text, size, "{\"error\":\"too many\"}");
	else if (sort == GARBAGE)
		snprintf(text, size, "right");
	else
		snprintf(text, size,
			 "{\"right\":%s,\"state\":\"off\",\"offset_ns\":5,"
			 "\"counter\":7,\"text\":\"it is off\","
			 "\"marker\":\"0x%016" PRIx64 "\","
			 "\"generation\":\"0x%016" PRIx64 "\"}",
			 sort == NOT_RIGHT ? "false" : "true", marker,
			 generation);
}

/* In a process of its own: the number of requests is its status. */
static int serve(const struct folder *f, int listener, const enum sort *sort)
{
	char text[4096];
	int fd = accept(listener, NULL, NULL);
	int requests = 0;
	ssize_t got;

	while (fd >= 0 && (got = recv(fd, text, sizeof(text) - 1, 0)) > 0) {
		text[got] = '\0';
		if (!strstr(text, "\"request\":\"sync\""))
			return 99;
		requests++;
		if (sort[0] == GONE)
			return requests;
		/* The restore comes first: the reply was on its way. */
		show(f, &f->after);
		format_reply(f, sort[0], text, sizeof(text));
		if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0)
			return 98;
		/* The last one goes on for ever. */
		if (sort[1] != sort[0])
			sort++;
	}
	return requests < 90 ? requests : 90;
}

static pid_t start_server(const struct folder *f, const enum sort *sort)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	pid_t pid;

	memcpy(address.sun_path, f->socket, strlen(f->socket) + 1);
	assert_int_equal(bind(fd, (void *)&address, sizeof(address)), 0);
	assert_int_equal(listen(fd, 1), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (!pid)
		_exit(serve(f, fd, sort));
	assert_int_equal(close(fd), 0);
	return pid;
}

/* --- rows ----------------------------------------------------------------- */

#define SEC 1000000000LL

static const struct row {
	const char *name;
	enum sort sort[3]; /* of its replies; the last one is repeated */
	int status, requests;
	int64_t wait_ns; /* 0: a minute; it is not waited for */
} rows[] = {
	/* clang-format off */
	{ "an answer by what memory shows", { CURRENT, CURRENT, CURRENT },
	  STATUS_OK, 1, 0 },
	{ "rule 9: an answer that lay in the saved state is asked for again",
	  { OLD, CURRENT, CURRENT }, STATUS_OK, 2, 0 },
	{ "rule 9: twice, if need be",
	  { OLD_MARKER, OLD_GENERATION, CURRENT }, STATUS_OK, 3, 0 },
	{ "a keep without a marker: right at that counter, and no more",
	  { UNMARKED, UNMARKED, UNMARKED }, STATUS_OK, 1, 0 },
	{ "the clock is not right", { NOT_RIGHT, NOT_RIGHT, NOT_RIGHT },
	  STATUS_NOT_VALID, 1, 0 },
	{ "rule 9: that it is not right is asked for again as well",
	  { OLD, NOT_RIGHT, NOT_RIGHT }, STATUS_NOT_VALID, 2, 0 },
	{ "an answer that is always old is none", { OLD, OLD, OLD },
	  STATUS_FAILED, 0, SEC / 5 },
	{ "keep refuses", { REFUSED, REFUSED, REFUSED }, STATUS_FAILED, 1, 0 },
	{ "keep answers garbage", { GARBAGE, GARBAGE, GARBAGE },
	  STATUS_FAILED, 1, 0 },
	{ "keep ends", { GONE, GONE, GONE }, STATUS_FAILED, 1, 0 },
	/* clang-format on */
};

static void check_row(void **state)
{
	const struct row *row = *state;
	int64_t wait_ns = row->wait_ns ? row->wait_ns : 60 * SEC;
	struct folder f;
	struct keep_options options = {
		.observer.source = { .backend = "vmclock", .device = f.page },
		.folder = f.name,
	};
	int status;
	pid_t pid;

	make_folder(&f);
	pid = start_server(&f, row->sort);
	assert_int_equal(keep_sync(&options, wait_ns, -1), row->status);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	if (row->requests)
		assert_int_equal(WEXITSTATUS(status), row->requests);
	remove_folder(&f);
}

static void nobody_is_there(void **state)
{
	struct keep_options options = { .folder = "/nowhere/paraclock" };

	(void)state;
	assert_int_equal(keep_sync(&options, SEC, -1), STATUS_FAILED);
}

int main(void)
{
	ADD_ROWS(rows, check_row);
	add_test("no keep is there", nobody_is_there);
	return run_suite(NULL, NULL);
}
