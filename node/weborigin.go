package node

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// origin is where a page of a browser comes from.
type origin struct{ scheme, host, port string }

// parseOrigin reads what a browser says of a page, such as https://example.com:8443.
func parseOrigin(s string) (origin, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return origin{}, fmt.Errorf("%q is not an origin, write it like https://example.com", s)
	case u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		return origin{}, fmt.Errorf("%q is more than an origin, leave out all but scheme, host and port", s)
	}
	return originOf(u.Scheme, u.Host), nil
}

// originOf returns the origin of what a host serves, whose port may be left out.
func originOf(scheme, hostport string) origin {
	host, port, err := net.SplitHostPort(hostport)
	if err != nil {
		host, port = strings.Trim(hostport, "[]"), ""
	}
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[scheme]
	}
	return origin{scheme, strings.ToLower(host), port}
}

// checkOrigin returns why the page that a request comes from may not connect. Programs that are no
// browsers have no page, and could claim any.
func (o *WebSocketOptions) checkOrigin(r *http.Request) error {
	claimed := r.Header.Get("Origin")
	if claimed == "" || !o.SameOrigin && len(o.AllowedOrigins) == 0 {
		return nil
	}
	from, err := parseOrigin(claimed)
	if err != nil {
		return err
	}
	if o.SameOrigin {
		scheme := "http"
		if r.TLS != nil {
			scheme = "https"
		}
		if from != originOf(scheme, r.Host) {
			return errors.New("it is not the same origin")
		}
	}
	allowed := func(s string) bool {
		a, err := parseOrigin(s)
		return err == nil && a == from
	}
	if len(o.AllowedOrigins) > 0 && !slices.ContainsFunc(o.AllowedOrigins, allowed) {
		return errors.New("it is not among allowed_origins")
	}
	return nil
}
