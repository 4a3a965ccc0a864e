package cli

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
)

func TestContainer(t *testing.T) {
	for name, c := range map[string]struct {
		pid, parent int
		first       string
		env         string        // a variable that is set
		drain       time.Duration // explicit
		want        time.Duration // drain timeout
		says        string
	}{
		"a machine":       {pid: 77, parent: 1, first: "systemd", want: 30 * time.Second},
		"a shell's child": {pid: 77, parent: 70, first: "tini", want: 30 * time.Second},
		"docker": {pid: 1, want: 7 * time.Second,
			says: "INFO a stop takes 8s at most, and docker stop kills after 10s"},
		"docker run --init": {pid: 7, parent: 1, first: "docker-init", want: 7 * time.Second,
			says: "INFO a stop takes 8s at most"},
		"Kubernetes": {pid: 1, env: "KUBERNETES_SERVICE_HOST", want: 27 * time.Second,
			says: "INFO a stop takes 28s at most, and Kubernetes kills after 30s"},
		"explicit, too long": {pid: 1, drain: 30 * time.Second, want: 30 * time.Second,
			says: "WARN a stop may take 31s, but docker stop kills after 10s if it is given no more time: docker stop -t 33"},
		"explicit, a bit": {pid: 1, drain: 7500 * time.Millisecond, want: 7500 * time.Millisecond, says: "-t 11"},
		"explicit, Kubernetes": {pid: 1, env: "KUBERNETES_SERVICE_HOST", drain: time.Minute, want: time.Minute,
			says: "terminationGracePeriodSeconds: 63, and the seconds of preStop"},
		"Kubernetes, shared processes": {pid: 7, parent: 0, first: "pause", env: "KUBERNETES_SERVICE_HOST",
			want: 27 * time.Second, says: "INFO a stop takes 28s at most"},
		"Nomad": {pid: 1, env: "NOMAD_ALLOC_ID", want: 2 * time.Second,
			says: "INFO a stop takes 3s at most, and Nomad kills after 5s"},
		"explicit, Nomad": {pid: 1, env: "NOMAD_ALLOC_ID", drain: 27 * time.Second, want: 27 * time.Second,
			says: `WARN a stop may take 28s, but Nomad kills after 5s if it is given no more time: kill_timeout = "30s"`},
		"Nomad, raw_exec":    {pid: 77, parent: 1, first: "systemd", env: "NOMAD_ALLOC_ID", want: 30 * time.Second},
		"explicit and short": {pid: 1, drain: time.Second, want: time.Second, says: "INFO a stop takes 2s at most"},
	} {
		getenv := func(name string) string {
			if name == c.env {
				return "10.0.0.1"
			}
			return ""
		}
		k := findContainer(c.pid, c.parent, func(int) string { return c.first }, getenv)
		app := k.fit(config.Default())
		if c.drain > 0 {
			app.DrainTimeout = c.drain
		}
		var log bytes.Buffer
		k.tell(slog.New(slog.NewTextHandler(&log, nil)), app)
		said := strings.NewReplacer("level=", "", ` msg="in a container:`, "", `\"`, `"`).Replace(log.String())
		if app.DrainTimeout != c.want || !strings.Contains(said, c.says) || c.says == "" && said != "" {
			t.Errorf("%s: drain %s, says %q; want %s and %q", name, app.DrainTimeout, said, c.want, c.says)
		}
	}
}
