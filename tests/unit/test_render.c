// SPDX-License-Identifier: GPL-2.0-only
/*
 * test_render.c - what users read, to the letter; and that no answer, however odd, breaks it. The
 * daemon at the other end may be another version.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <json-c/json.h>

#include "core/ledger.h"
#include "core/render.h"
#include "core/retention.h"
#include "tcpcopy/abi.h"

#define TARGET_READY                                                                               \
	"{'target':'10.0.0.9:8080','state':'copying','reason':'','receipts':12,"                   \
	"'syn_acks':3,'resets':0,'feedback':'10.0.0.9:36524'}"
#define TARGET_NOT_READY                                                                           \
	"{'target':'[2001:db8::9]:8080','state':'unreachable','reason':'nobody listens',"          \
	"'feedback':'none'}"
#define TAP                                                                                        \
	"{'iface':'eth0','hook':'tcx','ports':[80,8080],'copying':true,'reason':'',"               \
	"'percent':'25','clients':['10.0.0.0/8','2001:db8::/32'],'excludes':['10.1.0.0/16'],"      \
	"'locals':['198.18.0.2/32'],'vlans':[0,5],"                                                \
	"'targets':[" TARGET_READY "," TARGET_NOT_READY "]}"
#define TAP_IDLE                                                                                   \
	"{'iface':'eth1','hook':'clsact','ports':[443],'copying':false,"                           \
	"'reason':'10.0.0.9:443 is not intercepted','percent':'100','clients':[],"                 \
	"'excludes':[],'targets':[]}"
#define INTERCEPT                                                                                  \
	"{'iface':'eth2','ports':[8080],'engine':'nfqueue','queues':'100:101','hook':'tcx',"       \
	"'state':'active','ipv6':'intercepted','listen':'*:36524',"                                \
	"'peers':['10.0.0.1','10.0.0.2']}"
#define DAEMON                                                                                     \
	"'version':'0.1.0','abi_version':1,'pid':42,'uptime_s':93784,'rss_bytes':12345678,"        \
	"'secure':true"
#define FINDING_OK "{'level':'ok','check':'iptables','detail':'nf_tables','fix':''}"
#define FINDING_WARN                                                                               \
	"{'level':'warn','check':'feedback link','detail':'no key','fix':'tcpcopyctl key'}"
#define FINDING_FAIL                                                                               \
	"{'level':'fail','check':'interface','detail':'eth0 is down','fix':'ip link set eth0 up'}"

#define STATUS "{" DAEMON ",'online':[" TAP "," TAP_IDLE "],'target':[" INTERCEPT "]}"
#define STATS                                                                                      \
	"{'online':{'seen':18446744073709551615,'cloned':7},'queue':{'enobufs':0,'new_one':5},"    \
	"'link':{'resets':1},'new_section':{'x':1}}"
#define DOCTOR "{'findings':[" FINDING_OK "," FINDING_WARN "," FINDING_FAIL "]}"
#define TARGETS "{'targets':[" TARGET_READY "]}"
#define FILTERS "{'filters':[" TAP "," TAP_IDLE "]}"
#define LEDGER_BYTES                                                                               \
	"{'copied':1000,'acknowledged':900,'held':10,'in_flight':40,'lost':50,"                    \
	"'reasons':{'reset':0,'retention':50}}"
#define LEDGER_EXCHANGES                                                                           \
	"{'copied':20,'acknowledged':18,'held':0,'in_flight':1,'lost':1,"                          \
	"'reasons':{'reset':0,'retention':1}}"
#define LEDGER                                                                                     \
	"{'total':{'bytes':" LEDGER_BYTES ",'exchanges':" LEDGER_EXCHANGES "},"                    \
	"'targets':[{'target':'10.0.0.9:36524','state':'running','resent':3,"                      \
	"'bytes':" LEDGER_BYTES ",'exchanges':" LEDGER_EXCHANGES "}],"                             \
	"'behind':[{'client':'10.1.0.1:4711','target':'10.0.0.9:8080','state':'open',"             \
	"'behind_ms':1500,'in_flight':40,'held':10,'lost':0,'resent':3}],"                         \
	"'resend':{'busy':1}}"
#define ALLOW                                                                                      \
	"{'allow':[{'prefix':'10.0.0.0/8','state':'direct'},"                                      \
	"{'prefix':'192.0.2.1/32','state':'pending'}]}"

static const struct {
	const char *name, *command;
	const char *json; /* ' stands for " */
	const char *expected;
} cases[] = {
	{"text", "attach", "{'text':'eth0 is attached'}", "eth0 is attached\n"},
	{"text of a list command", "allow", "{'text':'2 prefixes allowed'}",
	 "2 prefixes allowed\n"},
	{"text stays one line", "attach", "{'text':'a\\nb\\u001b[2J'}", "a?b?[2J\n"},
	{"nothing to say", "attach", "{}", "done\n"},
	{"no result", "attach", "null", "done\n"},
	{"unknown command", "brandnew", "{'a':1}", "{\n  \"a\": 1\n}\n"},
	{"no command", NULL, "{'a':true}", "{\n  \"a\": true\n}\n"},
	{"status of an idle daemon", "status",
	 "{'version':'0.1.0','pid':42,'uptime_s':59,'rss_bytes':1000000,'secure':false,"
	 "'online':[],'target':[]}",
	 "tcpcopyd 0.1.0, pid 42, up 59 s, 1.0 MB resident, feedback link without key (insecure)\n"
	 "nothing attached, nothing intercepted\n"},
	{"status", "status", STATUS,
	 "tcpcopyd 0.1.0, pid 42, up 1 d 2 h, 12.3 MB resident, feedback link with key\n"
	 "online\n"
	 "  eth0 (tcx): port 80,8080, 25 % of connections from 10.0.0.0/8,2001:db8::/32 except "
	 "10.1.0.0/16 to 198.18.0.2/32 in VLAN 0,5, copying\n"
	 "    TARGET              STATE        FEEDBACK        RECEIPTS  OPENED  RESETS  REASON\n"
	 "    10.0.0.9:8080       copying      10.0.0.9:36524        12       3       0  -\n"
	 "    [2001:db8::9]:8080  unreachable  none                   -       -       -  "
	 "nobody listens\n"
	 "  eth1 (clsact): port 443, 100 % of connections from all clients, not copying: "
	 "10.0.0.9:443 is not intercepted\n"
	 "target\n"
	 "  eth2 (tcx): port 8080, active, engine nfqueue, queues 100:101, feedback at "
	 "*:36524, peers 10.0.0.1,10.0.0.2\n"},
	{"status with guards", "status",
	 "{'online':[{'iface':'eth0','copying':true,'guard':[{'what':'budget','tripped':true,"
	 "'since_s':61,'times':3,'reason':'used up'},{'what':'cpu','tripped':false,'since_s':5,"
	 "'times':1,'reason':''}]}]}",
	 "tcpcopyd -, pid -, up -, - resident, feedback link -\n"
	 "online\n"
	 "  eth0 (-): port -, - % of connections from all clients, copying\n"
	 "    guard: budget: used up, since 1 min 1 s, tripped 3 times\n"
	 "    guard, was: cpu, over since 5 s, tripped 1 times\n"},
	{"status without IPv6", "status", "{'target':[{'iface':'eth2','ipv6':'no such program'}]}",
	 "tcpcopyd -, pid -, up -, - resident, feedback link -\n"
	 "target\n"
	 "  eth2 (-): port -, -, engine -, queues -, feedback at -, peers none; IPv6 is left "
	 "alone: "
	 "no such program\n"},
	{"status of a target only", "status", "{'target':[{'iface':'eth2','peers':[]}]}",
	 "tcpcopyd -, pid -, up -, - resident, feedback link -\n"
	 "target\n"
	 "  eth2 (-): port -, -, engine -, queues -, feedback at -, peers none\n"},
	{"stats", "stats", STATS,
	 "online\n"
	 "  NAME                   VALUE  MEANING\n"
	 "  seen    18446744073709551615  packets that the tap looked at\n"
	 "  cloned                     7  packets cloned to the copy device\n"
	 "queue\n"
	 "  NAME     VALUE  MEANING\n"
	 "  enobufs      0  times the kernel dropped messages to us (their packets stay inside)\n"
	 "  new_one      5  -\n"
	 "link\n"
	 "  NAME    VALUE  MEANING\n"
	 "  resets      1  connections that targets reset\n"
	 "new_section\n"
	 "  NAME  VALUE  MEANING\n"
	 "  x         1  -\n"},
	{"stats of an idle daemon", "stats", "{}",
	 "nothing attached, nothing intercepted: nothing to count\n"},
	{"doctor", "doctor", DOCTOR,
	 "ok    iptables       nf_tables\n"
	 "warn  feedback link  no key\n"
	 "                     fix: tcpcopyctl key\n"
	 "fail  interface      eth0 is down\n"
	 "                     fix: ip link set eth0 up\n"
	 "3 checks: 1 fail, 1 warn\n"},
	{"a fix for what is well", "doctor",
	 "{'findings':[{'level':'ok','check':'a','detail':'b','fix':'c'}]}",
	 "ok    a  b\n1 checks: 0 fail, 0 warn\n"},
	{"target list", "target", TARGETS,
	 "IFACE  TARGET         STATE    FEEDBACK        RECEIPTS  OPENED  RESETS  REASON\n"
	 "-      10.0.0.9:8080  copying  10.0.0.9:36524        12       3       0  -\n"},
	{"empty target list", "target", "{'targets':[]}", "nothing attached\n"},
	{"filter list", "filter", FILTERS,
	 "IFACE  PORTS    PERCENT  CLIENTS                   EXCLUDES     LOCAL          VLAN\n"
	 "eth0   80,8080       25  10.0.0.0/8,2001:db8::/32  10.1.0.0/16  198.18.0.2/32  0,5\n"
	 "eth1   443          100  any                       none         any            any\n"},
	{"empty filter list", "filter", "{'filters':[]}", "nothing attached\n"},
	{"allow list", "allow", ALLOW,
	 "PREFIX        STATE\n10.0.0.0/8    direct\n192.0.2.1/32  pending\n"},
	{"ledger", "ledger", LEDGER,
	 "           COPIED  ACKNOWLEDGED  HELD  IN FLIGHT  LOST\n"
	 "bytes        1000           900    10         40    50\n"
	 "exchanges      20            18     0          1     1\n"
	 "\n"
	 "LOST       BYTES  EXCHANGES  WHY\n"
	 "retention     50          1  more was in flight than may be kept for sending again "
	 "(--retain)\n"
	 "\n"
	 "TARGET HOST     STATE    COPIED  ACKNOWLEDGED  HELD  IN FLIGHT  LOST  RESENT\n"
	 "10.0.0.9:36524  running    1000           900    10         40    50       3\n"
	 "\n"
	 "FURTHEST BEHIND  TARGET         STATE  BEHIND  IN FLIGHT  HELD  LOST  RESENT\n"
	 "10.1.0.1:4711    10.0.0.9:8080  open    1.5 s         40    10     0       3\n"
	 "\n"
	 "resend\n"
	 "  NAME  VALUE  MEANING\n"
	 "  busy      1  not sent: no room in the device or the socket\n"},
	{"ledger of nothing", "ledger", "{}",
	 "           COPIED  ACKNOWLEDGED  HELD  IN FLIGHT  LOST\n"
	 "bytes           -             -     -          -     -\n"
	 "exchanges       -             -     -          -     -\n"},
	{"empty allow list", "allow", "{'allow':[]}", "the allow-list is empty\n"},
};

#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static struct json_object *parse(const char *text)
{
	char *copy = strdup(text);
	struct json_object *o;

	assert_non_null(copy);
	for (char *p = copy; *p; p++)
		if (*p == '\'')
			*p = '"';
	o = json_tokener_parse(copy);
	if (!o && strcmp(text, "null"))
		fail_msg("the test's JSON is wrong: %s", copy);
	free(copy);
	return o;
}

static char *render(const char *command, struct json_object *result)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	assert_non_null(out);
	tcpc_render(out, command, result, false);
	assert_int_equal(fclose(out), 0);
	assert_int_equal(strlen(text), size);
	return text;
}

static void test_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_CASES; i++) {
		struct json_object *result = parse(cases[i].json);
		char *text = render(cases[i].command, result);

		print_message("# %s\n", cases[i].name);
		assert_string_equal(text, cases[i].expected);
		free(text);
		json_object_put(result);
	}
}

static const struct {
	int64_t seconds;
	const char *expected;
} durations[] = {
	{0, "up 0 s,"},		 {59, "up 59 s,"},
	{60, "up 1 min 0 s,"},	 {3599, "up 59 min 59 s,"},
	{3600, "up 1 h 0 min,"}, {86399, "up 23 h 59 min,"},
	{86400, "up 1 d 0 h,"},	 {31536000, "up 365 d 0 h,"},
	{-1, "up -,"},
};

static void test_durations(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(durations) / sizeof(durations[0]); i++) {
		struct json_object *o = json_object_new_object();
		char *text;

		json_object_object_add(o, "uptime_s", json_object_new_int64(durations[i].seconds));
		text = render("status", o);
		if (!strstr(text, durations[i].expected))
			fail_msg("%s not in: %s", durations[i].expected, text);
		free(text);
		json_object_put(o);
	}
}

/* Every counter that the data path has is shown, with its value and its meaning. */
static void test_every_counter(void **state)
{
	static const struct {
		const char *section, *name, *meaning;
	} counters[] = {
#define ONLINE(name, text) {"online", #name, text},
#define TARGET(name, text) {"target", #name, text},
#define QUEUE(name, text) {"queue", #name, text},
#define LEDGER_ROW(name, text) {"ledger", #name, text},
#define JOURNAL(name, text) {"journal", #name, text},
#define RESEND(name, text) {"resend", #name, text},
#define DELIVERY(name, text) {"delivery", #name, text},
		TCPC_ONLINE_COUNTERS(ONLINE) TCPC_TARGET_COUNTERS(TARGET) TCPC_QUEUE_COUNTERS(QUEUE)
			TCPC_LEDGER_COUNTERS(LEDGER_ROW) TCPC_RETENTION_COUNTERS(JOURNAL)
				TCPC_RESEND_COUNTERS(RESEND) TCPC_DELIVERY_COUNTERS(DELIVERY)};
	char json[256], expected[256];

	(void)state;
	for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++) {
		struct json_object *o;
		char *text;

		snprintf(json, sizeof(json), "{'%s':{'%s':1234567}}", counters[i].section,
			 counters[i].name);
		snprintf(expected, sizeof(expected), "%-4s  1234567  %s\n", counters[i].name,
			 counters[i].meaning);
		o = parse(json);
		text = render("stats", o);
		if (!strstr(text, expected))
			fail_msg("%s not in: %s", expected, text);
		free(text);
		json_object_put(o);
	}
}

static void test_failed(void **state)
{
	static const struct {
		const char *command, *json;
		bool failed;
	} answers[] = {
		{"doctor", DOCTOR, true},
		{"doctor", "{'findings':[" FINDING_OK "," FINDING_WARN "]}", false},
		{"doctor", "{'findings':[]}", false},
		{"doctor", "{'findings':{'level':'fail'}}", false},
		{"doctor", "{'findings':['fail',{'level':1}]}", false},
		{"doctor", "null", false},
		{"status", DOCTOR, false},
		{NULL, DOCTOR, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
		struct json_object *o = parse(answers[i].json);

		assert_int_equal(tcpc_render_failed(answers[i].command, o), answers[i].failed);
		json_object_put(o);
	}
}

/* ---- odd answers ---------------------------------------------------------------------------- */

static const char *const oddities[] = {
	"null", "true",
	"-1",	"1e300",
	"''",	"'\\u001b]0;x\\u0007'",
	"[]",	"[null,1,'a',[],{}]",
	"{}",	"{'a':{'b':[1]}}",
};

#define N_ODDITIES (sizeof(oddities) / sizeof(oddities[0]))
#define REMOVED N_ODDITIES

static struct json_object *oddity(size_t i)
{
	return parse(oddities[i]);
}

/* Walks @o, counting members and elements in @at; the one where it gets to zero becomes @odd.
 * Returns whether it was there. */
static bool spoil(struct json_object *o, size_t *at, size_t odd)
{
	if (json_object_is_type(o, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(o); i++) {
			if (!(*at)--) {
				if (odd == REMOVED)
					json_object_array_del_idx(o, i, 1);
				else
					json_object_array_put_idx(o, i, oddity(odd));
				return true;
			}
			if (spoil(json_object_array_get_idx(o, i), at, odd))
				return true;
		}
	} else if (json_object_is_type(o, json_type_object)) {
		json_object_object_foreach (o, name, value) {
			if (!(*at)--) {
				if (odd == REMOVED)
					json_object_object_del(o, name);
				else
					json_object_object_add(o, name, oddity(odd));
				return true;
			}
			if (spoil(value, at, odd))
				return true;
		}
	}
	return false;
}

/* Something is shown, in whole lines, and nothing of it steers the terminal. */
static void check_sane(const char *text)
{
	size_t n = strlen(text);

	assert_true(n > 0);
	assert_int_equal(text[n - 1], '\n');
	for (size_t i = 0; i < n; i++)
		if (text[i] != '\n' && iscntrl((unsigned char)text[i]))
			fail_msg("control character 0x%02x in: %s", text[i], text);
}

/* Each place of @json in turn becomes @odd. Returns how many places there are. */
static size_t spoil_each(const char *command, const char *json, size_t odd)
{
	for (size_t place = 0;; place++) {
		struct json_object *o = parse(json);
		size_t at = place;
		bool found = spoil(o, &at, odd);
		char *text = render(command, o);

		check_sane(text);
		tcpc_render_failed(command, o);
		free(text);
		json_object_put(o);
		if (!found)
			return place;
	}
}

static void test_odd_members(void **state)
{
	size_t n = 0;

	(void)state;
	for (size_t i = 0; i < N_CASES; i++) {
		if (!strcmp(cases[i].json, "null"))
			continue;
		for (size_t odd = 0; odd <= N_ODDITIES; odd++)
			n += spoil_each(cases[i].command, cases[i].json, odd);
	}
	print_message("# %zu answers\n", n);
	assert_true(n > 1000);
}

static void test_odd_results(void **state)
{
	static const char *const commands[] = {"status", "stats",  "doctor", "target", "filter",
					       "allow",	 "ledger", "attach", "version"};

	(void)state;
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		for (size_t odd = 0; odd < N_ODDITIES; odd++) {
			struct json_object *o = oddity(odd);
			char *text = render(commands[i], o);

			check_sane(text);
			free(text);
			json_object_put(o);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_cases),	      cmocka_unit_test(test_durations),
		cmocka_unit_test(test_every_counter), cmocka_unit_test(test_failed),
		cmocka_unit_test(test_odd_members),   cmocka_unit_test(test_odd_results),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
