package nodecluster

import (
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
)

// passRig is a primary whose worker has a server at address.
type passRig struct {
	*rig
	address netip.AddrPort
}

func newPassRig(t *testing.T) *passRig {
	t.Helper()
	listener, err := net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	r := &passRig{rig: newRig(t), address: listener.Addr().(*net.TCPAddr).AddrPort()}
	if r.socket, err = listener.File(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.socket.Close() })
	r.say(queryLine(1, 80, ""), ack)
	r.sent = nil
	return r
}

// pass passes a connection to the worker, whose answer arrives in the channel taken.
func (r *passRig) pass(t *testing.T) (taken chan bool, p *Passing) {
	t.Helper()
	taken = make(chan bool, 1)
	p, ok := r.Pass(r.address, os.Stdin, func() {}, func(yes bool) { taken <- yes })
	if !ok {
		t.Fatal("the worker has no server there")
	}
	return taken, p
}

func connection(seq int) string {
	return fmt.Sprintf(
		`+{"cmd":"NODE_HANDLE","type":"net.Native","msg":{"cmd":"NODE_CLUSTER","act":"newconn",`+
			`"key":"null:80:4:undefined:0","seq":%d}}`, seq)
}

func accepted(seq int, yes bool) string {
	return fmt.Sprintf(`{"cmd":"NODE_CLUSTER","ack":%d,"accepted":%v,"seq":9}`, seq, yes)
}

const nack = `{"cmd":"NODE_HANDLE_NACK"}`

func TestPass(t *testing.T) {
	r := newPassRig(t)
	for _, want := range []bool{true, false} {
		seq := int(r.seq) + 1
		taken, _ := r.pass(t)
		if sent := []string{connection(seq)}; !slices.Equal(r.sent, sent) {
			t.Errorf("sent %q, want %q", r.sent, sent)
		}
		r.want(t, ack)
		r.want(t, accepted(seq, want))
		if got := <-taken; got != want {
			t.Errorf("taken: %v, want %v", got, want)
		}
		r.want(t, accepted(seq, want)) // a second answer to the same message has no effect
	}
	if _, ok := r.Pass(netip.AddrPortFrom(r.address.Addr(), r.address.Port()+1), os.Stdin, func() {}, nil); ok {
		t.Error("there is a server at another port")
	}
	r.say(`{"cmd":"NODE_CLUSTER","act":"close","key":"null:80:4:undefined:0","seq":3}`)
	if _, ok := r.Pass(r.address, os.Stdin, func() {}, nil); ok {
		t.Error("a connection was sent to a server that is closed")
	}
}

// Node takes one descriptor at a time, and says if one did not arrive.
func TestPassAgain(t *testing.T) {
	r := newPassRig(t)
	first, _ := r.pass(t)
	second, withdrawn := r.pass(t)
	third, _ := r.pass(t)
	if want := []string{connection(2)}; !slices.Equal(r.sent, want) {
		t.Errorf("sent %q, want %q", r.sent, want)
	}
	if !r.Withdraw(withdrawn) {
		t.Error("a connection that was not sent cannot be withdrawn")
	}
	r.want(t, nack, connection(3))
	r.want(t, nack, connection(4))
	r.want(t, nack, connection(5)) // the third connection: the first was sent maxTries times
	if <-first {
		t.Error("a connection that never came was taken")
	}
	r.want(t, accepted(5, true)) // this may come before the acknowledgement of the descriptor
	if !<-third {
		t.Error("the third was not taken")
	}
	r.want(t, nack) // wrong: the connection was already accepted
	if len(second) > 0 {
		t.Error("something is told of a connection that was withdrawn")
	}
}

func TestPassToDying(t *testing.T) {
	r := newPassRig(t)
	first, sent := r.pass(t)
	second, _ := r.pass(t)
	r.want(t, ack, connection(3))
	if r.Withdraw(sent) {
		t.Error("a connection that was sent can be withdrawn")
	}
	r.Ended()
	if <-first || <-second {
		t.Error("a worker that is dead has taken a connection")
	}
	if _, ok := r.Pass(r.address, os.Stdin, func() {}, nil); ok {
		t.Error("a connection is passed to a worker that is dead")
	}
}

// The next master waits for the acknowledgement of the descriptor that is on its way, and sends
// nothing twice.
func TestResumePass(t *testing.T) {
	for answer, want := range map[string][]string{ack: {reply(1002, 5, 3)}, nack: {reply(1002, 5, 3)}} {
		r := newPassRig(t)
		r.pass(t)
		r.pass(t)
		r.say(queryLine(5, 1002, ""))
		text, err := json.Marshal(r.Legacy())
		if err != nil {
			t.Fatal(err)
		}
		var l Legacy
		if err := json.Unmarshal(text, &l); err != nil {
			t.Fatal(err)
		}
		if len(l.Waiting) != 2 {
			t.Errorf("%d messages are left, want that which is on its way, and the answer", len(l.Waiting))
		}
		next := newRig(t)
		next.Primary = Resume(next.options(), l)
		next.want(t, answer, want...)
		if _, ok := next.Pass(r.address, os.Stdin, func() {}, nil); !ok {
			t.Error("it is not known where the server is")
		}
	}
}

// After a master was killed, its connections may have arrived, and the worker may still answer
// for them. The next master must not take such an answer for one to its own messages.
func TestResumeTorn(t *testing.T) {
	r := newPassRig(t)
	r.pass(t)
	l := r.Legacy()
	l.Tear(false)
	next := newPassRig(t)
	next.Primary, next.address = Resume(next.options(), l), r.address
	if next.Taking() {
		t.Error("a connection is waited for that may have arrived")
	}
	taken, _ := next.pass(t)
	for seq := range 5 {
		next.say(accepted(seq, true))
	}
	next.say(accepted(int(l.Seq)+1, false))
	if <-taken {
		t.Error("an answer to the master before is taken for one to this")
	}
}
