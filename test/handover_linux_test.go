package test

import (
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"relevo/internal/control"
	"relevo/internal/testport"
)

// succeedFrom starts a process that takes over the app from its master, and waits until it serves.
func (s *site) succeedFrom(args ...string) {
	s.t.Helper()
	former := s.ended
	s.run(append([]string{"run", "--succeed", "site"}, args...)...)
	<-former
	s.await("the next master", func() bool {
		status, err := s.client.Status(s.t.Context())
		return err == nil && status.PID == s.master.Process.Pid
	})
}

// TestHandOver: processes that were not started by a master take over an app, one after the other,
// under load. A program that binds its own port keeps its socket.
func TestHandOver(t *testing.T) {
	t.Parallel()
	address := testport.Address(t)
	for name, command := range map[string][]string{
		"inherits": {"-l", "127.0.0.1:0", "--", "./app"},
		"binds":    {"-l", address, "--", "./app", address},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := emptySite(t)
			if name == "binds" {
				s.release("1", "binds")
			}
			words := append([]string{"--name", "site", "-n", "2"}, command...)
			s.start(append([]string{"run"}, words...)...)
			before := s.settled(2)
			load := s.load()
			for range 3 {
				s.succeedFrom(words...)
			}
			if after := s.settled(2); !slices.Equal(before, after) {
				t.Errorf("workers %v serve, before: %v", after, before)
			}
			if code, said := s.relevo("reload", "site"); code != 0 {
				t.Errorf("the reload: exit code %d: %s", code, said)
			}
			s.upgrade()
			if report := load(); report.Lost() > 0 || report.Total.OK == 0 {
				t.Errorf("%d requests lost: %+v", report.Lost(), report.Samples)
			}
		})
	}
}

// TestHandOverFails: a process that cannot take over changes nothing.
func TestHandOverFails(t *testing.T) {
	t.Parallel()
	s := newSite(t, "-n", "2")
	before, master := s.settled(2), s.master.Process.Pid
	load := s.load()
	cmd := s.command()
	cmd.Path, cmd.Args = "/bin/sh", []string{"sh", "-c", // there is no room for the files
		"ulimit -n 16; exec ./relevo run --succeed site --name site -l 127.0.0.1:0 -n 2 -- ./app"}
	if err := cmd.Run(); err == nil {
		t.Error("a process without room for the files exited with 0")
	}
	if !strings.Contains(s.log.String(), "cannot take over from the running master") {
		t.Errorf("the reason is not logged:\n%s", s.log)
	}
	deaf := filepath.Join(s.dir, "deaf")
	listener, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: deaf, Net: "unixpacket"})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		if conn, err := listener.Accept(); err == nil {
			conn.Close() // like a process that dies
		}
	}()
	for _, socket := range []string{deaf, filepath.Join(s.dir, "nobody")} {
		var err error
		s.await("the end of the previous attempt", func() bool {
			err = s.client.HandOver(t.Context(), socket)
			return control.ExitCode(err) != control.ExitBusy
		})
		if control.ExitCode(err) != control.ExitRollFailed {
			t.Errorf("handed over to %s: %v", socket, err)
		}
	}
	if status := s.status(); status.PID != master {
		t.Errorf("pid %d is the master, want %d", status.PID, master)
	}
	if after := s.settled(2); !slices.Equal(before, after) {
		t.Errorf("workers %v serve, before: %v", after, before)
	}
	if report := load(); report.Lost() > 0 {
		t.Errorf("%d requests lost: %+v", report.Lost(), report.Samples)
	}
}
