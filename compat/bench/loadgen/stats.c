// stats.c: clocks, the server's accounting, latencies, and the result line.
#include "loadgen.h"

#include <dirent.h>
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static uint64_t clock_ns(clockid_t c)
{
	struct timespec t;
	if (clock_gettime(c, &t) != 0)
		return 0;
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t now_ns(void) { return clock_ns(CLOCK_MONOTONIC); }
uint64_t thread_cpu_ns(void) { return clock_ns(CLOCK_THREAD_CPUTIME_ID); }

void sleep_us(long us)
{
	struct timespec t = {.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
	nanosleep(&t, NULL);
}

// threads_cpu sums the nanoseconds that /proc/PID/task/*/schedstat shows. It
// misses threads that ended, and up to a tick of those that run right now.
static uint64_t threads_cpu(pid_t pid)
{
	char path[320];
	snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
	DIR *d = opendir(path);
	if (d == NULL)
		return 0;
	uint64_t sum = 0;
	for (struct dirent *e; (e = readdir(d)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof path, "/proc/%d/task/%s/schedstat", (int)pid, e->d_name);
		FILE *f = fopen(path, "re");
		if (f == NULL)
			continue;
		unsigned long long ns = 0;
		if (fscanf(f, "%llu", &ns) == 1)
			sum += ns;
		fclose(f);
	}
	closedir(d);
	return sum;
}

// ticks_cpu is user plus system time of /proc/PID/stat.
static uint64_t ticks_cpu(pid_t pid)
{
	char path[64], line[1024];
	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	unsigned long long user = 0, sys = 0;
	if (fgets(line, sizeof line, f) != NULL) {
		// The name in parentheses may hold blanks: count from its end.
		char *p = strrchr(line, ')');
		if (p != NULL)
			sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &sys);
	}
	fclose(f);
	return (user + sys) * (1000000000u / (uint64_t)sysconf(_SC_CLK_TCK));
}

// usage_read takes the servers' CPU time. The CPU clock of a process counts
// the same nanoseconds as its threads' schedstat, but includes threads that
// ended and what running threads used since the last tick; so it is the one
// that is right, and the other two are kept to check it.
void usage_read(const struct options *o, struct usage *u)
{
	memset(u, 0, sizeof *u);
	u->wall = now_ns();
	for (int i = 0; i < o->npids; i++) {
		clockid_t c;
		uint64_t cpu = 0, ticks = ticks_cpu(o->pids[i]), threads = threads_cpu(o->pids[i]);
		if (clock_getcpuclockid(o->pids[i], &c) == 0)
			cpu = clock_ns(c);
		if (cpu == 0)
			cpu = threads > ticks ? threads : ticks;
		u->cpu += cpu;
		u->ticks += ticks;
		u->threads += threads;
	}
}

static long proc_kb(pid_t pid, const char *file, const char *field)
{
	char path[64], line[256];
	snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
	FILE *f = fopen(path, "re");
	if (f == NULL)
		return 0;
	long kb = 0;
	size_t n = strlen(field);
	while (fgets(line, sizeof line, f) != NULL)
		if (strncmp(line, field, n) == 0)
			kb = atol(line + n);
	fclose(f);
	return kb;
}

// rss_kb counts page by page where the kernel offers it: the plain counter
// is kept per processor and may be some pages behind.
long rss_kb(const struct options *o)
{
	long sum = 0;
	for (int i = 0; i < o->npids; i++) {
		long kb = proc_kb(o->pids[i], "smaps_rollup", "Rss:");
		sum += kb > 0 ? kb : proc_kb(o->pids[i], "status", "VmRSS:");
	}
	return sum;
}

long peak_rss_kb(const struct options *o)
{
	long sum = 0;
	for (int i = 0; i < o->npids; i++)
		sum += proc_kb(o->pids[i], "status", "VmHWM:");
	return sum;
}

static unsigned hist_bucket(uint64_t ns)
{
	if (ns < HIST_SUB)
		return (unsigned)ns;
	unsigned shift = 63 - 7 - (unsigned)__builtin_clzll(ns); // keep 8 significant bits
	unsigned i = (shift + 1) * HIST_SUB + (unsigned)(ns >> shift) - HIST_SUB;
	return i < HIST_SIZE ? i : HIST_SIZE - 1;
}

void hist_add(struct hist *h, uint64_t ns)
{
	h->bucket[hist_bucket(ns)]++;
	h->n++;
}

uint64_t hist_quantile(const struct hist *h, double q)
{
	if (h->n == 0)
		return 0;
	uint64_t want = (uint64_t)((double)h->n * q), seen = 0;
	for (unsigned i = 0; i < HIST_SIZE; i++) {
		seen += h->bucket[i];
		if (seen > want) {
			if (i < HIST_SUB)
				return i;
			unsigned shift = i / HIST_SUB - 1;
			return ((uint64_t)(i % HIST_SUB + HIST_SUB) << shift) + ((1ull << shift) >> 1);
		}
	}
	return 0;
}

// result_print writes the one line that a successful run has on stdout.
void result_print(const struct result *r)
{
	double wall = (double)(r->to.wall - r->from.wall) / 1e9;
	if (wall <= 0)
		wall = 1e-9;
	printf("{\"mode\":\"%s\",\"sent\":%llu,\"delivered\":%llu,\"seconds\":%.6f,\"rate\":%.1f",
	       r->mode, (unsigned long long)r->sent, (unsigned long long)r->delivered, wall, (double)r->delivered / wall);
	printf(",\"server_cpu_ns\":%llu,\"server_cpu_ticks_ns\":%llu,\"server_cpu_threads_ns\":%lld",
	       (unsigned long long)(r->to.cpu - r->from.cpu), (unsigned long long)(r->to.ticks - r->from.ticks),
	       (long long)(r->to.threads - r->from.threads));
	printf(",\"sender_cores\":%.3f,\"receiver_cores\":%.3f", (double)r->sender_cpu / 1e9 / wall, (double)r->receiver_cpu / 1e9 / wall);
	printf(",\"rss_kb\":%ld,\"peak_rss_kb\":%ld,\"pings\":%llu,\"late\":%.4f", rss_kb(r->o), peak_rss_kb(r->o),
	       (unsigned long long)r->pings, r->late);
	if (r->bytes_each != 0)
		printf(",\"bytes_each\":%.1f", r->bytes_each);
	if (r->hist != NULL && r->hist->n > 0)
		printf(",\"samples\":%llu,\"p50_ns\":%llu,\"p99_ns\":%llu,\"p999_ns\":%llu", (unsigned long long)r->hist->n,
		       (unsigned long long)hist_quantile(r->hist, 0.5), (unsigned long long)hist_quantile(r->hist, 0.99),
		       (unsigned long long)hist_quantile(r->hist, 0.999));
	printf("}\n");
	if (fflush(stdout) != 0)
		exit(EXIT_USAGE);
}

// report prints the line of a run that failed. The text is made safe for
// JSON because it may quote the server.
static void report(const char *kind, const char *format, va_list args)
{
	char text[512];
	vsnprintf(text, sizeof text, format, args);
	for (char *p = text; *p; p++)
		if (*p == '"' || *p == '\\' || (unsigned char)*p < ' ' || (unsigned char)*p > '~')
			*p = '\'';
	flockfile(stdout); // never released: the process ends
	printf("{\"fault\":\"%s\",\"error\":\"%s\"}\n", kind, text);
	fflush(stdout);
}

_Noreturn void fail(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	report("", format, args);
	_exit(EXIT_USAGE);
}

_Noreturn void fault(const char *kind, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	report(kind, format, args);
	_exit(EXIT_FAULT);
}

_Noreturn void fail_errno(const char *what) { fail("%s: %s", what, strerror(errno)); }

void *must_alloc(size_t n, size_t size)
{
	void *p = calloc(n, size);
	if (p == NULL)
		fail("out of memory");
	return p;
}
