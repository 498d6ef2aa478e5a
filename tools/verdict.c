// SPDX-License-Identifier: MIT
#include <string.h>

#include "json.h"
#include "verdict.h"

/* What gives a time of day under a hypervisor, the best first. */
static const struct {
	const char *hypervisor; /* NULL: any other */
	const char *remedy;
} remedies[] = {
	{ "kvm", "KVM's clock pairing (modprobe ptp_kvm), or a vmclock with "
		 "time (modprobe ptp_vmclock; Linux 6.13)" },
	{ "pvm", "KVM's clock pairing (modprobe ptp_kvm), or a vmclock with "
		 "time (modprobe ptp_vmclock; Linux 6.13)" },
	{ "hyper-v", "the PTP clock of Hyper-V (modprobe hv_utils)" },
	{ "vmware", "the PTP clock of VMware (modprobe ptp_vmw)" },
	{ "none", "PTP or NTP, for this machine is no guest" },
	{ "xen", "NTP, for Xen shows processes no time of day" },
	{ NULL, "a vmclock with time, or the PTP clock of a paravirtual driver "
		"(ptp_kvm, ptp_vmclock, virtio_rtc), if the host offers one; "
		"else NTP" },
};

static const char *remedy_of(const struct paraclock_machine *machine)
{
	unsigned int i = 0;

	while (remedies[i].hypervisor &&
	       strcmp(remedies[i].hypervisor, machine->hypervisor) != 0)
		i++;
	return remedies[i].remedy;
}

/* Why not, without what is printed above. */
static void explain(const struct how_far *far, const struct source *source,
		    const struct paraclock_machine *machine, char *buf,
		    size_t size)
{
	char why[256], scales[TIMESCALES_TEXT];

	if (!far->backend[0] && source_timescales(source, scales))
		snprintf(why, sizeof(why),
			 "no host clock here is valid and on %s", scales);
	else if (!far->backend[0])
		snprintf(why, sizeof(why), "no host clock here is valid");
	else if (far->timescale)
		snprintf(why, sizeof(why),
			 "%s says how much time passes (%s), not what time it "
			 "is",
			 far->backend, far->timescale);
	else
		snprintf(why, sizeof(why), "%.255s", far->why);
	snprintf(buf, size,
		 "How far CLOCK_REALTIME is off is not known: %s. To know it: "
		 "%s.%s",
		 why, remedy_of(machine),
		 machine->vmclock == PARACLOCK_FIRMWARE_UNKNOWN
			 ? " In a container, also pass /dev/vmclock0 or "
			   "/dev/ptp0 into it, and show it /sys."
			 : "");
}

void verdict_make(const struct paraclock_env *env,
		  const struct paraclock_machine *machine, uint32_t timescales,
		  struct verdict *ret_verdict)
{
	const struct source source = {
		.prefers_utc = true,
		.timescales = timescales,
	};
	char text[1600], history[160] = "";

	*ret_verdict = (struct verdict){ 0 };
	how_far_look(&source, env, &ret_verdict->far);
	if (!env)
		keep_history_load(NULL, &ret_verdict->history);
	if (ret_verdict->far.is_known)
		how_far_describe(&ret_verdict->far, text, sizeof(text));
	else
		explain(&ret_verdict->far, &source, machine, text,
			sizeof(text));
	history_describe(&ret_verdict->history, history, sizeof(history));
	snprintf(ret_verdict->text, sizeof(ret_verdict->text), "%s%s%s", text,
		 history[0] ? "; " : "", history);
}

void verdict_put(const struct verdict *verdict, struct json *json)
{
	json_put_text(json, "verdict", verdict->text);
	how_far_put(&verdict->far, json);
}
