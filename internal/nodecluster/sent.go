package nodecluster

import (
	"bytes"
	"encoding/json"
	"os"
)

// TakeSent acknowledges a message with which the program has sent a connection or a server.
// The master does not take that, but Node sends none of the program's later messages before
// the acknowledgement. TakeSent returns the program's message. ours is false for a message of
// another kind. A Node worker may send such messages even if it does not use the cluster module.
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

// PassedOver is called with the beginning of a line that could not be read: it was too long, or
// not JSON. If a connection or a server came with the line, PassedOver acknowledges it and
// returns true.
func PassedOver(begin []byte, send func([]byte, *os.File) error) bool {
	if !bytes.HasPrefix(begin, []byte(`{"cmd":"`+cmdHandle+`"`)) {
		return false
	}
	acknowledge(send)
	return true
}

func acknowledge(send func([]byte, *os.File) error) {
	_ = send([]byte(`{"cmd":"`+cmdAck+`"}`), nil) // an error means that the worker has ended
}
