package launch

import (
	"cmp"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"relevo/internal/launch/advice"
	"relevo/internal/procfs"
	"relevo/internal/procnet"
	"relevo/pool"
)

// The intervals between two looks grow, because each look reads the descriptors of all
// processes of the worker.
const (
	firstObstacleLook = 500 * time.Millisecond
	lastObstacleLook  = 5 * time.Second
)

// obstacles reports, while a worker starts, what seems to keep it from getting ready.
type obstacles struct {
	process *Process
	due     time.Time
	wait    time.Duration
	told    string
}

func newObstacles(p *Process) *obstacles {
	return &obstacles{process: p, due: time.Now().Add(firstObstacleLook), wait: firstObstacleLook}
}

func (o *obstacles) look() {
	if time.Now().Before(o.due) {
		return
	}
	o.wait = min(2*o.wait, lastObstacleLook)
	o.due = time.Now().Add(o.wait)
	if now := o.process.obstacle(); now != o.told {
		o.told = now
		o.process.observed(pool.Obstructed{Hint: now})
	}
}

// obstacle says what the worker's processes do instead of accepting on its listeners,
// empty if nothing explains why it is not ready.
func (p *Process) obstacle() string {
	d := p.awaitedDebugger()
	if p.waitsFor(d); d != nil {
		return d.hint()
	}
	family := kin(p.pid)
	first := family[0]
	if len(family) > 1 && advice.IsWrapper(first.name) {
		return p.wrapped(first, family[1])
	}
	server, address := listensByItself(family, inodesOf(p.binder.observable(p.release.command.Listeners)))
	switch {
	case server == nil:
		return p.addressTaken() // some programs retry a bind forever instead of ending
	case len(p.release.command.Listeners) == 0: // the app has no listener to offer it
		return fmt.Sprintf("%s listens on %s by itself", server, address) + p.uncaptured()
	case server.pid == p.pid:
		return fmt.Sprintf("it listens on %s by itself and not on the listener of relevo (%s); %s",
			address, p.listenerText(0), p.takeOver(0)) + p.uncaptured()
	}
	return fmt.Sprintf("%s listens on %s by itself and not on the listener of relevo (%s): it is a child of %s, "+
		"which LISTEN_PID names; have %s exec it, or: %s", server, address, p.listenerText(0), first, first.name,
		p.takeOver(0)) + p.uncaptured()
}

func (p *Process) wrapped(wrapper, child relative) string {
	_, instead, ok := p.release.adviceCommand().Wrapper()
	if !ok {
		instead = "have it exec the program"
	}
	return fmt.Sprintf("%s is a process in between: LISTEN_PID and the stop signal are for it, and %s, its child, "+
		"does not see the listeners; %s",
		wrapper, child, instead)
}

// relative is a process of a worker's family.
type relative struct {
	pid  int
	name string
}

func (r relative) String() string { return fmt.Sprintf("%s (pid %d)", r.name, r.pid) }

// kin returns a process and its descendants, parents first.
func kin(pid int) (family []relative) {
	const most = 100
	pids := procfs.Tree(pid)
	for _, pid := range pids[:min(len(pids), most)] {
		family = append(family, relative{pid, procfs.Of(pid).Name()})
	}
	return family
}

func inodesOf(listeners []Listener) map[uint64]bool {
	inodes := map[uint64]bool{}
	for _, l := range listeners {
		if info, err := l.File.Stat(); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				inodes[stat.Ino] = true
			}
		}
	}
	return inodes
}

// listensByItself finds the first process of a family that listens on a TCP socket of its
// own: neither an inherited one nor its debugger's.
func listensByItself(family []relative, inherited map[uint64]bool) (who *relative, address string) {
	waiting := map[string]string{}
	for _, s := range procnet.Waiting(false) {
		if inode, err := strconv.ParseUint(s.Inode, 10, 64); err == nil && !inherited[inode] {
			waiting[s.Inode] = s.String()
		}
	}
	for _, r := range family {
		d := debuggerIn(r.pid)
		for inode := range procnet.Inodes(r.pid) {
			if address := waiting[inode]; address != "" && !(d != nil && strings.HasSuffix(address, ":"+d.port)) {
				return &r, address
			}
		}
	}
	return nil, ""
}

// addressTaken explains a worker's "address already in use". Most often relevo itself
// holds the address for the worker.
func (p *Process) addressTaken() string {
	ports, found := advice.Taken(p.tail.lines())
	if !found || p.asked.Load() {
		return ""
	}
	return p.holderOfAddress(ports) + p.uncaptured()
}

func (p *Process) holderOfAddress(ports []int) string {
	c := p.release.adviceCommand()
	name, instead, wrapped := c.Wrapper()
	for i, l := range p.release.command.Listeners {
		_, port, err := net.SplitHostPort(l.Address)
		if number, _ := strconv.Atoi(port); err != nil || len(ports) > 0 && !slices.Contains(ports, number) {
			continue
		}
		if wrapped {
			return fmt.Sprintf("relevo itself holds %s and passes it to %s, a process in between, "+
				"whose children do not see it; %s",
				p.listenerText(i), name, instead)
		}
		return fmt.Sprintf("relevo itself holds %s: the program takes it over instead of binding the address; %s",
			p.listenerText(i), p.takeOver(i))
	}
	for _, port := range ports {
		if who := holderOf(port); who != "" {
			return fmt.Sprintf("port %d, which the program binds by itself, is held by %s; relevo can hold it for all "+
				"workers: -l :%d, and %s",
				port, who, port, c.TakeOver(firstFD, ":"+strconv.Itoa(port)))
		}
	}
	return "an address that the program binds by itself is in use, maybe by another worker of this app; " +
		"relevo can hold it for all workers by -l; " +
		c.TakeOver(firstFD, "ADDRESS")
}

// swallowed explains why a program did not get a listener: a process in between closes the
// descriptors that it inherits.
func (p *Process) swallowed(status pool.ExitStatus) string {
	name, instead, ok := p.release.adviceCommand().Wrapper()
	if !ok || !advice.Swallows(name) || p.asked.Load() || status.Code == 0 || len(p.release.command.Listeners) == 0 {
		return ""
	}
	return fmt.Sprintf("%s is a process in between, which closes the listeners before the program gets them; %s", name,
		instead)
}

// lostListener explains a program's complaint that its descriptor is no listener. Often
// the complaint is the only sign that a process in between has closed the listeners.
func (p *Process) lostListener(status pool.ExitStatus) string {
	passed := len(p.release.command.Listeners)
	if p.asked.Load() || passed == 0 || status.Error != "" || !advice.NoListener(p.tail.lines()) {
		return ""
	}
	descriptors := strconv.Itoa(firstFD)
	if passed > 1 {
		descriptors += " to " + strconv.Itoa(firstFD+passed-1)
	}
	return cmp.Or(p.swallowed(status), "the program did not find a listener at the descriptor that "+
		"it uses; relevo passes "+descriptors+
		": a process in between that starts the program as its child closes them, have it exec the program, or pass them "+
		"on (Python: pass_fds, Node: stdio)")
}

func holderOf(port int) string {
	for _, s := range procnet.Waiting(false) {
		if int(s.Port()) == port {
			if pid, name := procnet.Holder(s.Inode); pid != 0 {
				return relative{pid, name}.String()
			}
		}
	}
	return ""
}

// listenerText names a listener by its address and by its descriptor.
func (p *Process) listenerText(i int) string {
	return fmt.Sprintf("%s, descriptor %d", p.release.command.Listeners[i].Address, firstFD+i)
}

func (p *Process) takeOver(i int) string {
	return p.release.adviceCommand().TakeOver(firstFD+i, p.release.command.Listeners[i].Address)
}

func (r *Release) adviceCommand() advice.Command {
	return advice.Command{Args: r.command.Args, Dir: r.dir, Path: r.program()}
}

// warnOfWrapper warns if the worker is a shell or the like whose child serves: the stop
// signal would end the shell alone.
func (p *Process) warnOfWrapper() {
	family := kin(p.pid)
	if len(family) < 2 || !advice.IsWrapper(family[0].name) || catches(p.pid, p.release.command.stopSignal()) {
		return
	}
	_, instead, _ := p.release.adviceCommand().Wrapper()
	p.release.wrapper.Do(func() {
		p.release.launcher.warn("a process in between gets the stop signal and ends without the program that serves: "+
			"its requests are lost",
			"process", family[0].String(), "child", family[1].String(), "instead", cmp.Or(instead, "have it exec the program"))
	})
}

// catches says whether a process handles a signal (proc_pid_status(5)).
func catches(pid int, signal syscall.Signal) bool {
	set, err := procfs.Of(pid).Status("SigCgt")
	if err != nil {
		return false
	}
	caught, err := strconv.ParseUint(set, 16, 64)
	return err == nil && caught&(1<<(signal-1)) != 0
}
