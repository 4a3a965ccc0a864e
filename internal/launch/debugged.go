package launch

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"relevo/internal/capture"
	"relevo/internal/ipc"
	"relevo/internal/procfs"
	"relevo/internal/procnet"
	"relevo/pool"
)

// debuggerIn returns the debugger of a process, nil if it has none.
func debuggerIn(pid int) *debugger {
	args := procWords(pid, "cmdline")
	var env []string // read at its first use
	return debuggerOf(args, func(name string) string {
		if env == nil {
			env = procWords(pid, "environ")
		}
		for _, variable := range env {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return ""
	})
}

// procWords returns the words of a file such as /proc/PID/cmdline.
func procWords(pid int, name string) (words []string) {
	text, _ := procfs.Read(fmt.Sprintf("/proc/%d/%s", pid, name))
	for word := range bytes.SplitSeq(bytes.TrimSuffix(text, []byte{0}), []byte{0}) {
		words = append(words, string(word))
	}
	return words
}

// awaitedDebugger returns the debugger that keeps a worker from running, nil if there is
// none or its client has connected.
func (p *Process) awaitedDebugger() *debugger {
	if p.ready.hasSpoken() || p.binder.hasBound() {
		return nil
	}
	family := kin(p.pid)
	for _, r := range family {
		if d := debuggerIn(r.pid); d != nil && d.waits {
			if port, _ := strconv.ParseUint(d.port, 10, 16); port != 0 && haveClient(family, uint16(port)) {
				return nil
			}
			return d
		}
	}
	return nil
}

// haveClient says whether a client is connected to one of these processes, at a port.
func haveClient(family []relative, port uint16) bool {
	inodes := connected(port)
	if len(inodes) == 0 {
		return false
	}
	return slices.ContainsFunc(family, func(r relative) bool {
		own := procnet.Inodes(r.pid)
		return slices.ContainsFunc(inodes, func(inode uint32) bool { return own[strconv.Itoa(int(inode))] })
	})
}

// waitsFor records which debugger keeps the worker from getting ready, and reports it
// once; nil: none.
func (p *Process) waitsFor(d *debugger) {
	switch {
	case d != nil && p.debugged.CompareAndSwap(false, true):
		p.release.launcher.warn("a worker is not ready: "+d.hint(), "slot", p.order.Slot, "worker", p.order.ID, "pid", p.pid)
		p.observed(pool.Said{Message: ipc.Status{Text: d.hint()}})
		p.observed(pool.Obstructed{Hint: d.hint()})
	case d == nil && p.debugged.CompareAndSwap(true, false):
		p.observed(pool.Said{Message: ipc.Status{}})
		p.observed(pool.Obstructed{})
	}
}

// interactive explains the end of a program under a debugger for a terminal: it has read
// the end of its commands.
func (p *Process) interactive() string {
	d := debuggerOf(p.release.command.Args, func(string) string { return "" })
	if d == nil || d.port != "" || p.asked.Load() {
		return ""
	}
	return d.hint()
}

// isDebuggers says whether a debugger inside the process makes the bind: clients of the
// app do not connect there.
func (p *Process) isDebuggers(b capture.Bind) bool {
	if b.Address.Family == syscall.AF_UNIX || b.Socket.Type != syscall.SOCK_STREAM {
		return false
	}
	d := debuggerIn(b.PID)
	return d != nil && d.port == strconv.Itoa(int(b.Address.IP.Port()))
}

// shareDebugger lets the debuggers of several workers share a port, because a roll has
// two workers for a slot. If workers of several slots share it, it warns once that a
// client cannot choose between them.
func (p *Process) shareDebugger(b capture.Bind) {
	if err := b.SharePort(); err != nil {
		p.release.launcher.warn("the debugger of a worker may find its port taken", "pid", p.pid, "err", err)
	}
	if p.release.debuggers.several(b.Address.String(), p.order.Slot) {
		p.release.launcher.warn("several workers have their debugger at one address, and a client of it reaches "+
			"any of them: run one worker (-n 1), or give it port 0, of each its own",
			"address", b.Address)
	}
}

// debuggers knows which slots of a release have a debugger at which address.
type debuggers struct {
	mu    sync.Mutex
	slots map[string]int
	told  bool
}

// several returns true, once, if an address belongs to more than one slot.
func (d *debuggers) several(address string, slot int) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	first, known := d.slots[address]
	if d.slots == nil {
		d.slots = map[string]int{}
	}
	d.slots[address] = slot
	if d.told || !known || first == slot {
		return false
	}
	d.told = true
	return true
}
