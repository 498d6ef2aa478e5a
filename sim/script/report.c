// SPDX-License-Identifier: MIT
/* Reports to the caller of a play: events, errors, pages. */

#include <errno.h>
#include <stdio.h>

#include "play.h"

int64_t pclk_sim_play_now(const struct paraclock_sim_play *play)
{
	int64_t ns = 0;

	(void)paraclock_sim_now(play->sim, PARACLOCK_TIMESCALE_MONOTONIC, &ns);
	return ns;
}

int pclk_sim_play_error(struct paraclock_sim_play *play, int error,
			const char *what)
{
	if (play->detail)
		snprintf(play->detail, play->detail_size, "%u:%u: %s: %s",
			 play->now->line, play->now->at, play->now->text, what);
	return error;
}

int pclk_sim_play_refused(struct paraclock_sim_play *play, int error)
{
	const char *why = play->now->verb->refused;
	char refused[64];

	snprintf(refused, sizeof(refused), "refused (%s)",
		 paraclock_error_name(error));
	return pclk_sim_play_error(
		play, error,
		why[0] && (error == -EINVAL || error == -ERANGE) ? why
								 : refused);
}

int pclk_sim_play_tell(struct paraclock_sim_play *play,
		       const struct statement *s,
		       struct paraclock_sim_event *event)
{
	event->size = sizeof(*event);
	event->text = s->text;
	event->line = s->line;
	if (!event->column)
		event->column = s->at;
	if (!event->detail)
		event->detail = "";
	play->failed += event->failed;
	return play->opts.on_event ? play->opts.on_event(play->opts.arg, event)
				   : 0;
}

int pclk_sim_play_show_pages(struct paraclock_sim_play *play)
{
	return play->opts.on_pages ? play->opts.on_pages(play->opts.arg, play)
				   : 0;
}

const char *paraclock_sim_play_vm(const struct paraclock_sim_play *play,
				  unsigned int index,
				  struct paraclock_sim_vm **ret_vm)
{
	if (!play || index >= play->vms)
		return NULL;
	if (ret_vm)
		*ret_vm = play->vm[index].vm;
	return play->vm[index].name;
}
