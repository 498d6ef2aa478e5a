// SPDX-License-Identifier: MIT
/* The protocol: what is answered, what is passed on, and in which order. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qga_bed.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define T(text)	     text, sizeof(text) - 1
#define STEPS	     12

enum op {
	END_OF_STEPS,
	HOST,	   /* the host says */
	HOST_SEES, /* it has been sent exactly this */
	UP,	   /* the upstream says */
	UP_SEES,   /* it has been sent exactly this */
	CONNECT,   /* the upstream connects, and is greeted */
	AWAY,	   /* it hangs up */
	HANG_UP,   /* the host does */
	SETS,	   /* the clock has been set so often, counted in characters */
	HOST_SETS, /* the same, by the host clock */
	REFUSE,	   /* from now on the clock refuses */
};

struct step {
	enum op op;
	const char *text;
	size_t size;
};

struct play {
	const char *name;
	bool upstream;
	struct step steps[STEPS];
};

#define ERROR(text) \
	"{\"error\": {\"class\": \"GenericError\", \"desc\": \"" text "\"}}\n"
#define MISSING(name)                                             \
	"{\"error\": {\"class\": \"CommandNotFound\", \"desc\": " \
	"\"The command " name " has not been found\"}}\n"
#define BARRIER(id) \
	"{\"execute\": \"guest-sync\", \"arguments\": {\"id\": " id "}}\n"
#define NOT_JSON ERROR("JSON parse error, the rest of the line is dropped")
#define SENTINEL ERROR("JSON parse error, stray '\\uFFFD'")
#define NOT_THERE                                                   \
	ERROR("The guest agent that paraclock passes this command " \
	      "to is away")
#define WENT                                                                \
	ERROR("The guest agent that paraclock passed this command to went " \
	      "away before it answered")
#define WENT_ID(id)                                                          \
	"{\"id\": " id ", \"error\": {\"class\": \"GenericError\", "         \
	"\"desc\": \"The guest agent that paraclock passed this command to " \
	"went away before it answered\"}}\n"
#define NOT_INTEGER \
	ERROR("Invalid parameter type for 'time', expected: integer")
#define PING	  "{\"execute\":\"guest-ping\"}"
#define GET	  "{\"execute\":\"guest-get-time\"}"
#define TIME	  "{\"return\": 1700000000123456789}\n"
#define OK	  "{\"return\": {}}\n"
#define SET(time) "{\"execute\":\"guest-set-time\",\"arguments\":" time "}\n"
#define INFO	  "{\"execute\":\"guest-info\"}"
#define ENTRY(name)                                    \
	"{\"enabled\": true, \"name\": \"" name "\", " \
	"\"success-response\": true}"

static struct play plays[] = {
	/* clang-format off */

	/* --- alone --- */
	{ "get-time answers ns", false,
	  { { HOST, T(GET "\n") }, { HOST_SEES, T(TIME) } } },
	{ "set-time sets, and answers an empty object", false,
	  { { HOST, T(SET("{\"time\":1600000000000000001}")) },
	    { SETS, T(".") }, { HOST_SEES, T(OK) } } },
	{ "set-time without a time sets by the host clock", false,
	  { { HOST, T("{\"execute\":\"guest-set-time\"}" SET("{}")) },
	    { HOST_SETS, T("..") }, { SETS, T("") },
	    { HOST_SEES, T(OK OK) } } },
	{ "the clock's reason for a refusal is the answer", false,
	  { { REFUSE, T("") }, { HOST, T(SET("{\"time\":5}")) },
	    { HOST_SEES, T(ERROR("the clock refuses")) } } },
	{ "a refusal without a reason is an error as well", false,
	  { { REFUSE, T("") }, { HOST, T(SET("{}")) },
	    { HOST_SEES, T(ERROR("Failed to set time to guest")) } } },
	{ "a negative time is refused", false,
	  { { HOST, T(SET("{\"time\":-1}")) }, { SETS, T("") },
	    { HOST_SEES, T(ERROR(
		"Invalid parameter 'time': a time before 1970")) } } },
	{ "the largest time is passed to the clock", false,
	  { { HOST, T(SET("{\"time\":9223372036854775807}")) },
	    { SETS, T(".") }, { HOST_SEES, T(OK) } } },
	{ "a time beyond int64 is refused", false,
	  { { HOST, T(SET("{\"time\":9223372036854775808}")) },
	    { SETS, T("") },
	    { HOST_SEES, T(ERROR("JSON parse error, too big integer")) } } },
	{ "a time far below int64 is refused", false,
	  { { HOST, T(SET("{\"time\":-9223372036854775809}")) },
	    { SETS, T("") },
	    { HOST_SEES, T(ERROR(
		"JSON parse error, too big negative integer")) } } },
	{ "a time that is real is refused", false,
	  { { HOST, T(SET("{\"time\":1.0}")) }, { SETS, T("") },
	    { HOST_SEES, T(NOT_INTEGER) } } },
	{ "a time with an exponent is refused", false,
	  { { HOST, T(SET("{\"time\":1e18}")) }, { SETS, T("") },
	    { HOST_SEES, T(NOT_INTEGER) } } },
	{ "a time that is a string is refused", false,
	  { { HOST, T(SET("{\"time\":\"5\"}")) }, { SETS, T("") },
	    { HOST_SEES, T(NOT_INTEGER) } } },
	{ "a time that is true is refused", false,
	  { { HOST, T(SET("{\"time\":true}")) }, { SETS, T("") },
	    { HOST_SEES, T(NOT_INTEGER) } } },
	{ "a time that is null is refused, and does not mean the host's",
	  false,
	  { { HOST, T(SET("{\"time\":null}")) }, { SETS, T("") },
	    { HOST_SETS, T("") }, { HOST_SEES, T(NOT_INTEGER) } } },
	{ "a time that is an object is refused", false,
	  { { HOST, T(SET("{\"time\":{}}")) }, { SETS, T("") },
	    { HOST_SEES, T(NOT_INTEGER) } } },
	{ "a time that is given twice is refused", false,
	  { { HOST, T(SET("{\"time\":1,\"time\":2}")) }, { SETS, T("") },
	    { HOST_SEES, T(ERROR("JSON parse error, duplicate object key")) } } },
	{ "another argument is refused", false,
	  { { HOST, T(SET("{\"time\":1,\"now\":2}")) }, { SETS, T("") },
	    { HOST_SEES, T(ERROR("Parameter 'now' is unexpected")) } } },
	{ "arguments that are no object are refused", false,
	  { { HOST, T(SET("[1]")) }, { SETS, T("") }, { HOST_SETS, T("") },
	    { HOST_SEES, T(ERROR("QMP input member 'arguments' must be an "
				 "object")) } } },
	{ "another member is refused", false,
	  { { HOST, T("{\"execute\":\"guest-set-time\",\"x\":1}") },
	    { HOST_SETS, T("") },
	    { HOST_SEES, T(ERROR(
		"QMP input member 'x' is unexpected")) } } },
	{ "two commands in one request are refused", false,
	  { { HOST, T("{\"execute\":\"guest-set-time\","
		      "\"execute\":\"guest-ping\"}") }, { HOST_SETS, T("") },
	    { HOST_SEES, T(ERROR("JSON parse error, duplicate object key")) } } },
	{ "single quotes are not accepted for ours", false,
	  { { HOST, T("{'execute':'guest-set-time'}") }, { HOST_SETS, T("") },
	    { HOST_SEES, T(ERROR("JSON parse error, string or '}' expected")) } } },
	{ "a name is cut and cleaned where an error quotes it", false,
	  { { HOST, T("{\"execute\":\"guest-get-time\",\"\xc3\":1}") },
	    { HOST_SEES, T(ERROR("JSON parse error, unable to decode byte 0xc3")) } } },
	{ "NUL in an id is refused", false,
	  { { HOST, T("{\"execute\":\"guest-get-time\","
		      "\"id\":\"\\u0000\"}") },
	    { HOST_SEES, T(ERROR("JSON parse error, \\\\u0000 is not allowed "
				 "without JSON_ALLOW_NUL")) } } },
	{ "the id comes back, whatever it is", false,
	  { { HOST, T("{\"id\":[1,{\"a\":\"b\"}],"
		      "\"execute\":\"guest-get-time\"}") },
	    { HOST_SEES, T("{\"return\": 1700000000123456789, "
			   "\"id\": [1, {\"a\": \"b\"}]}\n") } } },
	{ "an error has the id too", false,
	  { { HOST, T("{\"execute\":\"nope\",\"id\":null}") },
	    { HOST_SEES, T("{\"id\": null, \"error\": {\"class\": "
			   "\"CommandNotFound\", \"desc\": \"The command nope "
			   "has not been found\"}}\n") } } },
	{ "status is what the clock says", false,
	  { { HOST, T("{\"execute\":\"guest-paraclock-status\"}") },
	    { HOST_SEES, T("{\"return\": {\"valid\": true}}\n") } } },
	{ "without an upstream ping is answered", false,
	  { { HOST, T(PING) }, { HOST_SEES, T(OK) } } },
	{ "without an upstream sync is answered", false,
	  { { HOST, T("{\"execute\":\"guest-sync\",\"arguments\":"
		      "{\"id\":-7}}") },
	    { HOST_SEES, T("{\"return\": -7}\n") } } },
	{ "without an upstream delimited sync is answered after 0xFF", false,
	  { { HOST, T("\xff{\"execute\":\"guest-sync-delimited\","
		      "\"arguments\":{\"id\":7}}") },
	    { HOST_SEES, T(SENTINEL "\xff{\"return\": 7}\n") } } },
	{ "sync needs its number", false,
	  { { HOST, T("{\"execute\":\"guest-sync-delimited\"}") },
	    { HOST_SEES, T(ERROR("Parameter 'id' is missing")) } } },
	{ "without an upstream info lists ours", false,
	  { { HOST, T(INFO) },
	    { HOST_SEES, T("{\"return\": {\"version\": \"1.2.3\", "
		"\"supported_commands\": [" ENTRY("guest-ping") ", "
		ENTRY("guest-sync") ", " ENTRY("guest-sync-delimited") ", "
		ENTRY("guest-info") ", " ENTRY("guest-get-time") ", "
		ENTRY("guest-set-time") ", " ENTRY("guest-paraclock-status")
		"]}}\n") } } },
	{ "without an upstream the rest is not found", false,
	  { { HOST, T("{\"execute\":\"guest-exec\"}") },
	    { HOST_SEES, T(MISSING("guest-exec")) } } },
	{ "a request without a command is an error", false,
	  { { HOST, T("{}") },
	    { HOST_SEES, T(ERROR("QMP input lacks member 'execute'")) } } },
	{ "a command that is no string is an error", false,
	  { { HOST, T("{\"execute\":5}") },
	    { HOST_SEES, T(ERROR("QMP input member 'execute' must be a "
				 "string")) } } },
	{ "what is no JSON is one error for each line", false,
	  { { HOST, T("abc {\"execute\":\"guest-set-time\"}\n\n"
		      "\"a\" [1]\n" PING) },
	    { HOST_SETS, T("") },
	    { HOST_SEES, T(NOT_JSON NOT_JSON OK) } } },
	{ "0xFF ends what is no JSON", false,
	  { { HOST, T("abc\xff" PING) },
	    { HOST_SEES, T(NOT_JSON SENTINEL OK) } } },
	{ "0xFF voids half a request", false,
	  { { HOST, T("{\"execute\":\"guest-set-time\"\xff}\n" PING) },
	    { HOST_SETS, T("") },
	    { HOST_SEES, T(SENTINEL NOT_JSON OK) } } },
	{ "a host that hangs up takes its half request with it", false,
	  { { HOST, T("{\"execute\":\"guest-set-time\"") }, { HANG_UP, T("") },
	    { HOST, T("}\n" PING) }, { HOST_SETS, T("") },
	    { HOST_SEES, T(NOT_JSON OK) } } },

	/* --- with an upstream --- */
	{ "a connection begins with 0xFF and a barrier", true,
	  { { CONNECT, T("") }, { UP_SEES, T("") }, { HOST_SEES, T("") } } },
	{ "what is not ours is passed on, byte for byte", true,
	  { { CONNECT, T("") },
	    { HOST, T("{ \"execute\" :\t\"guest-exec\",\r\n"
		      "\"arguments\":{'path':\"\\u00e4\xff") },
	    { UP_SEES, T("{ \"execute\" :\t\"guest-exec\",\r\n"
			 "\"arguments\":{'path':\"\\u00e4\xff") },
	    { UP, T("{\"error\":1}\n") },
	    { HOST_SEES, T("{\"error\":1}\n") } } },
	{ "the space after a request is passed on with it", true,
	  { { CONNECT, T("") }, { HOST, T(PING "\n") }, { UP_SEES, T(PING "\n") },
	    { HOST, T(" \n") }, { UP_SEES, T(" \n") },
	    { UP, T("{\"return\":\n") }, { HOST_SEES, T("{\"return\":\n") } } },
	{ "replies come back byte for byte, in pieces", true,
	  { { CONNECT, T("") }, { HOST, T(PING) }, { UP_SEES, T(PING) },
	    { UP, T("\xff{\"retu") }, { HOST_SEES, T("\xff{\"retu") },
	    { UP, T("rn\" : {} }\r\n") },
	    { HOST_SEES, T("rn\" : {} }\r\n") } } },
	{ "sync goes to the upstream", true,
	  { { CONNECT, T("") },
	    { HOST, T("\xff{\"execute\":\"guest-sync-delimited\"}") },
	    { UP_SEES, T("\xff{\"execute\":\"guest-sync-delimited\"}") } } },
	{ "ours never reaches the upstream", true,
	  { { CONNECT, T("") }, { HOST, T(GET "\n" SET("{\"time\":1}")) },
	    { UP_SEES, T("") }, { SETS, T(".") },
	    { HOST_SEES, T(TIME OK) } } },
	{ "ours waits until the upstream has answered what came before", true,
	  { { CONNECT, T("") }, { HOST, T(PING GET) },
	    { UP_SEES, T(PING BARRIER("1002")) }, { HOST_SEES, T("") },
	    { UP, T(OK) }, { HOST_SEES, T(OK) },
	    { UP, T("{\"return\": 1002}\n") }, { HOST_SEES, T(TIME) } } },
	{ "setting the clock waits as well", true,
	  { { CONNECT, T("") }, { HOST, T(PING SET("{\"time\":1}")) },
	    { UP_SEES, T(PING BARRIER("1002")) }, { SETS, T("") },
	    { UP, T(OK "{\"return\":1002}\n") }, { SETS, T(".") },
	    { HOST_SEES, T(OK OK) } } },
	{ "what follows ours waits for it", true,
	  { { CONNECT, T("") }, { HOST, T(PING GET PING) },
	    { UP_SEES, T(PING BARRIER("1002")) },
	    { UP, T(OK "{\"return\": 1002}\n") }, { UP_SEES, T(PING) },
	    { HOST_SEES, T(OK TIME) }, { UP, T(OK) },
	    { HOST_SEES, T(OK) } } },
	{ "a request that has no answer holds nothing up", true,
	  { { CONNECT, T("") }, { HOST, T("{\"execute\":\"guest-shutdown\"}") },
	    { UP_SEES, T("{\"execute\":\"guest-shutdown\"}") },
	    { HOST, T(GET) }, { UP_SEES, T(BARRIER("1002")) },
	    { UP, T("{\"return\": 1002}\n") }, { HOST_SEES, T(TIME) },
	    { HOST, T(GET) }, { HOST_SEES, T(TIME) } } },
	{ "another number is not the barrier's", true,
	  { { CONNECT, T("") }, { HOST, T(PING GET) },
	    { UP_SEES, T(PING BARRIER("1002")) },
	    { UP, T("{\"return\": 10021}\n{\"return\": 100}\n") },
	    { HOST_SEES, T("{\"return\": 10021}\n{\"return\": 100}\n") },
	    { UP, T("{\"return\": 1002}\n") }, { HOST_SEES, T(TIME) } } },
	{ "an error of ours waits for its turn", true,
	  { { CONNECT, T("") }, { HOST, T(PING "!\n") },
	    { UP_SEES, T(PING BARRIER("1002")) }, { HOST_SEES, T("") },
	    { UP, T(OK "{\"return\": 1002}\n") },
	    { HOST_SEES, T(OK NOT_JSON) } } },
	{ "the upstream never sees what is no JSON", true,
	  { { CONNECT, T("") }, { HOST, T("x{\"execute\":\"guest-set-time\"}\n") },
	    { UP_SEES, T("") }, { HOST_SEES, T(NOT_JSON) } } },
	{ "info is the upstream's, with ours added and enabled", true,
	  { { CONNECT, T("") }, { HOST, T(INFO) }, { UP_SEES, T(INFO) },
	    { UP, T("{\"return\": {\"version\": \"7\", \"supported_commands\": "
		    "[{\"enabled\": false, \"name\": \"guest-set-time\", "
		    "\"success-response\": true}, {\"name\": \"guest-x\"}]}, "
		    "\"id\": 4}\n") },
	    { HOST_SEES, T("{\"return\": {\"version\": \"7\", "
		    "\"supported_commands\": [" ENTRY("guest-set-time") ", "
		    "{\"name\": \"guest-x\"}, " ENTRY("guest-get-time") ", "
		    ENTRY("guest-paraclock-status") "]}, \"id\": 4}\n") } } },
	{ "info waits until the upstream has answered what came before", true,
	  { { CONNECT, T("") }, { HOST, T(PING INFO) },
	    { UP_SEES, T(PING BARRIER("1002")) },
	    { UP, T(OK "{\"return\": 1002}\n") }, { UP_SEES, T(INFO) },
	    { UP, T(ERROR("no")) }, { HOST_SEES, T(OK ERROR("no")) } } },
	{ "what is no answer to info is passed unchanged", true,
	  { { CONNECT, T("") }, { HOST, T(INFO) }, { UP_SEES, T(INFO) },
	    { UP, T("{\"return\": {\"supported_commands\": 5}}\n") },
	    { HOST_SEES,
	      T("{\"return\": {\"supported_commands\": 5}}\n") } } },
	{ "an upstream that dies leaves an error for each request", true,
	  { { CONNECT, T("") }, { HOST, T(PING PING) }, { UP_SEES, T(PING PING) },
	    { AWAY, T("") }, { HOST_SEES, T(WENT WENT) } } },
	{ "with its id, unless that is large or an array", true,
	  { { CONNECT, T("") },
	    { HOST, T("{\"execute\":\"a\",\"id\":\"x\"}"
		      "{\"execute\":\"a\",\"id\":[1]}"
		      "{\"id\":7,\"execute\":\"a\"}" PING
		      "{\"execute\":\"guest-nope\",\"id\":null}") },
	    { UP, T(OK) },
	    { UP_SEES, T("{\"execute\":\"a\",\"id\":\"x\"}"
			 "{\"execute\":\"a\",\"id\":[1]}"
			 "{\"id\":7,\"execute\":\"a\"}" PING
			 "{\"execute\":\"guest-nope\",\"id\":null}") },
	    { AWAY, T("") },
	    { HOST_SEES, T(OK WENT WENT_ID("7") WENT WENT_ID("null")) } } },
	{ "one that dies within a reply leaves its line, then errors", true,
	  { { CONNECT, T("") }, { HOST, T(PING) }, { UP_SEES, T(PING) },
	    { UP, T("{\"ret") }, { AWAY, T("") },
	    { HOST_SEES, T("{\"ret\n" WENT) } } },
	{ "one that dies before info leaves an error", true,
	  { { CONNECT, T("") }, { HOST, T(INFO) }, { UP_SEES, T(INFO) },
	    { UP, T("{\"ret") }, { AWAY, T("") }, { HOST_SEES, T(WENT) } } },
	{ "one that dies before a barrier leaves ours to be answered", true,
	  { { CONNECT, T("") }, { HOST, T(PING GET) },
	    { UP_SEES, T(PING BARRIER("1002")) }, { AWAY, T("") },
	    { HOST_SEES, T(WENT TIME) } } },
	{ "while it is away, its commands are errors, with their ids", true,
	  { { HOST, T(PING "{\"id\":1,\"execute\":\"guest-info\"}") },
	    { HOST_SEES, T(NOT_THERE
		"{\"id\": 1, \"error\": {\"class\": \"GenericError\", "
		"\"desc\": \"The guest agent that paraclock passes this "
		"command to is away\"}}\n") } } },
	{ "while it is away, ours and sync are answered", true,
	  { { HOST, T(GET "{\"execute\":\"guest-sync\","
			  "\"arguments\":{\"id\":5}}") },
	    { HOST_SEES, T(TIME "{\"return\": 5}\n") } } },
	{ "when it is back, it is served again", true,
	  { { CONNECT, T("") }, { AWAY, T("") }, { HOST, T(PING) },
	    { HOST_SEES, T(NOT_THERE) }, { CONNECT, T("") }, { HOST, T(PING) },
	    { UP_SEES, T(PING) }, { UP, T(OK) }, { HOST_SEES, T(OK) } } },
	{ "replies to a host that hung up are dropped", true,
	  { { CONNECT, T("") }, { HOST, T(PING) }, { UP_SEES, T(PING) },
	    { UP, T("{\"ret") }, { HANG_UP, T("") },
	    { UP_SEES, T(BARRIER("1002")) }, { HOST, T(PING) },
	    { UP, T("urn\": {}}\n{\"return\": 1002}\n") },
	    { UP_SEES, T(PING) }, { UP, T(OK) }, { HOST_SEES, T(OK) } } },
	{ "so is half of a reply to info", true,
	  { { CONNECT, T("") }, { HOST, T(INFO) }, { UP_SEES, T(INFO) },
	    { UP, T("{\"return\":{\"supported_commands\":[]},\"x\":"
		    "\"0123456789012345678901234567890123456789\"") },
	    { HANG_UP, T("") }, { UP_SEES, T(BARRIER("1002")) },
	    { UP, T("}\n{\"return\": 1002}\n") }, { HOST_SEES, T("") },
	    { HOST, T(GET) }, { HOST_SEES, T(TIME) } } },
	/* clang-format on */
};

/* --- a play ---------------------------------------------------------------- */

static void check_output(struct qga *qga, struct qga_buffer *out,
			 const struct step *step)
{
	size_t count = qga_buffer_count(out);
	const char *data = count ? out->data + out->at : "";

	assert_false(out->failed);
	if (count != step->size || memcmp(data, step->text, count) != 0)
		fail_msg("got  \"%.*s\"\nwant \"%.*s\"", (int)count, data,
			 (int)step->size, step->text);
	out->at = out->len = 0;
	qga_run(qga);
}

static void greet(struct bed *bed)
{
	char text[64];
	struct qga_buffer *out = &bed->qga->to_upstream;

	qga_upstream_up(bed->qga);
	qga_run(bed->qga);
	assert_true(qga_is_greeting(bed->qga));
	assert_int_equal(out->data[out->at], '\xff');
	out->at = out->len = 0;
	/* What it still says to others is dropped. */
	bed_upstream(bed, T("a}\n" OK));
	assert_true(qga_is_greeting(bed->qga));
	snprintf(text, sizeof(text), "{\"return\": %lld}\n",
		 (long long)bed->nonce - 1);
	bed_upstream(bed, text, strlen(text));
	assert_false(qga_is_greeting(bed->qga));
}

static void act(struct bed *bed, const struct step *step, size_t piece)
{
	switch (step->op) {
	case UP:
		for (size_t i = 0; i < step->size; i += piece)
			bed_upstream(bed, step->text + i,
				     step->size - i < piece ? step->size - i
							    : piece);
		return;
	case CONNECT:
		greet(bed);
		return;
	case AWAY:
		qga_upstream_down(bed->qga);
		qga_run(bed->qga);
		return;
	case HANG_UP:
		qga_host_gone(bed->qga);
		qga_run(bed->qga);
		return;
	default:
		bed->set_error = -EPERM;
		return;
	}
}

static void play_step(struct bed *bed, const struct step *step, size_t piece)
{
	switch (step->op) {
	case HOST_SEES:
		check_output(bed->qga, &bed->qga->to_host, step);
		return;
	case UP_SEES:
		check_output(bed->qga, &bed->qga->to_upstream, step);
		return;
	case SETS:
		assert_int_equal(bed->sets, step->size);
		return;
	case HOST_SETS:
		assert_int_equal(bed->sets_from_host, step->size);
		return;
	default:
		act(bed, step, piece);
		return;
	}
}

/* What the host has said and the agent has not read yet. */
struct rest {
	const char *text;
	size_t size;
};

static void give(struct bed *bed, struct rest *rest, size_t piece)
{
	size_t done = bed_host(bed, rest->text, rest->size, piece);

	rest->text += done;
	rest->size -= done;
}

static void play(const struct play *p, size_t piece)
{
	static const struct step nothing = { HOST_SEES, "", 0 };
	struct rest rest = { "", 0 };
	struct bed bed;

	bed_open(&bed, p->upstream);
	for (size_t i = 0; i < STEPS && p->steps[i].op; i++) {
		const struct step *step = &p->steps[i];

		if (step->op == HOST) {
			assert_int_equal(rest.size, 0);
			rest = (struct rest){ step->text, step->size };
		} else {
			play_step(&bed, step, piece);
		}
		give(&bed, &rest, piece);
	}
	assert_int_equal(rest.size, 0);
	check_output(bed.qga, &bed.qga->to_host, &nothing);
	check_output(bed.qga, &bed.qga->to_upstream, &nothing);
	bed_close(&bed);
}

/* Pieces of any size make no difference. */
static void check_play(void **state)
{
	play(*state, SIZE_MAX);
	play(*state, 1);
	play(*state, 7);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(plays)] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(plays); i++) {
		tests[i].name = plays[i].name;
		tests[i].test_func = check_play;
		tests[i].initial_state = &plays[i];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
