// flood.c: as many messages as the server takes, counted and not looked at.
//
// The sender writes lines that were rendered beforehand; the receiver lets
// the kernel throw the bytes away (MSG_TRUNC) and counts them; with TLS it
// counts what the headers of the records say. All messages
// of a run are equally long, so bytes are messages. The server's PING adds 6
// bytes per connection about two seconds after CONNECT and every two minutes
// then; a message is longer than all PINGs of a run together, so dividing
// each connection's bytes by the message length still counts exactly, and at
// the end the remainder must be a small multiple of 6.
#include "loadgen.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#define BATCH 65536
#define PING_LEN 6
#define MAX_PINGS 3
// The window: how far publishing may run ahead of the slowest subscriber.
// The total bounds the memory that a wide fan-out can occupy in the server
// and the kernel.
#define WINDOW (4 << 20)
#define WINDOW_TOTAL (256 << 20)

struct flood {
	const struct options *o;
	struct topology top;
	size_t msg_len;    // one delivered MSG
	size_t pub_len;    // one PUB
	char *ring;        // rendered PUBs, repeated for ever
	uint64_t ring_msgs;
	uint64_t window;   // messages
	uint64_t start;
	uint64_t sender_cpu;
	_Atomic uint64_t done; // messages that all who should have
	_Atomic uint64_t total; // messages sent, valid once finished is set
	_Atomic bool finished;
};

// render fills the ring. Every publisher starts at another place of it.
static void render(struct flood *f)
{
	const struct options *o = f->o;
	char subject[SUBJECT_MAX], line[SUBJECT_MAX + 64];
	subject_format(subject, o, 0);
	f->pub_len = (size_t)snprintf(line, sizeof line, "PUB %s %d\r\n", subject, o->size) + (size_t)o->size + 2;
	uint64_t n = BATCH / f->pub_len + 1;
	if (o->subjects > 1) {
		uint64_t rounds = o->random ? 4 : n / (uint64_t)o->subjects + 1;
		n = rounds * (uint64_t)o->subjects;
	}
	f->ring_msgs = n;
	f->ring = must_alloc(n, f->pub_len);
	uint64_t rnd = 1;
	for (uint64_t i = 0; i < n; i++) {
		uint64_t s = o->random ? next_random(&rnd) : i;
		char *p = f->ring + i * f->pub_len;
		subject_format(subject, o, (long)(s % (uint64_t)o->subjects));
		int k = sprintf(line, "PUB %s %d\r\n", subject, o->size);
		memcpy(p, line, (size_t)k);
		memset(p + k, 'x', (size_t)o->size);
		memcpy(p + k + o->size, "\r\n", 2);
	}
}

struct publisher {
	int fd;
	uint64_t at, end; // bytes of the endless ring: written, committed
};

// push writes what the publisher has committed; false when the socket is full.
static bool push(struct flood *f, struct publisher *p)
{
	uint64_t ring = f->ring_msgs * f->pub_len;
	while (p->at < p->end) {
		uint64_t from = p->at % ring, n = p->end - p->at;
		if (n > ring - from)
			n = ring - from;
		ssize_t k = io_send(p->fd, f->ring + from, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (k < 0) {
			if (errno == EAGAIN || errno == EWOULDBLOCK)
				return false;
			if (errno == EINTR)
				continue;
			fault("closed", "the server closed a publisher's connection: %s", strerror(errno));
		}
		p->at += (uint64_t)k;
	}
	return true;
}

// sender publishes round robin over all publishers, ahead of the slowest
// subscriber by no more than the window.
static void *sender(void *arg)
{
	struct flood *f = arg;
	const struct options *o = f->o;
	struct publisher *pubs = must_alloc((size_t)o->pubs, sizeof *pubs);
	for (int i = 0; i < o->pubs; i++) {
		pubs[i].fd = f->top.pub[i];
		pubs[i].at = pubs[i].end = (uint64_t)i * f->ring_msgs / (uint64_t)o->pubs * f->pub_len;
	}
	uint64_t batch = BATCH / f->pub_len > 0 ? BATCH / f->pub_len : 1;
	uint64_t sent = 0, stop = f->start + (uint64_t)(o->seconds * 1e9);
	uint64_t most = o->count > 0 ? (uint64_t)o->count : UINT64_MAX;
	for (bool open = true, busy = true; open || busy;) {
		bool progress = false;
		busy = false;
		open = open && sent < most && (o->count > 0 || now_ns() < stop);
		for (int i = 0; i < o->pubs; i++) {
			struct publisher *p = &pubs[i];
			if (open && p->at == p->end) {
				uint64_t n = atomic_load_explicit(&f->done, memory_order_acquire) + f->window - sent;
				if (n > batch)
					n = batch;
				if (n > most - sent)
					n = most - sent;
				p->end += n * f->pub_len;
				sent += n;
			}
			uint64_t before = p->at;
			if (p->at < p->end && !push(f, p))
				busy = true;
			progress = progress || p->at != before;
		}
		if (!progress && (open || busy))
			sleep_us(50);
	}
	f->sender_cpu = thread_cpu_ns();
	atomic_store(&f->total, sent);
	atomic_store_explicit(&f->finished, true, memory_order_release);
	free(pubs);
	return NULL;
}

struct receiver {
	uint64_t *bytes; // per subscriber
	uint64_t delivered; // messages, all subscribers together
	uint64_t least;     // bytes of the slowest subscriber ...
	int at_least;       // ... and how many stand there
};

// count adds n bytes to subscriber i and brings the progress of the slowest
// up to date; it walks over all of them only when the last slowest one moved.
static void count(struct flood *f, struct receiver *r, int i, uint64_t n)
{
	uint64_t old = r->bytes[i];
	r->bytes[i] += n;
	r->delivered += r->bytes[i] / f->msg_len - old / f->msg_len;
	if (f->o->queue || old != r->least || --r->at_least > 0)
		return;
	r->least = UINT64_MAX;
	for (int k = 0; k < f->o->subs; k++) {
		if (r->bytes[k] < r->least) {
			r->least = r->bytes[k];
			r->at_least = 0;
		}
		r->at_least += r->bytes[k] == r->least;
	}
}

// collect reads what is there once; it returns the number of bytes.
static uint64_t collect(struct flood *f, struct receiver *r, int ep, int timeout_ms)
{
	struct epoll_event ev[256];
	uint64_t sum = 0;
	int n = epoll_wait(ep, ev, 256, timeout_ms);
	for (int k = 0; k < n; k++) {
		int i = (int)ev[k].data.u32;
		ssize_t got = io_skip(f->top.sub[i], 1 << 20);
		if (got == 0)
			fault("closed", "the server closed the connection of subscriber %d (slow consumer?)", i);
		if (got < 0) {
			if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR)
				continue;
			fault("closed", "subscriber %d: %s", i, strerror(errno));
		}
		count(f, r, i, (uint64_t)got);
		sum += (uint64_t)got;
	}
	uint64_t done = f->o->queue ? r->delivered : r->least / f->msg_len;
	atomic_store_explicit(&f->done, done, memory_order_release);
	return sum;
}

// receive counts until every message has arrived everywhere.
static void receive(struct flood *f, struct receiver *r, int ep)
{
	uint64_t last = now_ns();
	for (;;) {
		bool finished = atomic_load_explicit(&f->finished, memory_order_acquire);
		uint64_t done = atomic_load_explicit(&f->done, memory_order_relaxed);
		if (finished && done >= atomic_load(&f->total))
			return;
		if (collect(f, r, ep, 10) > 0)
			last = now_ns();
		else if ((double)(now_ns() - last) > f->o->patience * 1e9)
			fault("lost", "no message for %.0f s: %llu of %llu arrived", f->o->patience, (unsigned long long)done,
			      (unsigned long long)atomic_load(&f->total));
	}
}

// settle_accounts waits a moment for anything that should not come, then
// checks every connection's bytes. It returns the number of PINGs.
static uint64_t settle_accounts(struct flood *f, struct receiver *r, int ep)
{
	uint64_t end = now_ns() + 20000000, pings = 0, total = atomic_load(&f->total);
	while (now_ns() < end)
		collect(f, r, ep, 5);
	uint64_t want = total * (f->o->queue ? 1 : (uint64_t)f->o->subs);
	if (r->delivered != want)
		fault(r->delivered > want ? "duplicate" : "lost", "%llu messages arrived instead of %llu",
		      (unsigned long long)r->delivered, (unsigned long long)want);
	for (int i = 0; i < f->o->subs; i++) {
		uint64_t rest = r->bytes[i] % f->msg_len;
		if (!f->o->queue)
			rest = r->bytes[i] - total * f->msg_len;
		if (rest % PING_LEN != 0 || rest > PING_LEN * MAX_PINGS)
			fault("corrupt", "subscriber %d got %llu bytes that are neither messages nor PING", i, (unsigned long long)rest);
		pings += rest / PING_LEN;
	}
	return pings;
}

void run_flood(const struct options *o)
{
	struct flood *f = must_alloc(1, sizeof *f);
	struct receiver r = {0};
	struct result res = {.mode = o->mode, .o = o};
	pthread_t t;

	f->o = o;
	topology_open(&f->top, o);
	render(f);
	f->msg_len = delivered_length(o);
	int receivers = o->queue || o->subs == 0 ? 1 : o->subs;
	size_t window = WINDOW_TOTAL / receivers < WINDOW ? (size_t)(WINDOW_TOTAL / receivers) : WINDOW;
	f->window = window / f->msg_len > 0 ? window / f->msg_len : 1;
	if (o->subs == 0)
		f->window = UINT64_MAX / 2; // nobody to wait for
	r.bytes = must_alloc((size_t)o->subs + 1, sizeof *r.bytes);
	r.at_least = o->subs;
	int ep = poller(f->top.sub, o->subs);

	usage_read(o, &res.from);
	uint64_t cpu = thread_cpu_ns();
	f->start = now_ns();
	if (pthread_create(&t, NULL, sender, f) != 0)
		fail("cannot start a thread");
	if (o->subs > 0) {
		receive(f, &r, ep);
	} else {
		// Publish only: done when the server has answered behind the last one.
		pthread_join(t, NULL);
		for (int i = 0; i < o->pubs; i++)
			send_all(f->top.pub[i], "PING\r\n", 6);
		for (int i = 0; i < o->pubs; i++)
			await_pong(f->top.pub[i], o->patience);
	}
	usage_read(o, &res.to);
	res.receiver_cpu = thread_cpu_ns() - cpu;
	if (o->subs > 0)
		pthread_join(t, NULL);
	res.sent = atomic_load(&f->total);
	res.delivered = res.sent;
	if (o->subs > 0) {
		res.pings = settle_accounts(f, &r, ep);
		res.delivered = r.delivered;
	}
	res.sender_cpu = f->sender_cpu;
	topology_check_idle(&f->top, o);
	result_print(&res);
}
