// topology.c: opens the connections of a publish/subscribe run.
#include "loadgen.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BACKGROUND_CONNS 10

// sid_format writes the sid of a subscription. With literal subscriptions a
// subscriber has one per subject, each with its own sid.
int sid_format(char *to, const struct options *o, int subscriber, long subject)
{
	if (o->literal)
		return sprintf(to, "%06ld", 100000 + subject);
	return sprintf(to, "%d", o->diffsids ? 10000 + subscriber : 1);
}

// delivered_length is the number of bytes of one MSG, the same for all
// messages of a run.
size_t delivered_length(const struct options *o)
{
	char subject[SUBJECT_MAX], sid[32], line[SUBJECT_MAX + 64];
	subject_format(subject, o, 0);
	sid_format(sid, o, 0, 0);
	int n = snprintf(line, sizeof line, "MSG %s %s %d\r\n", subject, sid, o->size);
	return (size_t)n + (size_t)o->size + 2;
}

static void subscribe_literals(int fd, const struct options *o, const char *queue)
{
	char subject[SUBJECT_MAX], sid[32];
	char *lines = must_alloc((size_t)o->subjects, SUBJECT_MAX + 48);
	size_t len = 0;
	for (long i = 0; i < o->subjects; i++) {
		subject_format(subject, o, i);
		sid_format(sid, o, 0, i);
		len += (size_t)sprintf(lines + len, "SUB %s%s%s %s\r\n", subject, queue ? " " : "", queue ? queue : "", sid);
	}
	send_all(fd, lines, len);
	free(lines);
}

void topology_open(struct topology *t, const struct options *o)
{
	const char *queue = o->queue ? "workers" : NULL;
	char subject[SUBJECT_MAX], sid[32];

	memset(t, 0, sizeof *t);
	t->sub = must_alloc((size_t)o->subs + 1, sizeof *t->sub);
	t->pub = must_alloc((size_t)o->pubs, sizeof *t->pub);
	if (o->background > 0) {
		t->nbackground = BACKGROUND_CONNS;
		t->background = must_alloc(BACKGROUND_CONNS, sizeof *t->background);
		for (int i = 0; i < BACKGROUND_CONNS; i++)
			t->background[i] = connect_client(o, receiver_server(o, i));
		load_subscriptions(t->background, BACKGROUND_CONNS, o->background, true);
	}
	for (int i = 0; i < o->subs; i++) {
		t->sub[i] = connect_client(o, receiver_server(o, i));
		if (o->literal) {
			subscribe_literals(t->sub[i], o, queue);
		} else {
			sid_format(sid, o, i, 0);
			if (o->subjects > 1 || o->background > 0)
				subject_wildcard(subject, o);
			else
				subject_format(subject, o, 0);
			subscribe(t->sub[i], subject, queue, sid);
		}
		sync_conn(t->sub[i]);
	}
	for (long i = 0; o->subs > 0 && i < (o->literal ? o->subjects : 1); i++) {
		subject_format(subject, o, i);
		await_interest(o, 0, subject, t->sub, o->subs, o->queue);
	}
	for (int i = 0; i < o->pubs; i++)
		t->pub[i] = connect_client(o, 0);
}

// topology_check_idle looks at the connections that must have got nothing
// but PINGs.
void topology_check_idle(struct topology *t, const struct options *o)
{
	for (int i = 0; i < t->nbackground + o->pubs; i++) {
		struct conn c;
		conn_init(&c, i < o->pubs ? t->pub[i] : t->background[i - o->pubs], i, 16384);
		conn_drain_pings(&c);
		free(c.buf);
	}
}
