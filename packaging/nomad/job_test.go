// Package nomad_test holds the job to the types of Nomad's API, and to what it must say for a
// container to stop without a lost request.
//
// The parser of job files is no open-source library. So the file is parsed as HCL, and each
// attribute and block is looked up in the types of the API, whose tags that parser follows.
package nomad_test

import (
	"fmt"
	"net"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/nomad/api"
)

const path = "relevo.nomad.hcl"

// file is a job file: job "NAME" { … }.
type file struct {
	Jobs []job `hcl:"job,block"`
}

type job struct {
	Label string `hcl:",label"`
	api.Job
}

func parse(t *testing.T, text string) *hclsyntax.Body {
	t.Helper()
	parsed, problems := hclparse.NewParser().ParseHCL([]byte(text), path)
	if problems.HasErrors() {
		t.Fatal(problems)
	}
	return parsed.Body.(*hclsyntax.Body)
}

func load(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestJob: every block, attribute and value of the file is one of the API.
func TestJob(t *testing.T) {
	if errs := check(parse(t, load(t)), reflect.TypeFor[file]()); len(errs) > 0 {
		t.Errorf("%q", errs)
	}
}

// TestMisspelt: the check sees what the API does not have.
func TestMisspelt(t *testing.T) {
	for _, change := range []struct{ from, to string }{
		{"shutdown_delay", "shutdown_wait"}, {`"30s"`, `"30"`}, {"check {", "probe {"}, {"count          = 3", `count = "3"`},
		{`group "shop"`, "group"}, {"readonly_rootfs", "read_only"}, {`ports           = ["http", "relevo"]`, "ports = 1"},
		{"auto_revert      = true", "auto_revert = 1"}, {`port "relevo" {`, `port "relevo" "x" {`},
	} {
		text := strings.Replace(load(t), change.from, change.to, 1)
		if text == load(t) {
			t.Errorf("%q is not in the file", change.from)
		}
		if errs := check(parse(t, text), reflect.TypeFor[file]()); len(errs) != 1 {
			t.Errorf("%s: %q", change.to, errs)
		}
	}
}

// TestStop: the task's time to stop is long enough for the drain and what follows, and clients learn
// before the signal that the container leaves.
func TestStop(t *testing.T) {
	body := parse(t, load(t))
	const grace, reserve = time.Second, 2 * time.Second // internal/cli/container.go
	drain, kill := duration(t, body, "job.group.task.env.RELEVO_DRAIN_TIMEOUT"),
		duration(t, body, "job.group.task.kill_timeout")
	if kill < drain+grace+reserve {
		t.Errorf("kill_timeout is %s: a stop needs %s", kill, drain+grace+reserve)
	}
	if most := 30 * time.Second; kill > most {
		t.Errorf("kill_timeout is %s: clients of Nomad allow %s where max_kill_timeout is not set", kill, most)
	}
	if duration(t, body, "job.group.shutdown_delay") <= 0 {
		t.Error("the signal comes while clients are still sent here")
	}
}

// TestUpdate: no container leaves before all new ones are up.
func TestUpdate(t *testing.T) {
	body := parse(t, load(t))
	if canary, count := find(t, body, "job.group.update.canary"), find(t, body, "job.group.count"); canary != count {
		t.Errorf("canary is %v, count %v", canary, count)
	}
}

// TestAddresses: the ports lead to where relevo listens, and the check asks where it answers.
func TestAddresses(t *testing.T) {
	body := parse(t, load(t))
	args := find(t, body, "job.group.task.config.args").([]any)
	for flag, port := range map[string]string{
		"-l":        find(t, body, "job.group.service.port").(string),
		"--metrics": find(t, body, "job.group.service.check.port").(string),
	} {
		at := slices.Index(args, any(flag))
		to := find(t, body, "job.group.network.port "+port+".to")
		host, number, err := net.SplitHostPort(fmt.Sprint(args[at+1]))
		if at < 0 || err != nil || number != fmt.Sprint(to) || host != "" && host != "0.0.0.0" {
			t.Errorf("%s of %q is not the port %s, %v", flag, args, port, to)
		}
		if !slices.Contains(find(t, body, "job.group.task.config.ports").([]any), any(port)) {
			t.Errorf("the container has no port %s", port)
		}
	}
	if at := find(t, body, "job.group.service.check.path"); at != "/readyz" {
		t.Errorf("the check asks for %v", at)
	}
}

// find returns the value of an attribute. A step of its path may have a label: "port http".
func find(t *testing.T, body *hclsyntax.Body, path string) any {
	t.Helper()
	steps := strings.Split(path, ".")
	for _, step := range steps[:len(steps)-1] {
		kind, label, _ := strings.Cut(step, " ")
		i := slices.IndexFunc(body.Blocks, func(b *hclsyntax.Block) bool {
			return b.Type == kind && (label == "" || slices.Equal(b.Labels, []string{label}))
		})
		if i < 0 {
			t.Fatalf("%s: no %s", path, step)
		}
		body = body.Blocks[i].Body
	}
	attribute := body.Attributes[steps[len(steps)-1]]
	if attribute == nil {
		t.Fatalf("there is no %s", path)
	}
	return value(attribute.Expr)
}

func duration(t *testing.T, body *hclsyntax.Body, path string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(find(t, body, path).(string))
	if err != nil {
		t.Errorf("%s: %v", path, err)
	}
	return d
}
