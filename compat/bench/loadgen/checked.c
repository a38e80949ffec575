// checked.c: publish/subscribe where every message is looked at.
//
// Two modes share it. "verify" sends as fast as the window allows, with the
// writes cut at arbitrary bytes, and makes sure that every subscriber got
// every message once and in each publisher's order. "paced" sends single
// messages or small bursts at a fixed rate, checks the same, and measures the
// time from just before the write to the arrival.
#include "loadgen.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>

#define BATCH 65536
#define WINDOW (4 << 20)
#define WINDOW_TOTAL (256 << 20)

struct checked {
	const struct options *o;
	struct topology top;
	struct hist hist;
	bool paced;
	uint64_t start;
	uint64_t sender_cpu, ticks, late;
	uint32_t *next;     // [subscriber][publisher]: least sequence not yet got
	uint64_t *got;      // per subscriber
	uint8_t **seen;     // queue group: [publisher] bit per sequence
	uint32_t seen_max;  // bits that seen has room for
	uint64_t delivered;
	_Atomic uint64_t done;
	_Atomic uint64_t total;
	_Atomic bool finished;
};

// render appends one PUB to the buffer.
static size_t render(struct checked *c, char *to, int pub, uint32_t seq, uint64_t *rnd)
{
	const struct options *o = c->o;
	char subject[SUBJECT_MAX];
	long s = o->random ? (long)next_random(rnd) : (long)seq;
	subject_format(subject, o, s % o->subjects);
	int n = sprintf(to, "PUB %s %d\r\n", subject, o->size);
	payload_fill((uint8_t *)to + n, (size_t)o->size, now_ns(), (unsigned)pub, seq);
	memcpy(to + n + o->size, "\r\n", 2);
	return (size_t)n + (size_t)o->size + 2;
}

static void finish(struct checked *c, uint64_t sent)
{
	c->sender_cpu = thread_cpu_ns();
	atomic_store(&c->total, sent);
	atomic_store_explicit(&c->finished, true, memory_order_release);
}

// send_cut writes in pieces of arbitrary length, so that the server meets
// lines and payloads cut everywhere.
static void send_cut(int fd, const char *buf, size_t len, uint64_t *rnd)
{
	while (len > 0) {
		size_t n = next_random(rnd) % 4 == 0 ? next_random(rnd) % 200 + 1 : next_random(rnd) % BATCH + 1;
		if (n > len)
			n = len;
		send_all(fd, buf, n);
		buf += n;
		len -= n;
	}
}

static void *verify_sender(void *arg)
{
	struct checked *c = arg;
	const struct options *o = c->o;
	size_t room = (size_t)o->size + SUBJECT_MAX + 64;
	char *buf = must_alloc(1, BATCH + room);
	uint32_t *seq = must_alloc((size_t)o->pubs, sizeof *seq);
	uint64_t sent = 0, rnd = 7, stop = c->start + (uint64_t)(o->seconds * 1e9);
	uint64_t receivers = o->queue ? 1 : (uint64_t)o->subs;
	uint64_t window = WINDOW_TOTAL / receivers < WINDOW ? WINDOW_TOTAL / receivers : WINDOW;
	window = window / delivered_length(o) > 0 ? window / delivered_length(o) : 1;
	bool full = false;
	while (!full && (o->count > 0 ? sent < (uint64_t)o->count : now_ns() < stop)) {
		uint64_t before = sent;
		for (int p = 0; p < o->pubs; p++) {
			size_t len = 0, want = next_random(&rnd) % BATCH;
			do {
				if (sent >= atomic_load_explicit(&c->done, memory_order_acquire) + window)
					break;
				if (o->count > 0 && sent >= (uint64_t)o->count)
					break;
				if (seq[p] == c->seen_max) {
					full = true;
					break;
				}
				len += render(c, buf + len, p, seq[p]++, &rnd);
				sent++;
			} while (len < want);
			send_cut(o->pubs > 0 ? c->top.pub[p] : -1, buf, len, &rnd);
		}
		if (sent == before)
			sleep_us(50);
	}
	finish(c, sent);
	free(buf);
	free(seq);
	return NULL;
}

// paced_sender keeps to absolute ticks: each tick, every publisher sends its
// burst in one write. A late tick is followed by the missed ones at once.
static void *paced_sender(void *arg)
{
	struct checked *c = arg;
	const struct options *o = c->o;
	char *buf = must_alloc((size_t)o->burst, (size_t)o->size + SUBJECT_MAX + 64);
	double tick = (double)o->burst * o->pubs / o->rate * 1e9;
	uint64_t ticks = (uint64_t)(o->seconds * 1e9 / tick), sent = 0, rnd = 7;
	if (ticks * (uint64_t)o->burst > c->seen_max)
		ticks = c->seen_max / (uint64_t)o->burst;
	for (uint64_t i = 0; i < ticks; i++) {
		uint64_t at = c->start + (uint64_t)((double)i * tick);
		struct timespec t = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)};
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
			;
		if (now_ns() > at + 1000000)
			c->late++;
		for (int p = 0; p < o->pubs; p++) {
			size_t len = 0;
			for (int k = 0; k < o->burst; k++)
				len += render(c, buf + len, p, (uint32_t)(i * (uint64_t)o->burst) + (uint32_t)k, &rnd);
			send_all(c->top.pub[p], buf, len);
			sent += (uint64_t)o->burst;
		}
	}
	c->ticks = ticks;
	finish(c, sent);
	free(buf);
	return NULL;
}

static void check_queue(struct checked *c, int sub, unsigned pub, uint32_t seq)
{
	uint8_t *bit = &c->seen[pub][seq / 8], mask = (uint8_t)(1u << seq % 8);
	if (*bit & mask)
		fault("duplicate", "message %u of publisher %u came to two members or twice", seq, pub);
	*bit |= mask;
	uint32_t *next = &c->next[(size_t)sub * (size_t)c->o->pubs + pub];
	if (seq < *next)
		fault("order", "member %d got message %u of publisher %u after %u", sub, seq, pub, *next - 1);
	*next = seq + 1;
}

static void check_each(struct checked *c, int sub, unsigned pub, uint32_t seq)
{
	uint32_t *next = &c->next[(size_t)sub * (size_t)c->o->pubs + pub];
	if (seq > *next)
		fault("order", "subscriber %d got message %u of publisher %u where %u was next (lost or reordered)", sub, seq, pub, *next);
	if (seq < *next)
		fault("duplicate", "subscriber %d got message %u of publisher %u again (next was %u)", sub, seq, pub, *next);
	*next = seq + 1;
}

static void arrived(struct conn *conn, const struct message *m, void *arg)
{
	struct checked *c = arg;
	const struct options *o = c->o;
	uint64_t stamp;
	unsigned pub;
	uint32_t seq;
	char sid[32];

	if (m->size != (size_t)o->size || !payload_check(m->payload, m->size, &stamp, &pub, &seq) || pub >= (unsigned)o->pubs ||
	    seq >= c->seen_max)
		fault("corrupt", "subscriber %d got a payload that nobody sent", conn->id);
	long s = subject_index(o, m->subject, m->subject_len);
	if (s < 0 || (!o->random && s != (long)seq % o->subjects))
		fault("corrupt", "subscriber %d got the wrong subject %.*s", conn->id, (int)m->subject_len, m->subject);
	if ((size_t)sid_format(sid, o, conn->id, s) != m->sid_len || memcmp(sid, m->sid, m->sid_len) != 0)
		fault("corrupt", "subscriber %d got sid %.*s instead of %s", conn->id, (int)m->sid_len, m->sid, sid);
	if (m->reply != NULL)
		fault("corrupt", "subscriber %d got a reply subject that nobody sent", conn->id);
	if (o->queue)
		check_queue(c, conn->id, pub, seq);
	else
		check_each(c, conn->id, pub, seq);
	c->got[conn->id]++;
	c->delivered++;
	if (c->paced)
		hist_add(&c->hist, now_ns() - stamp);
}

// least is how many messages all who should have them have.
static uint64_t least(const struct checked *c)
{
	if (c->o->queue)
		return c->delivered;
	uint64_t n = UINT64_MAX;
	for (int i = 0; i < c->o->subs; i++)
		if (c->got[i] < n)
			n = c->got[i];
	return n;
}

static void receive(struct checked *c, struct conn *conns, int ep, uint64_t until)
{
	struct epoll_event ev[256];
	uint64_t last = now_ns(), before = 0;
	for (;;) {
		uint64_t done = least(c);
		atomic_store_explicit(&c->done, done, memory_order_release);
		bool finished = atomic_load_explicit(&c->finished, memory_order_acquire);
		if (until == 0 && finished && done >= atomic_load(&c->total))
			return;
		if (until != 0 && now_ns() > until)
			return;
		int n = epoll_wait(ep, ev, 256, 5);
		for (int k = 0; k < n; k++)
			conn_read(&conns[ev[k].data.u32], arrived, c);
		if (c->delivered != before) {
			before = c->delivered;
			last = now_ns();
		} else if ((double)(now_ns() - last) > c->o->patience * 1e9) {
			fault("lost", "no message for %.0f s: %llu of %llu arrived", c->o->patience, (unsigned long long)done,
			      (unsigned long long)atomic_load(&c->total));
		}
	}
}

void run_checked(const struct options *o)
{
	struct checked *c = must_alloc(1, sizeof *c);
	struct result res = {.mode = o->mode, .o = o};
	pthread_t t;

	c->o = o;
	c->paced = strcmp(o->mode, "paced") == 0;
	c->seen_max = 1u << 26;
	if (o->pubs > 8)
		c->seen_max = 1u << 22; // a bit per message and publisher
	topology_open(&c->top, o);
	c->next = must_alloc((size_t)o->subs * (size_t)o->pubs, sizeof *c->next);
	c->got = must_alloc((size_t)o->subs, sizeof *c->got);
	c->seen = must_alloc((size_t)o->pubs, sizeof *c->seen);
	for (int p = 0; o->queue && p < o->pubs; p++)
		c->seen[p] = must_alloc(c->seen_max / 8, 1);
	struct conn *conns = must_alloc((size_t)o->subs, sizeof *conns);
	for (int i = 0; i < o->subs; i++)
		conn_init(&conns[i], c->top.sub[i], i, (size_t)o->size * 2 + BATCH);
	int ep = poller(c->top.sub, o->subs);

	usage_read(o, &res.from);
	uint64_t cpu = thread_cpu_ns();
	c->start = now_ns();
	if (pthread_create(&t, NULL, c->paced ? paced_sender : verify_sender, c) != 0)
		fail("cannot start a thread");
	receive(c, conns, ep, 0);
	usage_read(o, &res.to);
	res.receiver_cpu = thread_cpu_ns() - cpu;
	pthread_join(t, NULL);
	receive(c, conns, ep, now_ns() + 50000000); // anything more is a duplicate
	res.sent = atomic_load(&c->total);
	res.delivered = c->delivered;
	if (c->delivered != res.sent * (o->queue ? 1 : (uint64_t)o->subs))
		fault("duplicate", "%llu messages arrived for %llu sent", (unsigned long long)c->delivered, (unsigned long long)res.sent);
	for (int i = 0; i < o->subs; i++)
		res.pings += conns[i].pings;
	res.sender_cpu = c->sender_cpu;
	res.late = c->ticks > 0 ? (double)c->late / (double)c->ticks : 0;
	res.hist = c->paced ? &c->hist : NULL;
	topology_check_idle(&c->top, o);
	result_print(&res);
}
