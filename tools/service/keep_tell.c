// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "keep_tell.h"
#include "news.h"
#include "writer.h"

#define EXEC_LIMIT_NS (10 * NSEC_PER_SEC)

const char *keep_path(const struct keep *keep, const char *name, char *buf,
		      size_t size)
{
	snprintf(buf, size, "%s/%s", keep->options->folder, name);
	return buf;
}

const char *keep_reason(const struct keep *keep)
{
	if (!keep->observer.keeper.clk)
		return keep->observer.detail;
	return keep_why_text(keep->observer.keeper.why);
}

static void put_ns(struct json *json, const char *key, int64_t ns)
{
	if (ns)
		json_put_s64(json, key, ns);
	else
		json_put_null(json, key);
}

/* What 'paraclock alarm' asks: was there a disruption, and who would know? */
static void put_history(struct json *json, const struct keeper *keeper)
{
	const struct keep_cause *last =
		keeper->cause.marker_class != PARACLOCK_MARKER_NONE
			? &keeper->cause
			: &keeper->last_cause;

	put_ns(json, "watching_since_ns",
	       keeper->clk ? keeper->watching_ns : 0);
	json_put_text(
		json, "marker_class",
		paraclock_marker_class_name(keeper->last.sample.marker_class));
	json_put_u64(json, "disruptions", keeper->disruptions);
	put_ns(json, "last_disruption_ns", keeper->disrupted_ns);
	json_put_text(json, "last_disruption", last->kind);
}

void keep_write_state(struct keep *keep, const struct keep_news *news)
{
	char path[256];
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct json json = { .to = to };
	int ret;

	if (!to)
		return;
	json_begin(&json, NULL, '{');
	json_put_u64(&json, "pid", (uint64_t)getpid());
	json_put_u64(&json, "started_ticks", writer_started_ticks());
	news_put_json(&json, news);
	json_put_text(&json, "text", keep_reason(keep));
	json_put_u64(&json, "corrections", keep->observer.keeper.corrections);
	if (keep->correction)
		json_put_object(&json, "last_correction", keep->correction);
	else
		json_put_null(&json, "last_correction");
	put_history(&json, &keep->observer.keeper);
	json_end(&json, '}');
	json_finish(&json);
	fclose(to);
	ret = state_write(keep_path(keep, "keep.json", path, sizeof(path)),
			  text);
	if (ret)
		service_log(LOG_LEVEL_WARNING, "%s: %s", path, strerror(-ret));
	free(text);
}

/* --- --exec --------------------------------------------------------------- */

static void start_exec(struct keep *keep);

static void exec_ended(void *arg, int status, const char *out)
{
	struct keep *keep = arg;

	(void)out;
	keep->is_executing = false;
	if (status == -ETIMEDOUT)
		service_log(LOG_LEVEL_WARNING, "--exec %s: killed after 10 s",
			    keep->options->exec);
	else if (status)
		service_log(LOG_LEVEL_WARNING, "--exec %s failed",
			    keep->options->exec);
	start_exec(keep);
}

static void start_exec(struct keep *keep)
{
	char *argv[] = { (char *)(uintptr_t)keep->options->exec, NULL };
	char *event;
	int ret;

	while (keep->n_exec && !keep->is_executing) {
		event = keep->exec[0];
		keep->n_exec--;
		memmove(keep->exec, keep->exec + 1,
			keep->n_exec * sizeof(keep->exec[0]));
		ret = child_start(keep->observer.loop, argv, event,
				  EXEC_LIMIT_NS, exec_ended, keep);
		if (ret)
			service_log(LOG_LEVEL_WARNING, "--exec %s: %s", argv[0],
				    strerror(-ret));
		keep->is_executing = !ret;
		free(event);
	}
}

static void queue_exec(struct keep *keep, const char *text)
{
	char *event = strdup(text);

	if (!event || keep->n_exec == KEEP_EXEC_MAX) {
		service_log(LOG_LEVEL_WARNING,
			    "--exec %s: too many events, one is lost",
			    keep->options->exec);
		free(event);
		return;
	}
	keep->exec[keep->n_exec++] = event;
	start_exec(keep);
}

static char *line_of(const struct keep_news *news)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct json json = { .to = to };

	if (!to)
		return NULL;
	json_begin(&json, NULL, '{');
	news_put_json(&json, news);
	json_end(&json, '}');
	fclose(to);
	return text;
}

/* The file first: whoever hears of an event finds it there. */
void keep_tell(void *arg, const struct keep_news *news)
{
	struct keep *keep = arg;
	char *line = line_of(news);

	news_log(news);
	if (news->corrected && line) {
		free(keep->correction);
		keep->correction = strdup(line);
	}
	if (keep->observer.runs) {
		keep_write_state(keep, news);
		notify_status(keep_state_name(news->state));
	}
	if (keep->options->json && line) {
		puts(line);
		(void)output_flush();
	}
	if (keep->options->exec && line)
		queue_exec(keep, line);
	free(line);
}
