package monitor

import (
	"html/template"
	"net/http"
)

var indexPage = template.Must(template.New("index").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{.ServerName}} - shoal</title>
<style>body { font: 16px/1.5 sans-serif; margin: 2em auto; max-width: 40em; padding: 0 1em }</style>
</head>
<body>
<h1>{{.ServerName}}</h1>
<p>shoal {{.ShoalVersion}}, up {{.Uptime}}, {{.Connections}} connections, {{.Routes}} routes</p>
<ul>
<li><a href="varz">/varz</a>: the node, its limits and its counters</li>
<li><a href="connz">/connz</a>: the clients, also <a href="connz?state=closed&amp;auth=1">those that have gone</a></li>
<li><a href="routez">/routez</a>: the connections to other servers</li>
<li><a href="clusterz">/clusterz</a>: the members of the cluster, and what is wrong with them</li>
<li><a href="subsz?subs=1">/subsz</a>: the subscriptions</li>
<li><a href="accountz">/accountz</a>: the accounts, and <a href="accstatz?unused=1">their traffic</a></li>
<li><a href="healthz">/healthz</a>: whether the node should get clients</li>
<li><a href="metrics">/metrics</a>: all figures for Prometheus</li>
<li><a href="stacksz">/stacksz</a> and <a href="debug/vars">/debug/vars</a>: the Go runtime</li>
</ul>
</body>
</html>
`))

func (h *Handler) index(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// An error here means that the reader has gone; there is nobody left to tell.
	_ = indexPage.Execute(w, h.Varz())
}
