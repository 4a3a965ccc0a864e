package launch

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/launch/shim"
	"relevo/pool"
)

// firstFD is where inherited listeners begin (sd_listen_fds(3)).
const firstFD = 3

// birth holds the descriptors of a worker that is being started. The master's
// ends go to the Process or are closed by abort; the child's ends are closed in
// either case.
type birth struct {
	release  *Release
	order    pool.Order
	image    *image
	launched chan launchResult // the outcome of the shim
	channel  *os.File          // master's end of the IPC socketpair
	shim     *os.File          // master's end of the shim's socketpair
	pipes    [2]*os.File       // read ends of stdout and stderr; nil where inherited
	children []*os.File        // what the child inherits, from descriptor 3 on
	streams  [3]*os.File       // the child's stdin, stdout and stderr
	toClose  []*os.File        // the child's ends, which the master closes after the fork
}

func (b *birth) open() error {
	for _, listener := range b.release.command.Listeners {
		b.children = append(b.children, listener.File)
	}
	var child *os.File
	var err error
	if b.channel, child, err = ipc.Pair(); err != nil {
		return err
	}
	b.inherit(child)
	if b.shim, child, err = ipc.Pair(); err != nil {
		return err
	}
	if b.release.command.Sockets != nil {
		ipc.AcceptDescriptors(b.shim) // the shim sends the descriptor of its filter
	}
	b.inherit(child)
	return b.openStreams()
}

// inherit adds a child's end and returns its number there.
func (b *birth) inherit(child *os.File) int {
	b.toClose = append(b.toClose, child)
	return b.lend(child)
}

// lend adds a file that the master keeps as well, and returns its number in the child. The
// exec closes it there.
func (b *birth) lend(file *os.File) int {
	b.children = append(b.children, file)
	return firstFD + len(b.children) - 1
}

func (b *birth) ipcFD() int  { return firstFD + len(b.release.command.Listeners) }
func (b *birth) shimFD() int { return b.ipcFD() + 1 }

func (b *birth) openStreams() error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return fmt.Errorf("cannot open %s: %w", os.DevNull, err)
	}
	b.toClose = append(b.toClose, null)
	b.streams[0] = null
	for i := range b.pipes {
		if inherit := b.release.launcher.opts.Streams.Inherit[i]; inherit != nil {
			b.streams[1+i] = inherit
			continue
		}
		read, write, err := os.Pipe()
		if err != nil {
			return fmt.Errorf("cannot make a pipe for the worker's output: %w", err)
		}
		b.pipes[i], b.streams[1+i] = read, write
		b.toClose = append(b.toClose, write)
	}
	return nil
}

// spec returns the shim's order: everything that is known before the fork.
func (b *birth) spec() (shim.Order, error) {
	r, l := b.release, b.release.launcher
	s := scene{app: r.command.App, order: b.order, ipcFD: b.ipcFD(), notifySocket: l.opts.NotifySocket,
		control: l.opts.ControlSocket, node: r.node(), clustered: r.clustered(), preload: r.preload(), dir: r.dir,
		nodeLoad: r.command.NodeLoad,
		account:  r.account, watchdog: r.command.Limits.Watchdog, port: portOf(r.command.Listeners)}
	var fds []listenerFD
	for i, listener := range r.command.Listeners {
		s.listeners = append(s.listeners, listener.Name)
		fds = append(fds, listenerFD{name: listener.Name, address: listener.Address, fd: firstFD + i})
	}
	args, err := expand(r.arguments(), fds, b.order.Slot)
	if err != nil {
		return shim.Order{}, err
	}
	env, err := r.expandEnv(fds, b.order.Slot)
	if err != nil {
		return shim.Order{}, err
	}
	path, fd := b.image.path, 0
	if b.image.byFile || l.byDescriptor && r.form == elfForm && b.image.file != nil {
		fd = b.lend(b.image.file)
	}
	if b.image.byFile {
		path = fmt.Sprintf("/proc/self/fd/%d", fd)
	}
	if !l.byDescriptor {
		fd = 0
	}
	spec := shim.Order{
		Path: path, FD: fd, Args: args, Env: environ(r.command.inherited(), env, s), Dir: r.dir, DirFD: b.lend(r.dirFile),
		ListenPID: len(fds) > 0, Keep: b.shimFD(), Capture: r.command.Sockets != nil,
		Watchdog: r.command.Limits.Watchdog > 0, Limits: limitsOf(r.command.Limits, r.account, l.opts),
		Calls: calls(),
	}
	if r.interpreter != nil {
		b.interpret(&spec)
	}
	return spec, nil
}

// verb is what the shim is called in lists of processes; shim.Variable makes it one.
const verb = "__launch"

// fork starts the shim in a process group of its own. Its environment holds only the
// variables that make a small Go program start quickly.
func (b *birth) fork(p *Process) error {
	fd := strconv.Itoa(b.shimFD())
	attr := &os.ProcAttr{
		Files: append(b.streams[:], b.children...),
		Env:   []string{shim.Variable + "=" + fd, "GOMAXPROCS=1", "GOGC=off"},
		Sys:   &syscall.SysProcAttr{Setpgid: true},
	}
	p.handle.prepare(attr.Sys)
	started, err := p.joinCgroup(b, attr.Sys)
	if err != nil {
		return err
	}
	launcher := b.release.launcher
	p.handle.children = launcher.opts.Children
	var child *os.Process
	err = launcher.opts.Children.Start(func() (int, error) {
		child, err = os.StartProcess(launcher.self, []string{"relevo", verb, fd}, attr)
		if err != nil {
			return 0, err
		}
		return child.Pid, nil
	})
	started()
	if err != nil {
		p.cgroup.end()
		return err
	}
	p.pid = child.Pid
	p.handle.setChild(child)
	return nil
}

// giveOrder writes the order in a goroutine: the write may block, because the order may be
// larger than the socket's buffer.
func (b *birth) giveOrder(spec shim.Order) {
	channel := b.shim
	go func() {
		if _, err := channel.Write(spec.Bytes()); err == nil {
			closeWrite(channel)
		}
	}()
}

func (b *birth) closeChildEnds() {
	for _, f := range b.toClose {
		f.Close()
	}
}

func (b *birth) abort() {
	for _, f := range []*os.File{b.channel, b.shim, b.pipes[0], b.pipes[1]} {
		if f != nil {
			f.Close()
		}
	}
}

// outputGrace is how long to wait for the end of a dead worker's output. Its process group
// is dead by then, so only a child that left the group can hold the pipe open. As long as
// bytes are left to be read, the wait continues, up to outputPatience: the machine may be
// busy, or the master's own output blocked.
const (
	outputGrace    = 250 * time.Millisecond
	outputPatience = 8 * outputGrace
)
