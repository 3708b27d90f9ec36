/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * abi_counters.h - every counter, once: the structs of the maps, the JSON of `stats` and its text
 * are made from these lists, so none can be forgotten. docs/counters.md explains each. Part of
 * abi.h.
 */
#ifndef TCPCOPY_ABI_COUNTERS_H
#define TCPCOPY_ABI_COUNTERS_H

#include <linux/types.h>

/* Counters. X(name, what it means and what to do). Order is ABI: add at the end only. */
#define TCPC_ONLINE_COUNTERS(X)                                                                    \
	X(seen, "packets that the tap looked at")                                                  \
	X(not_tcp, "skipped: not TCP over IPv4 or IPv6")                                           \
	X(malformed, "skipped: headers cut short or inconsistent")                                 \
	X(fragment, "skipped: IP fragment")                                                        \
	X(no_service, "skipped: not a port that is copied here")                                   \
	X(not_to_us, "skipped: link-layer destination is another host")                            \
	X(pure_ack, "skipped: acknowledgement without data, the target makes its own")             \
	X(not_armed, "skipped: no target has said that it intercepts this service")                \
	X(no_heartbeat, "skipped: the daemon is dead or stuck")                                    \
	X(filtered, "skipped: client is in no --client prefix")                                    \
	X(excluded, "skipped: client is in an --exclude prefix")                                   \
	X(not_sampled, "skipped: connection is outside --percent")                                 \
	X(unreadable, "skipped: headers could not be made readable (out of memory)")               \
	X(clone_failed, "not copied: the kernel could not clone the packet (out of memory)")       \
	X(cloned, "packets cloned to the copy device")                                             \
	X(copied, "copies sent towards a target")                                                  \
	X(copied_bytes, "bytes of payload in these copies")                                        \
	X(target_not_ready, "not copied: this target does not intercept")                          \
	X(target_no_route, "not copied: no route to this target")                                  \
	X(target_allows, "not copied: client is in this target's allow-list")                      \
	X(rewrite_failed, "not copied: a rewriting helper failed (out of memory)")                 \
	X(stray, "dropped: packet on the copy device that no tap put there")                       \
	X(link_local, "skipped: client has a link-local address (fe80::), unknown to other hosts") \
	X(greetings, "of the cloned: their client had read the server's greeting")                 \
	X(handshakes_lost, "connections forgotten before their client spoke: too many at once")    \
	X(too_big, "not copied: larger than the MTU of the way to this target")                    \
	X(resized, "copies of large packets made to leave in segments that fit this MTU")          \
	X(journal_full, "copies not kept for re-sending: more is under way than --retain")         \
	X(journal_too_big, "copies not kept for re-sending: larger than 64 KB (BIG TCP)")          \
	X(journal_failed, "copies not kept for re-sending: could not be read (out of memory)")     \
	X(budget_refused, "skipped: beginning of a connection; --max-pps or --max-mbps is nearly " \
			  "used up")                                                               \
	X(budget_cut, "running connections whose copy was ended; --max-pps or --max-mbps is used " \
		      "up")                                                                        \
	X(cpu_refused, "skipped: beginning of a connection; outside of what --max-cpu leaves")     \
	X(cpu_cut, "running connections whose copy was ended; outside of what --max-cpu leaves")   \
	X(refused, "skipped: packets of connections that were refused or ended before")            \
	X(refused_lost, "refused connections forgotten before their end: too many at once")        \
	X(no_memory, "skipped: this host is short of memory")                                      \
	X(target_refused, "not copied: beginning of a connection; this target is in trouble")      \
	X(target_rest, "not copied: packets of connections that were refused for this target")     \
	X(run_ns, "nanoseconds spent in the programs, estimated from one packet in 64")            \
	X(kept, "not sent yet: the target cannot be reached, so kept until it can")                \
	X(kept_bytes, "bytes of payload in these")                                                 \
	X(keep_failed, "not copied: the target cannot be reached, and there was no room to keep")  \
	X(skipped_bytes, "bytes of payload of not_armed, target_not_ready and keep_failed")        \
	X(skipped_data, "packets with payload among these")                                        \
	X(skipped_opens, "new connections (SYN) among these")                                      \
	X(mapped, "of the copied and kept: from a source in the pool (--copies, --source)")        \
	X(source_collision, "not copied: the sources that this copy may have are others'")         \
	X(collisions, "of these: beginnings of connections, whose copy is not made")               \
	X(known_out, "skipped: connection began when --percent or filters left it out")            \
	X(known_lost, "connections whose targets were forgotten before their end: too many at "    \
		      "once")                                                                      \
	X(target_gone, "skipped: the connection's target was removed, and its time is over")       \
	X(not_local, "skipped: to a local address not to be copied")                               \
	X(not_vlan, "skipped: in a VLAN not to be copied")                                         \
	X(mirrored, "copies that XDP made of mirrored packets (these have no original here)")      \
	X(target_no_hop, "not copied: XDP does not know the link address on the way to this "      \
			 "target yet")                                                             \
	X(sum_finished, "mirrored packets whose TCP checksum was unfinished: made by XDP")         \
	X(rest_dropped, "mirrored packets that were not copied, ended here (--rest drop)")         \
	X(redirect_failed, "mirrored: copies that the outgoing device did not take from XDP")      \
	X(unwrapped, "mirrored packets that came in VXLAN, GRE or ERSPAN")                         \
	X(other_vni, "skipped: not wrapped, or with another number than --vni")                    \
	X(tunnel_cut, "copies too large for the tunnel in one piece: they travel in several")      \
	X(spread, "copies that leave later, through the daemon (--spread)")                        \
	X(spread_failed, "of the copied: left at once, there was no room to keep them (--spread)") \
	X(returned, "skipped: put back here by this host's own align; copied when they came")

#define TCPC_TARGET_COUNTERS(X)                                                                    \
	X(seen, "packets that align looked at")                                                    \
	X(not_tcp, "passed: not TCP over IPv4 or IPv6")                                            \
	X(malformed, "passed: headers cut short or inconsistent")                                  \
	X(fragment, "passed: IP fragment, cannot be aligned")                                      \
	X(no_service, "passed: not an intercepted port or address")                                \
	X(allowed, "passed untouched: client is in the allow-list")                                \
	X(aligned, "data packets fitted to the target's connection")                               \
	X(syn, "SYN packets fitted (timestamps, MPTCP, fast open taken out)")                      \
	X(syn_recv, "packets fitted to a connection that is being opened")                         \
	X(no_listener, "SYN dropped: nobody listens on this port in this network namespace")       \
	X(no_connection, "dropped: the target has no such connection")                             \
	X(closing, "packets fitted to a connection that its application has closed")               \
	X(early_reset, "resets turned into FIN: the target had not answered yet")                  \
	X(draining, "dropped: the service is being released or the client being allowed")          \
	X(unreadable, "dropped: headers could not be made readable (out of memory)")               \
	X(rewrite_failed, "dropped: a rewriting helper failed (out of memory)")                    \
	X(bad_options, "SYN dropped: TCP options are malformed")                                   \
	X(queued, "responses given to the queue")                                                  \
	X(allowed_out, "responses to clients in the allow-list, left alone")                       \
	X(pure_ack, "dropped: copied acknowledgement without data")                                \
	X(exchanges, "exchanges begun")                                                            \
	X(held, "packets diverted to the hold queue: the target has not answered yet")             \
	X(held_window, "of these: because they lie beyond the target's receive window")            \
	X(returned, "packets that came back from the hold queue")                                  \
	X(adopted, "connections taken up in mid-stream: opened for a request in their middle")     \
	X(old_ended, "old connections ended because a new one from the same port needs their "     \
		     "place")                                                                      \
	X(absorbed, "engine tc: responses turned into their own ACK")                              \
	X(absorbed_quiet, "engine tc: packets that need no ACK (ACK, RST), ended here")            \
	X(absorb_failed,                                                                           \
	  "engine tc: responses ended without their ACK (out of memory, IP options)")              \
	X(receipts_lost, "engine tc: receipts dropped because the daemon was behind")              \
	X(link_local, "dropped: client has a link-local address (fe80::), cannot be answered")     \
	X(held_greeting, "of those held: because the target has not greeted yet")                  \
	X(md5, "dropped: signed (TCP MD5, TCP-AO), which no other host can be sent")               \
	X(syn_data, "SYN packets with data, which follows as a segment of its own")                \
	X(held_early, "held because the target has not opened the connection yet")                 \
	X(reopened, "connections whose SYN the target had not taken, opened again")                \
	X(spent_syn, "dropped: SYN sent again of a connection that has ended here")                \
	X(past_rule, "engine nfqueue: responses that no rule had queued, kept inside by absorb")   \
	X(client_resets, "connections that a client's reset has ended: told with what they had")   \
	X(held_gap, "of those held: because something before them was lost on the way")            \
	X(again, "packets that the target had already: dropped there, and the online host told")   \
	X(tunnelled, "packets taken out of a tunnel (--via)")                                      \
	X(tunnel_foreign, "dropped: came by the tunnel, and is for no intercepted address and "    \
			  "port")

/* Counters of one NFQUEUE queue, written by its thread. */
#define TCPC_QUEUE_COUNTERS(X)                                                                     \
	X(packets, "packets taken from the queue")                                                 \
	X(reflected, "responses turned into their own ACK")                                        \
	X(dropped, "packets that need no ACK (ACK, RST), ended here")                              \
	X(icmp_dropped, "ICMP errors about a copy, ended here")                                    \
	X(malformed, "packets that could not be parsed, ended here")                               \
	X(accepted, "packets that are not ours, let go on")                                        \
	X(enobufs, "times the kernel dropped messages to us (their packets stay inside)")          \
	X(overflow, "packets the kernel dropped because the queue was full")                       \
	X(receipts_lost, "receipts dropped because the feedback link was behind")                  \
	X(send_failed, "verdicts that could not be sent at the first try")                         \
	X(injected, "of the reflected: large responses, whose ACK went through a raw socket")      \
	X(inject_failed, "ACKs that the raw socket did not take")

/* Counters of the hold queue, kept by the daemon. */
#define TCPC_HOLD_COUNTERS(X)                                                                      \
	X(taken, "packets taken into the queue")                                                   \
	X(released, "packets written back when the target had answered")                           \
	X(released_quiet, "of these: because the target went quiet after a shorter answer")        \
	X(released_late, "of these: FIN or RST whose answer did not come within its time")         \
	X(shed_lag, "connections reset because they were further behind than --max-lag")           \
	X(shed_full, "connections reset because the queue was at --hold")                          \
	X(lost, "packets thrown away with these connections")                                      \
	X(malformed, "packets from the device that could not be read")                             \
	X(device_dropped, "packets the device dropped because we were too slow to read")           \
	X(write_failed, "packets that could not be written back")                                  \
	X(connections, "connections with packets in the queue now")                                \
	X(bytes, "memory the queue takes now, in bytes")                                           \
	X(duplicates, "packets that came again while they waited, dropped")                        \
	X(again, "packets written back again: the target's TCP had dropped them")                  \
	X(shed_unheard, "connections reset because it dropped them each time")

/* Counters of what is cleaned up at the target, kept by the daemon. */
#define TCPC_AGE_COUNTERS(X)                                                                       \
	X(connections, "connections ended: no data came or went for --idle")                       \
	X(exchanges, "exchanges forgotten: their connection has gone")                             \
	X(failed, "times the kernel would not list or end connections")

/* Counters of the feedback link at the target: what became of connections and receipts. */
#define TCPC_RESEND_COUNTERS(X)                                                                    \
	X(packets, "packets sent again")                                                           \
	X(bytes, "bytes of payload in these")                                                      \
	X(busy, "not sent: no room in the device or the socket")                                   \
	X(too_big, "not sent: larger than the device takes, or its MTU is too small for headers")  \
	X(failed, "not sent: another error, such as no route")                                     \
	X(probes, "probes sent to show a target that had been away where a request begins")

/* What the online daemon itself decided about these. */
#define TCPC_DELIVERY_COUNTERS(X)                                                                  \
	X(withheld, "not sent again: the target does not intercept now, or has the client in its " \
		    "allow-list")                                                                  \
	X(orphans, "copies noted for a target that was removed before they were read")             \
	X(breaks_failed, "connections given up that could not be told to the target: later")       \
	X(spread_waiting, "copies that wait for their time now (--spread)")

/* `record`. */
#define TCPC_RECORD_COUNTERS(X)                                                                    \
	X(recorded, "packets given to recordings")                                                 \
	X(recorded_bytes, "bytes of these, from their IP headers on")                              \
	X(behind, "packets not recorded: the file is written more slowly than they come")          \
	X(unwritten, "packets given to a recording that could not be written to its file")         \
	X(begun, "recordings begun")                                                               \
	X(ended, "recordings that ended by themselves: full disk, --limit-mb, their writer gone")

#define TCPC_LINK_COUNTERS(X)                                                                      \
	X(connections, "connections accepted")                                                     \
	X(left, "ended: closed by the peer or the network")                                        \
	X(silent, "ended: no hello in time, or nothing heard for the lease")                       \
	X(alien, "refused: the peer does not speak this protocol")                                 \
	X(broken, "ended: the peer sent a frame that is not acceptable")                           \
	X(bad_key, "refused: the peer has another key, or one side is --insecure")                 \
	X(bad_version, "refused: the peer speaks another protocol or ABI version")                 \
	X(turned_away, "refused: too many connections")                                            \
	X(behind, "ended: the peer did not take what it has to know")                              \
	X(failed, "ended: out of memory or a failing socket on this side")                         \
	X(receipts, "receipts sent, once a peer")                                                  \
	X(receipts_dropped, "receipts not sent to a peer that is behind, once a peer")             \
	X(coalesced, "receipts that went with another of the same connection")                     \
	X(held, "packets in the hold queue that were told, once a peer")                           \
	X(shed, "connections ended that were told, once a peer")                                   \
	X(held_dropped, "of both not told to a peer that is behind, once a peer")                  \
	X(frames, "frames with any of these, once a peer")                                         \
	X(frame_bytes, "bytes of these frames")                                                    \
	X(breaks, "connections that a peer gave up, to be ended here")                             \
	X(throttled, "refused: too many from one address that were no peers")

#define TCPC_COUNTER_FIELD(name, text) __u64 name;
struct tcpc_online_stats {
	TCPC_ONLINE_COUNTERS(TCPC_COUNTER_FIELD)
};
struct tcpc_target_stats {
	TCPC_TARGET_COUNTERS(TCPC_COUNTER_FIELD)
};
struct tcpc_queue_stats {
	TCPC_QUEUE_COUNTERS(TCPC_COUNTER_FIELD)
};
struct tcpc_hold_stats {
	TCPC_HOLD_COUNTERS(TCPC_COUNTER_FIELD)
};
struct tcpc_age_stats {
	TCPC_AGE_COUNTERS(TCPC_COUNTER_FIELD)
};
struct tcpc_link_counters {
	TCPC_LINK_COUNTERS(TCPC_COUNTER_FIELD)
};
#undef TCPC_COUNTER_FIELD

#endif
