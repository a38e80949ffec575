// interest.c: waits until a server knows the subscribers of another one.
//
// A SUB that has been answered is known to its own server; the others hear of
// it a moment later, and what is published there before is rightly not
// delivered. So a run over several servers begins with probes on the very
// subject that it will use, until they arrive.
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define PROBE_PUB 0xffff
#define PROBE_WAIT 20000000u      // ns until the next probe, doubled every time ...
#define MAX_PROBE_WAIT 1000000000u // ... up to this

struct probes {
	const char *subject;
	uint32_t newest;
	uint32_t *last; // per connection: the last probe that came
	int have;       // connections that have the newest
};

static void got_probe(struct conn *c, const struct message *m, void *arg)
{
	struct probes *p = arg;
	uint64_t stamp;
	unsigned pub;
	uint32_t seq;

	if (m->subject_len != strlen(p->subject) || memcmp(m->subject, p->subject, m->subject_len) != 0)
		fault("corrupt", "receiver %d got a message on %.*s before any was sent there", c->id, (int)m->subject_len, m->subject);
	if (!payload_check(m->payload, m->size, &stamp, &pub, &seq) || pub != PROBE_PUB || seq > p->newest)
		fault("corrupt", "receiver %d got a probe that nobody sent", c->id);
	if (seq <= p->last[c->id])
		fault("duplicate", "receiver %d got probe %u after probe %u", c->id, seq, p->last[c->id]);
	p->last[c->id] = seq;
	p->have += seq == p->newest;
}

static void send_probe(int fd, const char *subject, uint32_t seq)
{
	char line[SUBJECT_MAX + 64];
	int n = snprintf(line, sizeof line - HEADER - 2, "PUB %s %d\r\n", subject, HEADER);
	payload_fill((uint8_t *)line + n, HEADER, 0, PROBE_PUB, seq);
	memcpy(line + n + HEADER, "\r\n", 2);
	send_all(fd, line, (size_t)n + HEADER + 2);
}

static void collect(struct conn *conns, int ep, struct probes *p, int wait_ms)
{
	struct epoll_event ev[64];
	int n = epoll_wait(ep, ev, 64, wait_ms);
	for (int k = 0; k < n; k++)
		conn_read(&conns[ev[k].data.u32], got_probe, p);
}

// await_interest returns when a publish through the server reaches all of the
// given connections, or with any (a queue group) one of them. All probes take
// the same way and cannot overtake each other: who has the newest has nothing
// more to come.
void await_interest(const struct options *o, int server, const char *subject, const int *fds, int n, bool any)
{
	if (o->servers == 1)
		return;
	struct probes p = {.subject = subject, .last = must_alloc((size_t)n, sizeof *p.last)};
	struct conn *conns = must_alloc((size_t)n, sizeof *conns);
	int fd = connect_client(o, server), ep = poller(fds, n), want = any ? 1 : n;
	for (int i = 0; i < n; i++)
		conn_init(&conns[i], fds[i], i, 4096);

	uint64_t end = now_ns() + (uint64_t)(o->patience * 1e9), wait = PROBE_WAIT;
	while (p.have < want) {
		if (now_ns() > end)
			fault("lost", "after %.0f s server %d reaches %d of the %d receivers of %s on other servers", o->patience, server, p.have, n, subject);
		p.have = 0;
		send_probe(fd, subject, ++p.newest);
		for (uint64_t next = now_ns() + wait; p.have < want && now_ns() < next;)
			collect(conns, ep, &p, 5);
		wait = wait * 2 < MAX_PROBE_WAIT ? wait * 2 : MAX_PROBE_WAIT;
	}
	// The members of a queue group have different probes: an earlier one may
	// still be on its way to another member.
	for (uint64_t rest = now_ns() + PROBE_WAIT; any && p.newest > 1 && now_ns() < rest;)
		collect(conns, ep, &p, 5);

	close(fd);
	close(ep);
	for (int i = 0; i < n; i++)
		free(conns[i].buf);
	free(conns);
	free(p.last);
}
