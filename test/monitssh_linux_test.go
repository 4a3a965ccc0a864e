package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"relevo/internal/testreq"
)

// TestMonitOverSSH: over a real sshd monit follows the size of the window, asks before it acts,
// restores the terminal, and ends when the connection is cut.
func TestMonitOverSSH(t *testing.T) {
	takesLong(t)
	t.Parallel()
	pgrep := testreq.Program(t, "pgrep")
	s := newSite(t, "-n", "2", "--watch-binary=false")
	over := s.sshCommand()
	p := newPane(s)
	remote := fmt.Sprintf("%s 'RELEVO_RUNTIME_DIR=%[2]s/run RELEVO_STATE_DIR=%[2]s/state exec %[2]s/relevo monit site'",
		over, s.dir)
	if err := writeProgram(filepath.Join(s.dir, "remote"), []byte("#!/bin/sh\n"+remote+"\n")); err != nil {
		t.Fatal(err)
	}
	s.settled(2)
	p.types("./remote; echo code $?", "Enter")
	p.shows(`│ (?s:.*)serving.*\n.*serving`)
	p.run("resize-window", "-x", "60", "-y", "20")
	p.shows(`(?s)────.*SLOT.*serving.*▾ log`)
	p.types("r")
	p.shows(`roll site: replace 2 workers\? y/n`)
	p.types("n", "q")
	p.shows(`(?m)^code 0$`)
	if flags := p.run("display-message", "-p", "#{alternate_on}#{mouse_any_flag}#{cursor_flag}"); flags != "001\n" {
		t.Errorf("afterwards alternate screen, mouse and cursor are %s", flags)
	}
	p.types("clear; ./remote", "Enter")
	p.shows(`(?s)────.*SLOT.*serving.*▾ log`)
	runs := func() bool { return exec.Command(pgrep, "-f", "^"+s.dir+"/relevo monit").Run() == nil }
	if !runs() {
		t.Error("monit is not found while it runs")
	}
	p.types("Enter", "~", ".") // ssh's escape, which cuts the connection
	s.await("the end of monit", func() bool { return !runs() })
}

// sshCommand is a command that logs in here on a terminal, with its own keys. The sshd has no port:
// ssh starts it.
func (s *site) sshCommand() string {
	s.t.Helper()
	const sshd, chroot = "/usr/sbin/sshd", "/run/sshd"
	ssh, keygen := testreq.Program(s.t, "ssh"), testreq.Program(s.t, "ssh-keygen")
	if _, err := os.Stat(sshd); err != nil {
		testreq.Missing(s.t, "program sshd is not installed")
	}
	if os.Geteuid() == 0 && os.Mkdir(chroot, 0o755) == nil { // otherwise its unit has made it
		s.t.Cleanup(func() { os.Remove(chroot) })
	}
	for _, key := range []string{"host", "key"} {
		path := filepath.Join(s.dir, key)
		if out, err := exec.Command(keygen, "-q", "-t", "ed25519", "-N", "", "-f", path).CombinedOutput(); err != nil {
			s.t.Fatalf("%v\n%s", err, out)
		}
	}
	config := fmt.Sprintf("HostKey %[1]s/host\nAuthorizedKeysFile %[1]s/key.pub\nStrictModes no\nUsePAM no\n"+
		"PermitRootLogin prohibit-password\nPasswordAuthentication no\nPidFile none\n", s.dir)
	if err := os.WriteFile(filepath.Join(s.dir, "sshd.conf"), []byte(config), 0o600); err != nil {
		s.t.Fatal(err)
	}
	return fmt.Sprintf("%s -F none -i %[2]s/key -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "+
		"-o LogLevel=ERROR -o 'ProxyCommand=%[3]s -i -e -f %[2]s/sshd.conf' -tt here", ssh, s.dir, sshd)
}
