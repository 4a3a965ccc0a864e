package nodecluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// rig is a primary whose master records all calls.
type rig struct {
	*Primary
	sent   []string // lines; a "+" before a line that was sent with a socket
	events []Event
	opened []Query
	fails  error // of the next Open
	first  map[string]json.RawMessage
	socket *os.File
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{first: map[string]json.RawMessage{}, socket: os.Stdin}
	r.Primary = New(r.options())
	return r
}

func (r *rig) options() Options {
	return Options{
		Send: func(line []byte, socket *os.File) error {
			text := string(line)
			if socket != nil {
				text = "+" + text
			}
			r.sent = append(r.sent, text)
			return nil
		},
		Open: func(q Query) (*os.File, error) {
			r.opened = append(r.opened, q)
			return r.socket, r.fails
		},
		Share: func(key string, data json.RawMessage) json.RawMessage {
			if _, known := r.first[key]; !known {
				r.first[key] = data
			}
			return r.first[key]
		},
		Clash: func(one, other Query) bool { return one.Port == other.Port && one.Port != 0 },
		Tell:  func(e Event) { r.events = append(r.events, e) },
	}
}

// say feeds lines to the primary, and returns what was sent meanwhile.
func (r *rig) say(lines ...string) []string {
	r.sent = nil
	for _, line := range lines {
		r.Said([]byte(line))
	}
	return r.sent
}

func (r *rig) want(t *testing.T, said string, want ...string) {
	t.Helper()
	if got := r.say(said); !slices.Equal(got, want) {
		t.Errorf("to %s\nthe primary said %q\n            want %q", said, got, want)
	}
}

const ack = `{"cmd":"NODE_HANDLE_ACK"}`

func queryLine(seq, port int, more string) string {
	return fmt.Sprintf(
		`{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"data":null,"address":null,"port":%d,"addressType":4,`+
			`"backlog":0%s,"seq":%d}`,
		port, more, seq)
}

func reply(port, ack, seq int) string {
	return fmt.Sprintf(
		`+{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","errno":0,"key":"null:%d:4:undefined:0",`+
			`"ack":%d,"data":null,"seq":%d}}`,
		port, ack, seq)
}

// The messages of a worker's whole life, as Node 20 and 24 send them.
func TestExchange(t *testing.T) {
	r := newRig(t)
	r.want(t, `{"cmd":"NODE_CLUSTER","act":"online","seq":0}`)
	r.want(t, queryLine(1, 3456, ""), reply(3456, 1, 1))
	r.want(t, ack)
	r.want(t,
		`{"cmd":"NODE_CLUSTER","act":"listening","index":0,"data":null,"address":null,"port":3456,"addressType":4,`+
			`"backlog":0,"seq":2}`)
	if len(r.events) != 1 || r.events[0].(Listening).Port != 3456 {
		t.Errorf("events %v", r.events)
	}
	if err := r.Disconnect(); err != nil {
		t.Fatal(err)
	}
	if err := r.Disconnect(); err != nil { // once is enough
		t.Fatal(err)
	}
	if want := []string{`{"cmd":"NODE_CLUSTER","act":"disconnect","seq":2}`}; !slices.Equal(r.sent, want) {
		t.Errorf("sent %q, want %q", r.sent, want)
	}
	r.want(t, `{"cmd":"NODE_CLUSTER","act":"close","key":"null:3456:4:undefined:0","seq":3}`)
	r.want(t, queryLine(4, 3456, ""), reply(3456, 4, 3)) // it may listen again
}

func TestWorkerLeavesByItself(t *testing.T) {
	r := newRig(t)
	r.want(t, `{"cmd":"NODE_CLUSTER","act":"exitedAfterDisconnect","seq":7}`, `{"cmd":"NODE_CLUSTER","ack":7,"seq":0}`)
	if len(r.events) != 1 || r.events[0] != (Leaving{}) {
		t.Errorf("events %v", r.events)
	}
}

func TestQueries(t *testing.T) {
	for name, c := range map[string]struct {
		line string
		want func(Query) bool
		kind string
	}{
		"a backlog that was not given": {queryLine(1, 80, `,"backlog":false`),
			func(q Query) bool { return q.Backlog == 0 }, streamHandle},
		"an address": {
			`{"cmd":"NODE_CLUSTER","act":"queryServer","index":1,"address":"127.0.0.1","port":80,"addressType":4,"flags":1,` +
				`"backlog":9,"seq":1}`,
			func(q Query) bool {
				return *q.Address == "127.0.0.1" && q.Index == 1 && q.Backlog == 9 && !q.V6Only()
			}, streamHandle},
		"IPv6 alone": {
			`{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"address":"::","port":80,"addressType":6,"flags":1,"seq":1}`,
			func(q Query) bool { return q.V6Only() }, streamHandle},
		"a path": {
			`{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"address":"/p/x.sock","port":-1,"addressType":-1,"seq":1}`,
			func(q Query) bool { return q.Type == Unix && *q.Address == "/p/x.sock" && q.Port == -1 }, streamHandle},
		"a descriptor": {
			`{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"address":null,"port":null,"addressType":null,"fd":5,"seq":1}`,
			func(q Query) bool { return q.FD != nil && *q.FD == 5 && q.Port == 0 }, streamHandle},
		"datagrams": {
			`{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"address":"0.0.0.0","port":53,"addressType":"udp4","fd":-1,` +
				`"flags":0,"seq":1}`,
			func(q Query) bool { return q.Type == UDP4 && *q.FD == -1 }, datagramHandle},
	} {
		r := newRig(t)
		sent := r.say(c.line)
		if len(r.opened) != 1 || !c.want(r.opened[0]) {
			t.Errorf("%s: asked for %+v", name, r.opened)
		}
		if len(sent) != 1 || !strings.HasPrefix(sent[0], `+{"cmd":"NODE_HANDLE","type":"`+c.kind+`"`) {
			t.Errorf("%s: answered by %q", name, sent)
		}
	}
}

// Node takes one descriptor at a time; a second one in the same read is lost.
func TestOneSocketAtATime(t *testing.T) {
	r := newRig(t)
	r.want(t, queryLine(1, 1001, ""), reply(1001, 1, 1))
	r.want(t, queryLine(2, 1002, ""))
	r.want(t, queryLine(3, 1003, ""))
	r.want(t, ack, reply(1002, 2, 2))
	r.want(t, `{"cmd":"NODE_HANDLE_NACK"}`, reply(1002, 2, 3)) // it did not arrive
	r.want(t, ack, reply(1003, 3, 4))
	r.want(t, ack)
	r.want(t, ack) // nothing is on its way
}

func TestSocketThatNeverArrives(t *testing.T) {
	const nack = `{"cmd":"NODE_HANDLE_NACK"}`
	r := newRig(t)
	r.say(queryLine(1, 1001, ""), queryLine(2, 1002, ""), nack, nack)
	r.want(t, nack,
		fmt.Sprintf(`{"cmd":"NODE_CLUSTER","errno":%d,"key":"null:1001:4:undefined:0","ack":1,"data":null,"seq":4}`,
			-int(syscall.EMFILE)), reply(1002, 2, 5))
}

func TestRefusals(t *testing.T) {
	refusal := func(errno syscall.Errno, port int) string {
		return fmt.Sprintf(`{"cmd":"NODE_CLUSTER","errno":%d,"key":"null:%d:4:undefined:0","ack":1,"data":null,"seq":`,
			-int(errno), port)
	}
	for name, c := range map[string]struct {
		fails error
		want  syscall.Errno
	}{
		"in use":         {fmt.Errorf("cannot listen: %w", syscall.EADDRINUSE), syscall.EADDRINUSE},
		"of another way": {errors.New("cannot"), syscall.EINVAL},
	} {
		r := newRig(t)
		r.fails = c.fails
		if got := r.say(queryLine(1, 80, "")); len(got) != 1 || !strings.HasPrefix(got[0], refusal(c.want, 80)) {
			t.Errorf("%s: answered by %q", name, got)
		}
	}
	r := newRig(t)
	r.fails = syscall.EACCES
	shares :=
		`{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"data":{"ticketKeys":"aa"},"address":null,"port":443,` +
			`"addressType":4,"seq":1}`
	// Node reads the data before it looks at the error
	if got := r.say(shares); len(got) != 1 || !strings.Contains(got[0], `"data":{"ticketKeys":"aa"}`) {
		t.Errorf("a server that shares something: answered by %q", got)
	}
	r = newRig(t)
	r.say(queryLine(0, 80, ""))
	if got := r.say(queryLine(1, 80, "")); len(got) != 1 || !strings.HasPrefix(got[0], refusal(syscall.EADDRINUSE, 80)) {
		t.Errorf("the same server twice: answered by %q", got)
	}
}

// TLS sessions resume at every worker, because all workers have the keys of the first.
func TestTicketKeys(t *testing.T) {
	line := func(keys string) string {
		return `{"cmd":"NODE_CLUSTER","act":"queryServer","index":0,"data":{"ticketKeys":"` + keys +
			`"},"address":null,"port":443,"addressType":4,"seq":1}`
	}
	a := newRig(t)
	b := newRig(t)
	b.first = a.first
	b.Primary = New(b.options())
	a.say(line("aa"))
	if got := b.say(line("bb")); len(got) != 1 || !strings.Contains(got[0], `"data":{"ticketKeys":"aa"}`) {
		t.Errorf("the second worker got %q", got)
	}
	if got := a.say(line(strings.Repeat("c", maxSharedData))); len(got) != 1 || a.first["null:443:4:undefined:0"] == nil {
		t.Errorf("answered by %q", got)
	}
}

func TestResume(t *testing.T) {
	r := newRig(t)
	r.say(queryLine(1, 1001, ""), ack, queryLine(2, 1002, ""), queryLine(3, 1003, ""))
	text, err := json.Marshal(r.Legacy())
	if err != nil {
		t.Fatal(err)
	}
	var l Legacy
	if err := json.Unmarshal(text, &l); err != nil {
		t.Fatal(err)
	}
	next := newRig(t)
	next.Primary = Resume(next.options(), l)
	if len(next.opened) != 2 || len(next.sent) > 0 {
		t.Errorf("opened %v, sent %q", next.opened, next.sent)
	}
	next.Redeliver()
	if want := []string{reply(1002, 2, 3)}; !slices.Equal(next.sent, want) {
		t.Errorf("sent %q, want %q", next.sent, want)
	}
	next.want(t, ack, reply(1003, 3, 4))
	if got := next.say(queryLine(9, 1001, "")); len(got) != 1 || !strings.Contains(got[0], `"errno":-98`) {
		t.Errorf("a server that is open: answered by %q", got)
	}
}

// A message of the program is never taken for one of the protocol, however similar it looks.
func TestPrograms(t *testing.T) {
	for line, ours := range map[string]bool{
		`"ready"`: false, `{"cmd":"NODE_"}`: false, `{"cmd":"go"}`: false, `{"cmd":["NODE_CLUSTER"]}`: false,
		`{"x":"NODE_CLUSTER"}`: false,
		`["NODE_CLUSTER"]`:     false, `{"cmd":"NODE_DEBUG_ENABLED"}`: true, `{"cmd":"NODE_CLUSTER","act":"new"}`: true,
		`{"cmd":"NODE_CLUSTER","ack":3,"accepted":true}`: true,
	} {
		r := newRig(t)
		if program, got := r.Said([]byte(line)); got != ours || program != nil || len(r.sent) > 0 {
			t.Errorf("%s: ours %v, says %s, answered %q", line, got, program, r.sent)
		}
	}
	r := newRig(t)
	program, ours := r.Said([]byte(`{"cmd":"NODE_HANDLE","type":"net.Socket","msg":{"take":1},"key":"x"}`))
	if !ours || string(program) != `{"take":1}` || !slices.Equal(r.sent, []string{ack}) {
		t.Errorf("a message with a descriptor: ours %v, says %s, answered %q", ours, program, r.sent)
	}
	if !slices.Equal(r.events, []Event{Sent{}}) {
		t.Errorf("events %v", r.events)
	}
}

// A worker that asks without end gets an answer each time, and uses a bounded part of the
// master's memory.
func TestManyQueries(t *testing.T) {
	r := newRig(t)
	refused := 0
	for port := range 10_000 {
		for _, line := range r.say(queryLine(port, port, "")) {
			if strings.Contains(line, fmt.Sprintf(`"errno":-%d,`, int(syscall.EMFILE))) {
				refused++
			}
		}
	}
	if len(r.opened) != maxServers || refused != 10_000-maxServers {
		t.Errorf("%d sockets were opened, %d wishes refused", len(r.opened), refused)
	}
}

// held is how many bytes a primary keeps for its worker.
func (r *rig) held() (bytes int) {
	for key, data := range r.servers {
		bytes += len(key) + len(data)
	}
	for _, d := range r.waiting {
		bytes += len(d.Key) + len(d.Data)
	}
	for key, data := range r.first {
		bytes += len(key) + len(data)
	}
	return bytes
}

// A worker that reads no answers can make the primary keep only a bounded number of servers and
// bytes, also if it closes each server at once.
func TestAnswersThatAreNotTaken(t *testing.T) {
	long := strings.Repeat("x", 20_000)
	for name, c := range map[string]struct {
		more, key string // of the n-th
		errno     syscall.Errno
	}{
		"servers":      {`,"port":%d`, "null:%d:4:undefined:0", syscall.EMFILE},
		"shared data":  {`,"data":"` + long + `","port":%d`, "null:%d:4:undefined:0", syscall.ENOBUFS},
		"long address": {`,"address":"` + long + `","fd":3,"port":%d`, long + ":%d:4:3:0", syscall.ENAMETOOLONG},
		"long type":    {`,"addressType":"` + long + `","fd":3,"port":%d`, "null:%d:" + long + ":3:0", syscall.ENAMETOOLONG},
	} {
		r := newRig(t)
		refused := 0
		for i := range 200 {
			sent := r.say(queryLine(i, 1, fmt.Sprintf(c.more, i)),
				fmt.Sprintf(`{"cmd":"NODE_CLUSTER","act":"close","key":"`+c.key+`","seq":0}`, i))
			if len(sent) == 1 && strings.Contains(sent[0], fmt.Sprintf(`"errno":-%d,`, int(c.errno))) {
				refused++
			}
		}
		if held := r.held(); held > maxHeld+maxServers*maxSharedData || len(r.waiting) > maxServers {
			t.Errorf("%s: %d answers wait, %d bytes are kept", name, len(r.waiting), held)
		}
		if refused < 200-maxServers {
			t.Errorf("%s: %d were refused with errno %d", name, refused, c.errno)
		}
	}
}

// A line that could not be read is acknowledged if Node waits for that, and only then.
func TestPassedOver(t *testing.T) {
	for begin, want := range map[string]int{
		`{"cmd":"NODE_HANDLE","type":"net.Socket","msg":"xx`: 1, `{"cmd":"NODE_HANDLE_ACK","x":"`: 0, `"xxx`: 0, ``: 0,
	} {
		r := newRig(t)
		took := PassedOver([]byte(begin), r.options().Send)
		if took != (want > 0) || len(r.sent) != want || want > 0 && r.sent[0] != ack {
			t.Errorf("%q was answered by %q", begin, r.sent)
		}
	}
}

func FuzzSaid(f *testing.F) {
	for _, line := range []string{queryLine(1, 80, ""), ack, `{"cmd":"NODE_HANDLE","msg":{"cmd":"NODE_HANDLE","msg":1}}`,
		`{"cmd":"NODE_CLUSTER","act":"close","key":"k"}`} {
		f.Add(line)
	}
	f.Fuzz(func(t *testing.T, line string) {
		r := newRig(t)
		r.say(line, line)
		for _, sent := range r.sent {
			if !json.Valid([]byte(strings.TrimPrefix(sent, "+"))) {
				t.Errorf("%q was answered by %q", line, sent)
			}
		}
		if len(r.opened) > 2 {
			t.Errorf("%d sockets were opened", len(r.opened))
		}
	})
}

// TestTwoServersAtOnce: a worker asks for one address twice before it has got the first
// socket. A real primary would have refused the second server, too.
func TestTwoServersAtOnce(t *testing.T) {
	r := newRig(t)
	v4 := strings.Replace(queryLine(2, 3456, ""), `"address":null`, `"address":"0.0.0.0"`, 1)
	refused := fmt.Sprintf(`{"cmd":"NODE_CLUSTER","errno":%d,"key":"0.0.0.0:3456:4:undefined:0","ack":2,"data":null,`+
		`"seq":2}`,
		-int(syscall.EADDRINUSE))
	r.want(t, queryLine(1, 3456, ""), reply(3456, 1, 1))
	r.want(t, v4, refused)
	if len(r.opened) != 1 {
		t.Errorf("%d sockets were opened, want 1", len(r.opened))
	}
	r.want(t, `{"cmd":"NODE_CLUSTER","act":"close","key":"null:3456:4:undefined:0","seq":3}`)
	r.say(v4)
	if len(r.opened) != 2 {
		t.Error("the address of a server that was closed is refused")
	}
}
