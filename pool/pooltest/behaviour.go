package pooltest

import (
	"syscall"
	"time"

	"relevo/internal/ipc"
)

// Each behaviour also ends when the test ends the process.

// Obedient serves at once and exits when it is asked to leave.
func Obedient(p *Process) {
	p.Online()
	p.Ready()
	leave(p)
}

// Polite is Obedient by message: it greets, and tells how far its drain is.
func Polite(p *Process) {
	p.Online()
	p.Say(ipc.Hello{Protocol: ipc.Protocol})
	p.Ready()
	select {
	case <-p.Asked():
	case <-p.Gone():
		return
	}
	p.Say(ipc.Draining{Open: 1})
	p.Say(ipc.Drained{})
	p.Disconnect("the worker closed its end")
	leave(p)
}

// Watchful is Obedient and answers each ping.
func Watchful(p *Process) {
	p.Online()
	p.Say(ipc.Hello{Protocol: ipc.Protocol, Pong: true})
	p.Ready()
	for {
		select {
		case <-p.Pinged():
			p.Say(ipc.Pong{})
		case <-p.Asked():
			leave(p)
			return
		case <-p.Gone():
			return
		}
	}
}

// Stubborn serves at once and ends only by SIGKILL.
func Stubborn(p *Process) {
	p.Online()
	p.Ready()
	select {
	case <-p.Killed():
		p.Die(syscall.SIGKILL)
	case <-p.Gone():
	}
}

// Broken writes a line and exits with code 1 before it is ready.
func Broken(p *Process) {
	p.Online()
	p.Write("panic: no database")
	p.Exit(1)
}

// Mute never says that it is ready, and exits when it is asked to leave.
func Mute(p *Process) {
	p.Online()
	leave(p)
}

// ServesFor serves at once and dies with code 1 after d, or leaves before that
// when it is asked to.
func ServesFor(d time.Duration) func(*Process) {
	return func(p *Process) {
		p.Online()
		p.Ready()
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
			p.Exit(1)
		case <-p.Asked():
			leave(p)
		case <-p.Gone():
		}
	}
}

// leave waits until the worker is asked to, or was ended by the test.
func leave(p *Process) {
	select {
	case <-p.Asked():
	case <-p.Gone():
		return
	}
	select {
	case <-p.Killed():
		p.Die(syscall.SIGKILL)
	default:
		p.Exit(0)
	}
}
