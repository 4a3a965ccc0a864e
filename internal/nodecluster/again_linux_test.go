package nodecluster

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"relevo/internal/ipc"
	"relevo/internal/testreq"
)

// nodeRig is a Node worker with the preload; the test speaks for its master.
type nodeRig struct {
	t      *testing.T
	master *os.File
	lines  *bufio.Scanner
}

func newNodeRig(t *testing.T, script string) *nodeRig {
	t.Helper()
	node := testreq.Program(t, "node")
	dir := t.TempDir()
	path, err := InstallPreload(dir)
	if err != nil {
		t.Fatal(err)
	}
	app := filepath.Join(dir, "app.js") // without a script Node does not act as a worker of its cluster
	if err := os.WriteFile(app, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	master, worker, err := ipc.Pair()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, app)
	cmd.Env = append(os.Environ(), "NODE_CHANNEL_FD=3", "NODE_UNIQUE_ID=7", "NODE_OPTIONS="+WithPreload("", path))
	cmd.ExtraFiles, cmd.Stderr = []*os.File{worker}, os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	worker.Close()
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); master.Close() })
	if err := master.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	return &nodeRig{t, master, bufio.NewScanner(master)}
}

func (r *nodeRig) say(line string) {
	r.t.Helper()
	if _, err := r.master.WriteString(line + "\n"); err != nil {
		r.t.Fatal(err)
	}
}

// hear returns the next message with that act.
func (r *nodeRig) hear(act string) received {
	r.t.Helper()
	for r.lines.Scan() {
		if m, _, err := parse(r.lines.Bytes()); err == nil && m.Act == act {
			return m
		}
	}
	r.t.Fatalf("the worker does not say %q: %v", act, r.lines.Err())
	return received{}
}

// TestAskAgain: a master was killed after it had read a request and before it answered. Node
// would wait for the answer forever. The next master receives the request again, both for
// servers and for the worker's own leave, and the list of open servers.
func TestAskAgain(t *testing.T) {
	t.Parallel()
	r := newNodeRig(t, `
const net = require('node:net'), cluster = require('node:cluster');
const one = net.createServer().on('error', () => {}).listen(1001, '127.0.0.1');
const two = net.createServer().on('error', () => two.listen(1002, '127.0.0.1'));
two.listen(1002, '127.0.0.1');
process.on('message', () => cluster.worker.disconnect());
`)
	const again = `{"cmd":"NODE_RELEVO","act":"again","seq":0}`
	one, two := r.hear(actQuery), r.hear(actQuery)
	if one.Again || two.Again {
		t.Error("a first request is said to be asked again")
	}
	key := keyOf(one.Query) // a server without a socket is open, too: the primary accepts for it
	r.say(fmt.Sprintf(`{"cmd":"NODE_CLUSTER","errno":0,"key":%q,"ack":%d,"data":null,"seq":1}`, key, one.Seq))
	r.say(again)
	if open := r.hear("open"); !slices.Equal(open.Keys, []string{key}) {
		t.Errorf("open are %q, want %q", open.Keys, key)
	}
	if repeated := r.hear(actQuery); repeated.Seq != two.Seq || !repeated.Again || repeated.Port != 1002 {
		t.Errorf("asked again: %+v, want that of the server without an answer", repeated)
	}
	r.say(fmt.Sprintf(`{"cmd":"NODE_CLUSTER","errno":-98,"key":"k","ack":%d,"data":null,"seq":2}`, two.Seq))
	two = r.hear(actQuery) // the program has received the answer, and tries once more
	r.say(fmt.Sprintf(`{"cmd":"NODE_CLUSTER","errno":-98,"key":"k","ack":%d,"data":null,"seq":3}`, two.Seq))
	r.say(`{"program":"leave"}`)
	leaves := r.hear(actVoluntary)
	r.say(again)
	if open := r.hear("open"); len(open.Keys) > 0 {
		t.Errorf("open are %q, want none", open.Keys)
	}
	if repeated := r.hear(actVoluntary); repeated.Seq != leaves.Seq {
		t.Errorf("its leave is asked again with number %d, want %d", repeated.Seq, leaves.Seq)
	}
}

// TestAnswerAgain: a server that asks again gets its socket, whether the killed master knew the
// server or not; a server that was closed meanwhile does not keep a new one from its address.
func TestAnswerAgain(t *testing.T) {
	const queryAgain = `,"again":true`
	r := newRig(t)
	r.want(t, queryLine(1, 80, ""), reply(80, 1, 1))
	r.want(t, ack)
	r.want(t, queryLine(2, 81, ""), reply(81, 2, 2)) // the worker does not receive this reply
	l := r.Legacy()
	l.Tear(true)
	next := newRig(t)
	next.Primary = Resume(next.options(), l)
	next.AskAgain()
	if want := []string{`{"cmd":"NODE_RELEVO","act":"again","seq":0}`}; !slices.Equal(next.sent, want) {
		t.Errorf("sent %q, want %q", next.sent, want)
	}
	next.want(t, `{"cmd":"NODE_RELEVO","act":"open","keys":[]}`)
	next.want(t, queryLine(2, 81, queryAgain), reply(81, 2, tornSeq+3))
	next.want(t, ack)
	next.want(t, queryLine(2, 81, queryAgain), reply(81, 2, tornSeq+4))
	next.want(t, ack)
	next.want(t, queryLine(3, 80, ""), reply(80, 3, tornSeq+5)) // its first server was closed
}

// TestAnswerTorn: a worker without the preload gets an answer twice rather than never, and later
// answers do not wait for an acknowledgement that only the killed master has received.
func TestAnswerTorn(t *testing.T) {
	r := newRig(t)
	r.want(t, queryLine(1, 80, ""), reply(80, 1, 1))
	l := r.Legacy()
	r.want(t, ack) // too late for the legacy
	l.Tear(false)
	next := newRig(t)
	next.Primary = Resume(next.options(), l)
	next.Redeliver()
	if want := []string{reply(80, 1, tornSeq+2)}; !slices.Equal(next.sent, want) {
		t.Errorf("sent %q, want %q", next.sent, want)
	}
	next.want(t, queryLine(2, 81, ""))
	next.want(t, ack, reply(81, 2, tornSeq+3))
}
