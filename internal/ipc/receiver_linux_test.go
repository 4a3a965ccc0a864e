package ipc

import (
	"fmt"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A Node worker may send descriptors: the master takes the lines, and closes them.
func TestNodeChannelDropsDescriptors(t *testing.T) {
	master, worker, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	heard := make(chan Message, 100)
	c := NewNodeChannel(master, Rest{}, Node{Descriptors: true}, func(m Message) {
		heard <- m
	}, func(error) {}, func(Flood) {})
	defer c.Wait()
	defer c.Close()
	const lines = 8
	end, other, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer end.Close()
	many := make([]int, maxUnclosed/lines-1) // more would be refused where they do not close
	for i := range many {
		many[i] = int(other.Fd())
	}
	for i := range lines {
		if err := unix.Sendmsg(int(worker.Fd()), fmt.Appendln(nil, i), unix.UnixRights(many...), nil, 0); err != nil {
			t.Fatalf("line %d: %v", i, err)
		}
		if m := receive(t, heard, "a line"); string(m.(App).Data) != fmt.Sprint(i) {
			t.Errorf("heard %v", m)
		}
	}
	other.Close()
	if n, err := end.Read(make([]byte, 1)); n > 0 || err == nil {
		t.Error("the other end of the pipe is open") // or this would wait
	}
}
