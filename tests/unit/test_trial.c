// SPDX-License-Identifier: GPL-2.0-only
/* test_trial.c - trials: the frame, byte by byte; over the link, both ways, and who may not say
 * what; the SYN that is sent. */
#include "../harness/link_scene.h"

static struct tcpc_flow flow_of(bool v4)
{
	const struct tcpc_addr a = {{htonl(0x20010002), 0, 0, htonl(1)}};
	const struct tcpc_addr b = {{htonl(0x20010002), 0, 0, htonl(2)}};

	return (struct tcpc_flow){
		.client = v4 ? tcpc_addr_from_v4(htonl(0xc6120001)) : a,
		.server = v4 ? tcpc_addr_from_v4(htonl(0xc6120002)) : b,
		.client_port = htons(20001),
		.server_port = htons(8080),
	};
}

/* ---- the frame ------------------------------------------------------------------------------ */

static __u32 encode(const struct tcpc_trial_note *note, __u8 *out, __u32 size)
{
	struct tcpc_feedback_writer w = tcpc_feedback_begin(out, size, TCPC_FEEDBACK_TRIAL);

	tcpc_feedback_put_trial(&w, note);
	assert_false(w.failed);
	return tcpc_feedback_bytes(&w);
}

static enum tcpc_feedback_reason decode(const __u8 *in, __u32 n, int from_online,
					struct tcpc_trial_note *ret)
{
	struct tcpc_feedback_reader r;
	enum tcpc_feedback_type type;

	if (tcpc_feedback_open(&r, in, n, &type) || type != TCPC_FEEDBACK_TRIAL)
		return TCPC_FEEDBACK_TYPE;
	return tcpc_feedback_get_trial(&r, from_online, ret);
}

static void test_frame(void **state)
{
	struct tcpc_trial_note note, got;
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX + 1];
	__u32 n;

	(void)state;
	for (int v4 = 0; v4 < 2; v4++) {
		for (__u32 stage = 0; stage < __TCPC_TRIAL_STAGE_MAX; stage++) {
			note = (struct tcpc_trial_note){flow_of(v4), 0xfffffffe, stage};
			n = encode(&note, body, TCPC_FEEDBACK_SHORT_BODY_MAX);
			expect_u64("frame", "length", n, v4 ? 19 : 43);
			expect_u64("frame", "by the right side",
				   decode(body, n, stage == TCPC_TRIAL_ASK, &got),
				   TCPC_FEEDBACK_OK);
			expect_bytes("frame", &got, &note, sizeof(note));
			expect_u64("frame", "by the wrong side",
				   decode(body, n, stage != TCPC_TRIAL_ASK, &got),
				   TCPC_FEEDBACK_VALUE);
			for (__u32 cut = 1; cut < n; cut++)
				expect_u64("frame", "cut",
					   decode(body, cut, stage == TCPC_TRIAL_ASK, &got),
					   TCPC_FEEDBACK_SHORT);
			expect_u64("frame", "a byte too many",
				   decode(body, n + 1, stage == TCPC_TRIAL_ASK, &got),
				   TCPC_FEEDBACK_TRAILING);
		}
	}
}

static void test_bad_frame(void **state)
{
	struct tcpc_trial_note note = {flow_of(true), 7, TCPC_TRIAL_READY}, got;
	__u8 body[TCPC_FEEDBACK_SHORT_BODY_MAX];
	__u32 n = encode(&note, body, sizeof(body));

	(void)state;
	body[5] = __TCPC_TRIAL_STAGE_MAX;
	expect_u64("stage", "reason", decode(body, n, false, &got), TCPC_FEEDBACK_VALUE);
	body[5] = TCPC_TRIAL_READY;
	body[6] |= 1;
	expect_u64("head", "reason", decode(body, n, false, &got), TCPC_FEEDBACK_VALUE);
	/* IPv4 in the long form. */
	note.flow = flow_of(false);
	n = encode(&note, body, sizeof(body));
	note.flow = flow_of(true);
	memcpy(body + 7, &note.flow.client, 16);
	memcpy(body + 23, &note.flow.server, 16);
	expect_u64("form", "reason", decode(body, n, false, &got), TCPC_FEEDBACK_VALUE);
}

/* ---- over the link -------------------------------------------------------------------------- */

static struct {
	struct tcpc_link_server *server;
	struct tcpc_trial_note asked, told;
	unsigned int n_asked, n_told;
} heard;

static void on_asked(void *user, const struct tcpc_trial_note *note)
{
	struct tcpc_trial_note answer = *note;
	struct lab_server *s = user;

	heard.asked = *note;
	heard.n_asked++;
	answer.stage = TCPC_TRIAL_READY;
	tcpc_link_server_trial(s->link, &answer);
}

static void on_told(void *user, const struct tcpc_trial_note *note)
{
	(void)user;
	heard.told = *note;
	heard.n_told++;
}

static bool has_told(void *arg)
{
	return heard.n_told == *(unsigned int *)arg;
}

static void test_link(void **state)
{
	struct tcpc_link_server_events server_events = lab_server_events;
	struct tcpc_link_client_events client_events = lab_client_events;
	struct tcpc_flow flow = flow_of(true);
	struct tcpc_endpoint ep = {.addr = tcpc_addr_from_v4(htonl(INADDR_LOOPBACK)),
				   .port = htons(lab_port())};
	struct lab_server s = {};
	struct lab_client c = {};
	unsigned int one = 1;
	struct tcpc_err err;

	(void)state;
	memset(&heard, 0, sizeof(heard));
	server_events.trial = on_asked;
	client_events.trial = on_told;
	assert_int_equal(
		tcpc_link_server_open(&lab_loop, &ep, scene_key, &server_events, &s, &s.link, &err),
		0);
	assert_int_equal(tcpc_link_client_open(&lab_loop, "127.0.0.1", ntohs(ep.port), scene_key,
					       &client_events, &c, &c.link, &err),
			 0);
	expect_u64("no link yet", "result", tcpc_link_client_trial(c.link, 5, &flow), -EPIPE);
	assert_true(lab_wait(lab_is_ready, &c, LAB_WAIT_MS));
	expect_u64("a link", "result", tcpc_link_client_trial(c.link, 5, &flow), 0);
	expect_true("a link", "it is answered", lab_wait(has_told, &one, LAB_WAIT_MS));
	expect_u64("a link", "asked", heard.n_asked, 1);
	expect_u64("a link", "id", heard.told.id, 5);
	expect_u64("a link", "stage", heard.told.stage, TCPC_TRIAL_READY);
	expect_bytes("a link", &heard.asked.flow, &flow, sizeof(flow));
	expect_bytes("a link", &heard.told.flow, &flow, sizeof(flow));
	lab_close(&s, &c);
}

/* Who has no use for trials ends the link of who asks; who is told of one does not mind. */
static void test_not_wanted(void **state)
{
	struct tcpc_trial_note note = {flow_of(true), 7, TCPC_TRIAL_ARRIVED};
	struct scene scene;

	(void)state;
	scene_open(&scene, scene_key);
	tcpc_link_server_trial(scene.s.link, &note);
	scene_check(&scene, "told, but nobody listens");
	assert_int_equal(tcpc_link_client_trial(scene.good.link, 5, &note.flow), 0);
	expect_true("asked, but nobody answers", "the link ends",
		    lab_wait(lab_is_lost, &scene.good, LAB_WAIT_MS));
	scene_close(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_frame),
		cmocka_unit_test(test_bad_frame),
		cmocka_unit_test_setup_teardown(test_link, lab_setup, lab_teardown),
		cmocka_unit_test_setup_teardown(test_not_wanted, lab_setup, lab_teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
