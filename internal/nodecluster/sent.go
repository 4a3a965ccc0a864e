package nodecluster

import (
	"bytes"
	"encoding/json"
	"os"
)

// TakeSent answers a message that came with a connection or a server of the worker's
// program. That is not taken, but without the answer Node would send nothing that the
// program says later. It returns what the program says beside it. ours is false for any
// other message. A Node worker sends such messages whether it is one of Node's cluster or
// not.
func TakeSent(line []byte, send func([]byte, *os.File) error) (program json.RawMessage, ours bool) {
	m, _, _ := parse(line)
	if m.Cmd != cmdHandle {
		return nil, false
	}
	acknowledge(send)
	var outer struct {
		Msg json.RawMessage `json:"msg"`
	}
	if json.Unmarshal(line, &outer) != nil || len(outer.Msg) == 0 || IsInternal(outer.Msg) {
		return nil, true
	}
	return outer.Msg, true
}

// PassedOver is told how a line begins that could not be read, for it was too long or no
// JSON. It answers one that a connection or a server came with, and says whether it was that.
func PassedOver(begin []byte, send func([]byte, *os.File) error) bool {
	if !bytes.HasPrefix(begin, []byte(`{"cmd":"`+cmdHandle+`"`)) {
		return false
	}
	acknowledge(send)
	return true
}

func acknowledge(send func([]byte, *os.File) error) {
	_ = send([]byte(`{"cmd":"`+cmdAck+`"}`), nil) // a worker that reads no more waits for nothing
}
