// SPDX-License-Identifier: MIT
/* What is published, and when it is withdrawn. */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <paraclock/backend.h>

#include "serve_service.h"

/* --- the page ------------------------------------------------------------- */

static void set_marker(struct serve *serve)
{
	struct paraclock_timeline *tl = &serve->track.tl;

	tl->flags &=
		~(PARACLOCK_TIMELINE_INFERRED | PARACLOCK_TIMELINE_GENERATION);
	if (!serve->has_marker) {
		tl->flags |= PARACLOCK_TIMELINE_INFERRED;
		tl->marker = serve->marker;
		return;
	}
	/* Readers compare it with the device's own. While the host contradicts
	 * itself it has to be another one. */
	tl->marker = serve->is_odd_marker ? ~serve->host_marker.value
					  : serve->host_marker.value;
	tl->generation = serve->host_marker.generation;
	if (tl->generation)
		tl->flags |= PARACLOCK_TIMELINE_GENERATION;
}

/*
 * The source's own marker, if the host vouches for it. While the source does not
 * answer, it is the one that was seen last: for readers, another one would be a
 * disruption.
 */
static bool read_marker(const struct serve *serve, bool *ret_has_marker,
			struct paraclock_marker *ret_marker)
{
	const struct paraclock *clk = serve->observer.keeper.clk;
	struct paraclock_sample sample;

	if (!clk || paraclock_read(clk, &sample))
		return false;
	*ret_has_marker = sample.marker_class == PARACLOCK_MARKER_AUTHORITATIVE;
	return !*ret_has_marker || !paraclock_marker(clk, ret_marker);
}

static void take_marker(struct serve *serve)
{
	struct paraclock_marker now = serve->host_marker;
	bool has_marker;

	if (!read_marker(serve, &has_marker, &now))
		return;
	serve->has_marker = has_marker;
	serve->host_marker = now;
}

void serve_find_marker(struct serve *serve)
{
	struct paraclock_marker now = serve->host_marker;
	bool has_marker = serve->has_marker;

	if (!read_marker(serve, &has_marker, &now))
		return;
	/* It has come since the events were taken, or while no source showed
	 * one. What is published is from before it, and must not get the new
	 * marker. */
	if (serve->track.has_promise && has_marker &&
	    (!serve->has_marker || now.value != serve->host_marker.value ||
	     now.generation != serve->host_marker.generation)) {
		serve_disrupt(serve, "disrupted",
			      "this machine was disrupted (the host's marker "
			      "has changed)");
		return;
	}
	serve->has_marker = has_marker;
	serve->host_marker = now;
}

int serve_write(struct serve *serve)
{
	set_marker(serve);
	serve->track.tl.counter = paraclock_default_env()->counter_id;
	if (serve->options->from_kernel)
		serve->track.tl.flags |= PARACLOCK_TIMELINE_OWN_KERNEL;
	return serve_page_write(&serve->page, &serve->track.tl);
}

static void set_reason(struct serve *serve, const char *why, const char *text)
{
	snprintf(serve->why, sizeof(serve->why), "%s", why);
	snprintf(serve->text, sizeof(serve->text), "%s", text);
}

/* Nothing told of a disruption, and yet one of two intervals is wrong. */
static void set_contradicted(struct serve *serve)
{
	serve->is_disrupted = true;
	serve->is_odd_marker = true;
	serve->marker++;
	/* Which of them are wrong is not known. */
	serve->readings = (struct serve_readings){ 0 };
	set_reason(serve, "contradicted",
		   "the source contradicts what was published; published again "
		   "when three measurements agree");
	if (serve->forget)
		serve->forget(serve);
}

static void write_page(struct serve *serve)
{
	int ret = serve_write(serve);

	if (ret == -ESTALE && serve_track_has_time(&serve->track)) {
		/* The page of an earlier process promises something else. */
		serve_track_contradict(&serve->track);
		set_contradicted(serve);
		ret = serve_write(serve);
	}
	if (!ret) {
		serve->publications++;
		serve->write_error[0] = '\0';
		return;
	}
	/* Nobody may believe what is there any longer; next time again. */
	serve_page_freeze(&serve->page);
	if (!serve->write_error[0])
		service_log(LOG_LEVEL_ERROR,
			    "%s: cannot be written: %s; trying again",
			    serve->page.path, strerror(-ret));
	snprintf(serve->write_error, sizeof(serve->write_error), "%s",
		 strerror(-ret));
}

/* --- what happens --------------------------------------------------------- */

void serve_age(struct serve *serve)
{
	if (serve_track_age(&serve->track, &serve->rules, serve->has_marker,
			    loop_now_ns()) ||
	    !serve->page.file.memory || serve->write_error[0])
		write_page(serve);
}

void serve_measured(struct serve *serve, const struct serve_claim *claim,
		    int64_t age_ns)
{
	struct serve_track *track = &serve->track;
	int64_t now_ns = loop_now_ns();

	switch (serve_track_measured(track, claim, now_ns)) {
	case SERVE_PUBLISH:
		serve->is_disrupted = false;
		serve->is_odd_marker = false;
		set_reason(serve, "", "");
		track->reference_ns = now_ns - age_ns;
		(void)serve_track_age(track, &serve->rules, serve->has_marker,
				      now_ns);
		break;
	case SERVE_CONTRADICTED:
		set_contradicted(serve);
		break;
	case SERVE_UNUSABLE:
		serve_not_measured(serve, "unusable",
				   "what the source says cannot be expressed");
		return;
	default:
		return;
	}
	write_page(serve);
}

void serve_not_measured(struct serve *serve, const char *why,
			const char *format, ...)
{
	char text[sizeof(serve->text)];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	set_reason(serve, why, text);
	serve_age(serve);
}

void serve_doubt(struct serve *serve)
{
	if (serve_track_doubt(&serve->track))
		write_page(serve);
	serve_bound(serve);
}

void serve_contradict(struct serve *serve)
{
	serve_track_contradict(&serve->track);
	set_contradicted(serve);
	write_page(serve);
	serve_bound(serve);
}

/* The page first: every reader from now on knows. */
void serve_disrupt(struct serve *serve, const char *why, const char *text)
{
	serve->is_disrupted = true;
	serve->is_odd_marker = false;
	serve->marker++;
	take_marker(serve);
	serve_track_disrupt(&serve->track);
	write_page(serve);
	serve_bound(serve);
	serve->readings = (struct serve_readings){ 0 };
	set_reason(serve, why, text);
	if (serve->forget)
		serve->forget(serve);
}
