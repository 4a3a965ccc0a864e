package cli

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/config"
	"relevo/internal/journal"
)

// TestMasterLogFields: a line about a worker has the worker's fields, and a line of a logger has
// the logger's fields. Attributes in a group become no fields.
func TestMasterLogFields(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "socket")
	receives, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer receives.Close()
	stderr, err := os.Create(filepath.Join(t.TempDir(), "stderr"))
	if err != nil {
		t.Fatal(err)
	}
	defer stderr.Close()
	c := &cli{logFormat: "auto", logLevel: "info", stderr: stderr}
	queue := newLogQueue(stderr)
	to := journal.Of(func(string) string { return streamOf(t, stderr) }, socket, stderr)
	log, err := c.journalLog(config.App{Name: "web"}, queue, to)
	if err != nil {
		t.Fatal(err)
	}
	log.Info("worker ready", "slot", 0, "worker", "7", "pid", 42, "gen", 3, "took", "1s")
	log.With("slot", 1).Error("worker died")
	log.WithGroup("other").Warn("a line", "slot", 5)
	log.Debug("not shown")
	for _, want := range []string{
		"PRIORITY=6 RELEVO_APP=web RELEVO_GENERATION=3 RELEVO_PID=42 RELEVO_SLOT=0 RELEVO_STREAM=log RELEVO_WORKER=7",
		"PRIORITY=3 RELEVO_APP=web RELEVO_SLOT=1 RELEVO_STREAM=log",
		"PRIORITY=4 RELEVO_APP=web RELEVO_STREAM=log",
	} {
		if got := receive(t, receives); strings.Join(strings.Fields(got), " ") != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	receives.Close()
	os.Remove(socket)
	log.Info("the journal has gone", "slot", 1)
	queue.close()
	if text, _ := os.ReadFile(stderr.Name()); !bytes.Contains(text, []byte(`msg="the journal has gone" slot=1`)) ||
		bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("stderr has %q", text)
	}
}

// receive is the sorted fields of an entry, except its text and the name of the program.
func receive(t *testing.T, from *net.UnixConn) string {
	t.Helper()
	entry := make([]byte, 4096)
	n, err := from.Read(entry)
	if err != nil {
		t.Fatal(err)
	}
	var fields []string
	for line := range strings.Lines(string(entry[:n])) {
		if !strings.HasPrefix(line, "MESSAGE=") && line != "SYSLOG_IDENTIFIER=relevo\n" {
			fields = append(fields, line)
		}
	}
	slices.Sort(fields)
	return strings.Join(fields, "")
}

func streamOf(t *testing.T, file *os.File) string {
	t.Helper()
	var is syscall.Stat_t
	if err := syscall.Fstat(int(file.Fd()), &is); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%d", is.Dev, is.Ino)
}

// TestPriority: each level of slog has a priority of syslog(3).
func TestPriority(t *testing.T) {
	for level, want := range map[slog.Level]string{slog.LevelDebug: "7", slog.LevelInfo: "6", slog.LevelWarn: "4",
		slog.LevelError: "3", slog.LevelError + 4: "3", slog.LevelInfo + 1: "6"} {
		if got := priority(level); got != want {
			t.Errorf("%v has priority %s, want %s", level, got, want)
		}
	}
}
