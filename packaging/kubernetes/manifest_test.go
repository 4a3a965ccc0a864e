// Package kubernetes_test holds the manifest to the types of Kubernetes' API, and to what it must
// say for a pod to stop without a lost request.
package kubernetes_test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"sigs.k8s.io/json"
	"sigs.k8s.io/yaml"
)

const manifest = "relevo.yaml"

// What relevo does in a pod where nothing is set: internal/cli/container.go.
const (
	drain   = 27 * time.Second
	grace   = time.Second
	reserve = 2 * time.Second
)

// decode is strict as the API's server is: a field that the type does not have is an error, also
// where only its case is wrong, and so is one that occurs twice or has a value of another type.
func decode(document []byte, into any) error {
	text, err := yaml.YAMLToJSONStrict(document)
	if err != nil {
		return err
	}
	strict, err := json.UnmarshalStrict(text, into)
	return errors.Join(append(strict, err)...)
}

func read(t *testing.T, text []byte) (d appsv1.Deployment, s corev1.Service, b policyv1.PodDisruptionBudget) {
	t.Helper()
	for document := range bytes.SplitSeq(text, []byte("\n---\n")) {
		var is metav1.TypeMeta
		if err := yaml.Unmarshal(document, &is); err != nil {
			t.Fatal(err)
		}
		into, known := map[string]any{
			"apps/v1 Deployment": &d, "v1 Service": &s, "policy/v1 PodDisruptionBudget": &b,
		}[is.APIVersion+" "+is.Kind]
		if !known {
			t.Fatalf("%s %s is not expected", is.APIVersion, is.Kind)
		}
		if err := decode(document, into); err != nil {
			t.Errorf("%s: %v", is.Kind, err)
		}
	}
	return d, s, b
}

func load(t *testing.T) []byte {
	t.Helper()
	text, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestUnknownFields: the decoding sees what is misspelt.
func TestUnknownFields(t *testing.T) {
	whole, _, _ := strings.Cut(string(load(t)), "\n---\n")
	for _, change := range []struct{ from, to string }{
		{"preStop:", "prestop:"}, {"readinessProbe:", "readynessProbe:"}, {"seconds: 5", `seconds: "5s"`},
		{"periodSeconds: 2", "period: 2"}, {"replicas: 3", "replicas: three"},
	} {
		document := strings.Replace(whole, change.from, change.to, 1)
		if err := decode([]byte(document), &appsv1.Deployment{}); err == nil || document == whole {
			t.Errorf("%s is accepted", change.to)
		}
	}
}

// TestManifest: the documents fit the API, and each other.
func TestManifest(t *testing.T) {
	d, service, budget := read(t, load(t))
	pod := labels.Set(d.Spec.Template.Labels)
	for name, selector := range map[string]*metav1.LabelSelector{
		"Deployment": d.Spec.Selector, "PodDisruptionBudget": budget.Spec.Selector,
		"Service": {MatchLabels: service.Spec.Selector},
	} {
		if s, err := metav1.LabelSelectorAsSelector(selector); err != nil || s.Empty() || !s.Matches(pod) {
			t.Errorf("%s does not select the pods %v: %v", name, pod, err)
		}
	}
	if d.Name == "" || service.Name == "" || budget.Name == "" || len(d.Spec.Template.Spec.Containers) != 1 {
		t.Fatalf("a name, or the container, is missing")
	}
	c := d.Spec.Template.Spec.Containers[0]
	for _, p := range service.Spec.Ports {
		if portOf(c, p.TargetPort.StrVal) == 0 {
			t.Errorf("the container has no port %q", p.TargetPort.StrVal)
		}
	}
	if roll := d.Spec.Strategy.RollingUpdate; roll.MaxUnavailable.IntValue() != 0 || roll.MaxSurge.IntValue() < 1 {
		t.Errorf("pods leave before others are ready: %+v", roll)
	}
}

// TestStop: the pod's time to stop is long enough for preStop, the drain, and what follows.
func TestStop(t *testing.T) {
	d, _, _ := read(t, load(t))
	pod := d.Spec.Template.Spec
	pause := time.Duration(pod.Containers[0].Lifecycle.PreStop.Sleep.Seconds) * time.Second
	has := time.Duration(*pod.TerminationGracePeriodSeconds) * time.Second
	if needs := pause + drain + grace + reserve; pause <= 0 || has < needs {
		t.Errorf("terminationGracePeriodSeconds is %s, preStop sleeps %s: a stop needs %s", has, pause, needs)
	}
}

// TestProbes: the kubelet asks where relevo answers.
func TestProbes(t *testing.T) {
	d, _, _ := read(t, load(t))
	c := d.Spec.Template.Spec.Containers[0]
	for path, probe := range map[string]*corev1.Probe{"/readyz": c.ReadinessProbe, "/livez": c.LivenessProbe} {
		get := probe.HTTPGet
		if at := flag(c, "--metrics"); get == nil || get.Path != path || !reaches(portOf(c, get.Port.StrVal), at) {
			t.Errorf("the probe of %s asks %+v; relevo answers at %q", path, get, at)
		}
	}
	if at := flag(c, "-l"); !reaches(portOf(c, "http"), at) {
		t.Errorf("the port http does not lead to %q", at)
	}
}

func flag(c corev1.Container, name string) string {
	return c.Command[min(slices.Index(c.Command, name), len(c.Command)-2)+1]
}

// reaches says whether a client outside of the container gets to an address by a port.
func reaches(port int32, address string) bool {
	host, number, err := net.SplitHostPort(address)
	return err == nil && number == fmt.Sprint(port) && (host == "" || host == "0.0.0.0" || host == "::")
}

func portOf(c corev1.Container, name string) int32 {
	i := slices.IndexFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.Name == name })
	if i < 0 {
		return 0
	}
	return c.Ports[i].ContainerPort
}
