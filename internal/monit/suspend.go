package monit

import (
	"os"
	"os/signal"
	"syscall"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"

	"relevo/internal/procfs"
)

// suspend gives the terminal back, stops the process group as Ctrl-Z does, and takes the
// terminal again when it continues. SIGTSTP itself has a handler and stops nothing.
func suspend(p *tea.Program) {
	if !continuable() {
		return
	}
	defer p.RestoreTerminal() // also what was given back in part
	if p.ReleaseTerminal() != nil {
		return
	}
	// Another thread than this one may stop first: so this one waits for the shell, and does not
	// take the terminal just before it stops, too.
	goesOn := make(chan os.Signal, 1)
	signal.Notify(goesOn, syscall.SIGCONT)
	defer signal.Stop(goesOn)
	if syscall.Kill(0, syscall.SIGSTOP) == nil {
		<-goesOn
	}
}

// continuable says whether a shell could continue this process group: the parent of the group, in
// another group of the session. Without one, as in ssh -t HOST relevo monit, the
// group would stay stopped forever, and the kernel ignores Ctrl-Z.
func continuable() bool {
	group, err := unix.Getpgid(0)
	if err != nil {
		return false
	}
	session, _ := unix.Getsid(0)
	for pid := os.Getpid(); pid > 1; {
		stat, err := procfs.Of(pid).Stat()
		if err != nil {
			return false
		}
		pid = stat.Parent()
		if its, err := unix.Getpgid(pid); err != nil || its != group {
			of, err := unix.Getsid(pid)
			return err == nil && of == session
		}
	}
	return false
}
