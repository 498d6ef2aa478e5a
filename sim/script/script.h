/* SPDX-License-Identifier: MIT */
/* A script: its statements after parsing. See paraclock-script(5). */
#ifndef SCRIPT_H
#define SCRIPT_H

#include <stdbool.h>

#include <paraclock/sim_script.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* Limits of a script. */
#define LINE_MAX_BYTES 255
#define STATEMENTS_MAX 4096
#define NAMES_MAX      64
#define NAME_MAX_BYTES 15
/* A script may take a year of its world's time. */
#define PASSES_MAX_NS (366ULL * 86400 * 1000000000)
/* The readings of all 'watch' and the renewals of pages, which take time. */
#define WORK_MAX 10000000U
/* A reader of a torn page retries for about 3 ms of real time. */
#define TORN_WORK 1000U
/* The defaults of sim_vm.h. */
#define PVCLOCK_EVERY_NS 300000000000U
#define VMCLOCK_EVERY_NS 60000000000U

#define ARGS_MAX 14

/* The kinds of arguments. */
enum kind {
	KIND_NONE, /* the word alone */
	KIND_NEW_HOST,
	KIND_NEW_VM,
	KIND_NEW_STATE,
	KIND_HOST,
	KIND_VM,
	KIND_STATE,
	KIND_TIME,
	KIND_SPAN,  /* a time with a sign */
	KIND_BOUND, /* "<" and a time */
	KIND_PPB,
	KIND_GROWTH, /* ppb without a sign */
	KIND_HZ,
	KIND_TICKS,
	KIND_NUMBER,
	KIND_DATE,
	KIND_PARTS,
	KIND_PAGE,
	KIND_STATUS,
	KIND_LEAP,
	KIND_TIMESCALE,
	KIND_REASON,
	KIND_ERROR,
	KIND_BACKEND,
	KIND_SOURCE,
	KIND_GUEST_SOURCE,
	KINDS
};

/* The statements, in the order of pclk_sim_script_verbs[]. */
enum verb_id {
	VERB_WORLD,
	VERB_HOST,
	VERB_NESTED_HOST,
	VERB_VM,
	VERB_RUN,
	VERB_AT,
	VERB_STEP,
	VERB_SLEW,
	VERB_STATUS,
	VERB_LEAP,
	VERB_TAI,
	VERB_ERRORS,
	VERB_CLOCKSOURCE,
	VERB_TSC,
	VERB_PAUSE,
	VERB_RESUME,
	VERB_MIGRATE,
	VERB_SAVE,
	VERB_RESTORE,
	VERB_CLONE,
	VERB_HALT,
	VERB_ENTER,
	VERB_SKEW,
	VERB_FAULT,
	VERB_UPDATE,
	VERB_PUBLISH,
	VERB_GUEST_STEP,
	VERB_GUEST_CLOCKSOURCE,
	VERB_OPEN,
	VERB_CLOSE,
	VERB_READ,
	VERB_EXPECT,
	VERB_WATCH,
	VERBS
};

/* Indexes of arguments, as verbs.c has them. Argument 0 is the object that the
 * statement is about. */
enum arg_place {
	WORLD_SEED = 0,
	WORLD_START,
	WORLD_TAI_OFFSET,
	WORLD_LEAP,

	ERRORS_AT = 1, /* the four error terms of host and errors */
	HOST_TSC = 5,
	HOST_AHEAD,
	HOST_FAST,
	HOST_STATUS,

	VM_HOST = 1,
	VM_PARTS,
	VM_VCPUS,
	VM_TSC,
	VM_OFFSET,
	VM_TIMESCALE,
	VM_MONOTONIC,
	VM_PVCLOCK_EVERY,
	VM_VMCLOCK_EVERY,
	VM_CLOCKSOURCE,

	TSC_RATE = 1,
	TSC_JUMP,
	TSC_NOTICED,

	MIGRATE_TO = 1,
	MIGRATE_DOWNTIME = 2,
	COPY_TO = 2,  /* restore, clone */
	FLAGS_AT = 3, /* the flags of migrate, restore and clone */

	PAGE_AT = 1, /* fault, update */
	FAULT_NONE,
	FAULT_STALE,
	FAULT_TORN,
	FAULT_DIES,
	FAULT_SLOW,

	PUBLISH_LATE = 1,
	OPEN_WITH = 1,
	OPEN_KERNEL = 2,
	WATCH_EVERY = 1,
	WATCH_WITHIN = 2,
};

/* A PAGE: bits 0 to 7 are its kind, the vCPU is above. */
static inline unsigned int page_kind(int64_t page)
{
	return (unsigned int)page & 0xff;
}
static inline unsigned int page_vcpu(int64_t page)
{
	return (unsigned int)page >> 8;
}

struct arg {
	const char *word; /* that comes before it; or NULL */
	uint8_t kind;	  /* enum kind */
};

struct verb {
	const char *name;
	uint8_t required;   /* the first so many, in this order */
	uint8_t min_others; /* at least so many of the others, in any order */
	uint8_t max_others; /* and at most so many; 0: any number */
	struct arg arg[ARGS_MAX];
	/* Why a play gets -EINVAL or -ERANGE from it; "": no such case. */
	const char *refused;
};

struct statement {
	const struct verb *verb;
	const char *text; /* in script.text */
	uint32_t line;
	uint32_t given;		  /* 1 << index of arg */
	uint8_t at;		  /* its column, from 1 */
	uint8_t column[ARGS_MAX]; /* of each arg that is given */
	int64_t value[ARGS_MAX];
};

/* A host, a VM or a saved state, and what check.c knows of it. */
struct name {
	char text[NAME_MAX_BYTES + 1];
	uint8_t kind;	/* KIND_HOST, KIND_VM or KIND_STATE */
	uint8_t index;	/* among those of its kind */
	uint8_t open;	/* VM: a clock is open in it */
	uint8_t paused; /* VM */
	uint8_t of;	/* state: its VM; nested host: the VM that it is, + 1 */
	uint8_t on;	/* VM: its host */
	uint32_t parts;
	uint32_t vcpus;
	uint64_t torn[PARACLOCK_SIM_VMCLOCK + 1]; /* by kind: a mask of vCPUs */
	/* VM: periods of work; every_ns 0: no 'watch'. */
	uint64_t every_ns;
	uint64_t pvclock_ns;
	uint64_t vmclock_ns;
};

struct paraclock_sim_script {
	struct statement *statement;
	unsigned int statements;
	char *text; /* of all statements */
	struct name name[NAMES_MAX];
	unsigned int names;
};

/* Was argument i of statement s given? */
#define GIVEN(s, i) ((s)->given >> (i)&1U)

/* --- values.c: words ------------------------------------------------------ */

/* The name of a kind in a usage. */
const char *pclk_sim_script_kind_name(unsigned int kind);
/* Describe the words of a kind, for a sentence. */
void pclk_sim_script_describe(unsigned int kind, char *buf, size_t size);
/* "a time": what a word of a kind is. */
const char *pclk_sim_script_noun(unsigned int kind);
/* The words of a kind that is a list; NULL: it has no more. */
const char *pclk_sim_script_nth_word(unsigned int kind, unsigned int n);

/* What is wrong with a word: a part of it "is out of range"; NULL: that part is
 * not of the kind at all. */
struct flaw {
	size_t at, length;
	const char *says;
};
/* The value of one word; false: it is wrong. Names are not values: see
 * arguments.c. */
bool pclk_sim_script_value(unsigned int kind, const char *word,
			   int64_t *ret_value, struct flaw *ret_flaw);
/* The word for a value of a kind that is a list; NULL: no such value. */
const char *pclk_sim_script_word(unsigned int kind, int64_t value);

/* --- date.c --------------------------------------------------------------- */

/* "2026-12-31T23:59:00Z" as s since 1970; false: it is no such date. */
bool pclk_sim_script_date(const char *word, int64_t *ret_sec);

/* --- verbs.c: statements -------------------------------------------------- */

extern const struct verb pclk_sim_script_verbs[VERBS];
static inline enum verb_id verb_of(const struct statement *s)
{
	return (enum verb_id)(s->verb - pclk_sim_script_verbs);
}
const struct verb *pclk_sim_script_find_verb(const char *name);
/* "migrate VM to HOST [downtime TIME] ..." */
void pclk_sim_script_usage(const struct verb *verb, char *buf, size_t size);

/* --- names.c -------------------------------------------------------------- */

/* NULL: the script has no such name yet. */
struct name *pclk_sim_script_find_name(struct paraclock_sim_script *script,
				       const char *text);
struct name *pclk_sim_script_name_of(struct paraclock_sim_script *script,
				     unsigned int kind, int64_t index);

#endif
