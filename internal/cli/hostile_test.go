package cli

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"relevo/internal/config"
	"relevo/internal/control"
	"relevo/internal/printable"
	"relevo/pool"
	"relevo/pool/machine"
)

// hostile is text that a worker, or a program that poses as a master, may send: it sets the title
// and the clipboard, clears the screen, and begins a row of its own.
const hostile = "\x1b]0;owned\a\x1b]52;c;eA==\x1b\\\x1b[2J\u009b31m\x9b1m\u202eevil\r\n9  99  faked row"

// falseMaster answers every request on a control socket with hostile text in every field, and
// returns the runtime directory.
func falseMaster(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rlv")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	listener, err := net.Listen("unix", filepath.Join(dir, "web.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(answerHostile)}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-served })
	return dir
}

func answerHostile(w http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	info := &pool.Info{Path: hostile, SHA256: hostile, Version: hostile, Directory: hostile}
	short := &pool.Info{SHA256: "a"}
	worker := pool.Worker{ID: hostile, State: hostile, Text: hostile, Release: info,
		LastExit: &pool.ExitStatus{Error: hostile}, Respawns: 1}
	waiting := worker
	waiting.Retry = time.Now()
	waiting.Release = short
	answers := map[string]any{
		"status": control.Status{
			Name: hostile, Version: hostile, Listeners: []control.Listener{{Name: hostile, Address: hostile}}, Config: hostile,
			UpgradeFailed: hostile, Warnings: []string{hostile},
			Status: pool.Status{State: "rolling", Release: info, Rolling: short, Workers: []pool.Worker{worker, waiting},
				LastRoll: &pool.RollResult{Result: hostile, Reason: hostile}},
		},
		"reload": pool.RollResult{Result: machine.RolledBack, Reason: hostile, Hint: hostile, Worker: hostile, Slot: new(int),
			Tail: []string{hostile}},
		"plan": control.Plan{Running: *info, Next: *short, Refused: hostile,
			Changes: []config.Change{{Key: hostile, Old: hostile, New: hostile, Applies: hostile}}},
		"releases": control.Releases{Releases: []control.Release{{SHA256: hostile, Version: hostile, Verdict: hostile,
			Reason: hostile, Directory: hostile}}},
		"promote": pool.Canary{ID: hostile, Share: hostile, Hint: hostile},
		"abort": pool.RollResult{Result: machine.Failed, Reason: hostile, Hint: hostile, Worker: hostile, Slot: new(int),
			Tail: []string{hostile}},
		"send": control.Reached{Workers: []string{hostile}},
	}
	verb := strings.TrimPrefix(r.URL.Path, "/v1/")
	switch answer, known := answers[verb]; {
	case verb == "events":
		for _, step := range []pool.Step{pool.StepBegan, pool.StepProbation, pool.StepCanary, pool.StepReplaced,
			pool.StepReverting, pool.StepReverted, pool.StepEnded} {
			json.NewEncoder(w).Encode(pool.Event{Kind: pool.KindRoll, Step: step, ID: hostile, Reason: hostile, Hint: hostile,
				Share: hostile, Release: info,
				Data: json.RawMessage("\"\u009b\x9b\u202e\"")})
		}
	case known:
		json.NewEncoder(w).Encode(answer)
	default:
		w.WriteHeader(http.StatusInternalServerError)
		json.NewEncoder(w).Encode(map[string]any{"error": hostile, "exit": 0})
	}
}

// TestFalseMaster: of the answers on a control socket, only printable text reaches the terminal,
// and each text stays on its own line.
func TestFalseMaster(t *testing.T) {
	t.Setenv("RELEVO_RUNTIME_DIR", falseMaster(t))
	for _, command := range []string{
		"status web", "status web --json", "list", "list --json", "reload web", "reload web --dry-run", "releases web",
		"rollback web", "promote web", "abort web",
		"send web 1", "signal web HUP", "scale web 3", "upgrade web", "stop web --no-wait", "status " + hostile,
	} {
		t.Run(command, func(t *testing.T) {
			code, out := runMain(t, strings.SplitN(command, " ", 4)...)
			if at := strings.IndexFunc(strings.ReplaceAll(out, "\n", ""), printable.Unsafe); at >= 0 {
				t.Errorf("%s prints %q", command, out)
			}
			if strings.Contains(out, "\n9  99") && !strings.Contains(command, "upgrade") && code != control.ExitFailure {
				t.Errorf("%s prints a row that was made up:\n%s", command, out)
			}
			if code == control.ExitOK && (strings.HasPrefix(command, "reload web") || strings.HasPrefix(command, "scale")) {
				t.Errorf("%s ends with 0 although it was refused", command)
			}
		})
	}
}

// runMain runs a command and returns all its output.
func runMain(t *testing.T, args ...string) (code int, out string) {
	t.Helper()
	file, err := os.CreateTemp(t.TempDir(), "out")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	code = Main(args, strings.NewReader(""), file, file)
	text, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	return code, string(text)
}

// The events of a false master, one line each.
func TestFalseMasterEvents(t *testing.T) {
	t.Setenv("RELEVO_RUNTIME_DIR", falseMaster(t))
	c := &cli{getenv: os.Getenv}
	var err error
	if c.stdout, err = os.CreateTemp(t.TempDir(), "out"); err != nil {
		t.Fatal(err)
	}
	defer c.stdout.Close()
	client, err := control.Connect(t.Context(), filepath.Join(os.Getenv("RELEVO_RUNTIME_DIR"), "web.sock"))
	if err != nil {
		t.Fatal(err)
	}
	events, err := client.Events(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := c.printEvents(events); err != nil {
		t.Fatal(err)
	}
	out, err := os.ReadFile(c.stdout.Name())
	if err != nil {
		t.Fatal(err)
	}
	if lines := bytes.Count(out, []byte("\n")); lines != 7 || bytes.ContainsFunc(bytes.ReplaceAll(out, []byte("\n"), nil),
		printable.Unsafe) {
		t.Errorf("%d lines: %q", lines, out)
	}
}

// TestLogIsPrintable: the log escapes control characters in every format.
func TestLogIsPrintable(t *testing.T) {
	for _, format := range []string{"text", "json", "auto"} {
		var out bytes.Buffer
		c := &cli{logFormat: format, logLevel: "info", stderr: os.Stderr}
		log, err := c.logger(&out)
		if err != nil {
			t.Fatal(err)
		}
		log.Info(hostile, "text", hostile, "err", errors.New(hostile), slog.Group("group", "text", hostile))
		if text := out.String(); strings.Count(text, "\n") > 2 || strings.ContainsFunc(strings.ReplaceAll(text, "\n", ""),
			printable.Unsafe) {
			t.Errorf("%s: %q", format, text)
		}
	}
}
