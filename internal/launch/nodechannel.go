package launch

import (
	"errors"
	"fmt"
	"os"
	"sync"

	"relevo/internal/ipc"
	"relevo/internal/nodecluster"
)

// errNoHello is returned by Send for a message that its program would not understand.
var errNoHello = errors.New("the program has not said hello on its channel")

// openChannel begins to read the worker's channel. A Node program may use the channel for
// itself without knowing relevo: then relevo's limits and messages are not meant for it.
func (p *Process) openChannel(conn *os.File, rest ipc.Rest, ended func(error)) *ipc.Channel {
	if !p.release.node() {
		return ipc.NewChannel(conn, rest, p.said, ended, p.overflowed)
	}
	if !p.greeted.Load() {
		rest.State = nil // an older master sent its state to every worker
	}
	node := ipc.Node{PassedOver: p.passedOver, Internal: nodecluster.IsInternal, Descriptors: true}
	return ipc.NewNodeChannel(conn, rest, node, p.said, ended, p.overflowed)
}

// withholds says whether a message must not be sent: it is relevo's own, and the worker is a
// Node program that has not said hello. process.on('message') would get it, and the program
// may end because of a message that it does not know.
func (p *Process) withholds(m ipc.Message) bool {
	if _, app := m.(ipc.App); app {
		return false
	}
	return p.release.node() && !p.greeted.Load()
}

// passedOver is called for each line of the program that was skipped.
func (p *Process) passedOver(line *ipc.LineError) {
	<-p.launched
	if p.isSilent() {
		return
	}
	if nodecluster.PassedOver(line.Begin, p.sendNode) {
		p.tellSent()
	}
	p.release.passedOver.tell(p, line)
}

// passedOver warns once for each release about skipped lines.
type passedOver struct{ long, broken sync.Once }

func (o *passedOver) tell(p *Process, line *ipc.LineError) {
	warn := p.release.launcher.warn
	if !errors.Is(line, ipc.ErrLineTooLong) {
		o.broken.Do(func() {
			warn("a line on a worker's channel is not one JSON value of at most 10,000 levels, and is passed over; "+
				"write to the channel by process.send alone", "pid", p.pid, "bytes", line.Size, "err", line.Err)
		})
		return
	}
	o.long.Do(func() {
		warn(fmt.Sprintf("a message of a worker (process.send) is longer than %d bytes, and is passed over; "+
			"send it in parts, or write it to a file and send its name", ipc.MaxLine), "pid", p.pid, "bytes", line.Size)
	})
}
