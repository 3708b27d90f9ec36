// SPDX-License-Identifier: GPL-2.0-only
/*
 * online_record.c - recordings: what is copied from an interface, given to the command that writes
 * it to files. See online_priv.h.
 *
 * The journal has every packet that was copied, or is kept for a target that is away, so there is
 * no second way for packets from the kernel. Of the copies of one packet it is the first that was
 * noted, as whom the packet came.
 */
#include "role/online_priv.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <json-c/json.h>

#include "edge/log.h"
#include "edge/spool.h"
#include "role/show.h"

struct recording {
	struct tap *tap;
	struct tcpc_spool *spool; /* NULL: it is over */
	struct tcpc_reply *stop;  /* who waits for its end */
	char file[TCPC_RECORD_NAME_BYTES];
	char reason[TCPC_ERR_BYTES]; /* why it is over */
	bool failed;		     /* nobody has asked for that */
	__u64 start_ns, clock_ns;    /* CLOCK_MONOTONIC; what 1970 is before its zero */
	__u64 packets, bytes, behind;
	__u64 missed_before; /* by the journal, since this daemon has one */
	__u64 missed;	     /* during this recording; when it is over */
	struct tcpc_record_note note;
};

static __u64 wall_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* What the journal could not take, of all interfaces: the program does not know whose it was. */
static __u64 missed_by_journal(const struct tcpc_online *online)
{
	struct tcpc_online_stats stats;

	if (!online->dp || tcpc_dp_online_stats(online->dp, &stats))
		return 0;
	return stats.journal_full + stats.journal_too_big + stats.journal_failed;
}

static __u64 missed_by(const struct recording *r)
{
	return r->spool ? missed_by_journal(r->tap->online) - r->missed_before : r->missed;
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void answer_stop(struct recording *r)
{
	struct tcpc_reply *reply = r->stop;
	struct tcpc_err err;

	r->stop = NULL;
	if (!reply)
		return;
	if (r->failed) {
		tcpc_err_set(&err, EIO, "the recording of %s has ended before: %s", r->tap->iface,
			     r->reason);
		tcpc_reply_fail(reply, &err);
		return;
	}
	tcpc_reply_text(reply, "%s is not recorded any more: %llu packets in %u %s, %llu missing",
			r->tap->iface, r->note.packets, r->note.files,
			r->note.files == 1 ? "file" : "files", missed_by(r) + r->behind);
}

/* The writer has ended. Without a last note it was ended. */
static void on_gone(void *user)
{
	struct recording *r = user;
	struct record_counts *counts = &r->tap->online->recorded;

	r->missed = missed_by(r);
	r->spool = NULL;
	r->tap->online->n_recordings--;
	if (!r->note.ended) {
		r->failed = true;
		snprintf(r->reason, sizeof(r->reason), "who wrote the file has gone");
	} else if (r->note.code) {
		r->failed = true;
		snprintf(r->reason, sizeof(r->reason), "%s", r->note.reason);
	}
	if (r->note.ended && r->note.packets < r->packets)
		counts->unwritten += r->packets - r->note.packets;
	if (r->failed) {
		counts->ended++;
		tcpc_log_error("%s: the recording has ended: %s", r->tap->iface, r->reason);
	} else {
		snprintf(r->reason, sizeof(r->reason), "--stop");
		tcpc_log_info("%s: the recording is over", r->tap->iface);
	}
	answer_stop(r);
}

/* Texts come from a command of somebody who may command us; still they are lines of a log. */
static void on_note(void *user, const struct tcpc_record_note *note)
{
	struct recording *r = user;
	struct tcpc_err text;

	r->note = *note;
	tcpc_err_set(&text, EIO, "%s", note->reason);
	snprintf(r->note.reason, sizeof(r->note.reason), "%.*s", TCPC_RECORD_NAME_BYTES - 1,
		 text.text);
	tcpc_err_set(&text, EIO, "%s", note->file);
	snprintf(r->note.file, sizeof(r->note.file), "%.*s", TCPC_RECORD_NAME_BYTES - 1, text.text);
}

void record_forget(struct tap *tap)
{
	struct recording *r = tap->recording;
	struct tcpc_err err;

	if (!r)
		return;
	delivery_read(tap->online->delivery);
	if (r->spool) {
		tap->online->n_recordings--;
		tcpc_spool_leave(r->spool);
		tcpc_log_info("%s: the recording is over", tap->iface);
	}
	if (r->stop) {
		tcpc_err_set(&err, ENOENT, "%s was detached meanwhile: the recording is over",
			     tap->iface);
		tcpc_reply_fail(r->stop, &err);
	}
	tap->recording = NULL;
	free(r);
}

/* ---- packets ----------------------------------------------------------------------------------
 */

static struct recording *recording_of(const struct tcpc_online *online, __u32 ifindex)
{
	for (const struct tap *tap = online->taps; tap; tap = tap->next)
		if (tap->recording && tap->recording->spool && (__u32)tap->ifindex == ifindex)
			return tap->recording;
	return NULL;
}

void record_packet(struct tcpc_online *online, const struct tcpc_journal_head *head)
{
	struct recording *r = recording_of(online, head->tap_ifindex);
	__be16 ports[2] = {head->client_port, head->server_port};
	__u8 *packet;

	/* The journal has seen to it that the headers are within the packet. */
	if (!r || !head->first || head->tcp_bytes < sizeof(ports))
		return;
	packet = tcpc_spool_put(r->spool, head->time_ns + r->clock_ns, head + 1, head->ip_bytes);
	if (!packet) {
		r->behind++;
		online->recorded.behind++;
		return;
	}
	memcpy(packet + head->l4_off, ports, sizeof(ports));
	r->packets++;
	r->bytes += head->ip_bytes;
	online->recorded.recorded++;
	online->recorded.recorded_bytes += head->ip_bytes;
}

/* ---- the command ------------------------------------------------------------------------------
 */

static void stop(struct tap *tap, struct tcpc_reply *reply)
{
	struct recording *r = tap->recording;
	struct tcpc_err err;

	if (!r || (!r->spool && !r->failed))
		tcpc_err_set(&err, ENOENT, "%s is not recorded", tap->iface);
	else if (r->stop)
		tcpc_err_set(&err, EBUSY, "%s: the recording is being ended already", tap->iface);
	else if (!r->spool)
		tcpc_err_set(&err, ENOENT, "%s is not recorded any more: %s", tap->iface,
			     r->reason);
	else {
		delivery_read(tap->online->delivery);
		r->stop = reply;
		tcpc_spool_end(r->spool);
		return;
	}
	tcpc_reply_fail(reply, &err);
}

/* Is there something to record, and somebody to write it? */
static int check(const struct tap *tap, const struct tcpc_reply *reply, struct tcpc_err *err)
{
	if (!reply->takes_fd)
		return tcpc_err_set(err, EINVAL,
				    "record is for the command line: tcpcopyctl writes the files");
	if (tap->recording && tap->recording->spool)
		return tcpc_err_set(err, EBUSY,
				    "%s is recorded already, to %s; `tcpcopyctl record %s --stop` "
				    "ends that",
				    tap->iface, tap->recording->note.file, tap->iface);
	if (!tap->recovery || tap->feedback_none || !tap->online->delivery)
		return tcpc_err_set(err, EOPNOTSUPP,
				    "%s was attached with --recovery off, --retain 0 or --feedback "
				    "none: there is no journal, which recordings are made from",
				    tap->iface);
	return 0;
}

static int start(struct tap *tap, const struct tcpc_record_spec *spec, int *ret_fd,
		 struct tcpc_err *err)
{
	struct recording *r = calloc(1, sizeof(*r));
	struct tcpc_spool_config config = {.note = on_note, .gone = on_gone, .user = r};
	int code;

	if (!r)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	code = tcpc_spool_open(tap->online->config.loop, &config, &r->spool, ret_fd, err);
	if (code) {
		free(r);
		return code;
	}
	record_forget(tap); /* an earlier one, that was over */
	/* What was copied before is not of this recording. */
	delivery_read(tap->online->delivery);
	r->tap = tap;
	r->start_ns = uv_hrtime();
	r->clock_ns = wall_ns() - r->start_ns;
	r->missed_before = missed_by_journal(tap->online);
	snprintf(r->note.file, sizeof(r->note.file), "%.*s", TCPC_RECORD_NAME_BYTES - 1,
		 spec->file);
	tap->recording = r;
	tap->online->n_recordings++;
	tap->online->recorded.begun++;
	return 0;
}

void tcpc_online_record(struct tcpc_online *online, const struct tcpc_record_spec *spec,
			struct tcpc_reply *reply)
{
	struct tap *tap = *online_find_tap(online, spec->iface);
	struct tcpc_err err;
	int fd = -1;

	if (!tap) {
		tcpc_err_set(&err, ENOENT,
			     "%s is not attached: attach it first, what is copied "
			     "can be recorded",
			     spec->iface);
		tcpc_reply_fail(reply, &err);
		return;
	}
	if (spec->stop) {
		stop(tap, reply);
		return;
	}
	if (check(tap, reply, &err) || start(tap, spec, &fd, &err)) {
		tcpc_reply_fail(reply, &err);
		return;
	}
	reply->fd = fd;
	tcpc_reply_text(reply, "%s is recorded to %s", tap->iface, spec->file);
	close(fd);
}

/* ---- to be shown ------------------------------------------------------------------------------
 */

struct json_object *record_show(const struct tap *tap)
{
	const struct recording *r = tap->recording;
	struct json_object *o;

	if (!r)
		return NULL;
	o = json_object_new_object();
	tcpc_show_string(o, "file", r->note.file);
	tcpc_show_string(o, "state", r->spool ? "recording" : r->failed ? "failed" : "ended");
	tcpc_show_string(o, "reason", r->spool ? "" : r->reason);
	tcpc_show_number(o, "files", r->note.files);
	tcpc_show_number(o, "packets", r->spool ? r->packets : r->note.packets);
	tcpc_show_number(o, "bytes", r->spool ? r->bytes : r->note.bytes);
	tcpc_show_number(o, "behind", r->behind);
	tcpc_show_number(o, "missed", missed_by(r));
	tcpc_show_number(o, "since_s", (uv_hrtime() - r->start_ns) / 1000000000);
	return o;
}

struct json_object *tcpc_online_record_stats(const struct tcpc_online *online)
{
	struct json_object *o;

	if (!online->recorded.begun)
		return NULL;
	o = json_object_new_object();
#define SHOW(name, text) tcpc_show_number(o, #name, online->recorded.name);
	TCPC_RECORD_COUNTERS(SHOW)
#undef SHOW
	return o;
}
