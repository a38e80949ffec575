package deploy

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"

	"shoal/compat/internal/broker"
)

// TestAlerts checks the alert rules: Prometheus understands them, each tells what to do, and a server has the
// figures that they are about.
func TestAlerts(t *testing.T) {
	groups, errs := rulefmt.Parse(read(t, "prometheus", "alerts.yml"), false, model.UTF8Validation, parser.NewParser(parser.Options{}), slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Error(err)
	}
	if t.Failed() {
		return
	}
	have := scraped(t)
	seen := map[string]bool{}
	for _, g := range groups.Groups {
		for _, r := range g.Rules {
			switch {
			case r.Alert == "" || seen[r.Alert]:
				t.Errorf("%q is not the name of one alert", r.Alert)
			case !slices.Contains([]string{"critical", "warning", "info"}, r.Labels["severity"]):
				t.Errorf("%s: severity is %q", r.Alert, r.Labels["severity"])
			case r.Annotations["summary"] == "" || r.Annotations["description"] == "":
				t.Errorf("%s: does not tell what it means", r.Alert)
			}
			seen[r.Alert] = true
			have.check(t, r.Alert, r.Expr)
		}
	}
	if len(seen) < 10 {
		t.Errorf("there are only %d alerts", len(seen))
	}
}

// TestDashboard checks the dashboard: it is of the form that Grafana reads, its queries are valid, and a server
// has the figures that they are about.
func TestDashboard(t *testing.T) {
	type target struct{ Expr, RefID string }
	type panel struct {
		ID      int
		Type    string
		Title   string
		Targets []target
		GridPos struct{ H, W, X, Y int }
	}
	var d struct {
		UID, Title    string
		SchemaVersion int
		Panels        []panel
		Templating    struct {
			List []struct{ Name, Definition string }
		}
	}
	must(t, json.Unmarshal(read(t, "grafana", "shoal.json"), &d))
	if d.UID == "" || d.Title == "" || d.SchemaVersion == 0 || len(d.Panels) < 10 {
		t.Errorf("this is no dashboard: %+v", d)
	}
	have := scraped(t)
	variables := strings.NewReplacer("$__rate_interval", "1m", "$cluster", ".*", "$instance", ".*")
	for _, v := range d.Templating.List {
		if v.Definition == "" {
			continue
		}
		query, ok := strings.CutPrefix(v.Definition, "label_values(")
		at := strings.LastIndexByte(query, ',')
		if !ok || at < 0 {
			t.Errorf("%s: %q is no query for the values of a label", v.Name, v.Definition)
			continue
		}
		have.check(t, v.Name, variables.Replace(query[:at]))
	}
	ids := map[int]bool{}
	for _, p := range d.Panels {
		if ids[p.ID] || p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 || p.Title == "" {
			t.Errorf("%q: has no number, place or title of its own", p.Title)
		}
		ids[p.ID] = true
		if p.Type != "row" && len(p.Targets) == 0 {
			t.Errorf("%q: shows nothing", p.Title)
		}
		for _, q := range p.Targets {
			have.check(t, p.Title, variables.Replace(q.Expr))
		}
	}
}

// figures are the labels of the figures of a server, by name.
type figures map[string]map[string]bool

// byPrometheus are figures and labels that do not come from the server.
var byPrometheus = []string{"up", "job", "instance"}

// check reports what is wrong with a query, and what it asks for that no server has.
func (f figures) check(t *testing.T, where, query string) {
	t.Helper()
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err != nil {
		t.Errorf("%s: %v", where, err)
		return
	}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok || slices.Contains(byPrometheus, s.Name) {
			return nil
		}
		labels, ok := f[s.Name]
		if !ok {
			t.Errorf("%s: no server has %s", where, s.Name)
			return nil
		}
		for _, m := range s.LabelMatchers {
			if m.Name != model.MetricNameLabel && !labels[m.Name] && !slices.Contains(byPrometheus, m.Name) {
				t.Errorf("%s: %s has no label %s", where, s.Name, m.Name)
			}
		}
		return nil
	})
}

// scraped returns the figures of a server in a cluster of two, once it has all of them.
func scraped(t *testing.T) figures {
	t.Helper()
	servers := make([]*broker.Server, 2)
	join := ""
	for i, name := range []string{"one", "two"} {
		port, err := broker.FreePort()
		must(t, err)
		arguments := []string{"-a", "127.0.0.1", "-p", "-1", "-m", "-1", "-n", name, "--cluster", "nats://127.0.0.1:" + port}
		if join != "" {
			arguments = append(arguments, "--join", join)
		}
		join = "127.0.0.1:" + port
		servers[i], err = broker.Launch(broker.Shoal, "", arguments...)
		must(t, err)
		t.Cleanup(func() {
			if err := servers[i].Stop(); err != nil {
				t.Error(err)
			}
		})
		must(t, servers[i].WaitReady())
	}
	var have figures
	eventually(t, "the servers know each other", func() bool {
		have = scrape(t, servers[1].Monitor+"/metrics")
		return have["shoal_route_rtt_seconds"] != nil && have["shoal_member_rtt_seconds"] != nil
	})
	return have
}

var documented = regexp.MustCompile("`(shoal_[a-z_]+)`")

// TestMetricsAreDocumented compares the figures that a server has with those that docs/monitoring.md tells of.
func TestMetricsAreDocumented(t *testing.T) {
	told := map[string]bool{}
	for _, m := range documented.FindAllSubmatch(read(t, "..", "docs", "monitoring.md"), -1) {
		told[string(m[1])] = true
	}
	have := scraped(t)
	for name := range have {
		base := name
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			base = strings.TrimSuffix(base, suffix)
		}
		if strings.HasPrefix(name, "shoal_") && !told[base] {
			t.Errorf("%s is not documented", base)
		}
	}
	for name := range told {
		if have[name] == nil && have[name+"_bucket"] == nil {
			t.Errorf("%s is documented, but not there", name)
		}
	}
}

func scrape(t *testing.T, url string) figures {
	t.Helper()
	r, err := http.Get(url)
	must(t, err)
	defer r.Body.Close()
	if r.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(r.Body)
		t.Fatalf("%s: %s: %s", url, r.Status, text)
	}
	textParser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := textParser.TextToMetricFamilies(r.Body)
	must(t, err)
	have := figures{}
	for name, family := range families {
		labels := map[string]bool{}
		for _, m := range family.GetMetric() {
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = true
			}
			if m.GetSummary() != nil {
				labels["quantile"] = true
			}
		}
		have[name] = labels
		if family.GetMetric()[0].GetHistogram() != nil {
			buckets := maps.Clone(labels)
			buckets["le"] = true
			have[name+"_bucket"], have[name+"_sum"], have[name+"_count"] = buckets, labels, labels
		}
	}
	return have
}
