// SPDX-License-Identifier: GPL-2.0-only
/* command_table.c - see command_priv.h. */
#include "core/command_priv.h"

#include <string.h>
#include <json-c/json.h>

#include "core/spec.h"

#define MAX_WORDS 8192

/* ---- checks that need the typed form --------------------------------------------------------- */

static int check_attach(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_attach_spec spec = {};
	int r = tcpc_spec_attach(request, &spec, err);

	tcpc_spec_attach_free(&spec);
	return r;
}

static int check_intercept(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_intercept_spec spec = {};

	return tcpc_spec_intercept(request, &spec, err);
}

static int check_iface(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_iface_spec spec = {};

	return tcpc_spec_iface(request, &spec, err);
}

static int check_target(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_target_spec spec = {};

	return tcpc_spec_target(request, &spec, err);
}

static int check_filter(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_filter_cmd_spec spec = {};
	int r = tcpc_spec_filter(request, &spec, err);

	tcpc_spec_filter_free(&spec);
	return r;
}

static int check_allow(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_allow_spec spec = {};
	int r = tcpc_spec_allow(request, &spec, err);

	tcpc_spec_allow_free(&spec);
	return r;
}

static int check_doctor(struct json_object *request, struct tcpc_err *err)
{
	struct json_object *args = json_object_object_get(request, "args");
	char iface[16];

	if (!json_object_array_length(args))
		return 0;
	return tcpc_text_iface(json_object_get_string(json_object_array_get_idx(args, 0)), iface,
			       err);
}

static int check_replay(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_replay_spec spec = {};
	int r = tcpc_spec_replay(request, &spec, err);

	tcpc_spec_replay_free(&spec);
	return r;
}

static int check_record(struct json_object *request, struct tcpc_err *err)
{
	struct tcpc_record_spec spec = {};

	return tcpc_spec_record(request, &spec, err);
}

static int check_nothing(struct json_object *request, struct tcpc_err *err)
{
	(void)request;
	(void)err;
	return 0;
}

/* ---- the table ------------------------------------------------------------------------------- */

/* clang-format off */
static const struct command commands[] = {
	{"attach", "IFACE", 1, 1, check_attach, "copy what reaches IFACE to the targets",
	 {{"to", "IP:PORT[,IP:PORT...]", "the targets"},
	  {"port", "PORT[,PORT...]", "inbound ports to copy; default: the targets' ports"},
	  {"hook", "tc|tcx|clsact|xdp", "how to attach; tc takes tcx where there is one"},
	  {"xdp-mode", "native|generic|auto", "with --hook xdp: in the driver or behind it"},
	  {"rest", "pass|drop", "with --hook xdp: what becomes of packets that are not copied"},
	  {"vni", "N", "with --hook xdp: only packets wrapped with this number (VNI, key, session)"},
	  {"mode", "all|split", "each target gets everything, or each connection goes to one"},
	  {"weight", "W[,W...]", "with --mode split: the targets' shares"},
	  {"percent", "P", "share of connections to copy, in steps of 0.01"},
	  {"ramp", "SECONDS", "raise that share from 0, over so long"},
	  {"sample-by", "client|connection", "what that share is taken of"},
	  {"copies", "N", "copies of each connection"},
	  {"spread", "MS", "all but the first leave up to so much later"},
	  {"source", "keep|CIDR", "source addresses of copies"},
	  {"client", "CIDR,...", "copy only these clients"},
	  {"exclude", "CIDR,...", "do not copy these clients"},
	  {"local", "ADDR,...", "copy only what comes to these addresses of this host"},
	  {"vlan", "N,...", "copy only what has these VLAN tags; 0: none"},
	  {"max-pps", "N", "bound on packets copied in a second"},
	  {"max-mbps", "N", "bound on megabits copied in a second"},
	  {"max-cpu", "PERCENT", "bound on what copying takes of one processor"},
	  {"retain", "MB", "memory for what may have to be sent again; default: 64"},
	  {"recovery", "on|off", "send again what is lost on the way"},
	  {"target-guard", "on|off", "fewer new connections to a target that is dead"},
	  {"feedback", "HOST:PORT|none", "where the interceptor listens; default: the target, "
					 "36524"},
	  {"via", "vxlan", "through a tunnel, where networks drop foreign source addresses"},
	  {"force", NULL, "copy without an interceptor (--feedback none); xdp on a live interface"}}},
	{"detach", "IFACE | --all", 0, 1, check_iface, "end copying",
	 {{"all", NULL, "all interfaces"}}},
	{"target", "list [IFACE] | add IFACE IP:PORT | del IFACE IP:PORT", 1, 3, check_target,
	 "show or change the targets of an attached interface",
	 {{"weight", "W", "with add and --mode split: the target's share; default: 1"},
	  {"drain", "SECONDS", "with del: how long its connections may go on; default: 300"}}},
	{"filter", "list [IFACE] | set IFACE", 1, 2, check_filter,
	 "show or change which connections are copied",
	 {{"percent", "P", "share of connections to copy, in steps of 0.01"},
	  {"ramp", "SECONDS", "come to that share bit by bit, over so long"},
	  {"sample-by", "client|connection", "what that share is taken of"},
	  {"client", "CIDR,...", "copy only these clients; '' for all"},
	  {"exclude", "CIDR,...", "do not copy these clients; '' for none"},
	  {"local", "ADDR,...", "copy only what comes to these addresses of this host; '' for all"},
	  {"vlan", "N,...", "copy only what has these VLAN tags; 0: none; '' for all"},
	  {"max-pps", "N", "bound on packets copied in a second; 0 for none"},
	  {"max-mbps", "N", "bound on megabits copied in a second; 0 for none"},
	  {"max-cpu", "PERCENT", "bound on what copying takes of one processor; 0 for none"}}},
	{"intercept", "IFACE", 1, 1, check_intercept,
	 "keep the responses of a service on this host, return their headers",
	 {{"port", "PORT[,PORT...]", "the service's ports"},
	  {"engine", "nfqueue|tc", "how responses are taken"},
	  {"listen", "IP:PORT", "where online hosts connect; default: port 36524 of every address"},
	  {"queue", "FIRST[:LAST]", "NFQUEUE queue numbers; default: free ones from 100"},
	  {"order", "strict|relaxed", "hold back what a client sent after an answer"},
	  {"adopt", "http|any|none", "take up connections in mid-stream"},
	  {"hold", "MB", "memory for what is held back"},
	  {"max-lag", "SECONDS", "how far behind a connection may be"},
	  {"idle", "SECONDS", "end copied connections that are silent for so long"},
	  {"via", "vxlan", "take copies that come through a tunnel, too"},
	  {"force", NULL, "go on though clients that are not allowed are connected: cuts them off"}}},
	{"release", "IFACE | --all", 0, 1, check_iface, "end intercepting",
	 {{"all", NULL, "all interfaces"}}},
	{"allow", "list | add CIDR... | del CIDR...", 1, MAX_WORDS, check_allow,
	 "clients that use the target directly", {}},
	{"replay", "FILE...", 1, MAX_WORDS, check_replay,
	 "send the clients' half of captured connections to the targets",
	 {{"to", "IP:PORT[,IP:PORT...]", "the targets"},
	  {"port", "PORT[,PORT...]", "the servers' ports in the files; default: the targets' ports"},
	  {"speed", "0.1..1000", "how much faster than captured; default: 1"},
	  {"top-speed", NULL, "as fast as the targets take it"},
	  {"loop", "N", "play all files N times"},
	  {"max-gap", "MS", "shorten longer pauses to this"},
	  {"concurrency", "N", "requests that may be unanswered at a time"},
	  {"client", "CIDR,...", "only these clients"},
	  {"exclude", "CIDR,...", "not these clients"},
	  {"filter", "EXPR", "only what matches this BPF expression, as in tcpdump"},
	  {"retain", "MB", "memory for what may have to be sent again; default: 64"},
	  {"via", "vxlan", "through a tunnel, where networks drop foreign source addresses"},
	  {"feedback", "HOST:PORT", "where the interceptor listens; default: the target, "
				    "36524"}}},
	{"record", "IFACE -w FILE | --stop", 1, 1, check_record,
	 "write what is copied from an attached interface to a capture file",
	 {{"write", "FILE", "the file (pcapng), also -w FILE"},
	  {"rotate-mb", "N", "begin another file before this one is larger"},
	  {"rotate-seconds", "N", "begin another file after so long"},
	  {"keep", "N", "the newest N files stay, older ones are deleted; default: all stay"},
	  {"limit-mb", "N", "bound of all files together; default: 1024"},
	  {"force", NULL, "replace files that exist"},
	  {"stop", NULL, "end the recording"}}},
	{"feed", "IFACE", 1, 1, check_iface, NULL, /* of `replay`, to the daemon */
	 {{"end", NULL, ""}}},
	{"status", "", 0, 0, check_nothing, "what is attached and intercepted, and how it goes", {}},
	{"stats", "", 0, 0, check_nothing, "every counter",
	 {{"watch", NULL, "again each second"}}},
	{"ledger", "", 0, 0, check_nothing, "what became of all that was copied", {}},
	{"doctor", "[IFACE]", 0, 1, check_doctor, "what keeps copies from arriving, and the cure",
	 {}},
	{"key", "", 0, 0, check_nothing, "print a new key for the feedback link", {}},
	{"version", "", 0, 0, check_nothing, "versions of command and daemon", {}},
};
/* clang-format on */

const struct command *command_at(size_t i)
{
	return i < sizeof(commands) / sizeof(commands[0]) ? &commands[i] : NULL;
}

const struct command *command_find(const char *name)
{
	const struct command *c;
	size_t i = 0;

	do
		c = command_at(i++);
	while (c && strcmp(c->name, name));
	return c;
}

/* Options that one knows from elsewhere by a letter. */
static const struct {
	const char *command, *option;
	char letter;
} letters[] = {
	{"record", "write", 'w'},
};

const struct option *command_find_letter(const struct command *c, char letter)
{
	for (size_t i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (letters[i].letter == letter && !strcmp(letters[i].command, c->name))
			return command_find_option(c, letters[i].option, strlen(letters[i].option));
	return NULL;
}

const struct option *command_find_option(const struct command *c, const char *name, size_t len)
{
	for (const struct option *o = c->options; o < c->options + MAX_OPTIONS && o->name; o++)
		if (strlen(o->name) == len && !strncmp(o->name, name, len))
			return o;
	return NULL;
}
