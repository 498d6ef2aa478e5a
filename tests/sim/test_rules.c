// SPDX-License-Identifier: MIT
/*
 * usage: test_rules [SCRIPT DETAIL]
 *
 * The scripts of examples/: with this library, each expectation holds. With two
 * arguments this is a program that was linked with a rule taken out of the
 * library (see CMakeLists.txt): then SCRIPT has a reader that is wrong and
 * valid, and its message contains DETAIL.
 */

#include <stdio.h>

#include <paraclock/sim_script.h>

#include "../shared/rows.h"

/* The result of a play. */
struct seen {
	unsigned int events, failed, watched;
	char first[256]; /* those that failed */
};

static struct paraclock_sim_script *read_script(const char *name)
{
	static char text[PARACLOCK_SIM_SCRIPT_MAX];
	struct paraclock_sim_script *script = NULL;
	char path[4096], detail[1024] = "";
	FILE *file;
	size_t size;

	snprintf(path, sizeof(path), EXAMPLES "/%s.sim", name);
	file = fopen(path, "re");
	assert_non_null(file);
	size = fread(text, 1, sizeof(text), file);
	fclose(file);
	if (paraclock_sim_script_parse(&script, text, size, detail,
				       sizeof(detail)))
		fail_msg("%s: %s", path, detail);
	return script;
}

static int on_event(void *arg, const struct paraclock_sim_event *event)
{
	struct seen *seen = arg;

	seen->events++;
	if (strncmp(event->text, "watch", 5) == 0 && event->detail[0])
		seen->watched++;
	if (event->failed && !seen->failed++)
		snprintf(seen->first, sizeof(seen->first), "%s: %s",
			 event->text, event->detail);
	if (event->detail[0])
		print_message("line %u: %s: %s\n", event->line, event->text,
			      event->detail);
	return 0;
}

static struct seen play(const char *name)
{
	struct paraclock_sim_script *script = read_script(name);
	struct seen seen = { 0 };
	struct paraclock_sim_play_options opts = {
		.size = sizeof(opts),
		.arg = &seen,
		.on_event = on_event,
	};
	unsigned int failed = 77;
	char detail[1024] = "";

	if (paraclock_sim_script_play(script, &opts, &failed, detail,
				      sizeof(detail)))
		fail_msg("%s: %s", name, detail);
	assert_int_equal(failed, seen.failed);
	paraclock_sim_script_free(script);
	return seen;
}

static void every_expectation_holds(void **state)
{
	struct seen seen = play(*state);

	if (seen.failed)
		fail_msg("%u expectations; the first: %s", seen.failed,
			 seen.first);
	assert_true(seen.events > 5);
}

/* The rule is out: if this held, nothing would notice the missing rule. */
static void a_reader_is_wrong_and_valid(void **state)
{
	char *const *word = *state;
	struct seen seen = play(word[0]);

	assert_true(seen.failed > 0);
	if (!strstr(seen.first, word[1]))
		fail_msg("'%s'", seen.first);
}

static const char *const names[] = {
	"clone", "leap", "migration", "slow-publisher", "stale-vcpu0", "torn",
};

int main(int argc, char **argv)
{
	if (argc == 3)
		add_row("a_reader_is_wrong_and_valid",
			a_reader_is_wrong_and_valid, argv + 1);
	for (size_t i = 0; argc != 3 && i < ARRAY_LEN(names); i++)
		add_row(names[i], every_expectation_holds, names[i]);
	return run_suite(NULL, NULL);
}
