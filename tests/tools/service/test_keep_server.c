// SPDX-License-Identifier: MIT
/* Who asks keep over its socket: each request and its reply, with a keep that
 * is as right as the row says. */

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>
#include <paraclock/sim.h>

#include "keep_server.h"
#include "keep_tell.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

/* --- the keep ------------------------------------------------------------- */

static struct {
	struct loop *loop;
	struct keep keep;
	struct keep_options options;
	struct keep_server *server;
	char folder[64], path[96];
	struct paraclock_sim *sim;
	struct paraclock_sim_host *host;
	struct paraclock_sim_vm *vm;
	int client;
	unsigned int looks;
} bed;

static void look_at_epoch(void)
{
	struct keeper *keeper = &bed.keep.observer.keeper;

	keeper->last.sample.epoch = paraclock_epoch(keeper->clk);
	keeper->last.counter = 4711;
}

/* What keep_service.c and observer.c are to the server. */
enum keep_state observer_look(struct observer *observer)
{
	bed.looks++;
	if (observer->looked)
		observer->looked(observer->looked_ctx);
	return observer->keeper.state;
}

bool keep_is_settled(const struct keep *keep)
{
	return keep->observer.keeper.state == KEEP_RIGHT ||
	       keep->observer.keeper.state == KEEP_OFF;
}

bool keep_is_right(const struct keep *keep, int64_t within_ns)
{
	return keep->observer.keeper.state == KEEP_RIGHT &&
	       (within_ns < 0 ||
		keep->observer.keeper.last.offset_ns <= within_ns);
}

const char *keep_reason(const struct keep *keep)
{
	return keep_why_text(keep->observer.keeper.why);
}

static void become(enum keep_state state, enum keep_why why)
{
	bed.keep.observer.keeper.state = state;
	bed.keep.observer.keeper.why = why;
}

/* --- the bed -------------------------------------------------------------- */

static int make_bed(void **state)
{
	const struct paraclock_sim_vm_options vm = {
		.size = sizeof(vm),
		.parts = PARACLOCK_SIM_HAS_VMCLOCK |
			 PARACLOCK_SIM_HAS_GENERATION,
	};
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "vmclock",
	};
	struct sockaddr_un address = { .sun_family = AF_UNIX };

	(void)state;
	memset(&bed, 0, sizeof(bed));
	strcpy(bed.folder, "/tmp/paraclock-ask-XXXXXX");
	assert_non_null(mkdtemp(bed.folder));
	snprintf(bed.path, sizeof(bed.path), "%s/keep.sock", bed.folder);
	assert_int_equal(paraclock_sim_new(&bed.sim, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&bed.host, bed.sim, NULL), 0);
	assert_int_equal(paraclock_sim_vm_new(&bed.vm, bed.host, &vm), 0);
	opts.env = paraclock_sim_env(bed.vm, PARACLOCK_SIM_USER);
	assert_int_equal(paraclock_open(&bed.keep.observer.keeper.clk, &opts),
			 0);
	assert_int_equal(loop_new(&bed.loop), 0);
	bed.options.folder = bed.folder;
	bed.keep.options = &bed.options;
	bed.keep.observer.loop = bed.loop;
	assert_int_equal(keep_server_open(&bed.server, &bed.keep), 0);
	memcpy(address.sun_path, bed.path, strlen(bed.path) + 1);
	bed.client = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(bed.client, (void *)&address, sizeof(address)),
			 0);
	look_at_epoch();
	become(KEEP_RIGHT, KEEP_WHY_NONE);
	return 0;
}

static int strip_bed(void **state)
{
	(void)state;
	close(bed.client);
	keep_server_close(bed.server);
	loop_free(bed.loop);
	paraclock_close(bed.keep.observer.keeper.clk);
	paraclock_sim_free(bed.sim);
	/* Nothing is left there. */
	return rmdir(bed.folder);
}

static void ended(void *arg)
{
	loop_end(arg, 0);
}

static void send_request(const char *text)
{
	assert_int_equal(send(bed.client, text, strlen(text), MSG_NOSIGNAL),
			 strlen(text));
}

/* The loop runs until a reply is there. */
static json_t *get_reply(void)
{
	static char text[8192];
	json_t *reply;
	ssize_t got;

	assert_int_equal(
		loop_watch(bed.loop, bed.client, POLLIN, ended, bed.loop), 0);
	assert_int_equal(loop_run(bed.loop), 0);
	assert_int_equal(loop_watch(bed.loop, bed.client, 0, NULL, NULL), 0);
	got = recv(bed.client, text, sizeof(text), MSG_DONTWAIT);
	assert_true(got > 0);
	reply = json_loadb(text, (size_t)got, JSON_REJECT_DUPLICATES, NULL);
	assert_true(json_is_object(reply));
	return reply;
}

static json_t *ask(const char *text)
{
	send_request(text);
	return get_reply();
}

static void turn(void *arg)
{
	loop_end(arg, 0);
}

/* The loop does what is there to be done, and no reply comes. */
static void expect_no_reply(void)
{
	struct pollfd poller = { .fd = bed.client, .events = POLLIN };

	for (int i = 0; i < 5; i++) {
		assert_int_equal(loop_timer(bed.loop, 0, turn, bed.loop), 0);
		assert_int_equal(loop_run(bed.loop), 0);
	}
	assert_int_equal(poll(&poller, 1, 0), 0);
}

static void expect_text(const json_t *reply, const char *key, const char *want)
{
	const char *text = json_string_value(json_object_get(reply, key));

	assert_non_null(text);
	assert_string_equal(text, want);
}

static void expect_marker(const json_t *reply)
{
	struct paraclock_marker now;
	char text[32];

	assert_int_equal(paraclock_marker(bed.keep.observer.keeper.clk, &now),
			 0);
	snprintf(text, sizeof(text), "0x%016" PRIx64, now.value);
	expect_text(reply, "marker", text);
	snprintf(text, sizeof(text), "0x%016" PRIx64, now.generation);
	expect_text(reply, "generation", text);
}

#define SYNC "{\"request\":\"sync\"}"

/* --- answers -------------------------------------------------------------- */

static void right_with_its_marker(void **state)
{
	json_t *reply = ask(SYNC);

	(void)state;
	assert_true(json_is_true(json_object_get(reply, "right")));
	expect_text(reply, "state", "right");
	expect_text(reply, "text", "");
	assert_int_equal(json_integer_value(json_object_get(reply, "counter")),
			 4711);
	expect_marker(reply);
	assert_int_equal(bed.looks, 1);
	json_decref(reply);
}

static void a_disruption_since_the_look(void **state)
{
	json_t *reply;

	(void)state;
	assert_int_equal(paraclock_sim_migrate(bed.vm, bed.host, 0, 0), 0);
	reply = ask(SYNC);
	assert_true(json_is_false(json_object_get(reply, "right")));
	assert_non_null(strstr(
		json_string_value(json_object_get(reply, "text")), "again"));
	expect_marker(reply);
	json_decref(reply);
	/* As it says. */
	look_at_epoch();
	reply = ask(SYNC);
	assert_true(json_is_true(json_object_get(reply, "right")));
	json_decref(reply);
}

static void off_and_why(void **state)
{
	json_t *reply;

	(void)state;
	become(KEEP_OFF, KEEP_WHY_MAX_STEP);
	reply = ask(SYNC);
	assert_true(json_is_false(json_object_get(reply, "right")));
	expect_text(reply, "state", "off");
	expect_text(reply, "why", "max-step");
	expect_text(reply, "text", keep_why_text(KEEP_WHY_MAX_STEP));
	expect_marker(reply);
	json_decref(reply);
}

static void it_waits_until_right(void **state)
{
	json_t *reply;

	(void)state;
	become(KEEP_WAITING, KEEP_WHY_NOT_VALID);
	send_request("{\"request\":\"sync\",\"wait_ns\":3600000000000}");
	expect_no_reply();
	observer_look(&bed.keep.observer);
	expect_no_reply();
	become(KEEP_RIGHT, KEEP_WHY_NONE);
	observer_look(&bed.keep.observer);
	reply = get_reply();
	assert_true(json_is_true(json_object_get(reply, "right")));
	json_decref(reply);
	/* Once. */
	observer_look(&bed.keep.observer);
	expect_no_reply();
}

static void it_waits_no_longer_than_asked(void **state)
{
	json_t *reply;

	(void)state;
	become(KEEP_WAITING, KEEP_WHY_NOT_VALID);
	reply = ask("{\"request\":\"sync\",\"wait_ns\":0}");
	assert_true(json_is_false(json_object_get(reply, "right")));
	expect_text(reply, "why", "not-valid");
	json_decref(reply);
	reply = ask("{\"request\":\"sync\",\"wait_ns\":1000000}");
	assert_true(json_is_false(json_object_get(reply, "right")));
	json_decref(reply);
}

static void within_is_waited_for(void **state)
{
	json_t *reply;

	(void)state;
	bed.keep.observer.keeper.last.offset_ns = 50000000;
	send_request("{\"request\":\"sync\",\"within_ns\":1000000,"
		     "\"wait_ns\":3600000000000}");
	expect_no_reply();
	bed.keep.observer.keeper.last.offset_ns = 1000000;
	observer_look(&bed.keep.observer);
	reply = get_reply();
	assert_true(json_is_true(json_object_get(reply, "right")));
	json_decref(reply);
}

static void no_source(void **state)
{
	struct paraclock *clk = bed.keep.observer.keeper.clk;
	json_t *reply;

	(void)state;
	bed.keep.observer.keeper.clk = NULL;
	become(KEEP_OFF, KEEP_WHY_NONE);
	reply = ask(SYNC);
	bed.keep.observer.keeper.clk = clk;
	assert_true(json_is_false(json_object_get(reply, "right")));
	expect_text(reply, "why", "no-source");
	assert_true(json_is_null(json_object_get(reply, "marker")));
	assert_true(json_is_null(json_object_get(reply, "generation")));
	json_decref(reply);
}

/* --- requests that are none ----------------------------------------------- */

static const struct refusal {
	const char *name, *text;
} refusals[] = {
	/* clang-format off */
	{ "no JSON", "sync" },
	{ "half of it", "{\"request\":\"sync\"" },
	{ "no object", "[\"sync\"]" },
	{ "another request", "{\"request\":\"step\"}" },
	{ "a request that is no text", "{\"request\":1}" },
	{ "no request", "{}" },
	{ "a member twice", "{\"request\":\"sync\",\"request\":\"sync\"}" },
	{ "a negative time", "{\"request\":\"sync\",\"wait_ns\":-1}" },
	{ "a time that is no integer",
	  "{\"request\":\"sync\",\"wait_ns\":1.5}" },
	{ "a time beyond 64 bits",
	  "{\"request\":\"sync\",\"wait_ns\":9223372036854775808}" },
	{ "a distance that is a text",
	  "{\"request\":\"sync\",\"within_ns\":\"1\"}" },
	{ "a NUL in a text", "{\"request\":\"sync\\u0000\"}" },
	/* clang-format on */
};

static void check_refusal(void **state)
{
	const struct refusal *row = *state;
	json_t *reply = ask(row->text);

	assert_true(json_is_string(json_object_get(reply, "error")));
	assert_null(json_object_get(reply, "right"));
	assert_int_equal(bed.looks, 0);
	json_decref(reply);
	/* The connection is of use as before. */
	reply = ask(SYNC);
	assert_true(json_is_true(json_object_get(reply, "right")));
	json_decref(reply);
}

static void a_request_too_many(void **state)
{
	json_t *reply;

	(void)state;
	become(KEEP_WAITING, KEEP_WHY_NOT_VALID);
	send_request("{\"request\":\"sync\",\"wait_ns\":3600000000000}");
	expect_no_reply();
	reply = ask(SYNC);
	assert_true(json_is_string(json_object_get(reply, "error")));
	json_decref(reply);
	become(KEEP_RIGHT, KEEP_WHY_NONE);
	observer_look(&bed.keep.observer);
	reply = get_reply();
	assert_true(json_is_true(json_object_get(reply, "right")));
	json_decref(reply);
}

static void a_message_that_does_not_fit(void **state)
{
	static char text[3 * KEEP_MESSAGE_MAX];
	json_t *reply;

	(void)state;
	memset(text, ' ', sizeof(text) - 1);
	memcpy(text, SYNC, strlen(SYNC));
	text[sizeof(text) - 2] = 'x';
	reply = ask(text);
	json_decref(reply);
	reply = ask(SYNC);
	assert_true(json_is_true(json_object_get(reply, "right")));
	json_decref(reply);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("rule 9: right, with the marker that it holds for",
		     right_with_its_marker),
		TEST("rule 9: a disruption since the look: ask again",
		     a_disruption_since_the_look),
		TEST("off, and why", off_and_why),
		TEST("it waits until the clock is right", it_waits_until_right),
		TEST("it waits no longer than asked",
		     it_waits_no_longer_than_asked),
		TEST("within is waited for", within_is_waited_for),
		TEST("no source", no_source),
		TEST("a request before the reply to the last one",
		     a_request_too_many),
		TEST("a message that does not fit",
		     a_message_that_does_not_fit),
	};

	each_test(make_bed, strip_bed);
	ADD_TESTS(tests);
	ADD_ROWS(refusals, check_refusal);
	return run_suite(NULL, NULL);
}
