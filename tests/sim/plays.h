/* SPDX-License-Identifier: MIT */
/* Playing scripts, recording events and published pages. */
#ifndef PLAYS_H
#define PLAYS_H

#include <stdio.h>

#include <paraclock/sim_script.h>

#include "../shared/rows.h"

#define HZ 1000000000

static struct world {
	char printed[4096]; /* the events, a line each */
	unsigned int events, failed, pages;
	unsigned int end_at; /* that event, from 1; 0: none */
	uint64_t counter;    /* live */
	uint64_t waited_ns;
	unsigned int waits, end_wait;
	/* Of the first VM, at the last on_pages(). */
	uint8_t vmclock[4096];
	uint8_t pvclock[4096];
	uint64_t vm_counter;
	unsigned int vms;
	char name[16];
} w;

static inline int on_event(void *arg, const struct paraclock_sim_event *event)
{
	size_t n = strlen(w.printed);

	assert_ptr_equal(arg, &w);
	assert_int_equal(event->size, sizeof(*event));
	snprintf(w.printed + n, sizeof(w.printed) - n, "%lld %u%s %s%s%s\n",
		 (long long)event->time_ns, event->line,
		 event->failed ? "!" : "", event->text,
		 event->detail[0] ? ": " : "", event->detail);
	w.failed += event->failed;
	return ++w.events == w.end_at ? -EINTR : 0;
}

static inline int on_pages(void *arg, const struct paraclock_sim_play *play)
{
	struct paraclock_sim_vm *vm;
	const char *name;
	const void *page;

	(void)arg;
	w.pages++;
	for (w.vms = 0; paraclock_sim_play_vm(play, w.vms, NULL);)
		w.vms++;
	name = paraclock_sim_play_vm(play, 0, &vm);
	if (!name)
		return 0;
	snprintf(w.name, sizeof(w.name), "%s", name);
	page = paraclock_sim_page(vm, PARACLOCK_SIM_VMCLOCK, 0, NULL);
	if (page)
		memcpy(w.vmclock, page, sizeof(w.vmclock));
	page = paraclock_sim_page(vm, PARACLOCK_SIM_PVCLOCK, 0, NULL);
	if (page)
		memcpy(w.pvclock, page, sizeof(w.pvclock));
	w.vm_counter = paraclock_sim_counter(vm, 0);
	return 0;
}

static inline uint64_t counter(void *arg)
{
	(void)arg;
	return w.counter += 10;
}

static inline int wait_for(void *arg, uint64_t ns)
{
	(void)arg;
	w.waited_ns += ns;
	/* As a machine would: a little late. */
	w.counter += ns + 1000;
	return ++w.waits == w.end_wait ? -EINTR : 0;
}

static inline struct paraclock_sim_script *parse(const char *text)
{
	struct paraclock_sim_script *script = NULL;
	char detail[1024] = "";

	if (paraclock_sim_script_parse(&script, text, strlen(text), detail,
				       sizeof(detail)))
		fail_msg("%s", detail);
	return script;
}

static inline struct paraclock_sim_play_options options(bool live)
{
	struct paraclock_sim_play_options opts = {
		.size = sizeof(opts),
		.arg = &w,
		.on_event = on_event,
		.on_pages = on_pages,
	};

	if (live) {
		opts.counter = counter;
		opts.counter_hz = HZ;
		opts.wait = wait_for;
	}
	return opts;
}

static inline int play(const char *text, bool live, unsigned int *failed,
		       char *detail)
{
	struct paraclock_sim_play_options opts = options(live);
	struct paraclock_sim_script *script = parse(text);
	int ret = paraclock_sim_script_play(script, &opts, failed, detail, 256);

	paraclock_sim_script_free(script);
	return ret;
}

static inline int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	w.counter = 5000000000;
	return 0;
}

#endif
