package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/frontend/dockerfile/instructions"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"sigs.k8s.io/yaml"

	"shoal/compat/internal/broker"
)

// objects is what is in deploy/kubernetes.
type objects struct {
	set      apps.StatefulSet
	services map[string]*core.Service
	budget   policy.PodDisruptionBudget
	network  networking.NetworkPolicy
}

// pod returns the pods that the set makes, and the one container in each.
func (o *objects) pod() (*core.PodSpec, *core.Container) {
	pod := &o.set.Spec.Template.Spec
	return pod, &pod.Containers[0]
}

// load reads all objects and fails the test if one has a field that its kind does not.
func load(t *testing.T) *objects {
	t.Helper()
	o := &objects{services: map[string]*core.Service{}}
	var kinds []string
	for _, file := range listed(t) {
		for _, text := range bytes.Split(read(t, "kubernetes", file), []byte("\n---\n")) {
			var head struct{ APIVersion, Kind string }
			must(t, yaml.Unmarshal(text, &head))
			var into any
			switch kind := head.APIVersion + " " + head.Kind; kind {
			case "apps/v1 StatefulSet":
				into = &o.set
			case "v1 Service":
				into = &core.Service{}
			case "policy/v1 PodDisruptionBudget":
				into = &o.budget
			case "networking.k8s.io/v1 NetworkPolicy":
				into = &o.network
			case "v1 Namespace":
				into = &core.Namespace{}
			default:
				t.Fatalf("%s has a %s, which no test knows", file, kind)
			}
			if err := yaml.UnmarshalStrict(text, into); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
			if s, ok := into.(*core.Service); ok {
				o.services[s.Name] = s
			}
			kinds = append(kinds, head.Kind)
		}
	}
	slices.Sort(kinds)
	if want := "[Namespace NetworkPolicy PodDisruptionBudget Service Service StatefulSet]"; fmt.Sprint(kinds) != want {
		t.Fatalf("there are %v, want %s", kinds, want)
	}
	if len(o.set.Spec.Template.Spec.Containers) != 1 {
		t.Fatal("a pod is not one container")
	}
	return o
}

// listed returns the files that kustomization.yaml names, which must be all.
func listed(t *testing.T) []string {
	t.Helper()
	var k struct{ Resources []string }
	must(t, yaml.Unmarshal(read(t, "kubernetes", "kustomization.yaml"), &k))
	found, err := filepath.Glob(filepath.Join(files, "kubernetes", "*.yaml"))
	must(t, err)
	if len(found) != len(k.Resources)+1 {
		t.Errorf("kustomization.yaml names %v, there are %v", k.Resources, found)
	}
	return k.Resources
}

func TestKustomization(t *testing.T) {
	var k struct {
		Images []struct{ Name, NewTag string }
	}
	must(t, yaml.Unmarshal(read(t, "kubernetes", "kustomization.yaml"), &k))
	binary, err := broker.Shoal.Binary()
	must(t, err)
	version, err := exec.Command(binary, "--version").Output()
	must(t, err)
	_, container := load(t).pod()
	if len(k.Images) != 1 || k.Images[0].Name != container.Image || !bytes.HasSuffix(bytes.TrimSpace(version), []byte(" "+k.Images[0].NewTag)) {
		t.Errorf("the image is %v for %q, this is %s", k.Images, container.Image, version)
	}
	if _, err := exec.LookPath("kubectl"); err != nil {
		t.Skip("kubectl is not installed")
	}
	out, err := exec.Command("kubectl", "kustomize", filepath.Join(files, "kubernetes")).CombinedOutput()
	if err != nil || bytes.Count(out, []byte("\n  namespace: shoal\n")) != len(listed(t)) {
		t.Errorf("kubectl kustomize: %v\n%s", err, out)
	}
}

func TestObjectsFindEachOther(t *testing.T) {
	o := load(t)
	pods := labels.Set(o.set.Spec.Template.Labels)
	selects := func(what string, match map[string]string) {
		t.Helper()
		if len(match) == 0 || !labels.SelectorFromSet(match).Matches(pods) {
			t.Errorf("%s does not select the pods: %v", what, match)
		}
	}
	selects("the set", o.set.Spec.Selector.MatchLabels)
	selects("the budget", o.budget.Spec.Selector.MatchLabels)
	selects("the network policy", o.network.Spec.PodSelector.MatchLabels)
	pod, container := o.pod()
	selects("the spread over machines", pod.TopologySpreadConstraints[0].LabelSelector.MatchLabels)

	ports := map[string]core.ContainerPort{}
	for _, p := range container.Ports {
		ports[p.Name] = p
	}
	port := func(what, name string, protocol core.Protocol) {
		t.Helper()
		if p, ok := ports[name]; !ok || orTCP(p.Protocol) != orTCP(protocol) {
			t.Errorf("%s: the pods have no port %s/%s", what, name, orTCP(protocol))
		}
	}
	for name, s := range o.services {
		selects("the service "+name, s.Spec.Selector)
		for _, p := range s.Spec.Ports {
			port("the service "+name, p.TargetPort.StrVal, p.Protocol)
			if p.Port != ports[p.TargetPort.StrVal].ContainerPort {
				t.Errorf("the service %s has %s on port %d, the pods on %d", name, p.Name, p.Port, ports[p.Name].ContainerPort)
			}
		}
	}
	for _, rule := range o.network.Spec.Ingress {
		for _, p := range rule.Ports {
			protocol := core.ProtocolTCP
			if p.Protocol != nil {
				protocol = *p.Protocol
			}
			port("the network policy", p.Port.StrVal, protocol)
		}
	}
	headless := o.services[o.set.Spec.ServiceName]
	if headless == nil || headless.Spec.ClusterIP != core.ClusterIPNone || !headless.Spec.PublishNotReadyAddresses {
		t.Errorf("the service %q does not name all pods", o.set.Spec.ServiceName)
	}
	if !slices.Contains(container.Args, "--join="+o.set.Spec.ServiceName) {
		t.Errorf("the servers do not look for each other at %s: %v", o.set.Spec.ServiceName, container.Args)
	}
	// With min-peers and one after the other, the first would wait for ever.
	if o.set.Spec.PodManagementPolicy != apps.ParallelPodManagement {
		t.Errorf("the pods start %s", o.set.Spec.PodManagementPolicy)
	}
	_, image := stages(t)
	var numbers []string
	for _, p := range container.Ports {
		numbers = append(numbers, fmt.Sprint(p.ContainerPort))
	}
	for _, exposed := range only[*instructions.ExposeCommand](t, image).Ports {
		if number, _, _ := strings.Cut(exposed, "/"); !slices.Contains(numbers, number) {
			t.Errorf("the pods do not have port %s of the image", exposed)
		}
	}
}

func orTCP(p core.Protocol) core.Protocol {
	if p == "" {
		return core.ProtocolTCP
	}
	return p
}

func TestPodEnds(t *testing.T) {
	o := load(t)
	pod, container := o.pod()
	flags := flagsOf(container)
	lame, err := time.ParseDuration(flags["lame_duck_duration"])
	must(t, err)
	if grace := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second; grace < lame+10*time.Second {
		t.Errorf("a pod is killed after %v, its lame duck takes up to %v", grace, lame)
	}
	if stop := container.Lifecycle.PreStop.Exec.Command; !slices.Equal(stop, []string{"/shoal", "leave"}) {
		t.Errorf("preStop is %v", stop)
	}
	if container.LivenessProbe.HTTPGet.Path == container.ReadinessProbe.HTTPGet.Path {
		t.Error("a server that leaves is killed, as it is not ready")
	}
	if got := o.budget.Spec.MaxUnavailable; got == nil || *got != intstr.FromInt32(1) {
		t.Errorf("the budget allows %v to be away", got)
	}
}

func TestPodIsConfined(t *testing.T) {
	o := load(t)
	pod, container := o.pod()
	_, image := stages(t)
	uid, gid := imageUser(t, image)
	s, c := pod.SecurityContext, container.SecurityContext
	if !*s.RunAsNonRoot || *s.RunAsUser != int64(uid) || *s.RunAsGroup != int64(gid) || s.SeccompProfile == nil {
		t.Errorf("the pods run as %+v", s)
	}
	if *c.AllowPrivilegeEscalation || !*c.ReadOnlyRootFilesystem || !slices.Equal(c.Capabilities.Drop, []core.Capability{"ALL"}) {
		t.Errorf("the container may do %+v", c)
	}
	if *pod.AutomountServiceAccountToken {
		t.Error("the servers get a token for Kubernetes")
	}
	limit := container.Resources.Limits.Memory().Value()
	budget := container.Resources.Requests.Memory().Value()
	if limit == 0 || budget == 0 {
		t.Error("the memory is not limited")
	}
	if flagsOf(container)["pending_budget"] != "256MB" || limit < 3*256_000_000 {
		t.Errorf("what may wait for clients is %s, of %d bytes", flagsOf(container)["pending_budget"], limit)
	}
	for _, e := range container.Env {
		if secret := strings.Contains(e.Name, "PASSWORD") || strings.Contains(e.Name, "KEY"); secret && e.ValueFrom.SecretKeyRef == nil {
			t.Errorf("%s is not from a secret", e.Name)
		}
	}
}

// flagsOf are the flags of the server in a pod, by name.
func flagsOf(c *core.Container) map[string]string {
	flags := map[string]string{}
	for _, arg := range c.Args {
		name, value, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		flags[name] = value
	}
	return flags
}

// pod is a server that runs as Kubernetes would run it.
type pod struct {
	cmd   *exec.Cmd
	env   []string
	log   *logBuffer
	ended <-chan struct{}
	ports struct{ NATS, Cluster, Monitoring []string }
}

// startPod starts one with the command line of the set, on ports that nobody has.
func startPod(t *testing.T, c *core.Container, name, join string) *pod {
	t.Helper()
	binary, err := broker.Shoal.Binary()
	must(t, err)
	dir := t.TempDir()
	env := map[string]string{"POD_NAME": name, "CLUSTER_PASSWORD": "0123456789abcdef", "XDG_RUNTIME_DIR": dir,
		"SHOAL_GOSSIP_KEY": "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="}
	p := &pod{}
	for _, e := range c.Env {
		if _, ok := env[e.Name]; !ok {
			env[e.Name] = e.Value
		}
	}
	local := []string{"=shoal-cluster", "=" + join, "0.0.0.0:6222", "127.0.0.1:-1", "=8222", "=-1"}
	for k, v := range env {
		p.env = append(p.env, k+"="+v)
		local = append(local, "$("+k+")", v)
	}
	args := []string{"-a", "127.0.0.1", "-p", "-1", "--ports_file_dir", dir}
	for _, arg := range c.Args {
		args = append(args, strings.NewReplacer(local...).Replace(arg))
	}
	p.cmd = exec.Command(binary, args...)
	p.cmd.Env = p.env
	p.log, p.ended = process(t, p.cmd)
	eventually(t, "it writes its ports file", func() bool {
		content, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("shoal_%d.ports", p.cmd.Process.Pid)))
		return err == nil && json.Unmarshal(content, &p.ports) == nil
	})
	return p
}

// passes reports whether a probe of the server succeeds.
func (p *pod) passes(probe *core.Probe) bool {
	client := http.Client{Timeout: patience}
	defer client.CloseIdleConnections()
	response, err := client.Get(p.ports.Monitoring[0] + probe.HTTPGet.Path)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode < 400
}

func TestPodsRun(t *testing.T) {
	o := load(t)
	_, c := o.pod()
	var pods []*pod
	join := "127.0.0.1:1"
	for i := range int(*o.set.Spec.Replicas) {
		p := startPod(t, c, fmt.Sprintf("shoal-%d", i), join)
		if i == 0 && p.passes(c.ReadinessProbe) {
			t.Error("a server without any other is ready")
		}
		join = strings.TrimPrefix(p.ports.Cluster[0], "nats://")
		pods = append(pods, p)
	}
	for _, p := range pods {
		eventually(t, "it is started, ready and alive", func() bool {
			return p.passes(c.StartupProbe) && p.passes(c.ReadinessProbe) && p.passes(c.LivenessProbe)
		})
	}
	leaving := pods[2]
	client, err := net.Dial("tcp", strings.TrimPrefix(leaving.ports.NATS[0], "nats://"))
	must(t, err)
	defer client.Close()
	fmt.Fprintf(client, "CONNECT {\"protocol\":1}\r\nPING\r\n")
	buf := make([]byte, 64<<10)
	for got := ""; !strings.Contains(got, "PONG"); {
		n, err := client.Read(buf)
		must(t, err)
		got += string(buf[:n])
	}

	stop := exec.Command(leaving.cmd.Path, c.Lifecycle.PreStop.Exec.Command[1:]...)
	stop.Env = leaving.env
	if out, err := stop.CombinedOutput(); err != nil {
		t.Fatalf("preStop: %v, %s", err, out)
	}
	must(t, leaving.cmd.Process.Signal(syscall.SIGTERM)) // as Kubernetes does then
	eventually(t, "TERM has arrived", func() bool { return strings.Contains(leaving.log.String(), "Ignored the signal") })
	if leaving.passes(c.ReadinessProbe) || !leaving.passes(c.LivenessProbe) {
		t.Error("a lame duck is ready, or not alive")
	}
	must(t, client.Close())
	ends(t, leaving.cmd, leaving.ended)
	for _, p := range pods[:2] {
		if !p.passes(c.ReadinessProbe) || !p.passes(c.LivenessProbe) {
			t.Error("a server is not ready because another has gone")
		}
	}
}
