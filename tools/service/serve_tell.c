// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "serve_service.h"
#include "writer.h"

/* serve.json is written at each change, and so often. */
#define WRITE_NS NSEC_PER_SEC

const char *serve_status_name(unsigned int status)
{
	static const char *const names[] = {
		[PARACLOCK_STATUS_UNKNOWN] = "unknown",
		[PARACLOCK_STATUS_INITIALIZING] = "initializing",
		[PARACLOCK_STATUS_SYNCHRONIZED] = "synchronized",
		[PARACLOCK_STATUS_FREERUNNING] = "freerunning",
		[PARACLOCK_STATUS_UNRELIABLE] = "unreliable",
	};

	return status < sizeof(names) / sizeof(names[0]) ? names[status]
							 : "unknown";
}

static const char *state_of(const struct serve *serve)
{
	return serve_track_has_time(&serve->track) ? "serving" : "waiting";
}

static const char *backend_of(const struct serve *serve)
{
	if (serve->kernel)
		return "kernel";
	return serve->observer.keeper.clk
		       ? paraclock_backend_name(serve->observer.keeper.clk)
		       : NULL;
}

/* --- the object ----------------------------------------------------------- */

static void put_offset(struct serve *serve, struct json *json)
{
	struct serve_realtime real = { 0 };
	int64_t offset_ns;
	uint64_t bound_ns;
	bool is_known = serve_track_has_time(&serve->track) &&
			!serve_realtime(serve, &real) &&
			!serve_offset_of(&serve->track.tl, &real, &offset_ns,
					 &bound_ns);

	if (is_known)
		json_put_s64(json, "offset_ns", offset_ns);
	else
		json_put_null(json, "offset_ns");
	if (is_known)
		json_put_u64(json, "bound_ns", bound_ns);
	else
		json_put_null(json, "bound_ns");
	json_put_bool(json, "has_bound", is_known);
}

static void put_object(struct serve *serve, FILE *to)
{
	struct json json = { .to = to };

	json_begin(&json, NULL, '{');
	json_put_u64(&json, "pid", (uint64_t)getpid());
	json_put_u64(&json, "started_ticks", writer_started_ticks());
	json_put_text(&json, "state", state_of(serve));
	json_put_text(&json, "why", serve->why[0] ? serve->why : NULL);
	json_put_text(&json, "text", serve->text);
	json_put_text(&json, "backend", backend_of(serve));
	json_put_text(&json, "timescale", "tai");
	put_offset(serve, &json);
	json_put_now(&json);
	json_put_u64(&json, "disruptions", serve->observer.keeper.disruptions);
	json_put_text(&json, "status",
		      serve_status_name(serve->track.tl.status));
	json_put_text(&json, "page", serve->page.path);
	json_put_text(&json, "clockbound", serve->options->clockbound);
	json_put_u64(&json, "publications", serve->publications);
	json_end(&json, '}');
	(void)json_finish(&json);
}

static const char *path_of(const struct serve *serve, char *buf, size_t size)
{
	snprintf(buf, size, "%s/serve.json", serve->options->folder);
	return buf;
}

static void write_state(struct serve *serve)
{
	char path[280];
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	if (!to)
		return;
	put_object(serve, to);
	fclose(to);
	/* A full file system was told of when the page was written. */
	(void)state_write(path_of(serve, path, sizeof(path)), text);
	free(text);
	serve->told_ns = loop_now_ns();
}

/* --- lines ---------------------------------------------------------------- */

static void log_line(const struct serve *serve)
{
	const char *status = serve_status_name(serve->track.tl.status);
	int level = serve_track_has_time(&serve->track) ? LOG_LEVEL_NOTICE
							: LOG_LEVEL_WARNING;
	const char *hint = serve->options->from_kernel
				   ? ""
				   : "; if chronyd runs, use --from kernel";

	/* The observer has told what is missing. */
	if (strcmp(serve->why, "no-source") == 0)
		service_log(level, "%s: no host clock is here%s", status, hint);
	else if (serve->why[0])
		service_log(level, "%s: %s", status, serve->text);
	else
		service_log(level, "%s: %s by %s", status, serve->page.path,
			    backend_of(serve));
	notify_status(status);
}

void serve_tell(struct serve *serve)
{
	bool has_changed = serve->told_status != (int)serve->track.tl.status ||
			   strcmp(serve->told_why, serve->why) != 0;

	if (has_changed) {
		serve->told_status = serve->track.tl.status;
		memcpy(serve->told_why, serve->why, sizeof(serve->told_why));
		log_line(serve);
	}
	if (has_changed && serve->options->json)
		put_object(serve, NULL);
	if (has_changed || loop_now_ns() - serve->told_ns >= WRITE_NS)
		write_state(serve);
}

void serve_tell_end(struct serve *serve)
{
	char path[280];

	/* Only the holder of the lock has written it. */
	if (serve->told_status < 0)
		return;
	(void)unlink(path_of(serve, path, sizeof(path)));
	/* Readers of the page are sent to the log. */
	service_log(LOG_LEVEL_NOTICE,
		    "unreliable: serve has ended; %s has no time until it runs "
		    "again",
		    serve->page.path);
}
