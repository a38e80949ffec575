// subject.c: subjects of equal width, so that all messages of a run are
// equally long and can be counted by their bytes.
#include "loadgen.h"

#include <string.h>

// next_random is a small fixed-seed generator: every run is the same.
uint32_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 33);
}

static int region(long i) { return (int)(i * 7 % 1000); }

// Subjects beside background subscriptions look like those (see
// load_subscriptions) and share their first tokens, but use device numbers
// above all of theirs and another last token: the index has to look, and
// none of the background may match.
#define LIVE_BASE 9000000

int subject_format(char *to, const struct options *o, long i)
{
	if (o->background > 0)
		return snprintf(to, SUBJECT_MAX, "region.%03d.device.%07ld.live", region(i), LIVE_BASE + i);
	return snprintf(to, SUBJECT_MAX, "bench.s.%s%06ld", o->tag, i);
}

// subject_wildcard matches all subjects of the run.
int subject_wildcard(char *to, const struct options *o)
{
	if (o->background > 0)
		return snprintf(to, SUBJECT_MAX, "region.*.device.*.live");
	return snprintf(to, SUBJECT_MAX, "bench.s.%s*", o->tag);
}

// subject_index is the inverse of subject_format, -1 for any other text.
long subject_index(const struct options *o, const char *s, size_t len)
{
	char want[SUBJECT_MAX];
	size_t digits = o->background > 0 ? 7 : 6, tail = o->background > 0 ? 5 : 0;
	if (len < digits + tail)
		return -1;
	long i = 0;
	for (const char *p = s + len - tail - digits; p < s + len - tail; p++) {
		if (*p < '0' || *p > '9')
			return -1;
		i = i * 10 + (*p - '0');
	}
	i -= o->background > 0 ? LIVE_BASE : 0;
	if (i < 0 || i >= o->subjects)
		return -1;
	int n = subject_format(want, o, i);
	return (size_t)n == len && memcmp(want, s, len) == 0 ? i : -1;
}
