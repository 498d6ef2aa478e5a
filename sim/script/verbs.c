// SPDX-License-Identifier: MIT
/* The statements of a script, and the arguments of each. */

#include <stdio.h>
#include <string.h>

#include "script.h"

/* Flags of migrate, restore, clone and resume, in the order of flags_of(). */
/* clang-format off */
#define STOP_FLAGS                       \
	{ "counter-stops", KIND_NONE },  \
	{ "clock-stops", KIND_NONE },    \
	{ "tells-stop", KIND_NONE }
#define MOVE_FLAGS                       \
	STOP_FLAGS,                      \
	{ "silent", KIND_NONE },         \
	{ "scaled", KIND_NONE }
#define ERROR_BOUNDS                       \
	{ "maxerror", KIND_TIME },         \
	{ "maxerror-rate", KIND_GROWTH },  \
	{ "esterror", KIND_TIME },         \
	{ "esterror-rate", KIND_GROWTH }
#define CLOCK_RANGE "its clock would be before 1970 or after 2260"

const struct verb pclk_sim_script_verbs[VERBS] = {
	[VERB_WORLD] = { "world", 0, 1, 0, {
		{ "seed", KIND_NUMBER }, { "start", KIND_DATE },
		{ "tai-offset", KIND_NUMBER }, { "leap", KIND_LEAP } },
		"no world has these values" },
	[VERB_HOST] = { "host", 1, 0, 0, {
		{ NULL, KIND_NEW_HOST }, ERROR_BOUNDS, { "tsc", KIND_HZ },
		{ "ahead", KIND_SPAN }, { "fast", KIND_PPB },
		{ "status", KIND_STATUS } },
		CLOCK_RANGE },
	[VERB_NESTED_HOST] = { "nested-host", 2, 0, 0, {
		{ NULL, KIND_NEW_HOST }, { "in", KIND_VM } },
		"the host cannot be made" },
	[VERB_VM] = { "vm", 2, 0, 0, {
		{ NULL, KIND_NEW_VM }, { "on", KIND_HOST },
		{ "with", KIND_PARTS }, { "vcpus", KIND_NUMBER },
		{ "tsc", KIND_HZ }, { "offset", KIND_TICKS },
		{ "timescale", KIND_TIMESCALE }, { "monotonic", KIND_NONE },
		{ "pvclock-every", KIND_TIME },
		{ "vmclock-every", KIND_TIME },
		{ "clocksource", KIND_GUEST_SOURCE } },
		"a part needs another part (ptp-vmclock needs vmclock), two "
		"parts exclude each other, or the TSC is too far from the "
		"host's" },
	[VERB_RUN] = { "run", 1, 0, 0, { { NULL, KIND_TIME } }, "" },
	[VERB_AT] = { "at", 1, 0, 0, { { NULL, KIND_TIME } }, "" },
	[VERB_STEP] = { "step", 2, 0, 0, {
		{ NULL, KIND_HOST }, { NULL, KIND_SPAN } },
		CLOCK_RANGE },
	[VERB_SLEW] = { "slew", 2, 0, 0, {
		{ NULL, KIND_HOST }, { NULL, KIND_PPB } }, "" },
	[VERB_STATUS] = { "status", 2, 0, 0, {
		{ NULL, KIND_HOST }, { NULL, KIND_STATUS } }, "" },
	[VERB_LEAP] = { "leap", 2, 0, 0, {
		{ NULL, KIND_HOST }, { NULL, KIND_LEAP } }, "" },
	[VERB_TAI] = { "tai", 2, 0, 0, {
		{ NULL, KIND_HOST }, { NULL, KIND_NUMBER } },
		CLOCK_RANGE },
	[VERB_ERRORS] = { "errors", 1, 0, 0, {
		{ NULL, KIND_HOST }, ERROR_BOUNDS }, "" },
	[VERB_CLOCKSOURCE] = { "clocksource", 2, 0, 0, {
		{ NULL, KIND_HOST }, { NULL, KIND_SOURCE } }, "" },
	[VERB_TSC] = { "tsc", 1, 1, 0, {
		{ NULL, KIND_HOST }, { "rate", KIND_HZ },
		{ "jump", KIND_TICKS }, { "noticed", KIND_NONE } }, "" },
	[VERB_PAUSE] = { "pause", 1, 0, 0, { { NULL, KIND_VM } }, "" },
	[VERB_RESUME] = { "resume", 1, 0, 0, {
		{ NULL, KIND_VM }, STOP_FLAGS }, "" },
	[VERB_MIGRATE] = { "migrate", 2, 0, 0, {
		{ NULL, KIND_VM }, { "to", KIND_HOST },
		{ "downtime", KIND_TIME }, MOVE_FLAGS,
		{ "announced", KIND_NONE } }, "" },
	[VERB_SAVE] = { "save", 2, 0, 0, {
		{ NULL, KIND_VM }, { "as", KIND_NEW_STATE } }, "" },
	[VERB_RESTORE] = { "restore", 2, 0, 0, {
		{ NULL, KIND_VM }, { "from", KIND_STATE },
		{ "to", KIND_HOST }, MOVE_FLAGS }, "" },
	[VERB_CLONE] = { "clone", 2, 0, 0, {
		{ NULL, KIND_VM }, { "as", KIND_NEW_VM },
		{ "to", KIND_HOST }, MOVE_FLAGS }, "" },
	[VERB_HALT] = { "halt", 2, 0, 0, {
		{ NULL, KIND_VM }, { "vcpu", KIND_NUMBER } }, "" },
	[VERB_ENTER] = { "enter", 2, 0, 0, {
		{ NULL, KIND_VM }, { "vcpu", KIND_NUMBER } }, "" },
	[VERB_SKEW] = { "skew", 3, 0, 0, {
		{ NULL, KIND_VM }, { "vcpu", KIND_NUMBER },
		{ "by", KIND_TICKS } }, 
		"vCPU 0 cannot be skewed; name another vCPU" },
	[VERB_FAULT] = { "fault", 2, 1, 1, {
		{ NULL, KIND_VM }, { NULL, KIND_PAGE }, { "none", KIND_NONE },
		{ "stale", KIND_NONE }, { "torn", KIND_NONE },
		{ "dies", KIND_NONE }, { "slow", KIND_TIME } }, "" },
	[VERB_UPDATE] = { "update", 2, 0, 0, {
		{ NULL, KIND_VM }, { NULL, KIND_PAGE } }, "" },
	[VERB_PUBLISH] = { "publish", 1, 0, 0, {
		{ NULL, KIND_VM }, { "late", KIND_TIME } }, "" },
	[VERB_GUEST_STEP] = { "guest-step", 2, 0, 0, {
		{ NULL, KIND_VM }, { NULL, KIND_SPAN } }, "" },
	[VERB_GUEST_CLOCKSOURCE] = { "guest-clocksource", 2, 0, 0, {
		{ NULL, KIND_VM }, { NULL, KIND_GUEST_SOURCE } }, "" },
	[VERB_OPEN] = { "open", 1, 0, 0, {
		{ NULL, KIND_VM }, { "with", KIND_BACKEND },
		{ "kernel", KIND_NONE } }, "" },
	[VERB_CLOSE] = { "close", 1, 0, 0, { { NULL, KIND_VM } }, "" },
	[VERB_READ] = { "read", 1, 0, 0, { { NULL, KIND_VM } }, "" },
	[VERB_EXPECT] = { "expect", 1, 1, 0, {
		{ NULL, KIND_VM }, { "valid", KIND_NONE },
		{ "invalid", KIND_NONE }, { "reason", KIND_REASON },
		{ "fails", KIND_ERROR }, { "disrupted", KIND_NONE },
		{ "undisrupted", KIND_NONE }, { "error", KIND_BOUND } }, "" },
	[VERB_WATCH] = { "watch", 3, 0, 0, {
		{ NULL, KIND_VM }, { "every", KIND_TIME },
		{ "within", KIND_TIME } }, "" },
};
/* clang-format on */

const struct verb *pclk_sim_script_find_verb(const char *name)
{
	for (size_t i = 0; i < VERBS; i++) {
		if (strcmp(pclk_sim_script_verbs[i].name, name) == 0)
			return &pclk_sim_script_verbs[i];
	}
	return NULL;
}

static void add(char *buf, size_t size, const char *text)
{
	size_t length = strlen(buf);

	snprintf(buf + length, size - length, "%s", text);
}

void pclk_sim_script_usage(const struct verb *verb, char *buf, size_t size)
{
	const struct arg *arg = verb->arg;

	snprintf(buf, size, "%s", verb->name);
	for (unsigned int i = 0; i < ARGS_MAX && (arg[i].word || arg[i].kind);
	     i++) {
		const char *name = pclk_sim_script_kind_name(arg[i].kind);

		add(buf, size, i < verb->required ? " " : " [");
		add(buf, size, arg[i].word ? arg[i].word : "");
		add(buf, size, arg[i].word && name[0] ? " " : "");
		add(buf, size, name);
		add(buf, size, i < verb->required ? "" : "]");
	}
}
