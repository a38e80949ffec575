// main.c: options.
//
//	loadgen MODE --port N[,N...] [--pid N[,N...]] [options]
//
// Modes: flood, verify, paced, request, idle, subs. See usage below.
#include "loadgen.h"

#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static const char usage[] =
	"usage: loadgen MODE --port N[,N...] [options]\n"
	"modes:\n"
	"  flood    publish as fast as the window allows, count what arrives\n"
	"  verify   the same with every message checked (slower)\n"
	"  paced    fixed --rate, every message checked, latencies\n"
	"  request  request/reply, closed loop, or open loop with --rate\n"
	"  idle     memory of --n idle connections\n"
	"  subs     memory of --n subscriptions\n"
	"options:\n"
	"  --host ADDR --port N      the server (127.0.0.1); or N,N,... for several that\n"
	"                            form a mesh: publishers and requesters connect to the\n"
	"                            first, subscribers and responders to the others in turn\n"
	"  --pid N                   its process, or theirs, for CPU and memory\n"
	"  --pubs N --subs N         publishers and subscribers (1, 1)\n"
	"  --size N                  payload bytes (128)\n"
	"  --subjects N [--random]   subjects published to, in turn or at random\n"
	"  --literal                 a subscription per subject, not one wildcard\n"
	"  --diffsids                another sid for every subscriber\n"
	"  --queue                   the subscribers form one queue group\n"
	"  --background N            N other subscriptions that never match\n"
	"  --seconds S --count N     how long, or how many messages (1 s)\n"
	"  --rate R --burst K        messages per second; K per tick and publisher\n"
	"  --conns N --responders N  requesters (1) and responders (1)\n"
	"  --n N --mix --settle S    memory modes: how many, wildcards, rest time\n"
	"  --tls                     TLS 1.3\n"
	"  --patience S              a message is lost after S seconds without any (5)\n";

enum { PORT = 1, HOST, PID, PUBS, SUBS, SIZE, SUBJECTS, RANDOM, LITERAL, DIFFSIDS, QUEUE, BACKGROUND,
       SECONDS, COUNT, RATE, BURST, CONNS, RESPONDERS, N, MIX, SETTLE, TLS, PATIENCE, HELP };

static const struct option longopts[] = {
	{"port", 1, NULL, PORT}, {"host", 1, NULL, HOST}, {"pid", 1, NULL, PID},
	{"pubs", 1, NULL, PUBS}, {"subs", 1, NULL, SUBS}, {"size", 1, NULL, SIZE},
	{"subjects", 1, NULL, SUBJECTS}, {"random", 0, NULL, RANDOM}, {"literal", 0, NULL, LITERAL},
	{"diffsids", 0, NULL, DIFFSIDS}, {"queue", 0, NULL, QUEUE}, {"background", 1, NULL, BACKGROUND},
	{"seconds", 1, NULL, SECONDS}, {"count", 1, NULL, COUNT}, {"rate", 1, NULL, RATE},
	{"burst", 1, NULL, BURST}, {"conns", 1, NULL, CONNS}, {"responders", 1, NULL, RESPONDERS},
	{"n", 1, NULL, N}, {"mix", 0, NULL, MIX}, {"settle", 1, NULL, SETTLE}, {"tls", 0, NULL, TLS},
	{"patience", 1, NULL, PATIENCE},
	{"help", 0, NULL, HELP}, {0},
};

static _Noreturn void usage_error(const char *what)
{
	fprintf(stderr, "loadgen: %s\n%s", what, usage);
	exit(EXIT_USAGE);
}

static double number(const char *s, double min, double max)
{
	char *end;
	double v = strtod(s, &end);
	if (*s == 0 || *end != 0 || !isfinite(v) || v < min || v > max) {
		char text[160];
		snprintf(text, sizeof text, "%.40s: a number from %g to %g is needed", s, min, max);
		usage_error(text);
	}
	return v;
}

// list reads numbers with commas between them; it returns how many.
static int list(char *s, double min, double max, int *to)
{
	int n = 0;
	for (char *one; (one = strsep(&s, ",")) != NULL;) {
		if (n == MAX_SERVERS)
			usage_error("too many servers");
		to[n++] = (int)number(one, min, max);
	}
	return n;
}

static void parse(int argc, char **argv, struct options *o)
{
	for (int c; (c = getopt_long(argc, argv, "h", longopts, NULL)) != -1;) {
		switch (c) {
		case PORT: o->servers = list(optarg, 1, 65535, o->ports); break;
		case HOST: o->host = optarg; break;
		case PID: o->npids = list(optarg, 1, 1e9, o->pids); break;
		case PUBS: o->pubs = (int)number(optarg, 1, 1000); break;
		case SUBS: o->subs = (int)number(optarg, 0, 10000); break;
		case SIZE: o->size = (int)number(optarg, HEADER, 1 << 20); break;
		case SUBJECTS: o->subjects = (int)number(optarg, 1, 900000); break;
		case RANDOM: o->random = true; break;
		case LITERAL: o->literal = true; break;
		case DIFFSIDS: o->diffsids = true; break;
		case QUEUE: o->queue = true; break;
		case BACKGROUND: o->background = (long)number(optarg, 0, 5e6); break;
		case SECONDS: o->seconds = number(optarg, 0.001, 120); break;
		case COUNT: o->count = (long)number(optarg, 1, 1e10); break;
		case RATE: o->rate = number(optarg, 0.1, 1e6); break;
		case BURST: o->burst = (int)number(optarg, 1, 10000); break;
		case CONNS: o->conns = (int)number(optarg, 1, 10000); break;
		case RESPONDERS: o->responders = (int)number(optarg, 1, 1000); break;
		case N: o->n = (long)number(optarg, 1, 9e6); break;
		case MIX: o->mix = true; break;
		case SETTLE: o->settle = number(optarg, 0, 60); break;
		case TLS: o->tls = true; break;
		case PATIENCE: o->patience = number(optarg, 0.1, 60); break;
		case HELP:
		case 'h': fputs(usage, stdout); exit(0);
		default: usage_error("unknown option");
		}
	}
	if (optind != argc - 1)
		usage_error("exactly one mode is needed");
	o->mode = argv[optind];
	if (o->servers == 0)
		usage_error("--port is needed");
	if (o->servers > 1)
		snprintf(o->tag, sizeof o->tag, "%07d.", (int)getpid() % 10000000);
}

int main(int argc, char **argv)
{
	struct options o = {
		.host = "127.0.0.1", .pubs = 1, .subs = 1, .size = 128, .subjects = 1, .seconds = 1,
		.burst = 1, .responders = 1, .conns = 1, .n = 1000, .settle = 5, .patience = 5,
	};
	parse(argc, argv, &o);
	signal(SIGPIPE, SIG_IGN);
	// Sleep as exactly as the kernel can, end with the program that started
	// this one, and end in any case some time.
	prctl(PR_SET_TIMERSLACK, 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	alarm((unsigned)o.seconds + 300);
	limit_files();

	if (strcmp(o.mode, "flood") == 0)
		run_flood(&o);
	else if (o.subs == 0)
		usage_error("only flood works without subscribers");
	else if (strcmp(o.mode, "verify") == 0)
		run_checked(&o);
	else if (strcmp(o.mode, "paced") == 0 && o.rate > 0)
		run_checked(&o);
	else if (strcmp(o.mode, "request") == 0)
		run_request(&o);
	else if (strcmp(o.mode, "idle") == 0)
		run_idle(&o);
	else if (strcmp(o.mode, "subs") == 0)
		run_subs(&o);
	else
		usage_error("unknown mode (paced needs --rate)");
	return 0;
}
