package command

import (
	"strings"
	"unsafe"
)

// takeSecrets returns a copy of the process arguments, and blanks the secrets in the originals.
// Everybody on a machine may list the arguments of every process; on Unix, the strings of os.Args
// are that very memory, so that overwriting them changes what ps and /proc show.
func takeSecrets(args []string) []string {
	taken := make([]string, len(args))
	for i, arg := range args {
		taken[i] = strings.Clone(arg)
	}
	for i := 1; i < len(args); i++ {
		name, value, inline := strings.Cut(args[i], "=")
		if !strings.HasPrefix(name, "-") {
			continue
		}
		name = strings.TrimPrefix(strings.TrimPrefix(name, "-"), "-")
		if !inline {
			if i+1 == len(args) {
				break
			}
			value = args[i+1]
		}
		switch name {
		case "user", "pass", "auth", "password", "token":
			blank(value)
		case "gossip_key":
			if _, err := parseKey(value); err == nil {
				blank(value) // should have been the name of a file
			}
		case "s", "server", "routes", "join":
			for url := range strings.SplitSeq(value, ",") {
				blankUserInfo(url)
			}
		case "cluster", "cluster_listen":
			blankUserInfo(value) // one URL, whose password may have a comma
		}
	}
	return taken
}

// blankUserInfo blanks what stands between :// and @ in a URL.
func blankUserInfo(url string) {
	_, rest, ok := strings.Cut(url, "://")
	if !ok {
		rest = url
	}
	if at := strings.LastIndexByte(rest, '@'); at > 0 {
		blank(rest[:at])
	}
}

// blank overwrites the bytes of a string in place. That is legal only because the string belongs
// to the process arguments, which nothing else has a reason to read again.
func blank(s string) {
	if s == "" {
		return
	}
	for i := range unsafe.Slice(unsafe.StringData(s), len(s)) {
		unsafe.Slice(unsafe.StringData(s), len(s))[i] = 'x'
	}
}
