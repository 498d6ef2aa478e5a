// SPDX-License-Identifier: MIT
/* Which clock: -b and -d, and opening it. */

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "tools.h"

/* The size of a backend's name. */
#define NAME_SIZE 32

/* Not characters: these options have no short form. */
#define FIXED_SIZE 0x100
#define DEV_MEM	   0x101
#define TIMESCALE  0x102

static const struct argp_option options[] = {
	{ "backend", 'b', "BACKEND", 0,
	  "Use BACKEND, valid or not; without -b, the best source that is "
	  "valid",
	  0 },
	{ "device", 'd', "DEVICE", 0,
	  "The device node of BACKEND, or a file that holds its page", 0 },
	{ "timescale", TIMESCALE, "LIST", 0,
	  "Only a source on one of these timescales: utc, tai, monotonic, "
	  "utc-maybe-smeared, with commas between",
	  0 },
	{ "fixed-size", FIXED_SIZE, NULL, 0,
	  "The file DEVICE never gets shorter: it may be mapped", 0 },
	/* Where it is taken, source_memory_argp's option hides this one. */
	{ "dev-mem", DEV_MEM, NULL, OPTION_HIDDEN, NULL, 0 },
	{ 0 },
};

/* 0: no such timescale. "unknown" is a name, and nothing to ask for. */
static uint32_t scale_by_name(const char *name, size_t length)
{
	for (unsigned int i = PARACLOCK_TIMESCALE_MONOTONIC;
	     i <= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED; i++) {
		const char *its = paraclock_timescale_name(i);

		if (strlen(its) == length && !memcmp(its, name, length))
			return 1U << i;
	}
	return 0;
}

error_t parse_timescales(const struct argp_state *state, const char *list,
			 uint32_t *ret_timescales)
{
	const char *name = list;
	uint32_t timescales = 0;

	for (;; name++) {
		size_t length = strcspn(name, ",");
		uint32_t scale = scale_by_name(name, length);

		if (!scale)
			return args_error(state,
					  "--timescale %s: '%.*s' is not a "
					  "timescale; utc, tai, monotonic and "
					  "utc-maybe-smeared are",
					  list, (int)length, name);
		timescales |= scale;
		name += length;
		if (!*name)
			break;
	}
	*ret_timescales = timescales;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct source *source = state->input;

	switch (key) {
	case TIMESCALE:
		return parse_timescales(state, arg, &source->timescales);
	case 'b':
		source->backend = arg;
		return 0;
	case 'd':
		source->device = arg;
		return 0;
	case FIXED_SIZE:
		source->flags |= PARACLOCK_DEVICE_FIXED_SIZE;
		return 0;
	case DEV_MEM:
		return args_error(state,
				  "--dev-mem: this command reads a clock; only "
				  "those that wait for events look at "
				  "/dev/mem");
	case ARGP_KEY_END:
		if (source->flags & PARACLOCK_DEVICE_FIXED_SIZE &&
		    !source->device)
			return args_error(state,
					  "--fixed-size: no file; name it with "
					  "-d");
		if (source->device && !source->backend)
			return args_error(state,
					  "-d %s: no backend; name it with -b",
					  source->device);
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

const struct argp source_argp = { .options = options, .parser = parse };

static const struct argp_option memory_options[] = {
	{ "dev-mem", DEV_MEM, NULL, 0,
	  "Where no driver shows the vmclock, look at its page in /dev/mem "
	  "every 100 ms (x86, as root)",
	  0 },
	{ 0 },
};

static error_t parse_memory(int key, char *arg, struct argp_state *state)
{
	struct source *source = state->input;

	(void)arg;
	switch (key) {
	case ARGP_KEY_INIT:
		state->child_inputs[0] = source;
		return 0;
	case DEV_MEM:
		source->flags |= PARACLOCK_DEVICE_MEMORY;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child memory_children[] = {
	{ .argp = &source_argp },
	{ 0 },
};

const struct argp source_memory_argp = {
	.options = memory_options,
	.parser = parse_memory,
	.children = memory_children,
};

static int has_name(void *arg, const struct paraclock_listing *listing)
{
	return strcmp(arg, listing->name) == 0;
}

int source_choose(const struct source *source,
		  const struct paraclock_options *opts,
		  struct paraclock **ret_clk)
{
	static const uint32_t preferred[] = { TIMESCALES_CERTAIN,
					      TIMESCALES_UTC };
	struct paraclock_options own = *opts;

	own.backend = source->backend;
	own.device = source->device;
	own.flags = source->flags;
	for (unsigned int i = 0;
	     i < sizeof(preferred) / sizeof(preferred[0]) &&
	     source->prefers_utc && !source->timescales && !source->backend;
	     i++) {
		own.timescales = preferred[i];
		if (!paraclock_open(ret_clk, &own))
			return 0;
	}
	own.timescales = source->timescales;
	return paraclock_open(ret_clk, &own);
}

int source_open(const struct source *source, struct paraclock **ret_clk)
{
	char detail[1536] = "";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	int ret = source_choose(source, &opts, ret_clk);

	if (!ret)
		return STATUS_OK;
	if (!detail[0])
		paraclock_explain(NULL, ret, NULL, detail, sizeof(detail));
	/* -EINVAL with -b: either the name or the combination of options is
	 * wrong, and both are wrong usage. */
	if (ret != -EINVAL || !source->backend) {
		warnx("%s%s%s", source->backend ? source->backend : "",
		      source->backend ? ": " : "", detail);
		return STATUS_FAILED;
	}
	if (paraclock_list(NULL, has_name, (void *)(uintptr_t)source->backend))
		warnx("%s", detail);
	else
		warnx("-b %s: not a backend of this build; 'paraclock status' "
		      "lists them",
		      source->backend);
	return STATUS_USAGE;
}

/* What source_open_any() looks for. */
struct wanted {
	uint32_t timescales;
	char name[NAME_SIZE];
};

static int answers(void *arg, const struct paraclock_listing *listing)
{
	struct wanted *wanted = arg;

	if (listing->error || listing->quality < 0 ||
	    (wanted->timescales &&
	     !(wanted->timescales >> listing->sample.timescale & 1)))
		return 0;
	snprintf(wanted->name, sizeof(wanted->name), "%s", listing->name);
	return 1;
}

/* Is it the page in /dev/mem that cannot be had? Then stderr says why. */
static bool lacks_memory(const struct paraclock_options *opts)
{
	const struct paraclock_options plain = { .size = sizeof(plain) };
	struct paraclock *clk;

	if (!opts->flags || paraclock_open(&clk, &plain))
		return false;
	paraclock_close(clk);
	warnx("%s", opts->detail);
	return true;
}

int source_open_any(const struct source *source, struct paraclock **ret_clk)
{
	struct wanted wanted = { .timescales = source->timescales };
	char detail[1536] = "";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.timescales = source->timescales,
		.flags = source->flags,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct source any = *source;

	if (source->backend)
		return source_open(source, ret_clk);
	if (!paraclock_open(ret_clk, &opts))
		return STATUS_OK;
	if (lacks_memory(&opts))
		return STATUS_FAILED;
	if (paraclock_list(NULL, answers, &wanted) == 1)
		any.backend = wanted.name;
	else if (source->flags & PARACLOCK_DEVICE_MEMORY && !source->timescales)
		any.backend = "vmclock";
	return source_open(&any, ret_clk);
}

struct source_identity source_identify(const struct source *source)
{
	struct stat st;

	if (!source->device || stat(source->device, &st))
		return (struct source_identity){ 0 };
	return (struct source_identity){
		.device = st.st_dev,
		.inode = st.st_ino,
		.node = st.st_rdev,
	};
}

const char *source_is_replaced(const struct source *source,
			       const struct source_identity *opened)
{
	struct source_identity now;
	struct stat st;

	if (!source->device)
		return NULL;
	/* Without permission to look, assume that it is still there. */
	if (stat(source->device, &st))
		return errno == EACCES ? NULL : "it was removed";
	now = source_identify(source);
	return now.device == opened->device && now.inode == opened->inode &&
			       now.node == opened->node
		       ? NULL
		       : "it was replaced";
}

/* Without --fixed-size, which vouched for the old file only. */
bool source_reopen(const struct source *source, const struct paraclock *clk,
		   struct paraclock **ret_clk)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = paraclock_backend_name(clk),
		.device = source->device,
		.timescales = source->timescales,
		.flags = source->flags & PARACLOCK_DEVICE_MEMORY,
	};
	struct paraclock_sample sample;

	if (paraclock_open(ret_clk, &opts))
		return false;
	if (!paraclock_read(*ret_clk, &sample))
		return true;
	paraclock_close(*ret_clk);
	return false;
}
