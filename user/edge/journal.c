// SPDX-License-Identifier: GPL-2.0-only
/* journal.c - see journal.h. */
#include "edge/journal.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <linux/bpf.h>

#include "edge/log.h"
#include "edge/pace.h"

/* The largest record with its header: the first bytes of the ring that are mapped once more behind
 * its end. The kernel would map all of it twice, but then it would count twice as our memory. */
#define LARGEST_BYTES (TCPC_JOURNAL_PACKET_MAX + 4096)

/* Nothing waits for the journal: before a receipt is looked at it is read anyway. So seldom, unless
 * what came since the last time is a good part of the ring. */
#define READ_MS 8
#define READ_SOON_MS 1
#define GOOD_PART 32

/*
 * A BPF ring buffer as user space maps it: one page with the consumer's position, which is all that
 * can be written, one with the producer's, then the data. In front of each record stand its length
 * with two flags, and four bytes for the kernel's use; records begin at multiples of 8.
 */
struct tcpc_journal {
	struct tcpc_journal_config config;
	struct tcpc_retention *retention;
	struct tcpc_pace *pace;
	unsigned long *consumer;
	const unsigned long *producer;
	const __u8 *data;
	size_t page_bytes, map_bytes; /* map_bytes: from @producer on */
	unsigned long published;      /* what stands in @consumer */
	unsigned long paced;	      /* how far it had been read at the last turn of @pace */
	bool out_of_memory, broken;   /* said so already */
};

static unsigned long producer_now(const struct tcpc_journal *j)
{
	return __atomic_load_n(j->producer, __ATOMIC_ACQUIRE);
}

/* What the program may write over. Its processors read that line for each record, so it is not
 * written for each release. */
static void publish(struct tcpc_journal *j, bool at_once)
{
	unsigned long now = tcpc_retention_position(j->retention);

	if (now == j->published || (!at_once && now - j->published < j->config.ring_bytes / 64))
		return;
	__atomic_store_n(j->consumer, now, __ATOMIC_RELEASE);
	j->published = now;
}

static void out_of_memory(struct tcpc_journal *j)
{
	if (!j->out_of_memory)
		tcpc_log_error("the journal waits: out of memory");
	j->out_of_memory = true;
}

static bool is_right(const struct tcpc_journal_head *head, __u32 len)
{
	return len >= sizeof(*head) && head->ip_bytes <= len - sizeof(*head) &&
	       (__u64)head->l4_off + head->tcp_bytes + head->payload_bytes <= head->ip_bytes;
}

/* What a record takes in the ring, with its header. */
static __u32 ring_bytes_of(__u32 header)
{
	__u32 len = header & ~(BPF_RINGBUF_DISCARD_BIT | BPF_RINGBUF_BUSY_BIT);

	return (len + BPF_RINGBUF_HDR_SZ + 7) & ~7u;
}

/* A record that is longer than what was written, or than our program writes, or none: from here on
 * nothing can be told from anything. What stands in the ring stays there, and new copies find it
 * full, which is counted. */
static bool is_broken(struct tcpc_journal *j, __u32 header, unsigned long written)
{
	__u32 bytes = ring_bytes_of(header);

	if (bytes <= written && bytes <= LARGEST_BYTES)
		return false;
	if (!j->broken)
		tcpc_log_error("the journal's ring is broken: a record of %u bytes where %lu were "
			       "written; detach and attach again",
			       bytes, written);
	j->broken = true;
	return true;
}

/* Returns 0, or -errno if it cannot be taken now. */
static int take(struct tcpc_journal *j, __u32 header, const struct tcpc_journal_head *head)
{
	__u32 len = header & ~BPF_RINGBUF_DISCARD_BIT;
	__u32 ring_bytes = ring_bytes_of(header);
	__u64 id;
	int r;

	if ((header & BPF_RINGBUF_DISCARD_BIT) || !is_right(head, len))
		return tcpc_retention_skip(j->retention, ring_bytes);
	r = tcpc_retention_add(j->retention, ring_bytes, sizeof(*head) + head->ip_bytes, &id);
	if (!r)
		j->config.record(j->config.user, id, head);
	return r;
}

int tcpc_journal_read(struct tcpc_journal *j)
{
	unsigned long end = producer_now(j), at;
	int n = 0;

	while ((at = tcpc_retention_end(j->retention)) < end) {
		const __u8 *p = j->data + (at & (j->config.ring_bytes - 1));
		__u32 header = __atomic_load_n((const __u32 *)p, __ATOMIC_ACQUIRE);

		if (header & BPF_RINGBUF_BUSY_BIT)
			break; /* a processor is writing it right now */
		if (is_broken(j, header, end - at))
			break;
		if (take(j, header, (const void *)(p + BPF_RINGBUF_HDR_SZ))) {
			out_of_memory(j);
			break;
		}
		n++;
	}
	tcpc_retention_relieve(j->retention, end);
	publish(j, true);
	return n;
}

static unsigned int on_pace(void *user)
{
	struct tcpc_journal *j = user;
	unsigned long came;

	tcpc_journal_read(j);
	came = tcpc_retention_end(j->retention) - j->paced;
	j->paced += came;
	if (!came)
		return 0;
	return came < j->config.ring_bytes / GOOD_PART ? READ_MS : READ_SOON_MS;
}

int tcpc_journal_release(struct tcpc_journal *j, __u64 id)
{
	int r = tcpc_retention_release(j->retention, id);

	publish(j, false);
	return r;
}

const struct tcpc_journal_head *tcpc_journal_get(const struct tcpc_journal *j, __u64 id)
{
	__u32 bytes;

	return tcpc_retention_get(j->retention, id, &bytes);
}

const struct tcpc_journal_head *tcpc_journal_oldest(const struct tcpc_journal *j, __u64 *ret_front)
{
	__u64 id;

	*ret_front = tcpc_retention_front(j->retention);
	return tcpc_retention_oldest(j->retention, &id) ? NULL : tcpc_journal_get(j, id);
}

void tcpc_journal_stats(const struct tcpc_journal *j, struct tcpc_retention_stats *ret)
{
	tcpc_retention_stats(j->retention, ret);
}

static void *map_part(const struct tcpc_journal *j, int prot, size_t offset, size_t bytes)
{
	void *p = mmap(NULL, bytes, prot, MAP_SHARED, j->config.ring_fd, offset);

	if (p == MAP_FAILED)
		return NULL;
	return p;
}

static int map_ring(struct tcpc_journal *j)
{
	j->page_bytes = sysconf(_SC_PAGESIZE);
	j->map_bytes = j->page_bytes + j->config.ring_bytes + LARGEST_BYTES;
	j->consumer = map_part(j, PROT_READ | PROT_WRITE, 0, j->page_bytes);
	if (!j->consumer)
		return -errno;
	j->producer = map_part(j, PROT_READ, j->page_bytes, j->map_bytes);
	if (!j->producer)
		return -errno;
	j->data = (const __u8 *)j->producer + j->page_bytes;
	return *j->consumer ? -EBUSY : 0; /* somebody has read it before */
}

static int set_up(struct tcpc_journal *j, struct uv_loop_s *loop)
{
	struct tcpc_retention_config retention = {
		.ring_bytes = j->config.ring_bytes,
		.header_bytes = BPF_RINGBUF_HDR_SZ,
		.heap_bytes = j->config.heap_bytes,
		.pressure = j->config.pressure,
		.user = j->config.user,
	};
	struct tcpc_pace_config pace = {
		.ring_fd = j->config.ring_fd,
		.sleeps = j->config.reader_sleeps,
		.read = on_pace,
		.user = j,
	};
	int r = map_ring(j);

	if (r)
		return r;
	retention.ring = j->data;
	return tcpc_retention_new(&retention, &j->retention)
		       ?: tcpc_pace_start(loop, &pace, &j->pace);
}

int tcpc_journal_open(struct uv_loop_s *loop, const struct tcpc_journal_config *config,
		      struct tcpc_journal **ret, struct tcpc_err *err)
{
	struct tcpc_journal *j = calloc(1, sizeof(*j));
	int r;

	if (!j)
		return tcpc_err_set(err, ENOMEM, "out of memory");
	j->config = *config;
	r = set_up(j, loop);
	if (r) {
		tcpc_journal_close(j);
		return tcpc_err_set(err, -r, "cannot read the journal's ring: %s", strerror(-r));
	}
	*ret = j;
	return 0;
}

void tcpc_journal_close(struct tcpc_journal *j)
{
	if (j->pace)
		tcpc_pace_stop(j->pace);
	tcpc_retention_free(j->retention);
	if (j->producer)
		munmap((void *)j->producer, j->map_bytes);
	if (j->consumer)
		munmap(j->consumer, j->page_bytes);
	free(j);
}
