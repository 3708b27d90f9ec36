// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_spec.c - spec.h: what the values of attach and intercept come to, and what is said about
 * those that come to nothing. The other commands are in test_spec_other.c.
 */
#include <arpa/inet.h>

#include "../harness/spec_text.h"

/* ---- attach ---------------------------------------------------------------------------------- */

#define TO "attach eth0 --to 10.0.0.9:80"
#define TARGETS_16                                                                                 \
	"10.0.0.1:1,10.0.0.2:2,10.0.0.3:3,10.0.0.4:4,10.0.0.5:5,10.0.0.6:6,10.0.0.7:7,10.0.0.8:8," \
	"10.0.0.9:9,10.0.0.10:10,10.0.0.11:11,10.0.0.12:12,10.0.0.13:13,10.0.0.14:14,10.0.0.15:"   \
	"15,"                                                                                      \
	"10.0.0.16:16"
#define PORTS_15 "1,2,3,4,5,6,7,8,9,10,11,12,13,14,15"

static const struct {
	const char *line, *want;
} attach_rows[] = {
	{TO, "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524"},
	{"attach a23456789012345 --to 10.0.0.9:80,10.0.0.9:81,10.0.0.8:80",
	 "a23456789012345 to 10.0.0.9:80 10.0.0.9:81 10.0.0.8:80 ports 80 81 hook 0 sample 10000 "
	 "feedback :36524"},
	{TO " --port 443,65535,1",
	 "eth0 to 10.0.0.9:80 ports 443 65535 1 hook 0 sample 10000 feedback :36524"},
	{TO " --hook tc", "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524"},
	{TO " --hook tcx", "eth0 to 10.0.0.9:80 ports 80 hook 1 sample 10000 feedback :36524"},
	{TO " --hook clsact", "eth0 to 10.0.0.9:80 ports 80 hook 2 sample 10000 feedback :36524"},
	{TO " --percent 0", "eth0 to 10.0.0.9:80 ports 80 hook 0 sample=0 feedback :36524"},
	{TO " --ramp 86400",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 ramp=86400 feedback :36524"},
	{TO " --percent 12.3", "eth0 to 10.0.0.9:80 ports 80 hook 0 sample=1230 feedback :36524"},
	{TO " --percent 100", "eth0 to 10.0.0.9:80 ports 80 hook 0 sample=10000 feedback :36524"},
	{TO " --client 10.0.0.0/8,192.0.2.1 --exclude 10.1.0.0/16",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 clients=10.0.0.0/8,192.0.2.1/32, "
	 "excludes=10.1.0.0/16, feedback :36524"},
	{TO " --client ::/95,::/96,0:0:0:1::/64,::8000:0:0/82",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 "
	 "clients=::/95,::/96,0:0:0:1::/64,::8000:0:0/82, feedback :36524"},
	{TO " --client \"\" --exclude \"\"",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 clients= excludes= feedback :36524"},
	{TO " --feedback target.example:99",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback target.example:99"},
	{TO " --feedback 10.0.0.8",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback 10.0.0.8:36524"},
	{TO " --feedback [2001:db8::9]:99 --force",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback 2001:db8::9:99 force"},
	{"attach eth0 --to [2001:db8::9]:80,10.0.0.9:80 --client 2001:db8::/32 --exclude ::1",
	 "eth0 to [2001:db8::9]:80 10.0.0.9:80 ports 80 hook 0 sample 10000 "
	 "clients=2001:db8::/32, excludes=::1/128, feedback :36524"},
	{TO " --force --feedback none",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback none force no recovery"},
	{TO " --retain 0",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524 no recovery"},
	{TO " --recovery off",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524 no recovery"},
	{TO " --recovery off --retain 0",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524 no recovery"},
	{TO " --retain 256 --recovery on",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524 retain 256"},
	{TO " --target-guard on",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524"},
	{TO " --target-guard off",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524 target guard 0"},
	{TO " --target-guard off --feedback none --force",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback none force no recovery"},
	{TO " --via vxlan",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524 via 1"},
	{TO " --max-pps 5 --max-mbps 100000 --max-cpu 0",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 pps=5 mbps=100000 cpu=0 feedback "
	 ":36524"},
	/* What so far is the only value may be given. */
	{TO " --mode all --copies 1 --source keep",
	 "eth0 to 10.0.0.9:80 ports 80 hook 0 sample 10000 feedback :36524"},
	/* As many as there is room for. */
	{"attach eth0 --port 80 --to " TARGETS_16,
	 "eth0 to 10.0.0.1:1 10.0.0.2:2 10.0.0.3:3 10.0.0.4:4 10.0.0.5:5 10.0.0.6:6 10.0.0.7:7 "
	 "10.0.0.8:8 10.0.0.9:9 10.0.0.10:10 10.0.0.11:11 10.0.0.12:12 10.0.0.13:13 10.0.0.14:14 "
	 "10.0.0.15:15 10.0.0.16:16 ports 80 hook 0 sample 10000 feedback :36524"},
	{TO " --port " PORTS_15,
	 "eth0 to 10.0.0.9:80 ports 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 hook "
	 "0 sample 10000 feedback :36524"},
};

static void test_attach(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(attach_rows); i++) {
		struct json_object *request = words_request(attach_rows[i].line);
		struct tcpc_err err = words_no_err;
		struct tcpc_attach_spec spec;
		char text[SPEC_TEXT_BYTES];

		memset(&spec, 0xa5, sizeof(spec));
		expect_success(attach_rows[i].line, tcpc_spec_attach(request, &spec, &err), &err);
		spec_text_attach(&spec, text);
		if (strcmp(text, attach_rows[i].want))
			expect_fail("'%s': %s", attach_rows[i].line, text);
		tcpc_spec_attach_free(&spec);
		json_object_put(request);
	}
}

static const struct {
	const char *line;
	int code;
	const char *part;
} attach_errors[] = {
	{"attach", EINVAL, "attach needs an interface, like eth0"},
	{"attach eth0/1 --to 10.0.0.9:80", EINVAL, "'eth0/1' is not an interface name"},
	{"attach eth0", EINVAL, "attach needs a target: --to 10.0.0.9:8080"},
	{"attach eth0 --port 80", EINVAL, "attach needs a target"},
	/* Targets. */
	{"attach eth0 --to=", EINVAL, "'' is not IP:PORT"},
	{"attach eth0 --to 10.0.0.9", EINVAL, "'10.0.0.9' is not IP:PORT"},
	{"attach eth0 --to 10.0.0.9:0", EINVAL, "'0' is not a port"},
	{"attach eth0 --to 10.0.0.9:80,", EINVAL, "'' is not IP:PORT"},
	{"attach eth0 --to ,10.0.0.9:80", EINVAL, "'' is not IP:PORT"},
	{"attach eth0 --to 10.0.0.9:80,,10.0.0.8:80", EINVAL, "'' is not IP:PORT"},
	{"attach eth0 --to 10.0.0.9:80;10.0.0.8:80", EINVAL, "is not IP:PORT"},
	{"attach eth0 --to 10.0.0.9:80,10.0.0.8:80,10.0.0.9:80", EINVAL,
	 "target 10.0.0.9:80 is given twice"},
	{"attach eth0 --to " TARGETS_16 ",10.0.0.17:17", EINVAL, "more than 16 targets"},
	{"attach eth0 --to " TARGETS_16, EINVAL,
	 "the targets have more than 15 ports; name the ports to copy with --port"},
	{"attach eth0 --to 2001:db8::9:80", EINVAL,
	 "is not IP:PORT: write it as [2001:db8::9]:8080"},
	{"attach eth0 --to 10.0.0.9:80,[fe80::9]:80", EINVAL, "'[fe80::9]:80' is link-local"},
	{"attach eth0 --to [febf::9]:80", EINVAL, "is link-local"},
	{"attach eth0 --to [fe80::9%eth0]:80", EINVAL, "'fe80::9%eth0' is not an address"},
	{"attach eth0 --to [2001:db8::9]:80,[2001:db8:0::9]:80", EINVAL, "is given twice"},
	/* Ports. */
	{TO " --port=", EINVAL, "'' is not a port"},
	{TO " --port 0", EINVAL, "'0' is not a port"},
	{TO " --port 65536", EINVAL, "'65536' is not a port"},
	{TO " --port 81,80x", EINVAL, "'80x' is not a port"},
	{TO " --port 81,", EINVAL, "'' is not a port"},
	{TO " --port 80-90", EINVAL, "'80-90' is not a port"},
	{TO " --port 80,81,80", EINVAL, "port 80 is given twice"},
	{TO " --port " PORTS_15 ",16", EINVAL, "more than 15 ports"},
	/* The filter. */
	{TO " --percent 100.01", EINVAL, "'100.01' is not a percentage"},
	{TO " --percent .5", EINVAL, "'.5' is not a percentage"},
	{TO " --percent=", EINVAL, "'' is not a percentage"},
	{TO " --client 198.18.0.0/33", EINVAL, "'198.18.0.0/33': the prefix length is"},
	{TO " --client 10.0.0.1/8", EINVAL, "do you mean 10.0.0.0/8?"},
	{TO " --client 10.0.0.0/8,", EINVAL, "'' is not a prefix"},
	{TO " --client 10.0.0.0/8,11.0.0.0/8,10.0.0.0/8", EINVAL,
	 "prefix 10.0.0.0/8 is given twice"},
	{TO " --client 10.0.0.9,10.0.0.9/32", EINVAL, "prefix 10.0.0.9/32 is given twice"},
	{TO " --exclude 10.0.0.0/8,10.0.0.0/8", EINVAL, "prefix 10.0.0.0/8 is given twice"},
	{TO " --exclude nonsense", EINVAL, "'nonsense' is not a prefix"},
	{TO " --client 11.0.0.0/8,10.0.0.0/8 --exclude 10.0.0.0/8", EINVAL,
	 "10.0.0.0/8 stands in both --client and --exclude"},
	{TO " --client 2001:db8::/32,2001:0db8::/32", EINVAL,
	 "prefix 2001:0db8::/32 is given twice"},
	{TO " --client fe80::/10", EINVAL, "'fe80::/10' is link-local"},
	{TO " --exclude 10.0.0.0/8,::/0", EINVAL, "'::/0' would mean IPv4 too: for all of IPv6"},
	{TO " --client ::/80", EINVAL, "'::/80' would mean IPv4 too"},
	{TO " --client ::fffe:0:0/95", EINVAL, "'::fffe:0:0/95' would mean IPv4 too"},
	/* The link. */
	{TO " --feedback none", EINVAL, "add --force if you mean it"},
	{TO " --feedback=", EINVAL, "'' is not HOST:PORT"},
	{TO " --feedback :99", EINVAL, "':99' is not HOST:PORT"},
	{TO " --feedback target:0", EINVAL, "'0' is not a port"},
	{TO " --feedback [fe80::9]:99", EINVAL, "'[fe80::9]:99' is link-local"},
	{TO " --feedback 010.0.0.9:99", EINVAL, "'010.0.0.9:99' is not HOST:PORT"},
	/* The hook, and what is to come. */
	{TO " --rest drop", EINVAL, "--rest goes with --hook xdp"},
	{TO " --xdp-mode native --hook tcx", EINVAL, "--xdp-mode goes with --hook xdp"},
	{TO " --hook xdp --rest keep", EINVAL, "--rest is pass or drop, not 'keep'"},
	{TO " --hook xdp --xdp-mode hw", EINVAL, "--xdp-mode is native, generic or auto, not 'hw'"},
	{TO " --hook xdp --via vxlan", EINVAL, "not through a tunnel: leave --via out"},
	{TO " --hook xdp --vni x", EINVAL, "--vni is a number"},
	{TO " --hook ebpf", EINVAL, "--hook is tc, tcx, clsact or xdp, not 'ebpf'"},
	{TO " --hook=", EINVAL, "--hook is tc, tcx, clsact or xdp, not ''"},
	{TO " --hook TC", EINVAL, "not 'TC'"},
	{TO " --weight 1", EINVAL, "--weight is for --mode split"},
	{TO " --mode split --weight 1,2", EINVAL, "more numbers than --to has targets"},
	{TO ",10.0.0.8:80 --mode split --weight 1", EINVAL, "a number for each of 2 targets"},
	{TO " --mode split --weight 0", EINVAL, "one target at least has to have some"},
	{TO " --mode split --weight 1001", EINVAL, "a weight is a number from 0"},
	{TO " --sample-by luck", EINVAL, "--sample-by is client or connection, not 'luck'"},
	{TO " --ramp 1m", EINVAL, "--ramp is a number of seconds from 1 to 86400, not '1m'"},
	{TO " --vlan 4095", EINVAL, "--vlan is a list of numbers from 1 to 4094, and 0 for"},
	{TO " --vlan 5,,6", EINVAL, "--vlan is a list of numbers"},
	{TO " --vlan 5,5", EINVAL, "VLAN 5 is given twice"},
	{TO " --local fe80::1", EINVAL, "'fe80::1' is link-local"},
	{TO " --local eth0", EINVAL, "'eth0' is not"},
	{TO " --mode some", EINVAL, "--mode is all or split, not 'some'"},
	{TO " --mode=", EINVAL, "--mode is all or split, not ''"},
	{"attach eth0 --to 0.0.0.0:80", EINVAL, "'0.0.0.0:80' is the address of no host"},
	{"attach eth0 --to 224.0.0.1:80", EINVAL, "no host: give one that a host has, like 10."},
	{"attach eth0 --to 255.255.255.255:80", EINVAL, "is the address of no host"},
	{"attach eth0 --to [::]:80", EINVAL, "'[::]:80' is the address of no host"},
	{"attach eth0 --to [ff02::1]:80", EINVAL, "give one that a host has, like 2001:db8::9"},
	{TO " --feedback 0.0.0.0:36524", EINVAL, "is the address of no host"},
	{TO " --source 127.0.0.0/8", EINVAL, "pool 127.0.0.0/8 has addresses that no client has"},
	{TO " --source 0.0.0.0/0", EINVAL, "another --source, like 198.18.0.0/15"},
	{TO " --source 128.0.0.0/1", EINVAL, "has addresses that no client has"},
	{TO " --source ff00::/8", EINVAL, "another --source, like 2001:2::/48"},
	{TO " --spread 10", EINVAL, "--spread shifts all copies but the first: not without"},
	{TO " --copies 2 --spread 0", EINVAL, "--spread is a number of milliseconds from 1 to"},
	{TO " --copies 2 --spread 60001", EINVAL, "from 1 to 60000, not '60001'"},
	{TO " --copies 2 --spread 10 --recovery off", EINVAL, "not with --recovery off"},
	{TO " --copies 0", EINVAL, "--copies is a number from 1 to 1024, not '0'"},
	{TO " --copies 1025", EINVAL, "--copies is a number from 1 to 1024, not '1025'"},
	{TO " --copies 01", EINVAL, "--copies is a number from 1 to 1024, not '01'"},
	{TO ",10.0.0.8:80 --copies 513", EINVAL, "2 targets x 513 copies = 1026 copies of each"},
	{TO " --copies 100 --source 198.19.0.1", EINVAL, "leave room for 645 connections"},
	{TO " --copies 2 --source 10.0.0.0/25", EINVAL, "lies in the network of target 10.0.0.9"},
	{TO " --source 2001:2::/48", EINVAL,
	 "target 10.0.0.9 is IPv4, the pool of --source is not"},
	{TO " --source 198.18.0.0/16,198.19.0.0/16", EINVAL, "--source has two pools of IPv4"},
	{TO " --source fe80::/64", EINVAL, "is link-local"},
	{TO " --source 198.18.0.1/15", EINVAL, "198.18.0.0/15"},
	/* Budgets. */
	{TO " --max-pps many", EINVAL,
	 "--max-pps is a number from 1 to 100000000, or 0 for no bound, not 'many'"},
	{TO " --max-pps=", EINVAL, "or 0 for no bound, not ''"},
	{TO " --max-pps=-1", EINVAL, "or 0 for no bound, not '-1'"},
	{TO " --max-pps 100000001", EINVAL, "not '100000001'"},
	{TO " --max-mbps 0.5", EINVAL, "--max-mbps is a number from 1 to 100000, or 0"},
	{TO " --max-mbps 100001", EINVAL, "not '100001'"},
	{TO " --max-cpu 5%", EINVAL, "--max-cpu is a number from 1 to 100000, or 0"},
	{TO " --retain many", EINVAL,
	 "--retain is a number of megabytes from 0 (off) to 65536, not 'many'"},
	{TO " --retain 65537", EINVAL, "from 0 (off) to 65536, not '65537'"},
	{TO " --retain=-1", EINVAL, "from 0 (off) to 65536, not '-1'"},
	{TO " --retain=", EINVAL, "from 0 (off) to 65536, not ''"},
	{TO " --recovery maybe", EINVAL, "--recovery is on or off, not 'maybe'"},
	{TO " --recovery=", EINVAL, "--recovery is on or off, not ''"},
	{TO " --recovery off --retain 64", EINVAL,
	 "--recovery off and --retain 64 contradict each other"},
	{TO " --recovery on --retain 0", EINVAL,
	 "--recovery on and --retain 0 contradict each other"},
	{TO " --recovery on --feedback none --force", EINVAL,
	 "--recovery on needs to hear of the target: not together with --feedback none"},
	{TO " --via=", EINVAL, "--via is vxlan, not ''"},
	{TO " --via gre", EINVAL, "--via is vxlan, not 'gre'"},
	{TO " --via geneve", EOPNOTSUPP, "--via geneve is not available in this version"},
	{TO " --target-guard maybe", EINVAL, "--target-guard is on or off, not 'maybe'"},
	{TO " --target-guard on --feedback none --force", EINVAL,
	 "--target-guard on needs to hear of the target: not together with --feedback none"},
	/* The reason is seen behind a word that is longer than the error. */
	{TO " --hook " WORDS_LONG, EINVAL, "--hook is tc, tcx, clsact or xdp, not 'xxx"},
	{TO " --mode " WORDS_LONG, EINVAL, "--mode is all or split, not 'xxx"},
	{TO " --source " WORDS_LONG, EINVAL, "xxx"},
};

static void test_attach_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(attach_errors); i++) {
		struct json_object *request = spec_text_request(attach_errors[i].line);
		struct tcpc_err err = words_no_err;
		struct tcpc_attach_spec got, before;

		memset(&before, 0xa5, sizeof(before));
		memcpy(&got, &before, sizeof(got));
		expect_error(attach_errors[i].line, tcpc_spec_attach(request, &got, &err), &err,
			     attach_errors[i].code, attach_errors[i].part);
		expect_bytes(attach_errors[i].line, &got, &before, sizeof(got));
		json_object_put(request);
	}
}

/* ---- intercept ------------------------------------------------------------------------------- */

#define IN "intercept eth0 --port 80"

static const struct {
	const char *line, *want;
} intercept_rows[] = {
	{IN, "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10"},
	{"intercept eth0 --port " PORTS_15,
	 "eth0 ports 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 listen - queue -1:-1 strict "
	 "adopt http hold 256 lag 10"},
	{IN " --listen 10.0.0.9:99",
	 "eth0 ports 80 listen 10.0.0.9:99 queue -1:-1 strict adopt http hold 256 lag 10"},
	{IN " --listen [2001:db8::9]:99",
	 "eth0 ports 80 listen [2001:db8::9]:99 queue -1:-1 strict adopt http hold 256 lag 10"},
	{IN " --listen [::]:36524",
	 "eth0 ports 80 listen [::]:36524 queue -1:-1 strict adopt http hold 256 lag 10"},
	{IN " --queue 0", "eth0 ports 80 listen - queue 0:0 strict adopt http hold 256 lag 10"},
	{IN " --queue 65535",
	 "eth0 ports 80 listen - queue 65535:65535 strict adopt http hold 256 lag 10"},
	{IN " --queue 7:7", "eth0 ports 80 listen - queue 7:7 strict adopt http hold 256 lag 10"},
	{IN " --queue 100:115",
	 "eth0 ports 80 listen - queue 100:115 strict adopt http hold 256 lag 10"},
	{IN " --via vxlan",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10 via 1"},
	{IN " --engine tc",
	 "eth0 ports 80 listen - queue -1:-1 tc strict adopt http hold 256 lag 10"},
	{IN " --engine nfqueue --order strict",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10"},
	{IN " --order relaxed",
	 "eth0 ports 80 listen - queue -1:-1 relaxed adopt http hold 256 lag 10"},
	{IN " --adopt http",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10"},
	{IN " --adopt any", "eth0 ports 80 listen - queue -1:-1 strict adopt any hold 256 lag 10"},
	{IN " --adopt none",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt none hold 256 lag 10"},
	{IN " --hold 1 --max-lag 3600",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 1 lag 3600"},
	{IN " --force",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10 force"},
	{IN " --idle 7200", "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10"},
	{IN " --idle 1",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 256 lag 10 idle 1"},
	{IN " --idle 2592000", "eth0 ports 80 listen - queue -1:-1 strict adopt http "
			       "hold 256 lag 10 idle 2592000"},
	{IN " --hold 1048576 --max-lag 1",
	 "eth0 ports 80 listen - queue -1:-1 strict adopt http hold 1048576 lag 1"},
};

static void test_intercept(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(intercept_rows); i++) {
		struct json_object *request = words_request(intercept_rows[i].line);
		struct tcpc_err err = words_no_err;
		struct tcpc_intercept_spec spec;
		char text[SPEC_TEXT_BYTES];

		memset(&spec, 0xa5, sizeof(spec));
		expect_success(intercept_rows[i].line, tcpc_spec_intercept(request, &spec, &err),
			       &err);
		spec_text_intercept(&spec, text);
		if (strcmp(text, intercept_rows[i].want))
			expect_fail("'%s': %s", intercept_rows[i].line, text);
		json_object_put(request);
	}
}

#define QUEUE_FORM "--queue is FIRST or FIRST:LAST, numbers from 0 to 65535, like 100:103, not '"

static const struct {
	const char *line;
	int code;
	const char *part;
} intercept_errors[] = {
	{"intercept", EINVAL, "intercept needs an interface, like eth0"},
	{"intercept eth0:1 --port 80", EINVAL, "'eth0:1' is not an interface name"},
	{"intercept eth0", EINVAL, "intercept needs the service's port: --port 8080"},
	{"intercept eth0 --port 0", EINVAL, "'0' is not a port"},
	{"intercept eth0 --port 65536", EINVAL, "'65536' is not a port"},
	{"intercept eth0 --port 80,80", EINVAL, "port 80 is given twice"},
	{"intercept eth0 --port " PORTS_15 ",16", EINVAL, "more than 15 ports"},
	{IN " --listen 36524", EINVAL, "'36524' is not IP:PORT"},
	{IN " --listen :36524", EINVAL, "':36524' is not IP:PORT"},
	{IN " --listen 0.0.0.0:0", EINVAL, "'0' is not a port"},
	{IN " --listen localhost:36524", EINVAL, "'localhost' is not an address"},
	{IN " --listen [fe80::1]:36524", EINVAL, "'[fe80::1]:36524' is link-local"},
	{IN " --listen :::36524", EINVAL, "':::36524' is not IP:PORT"},
	{IN " --queue=", EINVAL, QUEUE_FORM "'"},
	{IN " --queue :", EINVAL, QUEUE_FORM ":'"},
	{IN " --queue 5:", EINVAL, QUEUE_FORM "5:'"},
	{IN " --queue :5", EINVAL, QUEUE_FORM ":5'"},
	{IN " --queue 6:5", EINVAL, QUEUE_FORM "6:5'"},
	{IN " --queue 1:2:3", EINVAL, QUEUE_FORM "1:2:3'"},
	{IN " --queue 65536", EINVAL, QUEUE_FORM "65536'"},
	{IN " --queue 5:65536", EINVAL, QUEUE_FORM "5:65536'"},
	{IN " --queue -1", EINVAL, QUEUE_FORM "-1'"},
	{IN " --queue +1", EINVAL, QUEUE_FORM "+1'"},
	{IN " --queue 01", EINVAL, QUEUE_FORM "01'"},
	{IN " --queue 5x", EINVAL, QUEUE_FORM "5x'"},
	{IN " --queue 5-7", EINVAL, QUEUE_FORM "5-7'"},
	{IN " --queue 0x5", EINVAL, QUEUE_FORM "0x5'"},
	{IN " --queue 12345678", EINVAL, QUEUE_FORM "12345678'"},
	{IN " --queue 4294967296", EINVAL, QUEUE_FORM "4294967296'"},
	{IN " --queue 5:18446744073709551616", EINVAL, QUEUE_FORM "5:18446744073709551616'"},
	{IN " --queue " WORDS_LONG, EINVAL, QUEUE_FORM "xxx"},
	{IN " --queue 5:" WORDS_LONG, EINVAL, QUEUE_FORM "5:xxx"},
	{IN " --queue 100:116", EINVAL, "--queue 100:116: at most 16 queues"},
	{IN " --queue 0:65535", EINVAL, "at most 16 queues"},
	{IN " --engine=", EINVAL, "--engine is nfqueue or tc, not ''"},
	{IN " --via ipip", EOPNOTSUPP, "--via ipip is not available in this version"},
	{IN " --engine xdp", EINVAL, "--engine is nfqueue or tc, not 'xdp'"},
	{IN " --order lax", EINVAL, "--order is strict or relaxed, not 'lax'"},
	{IN " --order=", EINVAL, "--order is strict or relaxed, not ''"},
	{IN " --order " WORDS_LONG, EINVAL, "--order is strict or relaxed, not 'xxx"},
	{IN " --adopt sometimes", EINVAL, "--adopt is http, any or none, not 'sometimes'"},
	{IN " --adopt=", EINVAL, "--adopt is http, any or none, not ''"},
	{IN " --adopt HTTP", EINVAL, "--adopt is http, any or none, not 'HTTP'"},
	{IN " --adopt " WORDS_LONG, EINVAL, "--adopt is http, any or none, not 'xxx"},
	{IN " --order relaxed --hold 5", EINVAL, "--hold and --max-lag are for --order strict"},
	{IN " --max-lag 5 --order relaxed", EINVAL, "with relaxed nothing is held back"},
	{IN " --hold 0", EINVAL, "--hold is a number of megabytes from 1 to 1048576, not '0'"},
	{IN " --hold 1048577", EINVAL,
	 "--hold is a number of megabytes from 1 to 1048576, not '1048577'"},
	{IN " --hold 64M", EINVAL, "--hold is a number of megabytes from 1 to 1048576, not '64M'"},
	{IN " --hold 064", EINVAL, "--hold is a number"},
	{IN " --hold=", EINVAL, "--hold is a number of megabytes from 1 to 1048576, not ''"},
	{IN " --hold -1", EINVAL, "--hold is a number"},
	{IN " --hold 18446744073709551617", EINVAL, "--hold is a number"},
	{IN " --idle 0", EINVAL, "--idle is a number of seconds from 1 to 2592000, not '0'"},
	{IN " --idle 2592001", EINVAL,
	 "--idle is a number of seconds from 1 to 2592000, not '2592001'"},
	{IN " --idle 2h", EINVAL, "--idle is a number of seconds from 1 to 2592000, not '2h'"},
	{IN " --max-lag 0", EINVAL, "--max-lag is a number of seconds from 1 to 3600, not '0'"},
	{IN " --max-lag 3601", EINVAL,
	 "--max-lag is a number of seconds from 1 to 3600, not '3601'"},
	{IN " --max-lag 10s", EINVAL, "--max-lag is a number of seconds from 1 to 3600, not '10s'"},
	{IN " --max-lag 1.5", EINVAL, "--max-lag is a number of seconds from 1 to 3600, not '1.5'"},
	{IN " --max-lag " WORDS_LONG, EINVAL,
	 "--max-lag is a number of seconds from 1 to 3600, not 'xxx"},
};

static void test_intercept_errors(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(intercept_errors); i++) {
		struct json_object *request = spec_text_request(intercept_errors[i].line);
		struct tcpc_err err = words_no_err;
		struct tcpc_intercept_spec got, before;

		memset(&before, 0xa5, sizeof(before));
		memcpy(&got, &before, sizeof(got));
		expect_error(intercept_errors[i].line, tcpc_spec_intercept(request, &got, &err),
			     &err, intercept_errors[i].code, intercept_errors[i].part);
		expect_bytes(intercept_errors[i].line, &got, &before, sizeof(got));
		json_object_put(request);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_attach),
		cmocka_unit_test(test_attach_errors),
		cmocka_unit_test(test_intercept),
		cmocka_unit_test(test_intercept_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
