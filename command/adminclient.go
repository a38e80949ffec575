package command

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"shoal/node"
)

// adminClient talks to the admin socket of a server on this machine.
type adminClient struct {
	streams
	server string // --node
}

func newAdminClient(std streams) *adminClient { return &adminClient{streams: std} }

// flags returns the flags that every command has which gives orders to a server.
func (a *adminClient) flags(more ...cli.Flag) []cli.Flag {
	return append(more, &cli.StringFlag{Category: "Connection", Name: "node", EnvVars: []string{"SHOAL_NODE"},
		Usage:       "talk to the server with this client port, or at this admin socket, `PORT|SOCKET`",
		DefaultText: "the only one that runs, or 4222", Destination: &a.server})
}

// socket returns the socket of the server that is meant.
func (a *adminClient) socket() (string, error) {
	if strings.Contains(a.server, "/") {
		return a.server, nil
	}
	dir := adminDir()
	if a.server != "" {
		port, err := strconv.Atoi(a.server)
		if err != nil || port < 1 || port > 65535 {
			return "", fmt.Errorf("--node: %q is neither a client port nor the path of an admin socket", a.server)
		}
		return socketOf(dir, port), nil
	}
	ports := livePorts(dir)
	switch {
	case len(ports) == 0:
		return "", fmt.Errorf("no server of this user runs here; --node names the socket of another one (looked in %s)", dir)
	case len(ports) == 1:
		return socketOf(dir, ports[0]), nil
	case slices.Contains(ports, node.DefaultPort):
		return socketOf(dir, node.DefaultPort), nil
	}
	return "", fmt.Errorf("--node: several servers run here, say which: %s", strings.Trim(fmt.Sprint(ports), "[]"))
}

// livePorts returns the client ports of the servers with a socket in dir, and removes sockets that servers
// have left behind.
func livePorts(dir string) []int {
	if openAdminDir(dir) != nil {
		return nil
	}
	var ports []int
	paths, _ := filepath.Glob(filepath.Join(dir, "*.sock"))
	for _, path := range paths {
		port, err := strconv.Atoi(strings.TrimSuffix(filepath.Base(path), ".sock"))
		switch {
		case err != nil:
		case isLive(path):
			ports = append(ports, port)
		default:
			os.Remove(path)
		}
	}
	slices.Sort(ports)
	return ports
}

// call sends an order, and reads the answer into answer unless that is nil.
func (a *adminClient) call(ctx context.Context, method, path string, order, answer any) error {
	socket, err := a.socket()
	if err != nil {
		return err
	}
	body, err := json.Marshal(order)
	if err != nil {
		return err
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "unix", socket)
	}}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport, Timeout: orderTime + time.Second}
	request, err := http.NewRequestWithContext(ctx, method, "http://shoal"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := client.Do(request)
	if err != nil {
		return socketError(socket, err)
	}
	defer response.Body.Close()
	const longestAnswer = 16 << 20
	text, err := io.ReadAll(io.LimitReader(response.Body, longestAnswer))
	if err != nil {
		return socketError(socket, err)
	}
	if response.StatusCode != http.StatusOK {
		var refused orderError
		if json.Unmarshal(text, &refused) != nil || refused.Error == "" {
			return fmt.Errorf("%s: answers %s", socket, response.Status)
		}
		return errors.New(refused.Error)
	}
	if answer == nil {
		return nil
	}
	return json.Unmarshal(text, answer)
}

// socketError explains why a server could not be reached at its socket.
func socketError(socket string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("--node: there is no socket %s; does the server run, and as this user?", socket)
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("--node: no server listens on %s any more", socket)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("--node: %s may only be used by the user that the server runs as", socket)
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("%s: no answer in time", socket)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s: the server has stopped meanwhile", socket)
	}
	return fmt.Errorf("%s: %w", socket, reason(err))
}

// exactly checks the number of arguments of a command, whose names its usage has.
func exactly(c *cli.Context, n int) error {
	switch {
	case c.NArg() < n:
		return fmt.Errorf("an argument is missing: %s %s", c.Command.HelpName, c.Command.ArgsUsage)
	case c.NArg() > n:
		return fmt.Errorf("%q is one argument too many: %s %s", c.Args().Get(n), c.Command.HelpName, c.Command.ArgsUsage)
	}
	return nil
}
