package launch

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"relevo/internal/ipc"
	"relevo/internal/testreq"
	"relevo/pool"
)

// python returns the interpreter itself: the one in PATH may be a script that looks for it, which
// takes longer than everything else.
func python(t *testing.T) string {
	t.Helper()
	testreq.Program(t, "python3")
	path, err := findPython()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var findPython = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("python3", "-c", "import sys; print(sys.executable)").Output()
	return strings.TrimSpace(string(out)), err
})

func pythonCommand(t *testing.T, script string) Command {
	return Command{App: "app", Args: []string{python(t), "-Sc", script}}
}

const pythonHTTP = `
import http.server, socket, socketserver
class Server(socketserver.TCPServer):
    def __init__(self):
        socketserver.BaseServer.__init__(self, ("", 0), http.server.BaseHTTPRequestHandler)
        self.socket = socket.socket(fileno=3)
def do_GET(self):
    self.send_response(200); self.end_headers(); self.wfile.write(b"python")
http.server.BaseHTTPRequestHandler.do_GET = do_GET
Server().serve_forever()
`

// TestObserved: programs that know nothing of readiness are seen as ready when they wait for
// clients, each in its own way, and not much later.
func TestObserved(t *testing.T) {
	t.Parallel()
	const accepts = "import socket, os\ns = socket.socket(fileno=3)\n"
	for name, command := range map[string]func(t *testing.T) Command{
		"Go net/http":     func(*testing.T) Command { return serves.command() },
		"blocking accept": func(t *testing.T) Command { return pythonCommand(t, accepts+"s.setblocking(True)\ns.accept()") },
		"accept in a thread": func(t *testing.T) Command {
			return pythonCommand(t, accepts+"import threading\ns.setblocking(True)\nthreading.Thread(target=s.accept).start()")
		},
		"select": func(t *testing.T) Command {
			return pythonCommand(t, accepts+"import select\nselect.select([s, os.pipe()[0]], [], [])")
		},
		"poll": func(t *testing.T) Command {
			return pythonCommand(t, accepts+"import select\np = select.poll()\np.register(s, select.POLLIN)\np.poll()")
		},
		"epoll": func(t *testing.T) Command {
			return pythonCommand(t, accepts+"import select\np = select.epoll()\np.register(s, select.EPOLLIN)\np.poll()")
		},
		"http.server": func(t *testing.T) Command { return pythonCommand(t, pythonHTTP) },
		"a forked child": func(t *testing.T) Command {
			return pythonCommand(t, accepts+"s.setblocking(True)\nif os.fork(): os.wait()\nelse: s.accept()")
		},
		"behind a shell": func(t *testing.T) Command {
			c := shell(python(t) + ` -Sc "$1"; true`)
			c.Args = append(c.Args, "sh", pythonHTTP)
			return c
		},
		"Node": func(t *testing.T) Command {
			program := testreq.Program(t, "node")
			return Command{App: "app",
				Args: []string{program, "-e", "require('http').createServer((q,s)=>s.end('node')).listen({fd:3})"}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := notified(t, "web").start(command(t))
			if ready := expect[pool.Ready](w); ready.How != "observed" {
				t.Errorf("the worker is ready by %q", ready.How)
			}
		})
	}
}

// TestObservedServes: a worker that is seen as ready answers.
func TestObservedServes(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	w := r.start(pythonCommand(t, pythonHTTP))
	expect[pool.Ready](w)
	if got := get(t, r.listeners[0].Address); got != "python" {
		t.Errorf("got %q", got)
	}
}

// TestObservedOnAnyListener: a worker may serve only the second of its listeners.
func TestObservedOnAnyListener(t *testing.T) {
	t.Parallel()
	w := newRig(t, "web",
		"admin").start(pythonCommand(t, "import socket\ns = socket.socket(fileno=4)\ns.setblocking(True)\ns.accept()"))
	if ready := expect[pool.Ready](w); ready.How != "observed" {
		t.Errorf("the worker is ready by %q", ready.How)
	}
}

var receivesUDP = behaves("recvmmsg", func() {
	runtime.LockOSThread()
	unix.SetNonblock(3, false)
	recvmmsg(3)
})

// TestObservedUDP: programs wait for datagrams in other calls.
func TestObservedUDP(t *testing.T) {
	t.Parallel()
	const socket = "import socket\ns = socket.socket(fileno=3)\ns.setblocking(True)\n"
	for name, command := range map[string]func(*testing.T) Command{
		"recvfrom": func(t *testing.T) Command { return pythonCommand(t, socket+"s.recvfrom(1)") },
		"recvmsg":  func(t *testing.T) Command { return pythonCommand(t, socket+"s.recvmsg(1)") },
		"recvmmsg": func(*testing.T) Command { return receivesUDP.command() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newRigOf(t, Options{}, listenUDP(t, "dns")).start(command(t))
			if ready := expect[pool.Ready](w); ready.How != "observed" {
				t.Errorf("the worker is ready by %q", ready.How)
			}
		})
	}
}

// TestNotObserved: a worker that has the listener but does not wait for clients on it does not
// serve.
func TestNotObserved(t *testing.T) {
	t.Parallel()
	const sockets = "import socket, select, time\ns = socket.socket(fileno=3)\n" +
		"o = socket.create_server((\"127.0.0.1\", 0))\n"
	for name, command := range map[string]func(*testing.T) Command{
		"holds":             func(*testing.T) Command { return Command{App: "app", Args: []string{"sleep", "60"}} },
		"waits for a child": func(*testing.T) Command { return shell("sleep 60 & wait") },
		"accepts elsewhere": func(t *testing.T) Command { return pythonCommand(t, sockets+"o.accept()") },
		"polls something else": func(t *testing.T) Command {
			return pythonCommand(t, sockets+"p = select.poll()\np.register(o, 1)\np.register(s, 4)\np.poll()")
		},
		"selects something else": func(t *testing.T) Command {
			return pythonCommand(t, sockets+"select.select([o], [], [s])")
		},
		"an epoll set for writing": func(t *testing.T) Command {
			return pythonCommand(t, sockets+"p = select.epoll()\np.register(s, select.EPOLLPRI)\n"+
				"p.register(o, select.EPOLLIN)\np.poll()")
		},
		"closed it": func(t *testing.T) Command { return pythonCommand(t, sockets+"s.close()\no.accept()") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := notified(t, "web").start(command(t))
			expect[pool.Online](w)
			if strings.Contains(strings.Join(w.Process.(*Process).release.command.Args, " "), "import") {
				await(t, "its last call", func() bool { return waitsInCall(w.PID()) })
			}
			w.staysUnready()
		})
	}
}

// waitsInCall says whether the process waits in accept, poll, select or epoll.
func waitsInCall(pid int) bool {
	wchan, _ := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	number, _, ok := parseSyscall(string(wchan))
	if !ok {
		return false
	}
	_, waits := waitCalls[number]
	const epollWait = 232 // on amd64; other machines have only epoll_pwait
	return waits || number == unix.SYS_EPOLL_PWAIT || (runtime.GOARCH == "amd64" && number == epollWait)
}

func TestParseSyscall(t *testing.T) {
	for text, c := range map[string]struct {
		number uintptr
		args   [6]uint64
		ok     bool
	}{
		"288 0x3 0x7ffe0 0xff 0x80800 0x0 0x1 0x7ffd10 0x7f00\n": {288, [6]uint64{3, 0x7ffe0, 0xff, 0x80800, 0, 1}, true},
		"running\n":                          {},
		"-1 0x7ffd10 0x7f00\n":               {},
		"-1 0x1 0x2 0x3 0x4 0x5 0x6 0x7 0x8": {},
		"":                                   {},
		"x 0x1 0x2 0x3 0x4 0x5 0x6":          {},
	} {
		number, args, ok := parseSyscall(text)
		if number != c.number || args != c.args || ok != c.ok {
			t.Errorf("%q is %d %v %v", text, number, args, ok)
		}
	}
}

// TestObserverOfDeadProcess: a process that is gone, or never existed, waits for nothing.
func TestObserverOfDeadProcess(t *testing.T) {
	t.Parallel()
	r := newRig(t, "web")
	w := r.start(shell("exit 0"))
	w.exit()
	for _, pid := range []int{w.PID(), 1 << 30, 0} {
		if newObserver(pid, r.listeners).waits() {
			t.Errorf("process %d counts as waiting", pid)
		}
	}
}

// TestNodeChannel: the channel of Node's child_process is the worker's channel.
func TestNodeChannel(t *testing.T) {
	t.Parallel()
	program := testreq.Program(t, "node")
	const script = `process.on('message', m => process.send({got: m, env: process.env.NODE_CHANNEL_FD ?? null}));
process.send({relevo: 'hello', protocol: 1}); process.send('plain'); process.send({relevo: 'ready'})`
	w := newRig(t, "web").start(Command{App: "app", Args: []string{program, "-e", script}})
	if said := expect[pool.Said](w); said.Message != (ipc.Hello{Protocol: 1}) {
		t.Errorf("first came %#v", said.Message)
	}
	if said := expect[pool.Said](w); string(said.Message.(ipc.App).Data) != `"plain"` {
		t.Errorf("then came %#v", said.Message)
	}
	if !saw[pool.Ready](w) { // the report may come before the program's message
		expect[pool.Ready](w)
	}
	for _, report := range w.seen {
		if ready, is := report.(pool.Ready); is && ready.How != "ipc" {
			t.Errorf("the worker is ready by %q", ready.How)
		}
	}
	if err := w.Send(ipc.App{Data: []byte(`{ "n" : [1, null, "é"] }`)}); err != nil {
		t.Fatal(err)
	}
	if said := expect[pool.Said](w); string(said.Message.(ipc.App).Data) != `{"got":{"n":[1,null,"é"]},"env":null}` {
		t.Errorf("the answer is %s", said.Message.(ipc.App).Data)
	}
}
