// SPDX-License-Identifier: GPL-2.0-only
/*
 * fuzz_journal.c - any bytes in the ring that the BPF program writes: edge/journal.c reads no
 * further than the ring goes, and comes to its end.
 *
 * Input: two bytes, how far the ring is written, then its bytes.
 */
#include "edge/journal.c"

#include "../harness/fuzz.h"

#define RING_BYTES 4096

void tcpc_log(enum tcpc_log_level level, const char *format, ...)
{
	(void)level;
	(void)format;
}

int tcpc_pace_start(struct uv_loop_s *loop, const struct tcpc_pace_config *config,
		    struct tcpc_pace **ret)
{
	(void)loop;
	(void)config;
	(void)ret;
	return 0;
}

void tcpc_pace_stop(struct tcpc_pace *pace)
{
	(void)pace;
}

static uint8_t seen;

static void on_record(void *user, __u64 id, const struct tcpc_journal_head *head)
{
	const uint8_t *bytes = (const uint8_t *)(head + 1);
	struct tcpc_journal *j = user;

	for (__u32 i = 0; i < head->ip_bytes; i++)
		seen += bytes[i];
	if (id & 1)
		tcpc_journal_release(j, id);
}

/* The oldest one that there is. */
static void on_pressure(void *user)
{
	struct tcpc_journal *j = user;

	for (__u64 id = 0; id < RING_BYTES; id++)
		if (!tcpc_journal_release(j, id))
			return;
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
	unsigned long consumer = 0, producer;
	struct tcpc_journal j = {
		.config = {.ring_bytes = RING_BYTES, .record = on_record, .user = &j},
		.consumer = &consumer,
		.producer = &producer,
	};
	struct tcpc_retention_config retention = {
		.ring_bytes = RING_BYTES,
		.header_bytes = BPF_RINGBUF_HDR_SZ,
		.heap_bytes = RING_BYTES,
		.pressure = on_pressure,
		.user = &j,
	};
	uint8_t *ring = malloc(RING_BYTES + LARGEST_BYTES);
	uint16_t written;

	MUST(ring);
	memset(ring, 0, RING_BYTES + LARGEST_BYTES);
	fuzz_take(&input, &size, &written, sizeof(written));
	memcpy(ring, input, size < RING_BYTES ? size : RING_BYTES);
	memcpy(ring + RING_BYTES, ring, RING_BYTES);
	producer = written % (RING_BYTES + 1) & ~7ul;
	j.data = ring;
	retention.ring = ring;
	MUST(!tcpc_retention_new(&retention, &j.retention));
	tcpc_journal_read(&j);
	MUST(tcpc_retention_end(j.retention) <= producer);
	tcpc_retention_free(j.retention);
	free(ring);
	return 0;
}
