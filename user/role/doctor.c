// SPDX-License-Identifier: GPL-2.0-only
/*
 * doctor.c - looks for what keeps copies from arriving, and names cause and cure. First version:
 * the kernel's features, iptables, queues, and for interfaces in use the settings that drop copies.
 */
#include "role/dispatch.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <json-c/json.h>

#include "edge/datapath.h"
#include "edge/netlink.h"
#include "edge/probe.h"
#include "role/show.h"

enum level { OK, WARN, FAIL };

static void add(struct json_object *list, enum level level, const char *check, const char *fix,
		const char *format, ...) __attribute__((format(printf, 5, 6)));

/* One finding. @fix: "" where nothing need be done. */
static void add(struct json_object *list, enum level level, const char *check, const char *fix,
		const char *format, ...)
{
	static const char *const levels[] = {"ok", "warn", "fail"};
	struct json_object *o = json_object_new_object();
	char detail[512];
	va_list args;

	va_start(args, format);
	vsnprintf(detail, sizeof(detail), format, args);
	va_end(args);
	tcpc_show_string(o, "level", levels[level]);
	tcpc_show_string(o, "check", check);
	tcpc_show_string(o, "detail", detail);
	tcpc_show_string(o, "fix", fix);
	json_object_array_add(list, o);
}

static void on_feature(void *user, const char *name, int present, bool needed, const char *hint)
{
	struct json_object *list = user;

	if (present == 1)
		add(list, OK, name, "", "present");
	else
		add(list, needed ? FAIL : WARN, name, hint, "missing");
}

static void check_bpffs(struct json_object *list, const char *path)
{
	if (tcpc_probe_on_bpffs(path) == 1)
		add(list, OK, "bpf file system", "", "%s can hold pins", path);
	else
		add(list, WARN, "bpf file system", "mount -t bpf bpf /sys/fs/bpf",
		    "%s does not lie on a mounted bpf file system", path);
}

static void check_ip6tables(struct json_object *list)
{
	enum tcpc_probe_iptables variant = tcpc_probe_ip6tables();

	if (!tcpc_probe_ipv6())
		add(list, OK, "ip6tables", "", "not needed: the kernel has no IPv6");
	else if (variant == TCPC_PROBE_IPTABLES_MISSING)
		add(list, WARN, "ip6tables", "apt-get install iptables",
		    "not installed; `intercept` leaves IPv6 alone without it");
	else
		add(list, OK, "ip6tables", "", "%s", tcpc_probe_iptables_name(variant));
}

static void check_iptables(struct json_object *list)
{
	enum tcpc_probe_iptables variant = tcpc_probe_iptables();

	if (variant == TCPC_PROBE_IPTABLES_MISSING)
		add(list, WARN, "iptables", "apt-get install iptables",
		    "not installed; `intercept` needs it");
	else
		add(list, OK, "iptables", "", "%s", tcpc_probe_iptables_name(variant));
	check_ip6tables(list);
	if (tcpc_probe_nfqueue() == 1)
		add(list, OK, "NFQUEUE", "", "the kernel can queue packets to us");
	else
		add(list, WARN, "NFQUEUE", "modprobe nfnetlink_queue",
		    "the kernel cannot queue packets to user space; `intercept` needs it");
}

/* Copies come from the clients' addresses: a strict reverse-path check drops those whose way back
 * does not lead through the interface they came in by. */
static void check_rp_filter(struct json_object *list, const char *iface)
{
	struct tcpc_probe_sysctls s;
	char fix[128];

	tcpc_probe_sysctls(iface, &s);
	snprintf(fix, sizeof(fix), "sysctl -w net.ipv4.conf.%s.rp_filter=2 (and .all.rp_filter)",
		 iface);
	if (s.rp_filter == 1)
		add(list, WARN, "reverse-path filter", fix,
		    "%s: strict; drops copies from clients that are not routed through %s", iface,
		    iface);
	else
		add(list, OK, "reverse-path filter", "", "%s: %s", iface,
		    s.rp_filter == 2 ? "loose" : "off");
}

static void check_iface(struct json_object *list, const char *name)
{
	struct tcpc_iface iface;
	struct tcpc_err err;
	char fix[64];

	if (tcpc_netlink_iface(name, &iface, &err)) {
		add(list, FAIL, "interface", "name an interface that exists", "%s", err.text);
		return;
	}
	snprintf(fix, sizeof(fix), "ip link set %s up", name);
	if (iface.flags & IFF_UP)
		add(list, OK, "interface", "", "%s is up, MTU %u", name, iface.mtu);
	else
		add(list, FAIL, "interface", fix, "%s is down", name);
	check_rp_filter(list, name);
}

/* What reaches an interface in larger packets than the way to the target takes is not copied. */
static void check_mtu(struct json_object *list, const char *iface_name, const char *name,
		      struct json_object *target)
{
	unsigned int mtu = json_object_get_int(json_object_object_get(target, "mtu"));
	struct tcpc_iface iface;
	struct tcpc_err err;
	char fix[128];

	if (!mtu || tcpc_netlink_iface(iface_name, &iface, &err) || iface.mtu <= mtu)
		return;
	snprintf(fix, sizeof(fix), "give the way to the target an MTU of %u, or %s one of %u",
		 iface.mtu, iface_name, mtu);
	add(list, WARN, "MTU", fix,
	    "%s has %u, the way to %s %u: larger packets are not copied (counter too_big)",
	    iface_name, iface.mtu, name, mtu);
}

static void check_target(struct json_object *list, const char *iface, struct json_object *target)
{
	const char *name = json_object_get_string(json_object_object_get(target, "target"));
	const char *state = json_object_get_string(json_object_object_get(target, "state"));
	const char *reason = json_object_get_string(json_object_object_get(target, "reason"));

	if (!strcmp(state, "copying"))
		add(list, OK, "target", "", "%s intercepts and is copied to", name);
	else
		add(list, FAIL, "target", "see the detail; then `tcpcopyctl status`", "%s: %s: %s",
		    name, state, reason);
	check_mtu(list, iface, name, target);
}

/* What is configured, read from what status shows. */
static void check_configured(struct json_object *list, struct json_object *entries,
			     const char *only)
{
	struct json_object *targets;

	for (size_t i = 0; i < json_object_array_length(entries); i++) {
		struct json_object *e = json_object_array_get_idx(entries, i);
		const char *iface = json_object_get_string(json_object_object_get(e, "iface"));

		if (only[0] && strcmp(only, iface))
			continue;
		if (!only[0])
			check_iface(list, iface);
		if (!json_object_object_get_ex(e, "targets", &targets))
			continue;
		for (size_t t = 0; t < json_object_array_length(targets); t++)
			check_target(list, iface, json_object_array_get_idx(targets, t));
	}
	json_object_put(entries);
}

struct json_object *tcpc_doctor(const struct tcpc_dispatch *d, const char *iface)
{
	struct json_object *o = json_object_new_object(), *list = json_object_new_array();

	tcpc_datapath_each_feature(on_feature, list);
	check_bpffs(list, d->bpffs);
	check_iptables(list);
	if (!d->secure)
		add(list, WARN, "feedback link",
		    "make a key with `tcpcopyctl key` and give it to both daemons with --key",
		    "runs without a key (--insecure): whoever reaches the port can read receipts");
	if (iface[0])
		check_iface(list, iface);
	check_configured(list, tcpc_online_status(d->online), iface);
	check_configured(list, tcpc_target_status(d->target), iface);
	json_object_object_add(o, "findings", list);
	return o;
}
