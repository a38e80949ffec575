package command

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"shoal/membership"
	"shoal/node/config"
)

// gossipKeyVariable has the keys of gossip, separated by commas, for where a file is awkward.
const gossipKeyVariable = "SHOAL_GOSSIP_KEY"

// gossipFlags returns the flags of a server that finds the others by gossip.
func gossipFlags(s *settings) []cli.Flag {
	c := &s.Node.Cluster
	return []cli.Flag{
		&cli.GenericFlag{Category: categoryCluster, Name: "join",
			Usage: "find the servers of the cluster through these `ADDRS`, separated by commas: host, host:port or " +
				"srv://name; one that runs is enough",
			Value: joinValue{&c.Join, new(bool)}},
		&cli.GenericFlag{Category: categoryCluster, Name: "gossip_profile",
			Usage: "`PROFILE` of the network: local, lan or wan", Value: profileValue{&c.GossipProfile}},
		&cli.StringFlag{Category: categoryCluster, Name: "gossip_key",
			Usage: "encrypt gossip with the keys in this `FILE`, one per line, the first in use, the others understood; " +
				"shoal keys generate makes one [$" + gossipKeyVariable + " has keys]",
			Value: s.GossipKeyFile, Destination: &s.GossipKeyFile},
		&cli.StringFlag{Category: categoryCluster, Name: "state_dir",
			Usage: "remember the other servers in this `DIR`, to find them without --join", Value: c.StateDir, Destination: &c.StateDir},
		&cli.BoolFlag{Category: categoryCluster, Name: "no_gossip",
			Usage: "find other servers by routes alone", Value: c.NoGossip, Destination: &c.NoGossip},
	}
}

// joinValue are the addresses of --join, which may be given several times. They replace those of a file.
type joinValue struct {
	addrs *[]string
	given *bool
}

func (v joinValue) Set(text string) error {
	return eachOf(text, v.addrs, v.given, func(one string) (string, error) { return one, config.CheckJoin(one) })
}

func (v joinValue) String() string {
	if v.addrs == nil {
		return ""
	}
	return strings.Join(*v.addrs, ",")
}

// profileValue is the name of a profile as the value of a flag.
type profileValue struct{ profile *membership.Profile }

func (v profileValue) Set(text string) error {
	p, err := membership.ParseProfile(text)
	if err != nil {
		return fmt.Errorf("%q is not a profile, use local, lan or wan", text)
	}
	*v.profile = p
	return nil
}

func (v profileValue) String() string {
	if v.profile == nil {
		return ""
	}
	return v.profile.String()
}

// gossipKeys returns the keys of gossip: those in the file, or else in the environment.
func (s *settings) gossipKeys(log *slog.Logger) ([][]byte, error) {
	name, text := "gossip_key", ""
	switch file := s.GossipKeyFile; {
	case file != "":
		if s.Node.Cluster.Port == 0 {
			return nil, errors.New("gossip_key: needs --cluster as well, alone there is nobody to gossip with")
		}
		content, err := os.ReadFile(file)
		if err != nil {
			if _, keyErr := parseKey(file); keyErr == nil {
				return nil, errors.New("gossip_key: takes the name of a file, not a key: everybody on this machine may " +
					"see arguments")
			}
			return nil, fmt.Errorf("gossip_key: cannot read %s: %w", file, reason(err))
		}
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o007 != 0 {
			log.Warn("Everybody on this machine may read the gossip keys, change the mode of the file", "file", file)
		}
		text = string(content)
	default:
		name, text = gossipKeyVariable, os.Getenv(gossipKeyVariable)
		if text == "" || s.Node.Cluster.Port == 0 {
			return nil, nil // the variable may be meant for other servers
		}
	}
	keys, err := parseKeys(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}

// writeKeys replaces the keys in a file, all at once, so that no server ever finds half of them.
func writeKeys(path string, keys [][]byte) error {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	file, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*") // with mode 0600
	if err != nil {
		return fmt.Errorf("cannot write beside %s: %w", path, reason(err))
	}
	for _, key := range keys {
		if err == nil {
			_, err = fmt.Fprintln(file, base64.StdEncoding.EncodeToString(key))
		}
	}
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		os.Remove(file.Name())
		return fmt.Errorf("cannot write %s: %w", path, reason(err))
	}
	return nil
}

// parseKeys reads keys, one a line or separated by commas. Its errors do not show them.
func parseKeys(text string) ([][]byte, error) {
	var keys [][]byte
	for i, line := range strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == ',' }) {
		if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := parseKey(line)
		if err != nil {
			return nil, fmt.Errorf("key %d %w", i+1, err)
		}
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return nil, errors.New("has no key, shoal keys generate makes one")
	}
	return keys, nil
}

func parseKey(text string) ([]byte, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("is not base64, shoal keys generate makes one that is")
	}
	switch len(key) {
	case 16, 24, 32:
		return key, nil
	}
	return nil, fmt.Errorf("is %d bytes long, use 16, 24 or 32; shoal keys generate makes one", len(key))
}

// openStateDir makes sure that the server can keep its state.
func openStateDir(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("--state_dir: cannot make %s: %w", dir, reason(err))
	}
	probe, err := os.CreateTemp(dir, ".probe.*")
	if err != nil {
		return fmt.Errorf("--state_dir: cannot write to %s: %w", dir, reason(err))
	}
	probe.Close()
	if err := os.Remove(probe.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("--state_dir: cannot remove from %s: %w", dir, reason(err))
	}
	return nil
}
