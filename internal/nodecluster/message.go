package nodecluster

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// Commands of the outer envelope.
const (
	cmdCluster = "NODE_CLUSTER"
	cmdHandle  = "NODE_HANDLE"
	cmdAck     = "NODE_HANDLE_ACK"
	cmdNack    = "NODE_HANDLE_NACK"
)

// Acts of a worker.
const (
	actOnline     = "online"
	actQuery      = "queryServer"
	actListening  = "listening"
	actClose      = "close"
	actVoluntary  = "exitedAfterDisconnect"
	actDisconnect = "disconnect" // of the primary
	actConnection = "newconn"    // of the primary
)

// AddressType says what kind of socket a server wants.
type AddressType string

// The kinds, as Node writes them: numbers for streams, names for datagrams.
const (
	IPv4 AddressType = "4"
	IPv6 AddressType = "6"
	Unix AddressType = "-1"
	UDP4 AddressType = "udp4"
	UDP6 AddressType = "udp6"
)

// Datagram says whether it is of UDP.
func (t AddressType) Datagram() bool { return t == UDP4 || t == UDP6 }

// UnmarshalJSON takes a number or a name.
func (t *AddressType) UnmarshalJSON(data []byte) error {
	*t = AddressType(bytes.Trim(data, `"`))
	return nil
}

// integer is a number where Node may write something else as well: a backlog that was
// not given is false, null or 0.
type integer int

// UnmarshalJSON takes what is no number as 0.
func (n *integer) UnmarshalJSON(data []byte) error {
	value, err := strconv.ParseInt(string(data), 10, 32)
	if err != nil {
		value = 0
	}
	*n = integer(value)
	return nil
}

// Query is what a worker wants to listen on.
type Query struct {
	Address *string     `json:"address"` // nil: any; a path for Unix
	Port    integer     `json:"port"`    // 0: any; -1 for Unix
	Type    AddressType `json:"addressType"`
	FD      *integer    `json:"fd"`      // of the primary; nil or negative: none
	Flags   integer     `json:"flags"`   // UV_TCP_IPV6ONLY, UV_UDP_*
	Backlog integer     `json:"backlog"` // 0: Node's own, 511
	Index   integer     `json:"index"`   // counts the servers of one worker with the same address
}

// V6Only says whether the socket takes IPv6 alone (UV_TCP_IPV6ONLY, UV_UDP_IPV6ONLY).
func (q Query) V6Only() bool { return q.Flags&1 != 0 && (q.Type == IPv6 || q.Type == UDP6) }

// received is any message of a worker that is the protocol's.
type received struct {
	Cmd  string          `json:"cmd"`
	Act  string          `json:"act"`
	Seq  integer         `json:"seq"`
	Data json.RawMessage `json:"data"`
	Key  string          `json:"key"`
	Ack  *integer        `json:"ack"` // of a connection that was passed
	Query

	Accepted bool   `json:"accepted"` // that connection
	Node     string `json:"node"`     // of the preload: the version
}

// parse says whether a message is the protocol's, and reads it. What is broken in one
// that is makes its error: nothing can be answered then.
func parse(line []byte) (m received, ours bool, err error) {
	line = bytes.TrimSpace(line)
	if !bytes.HasPrefix(line, []byte("{")) || !bytes.Contains(line, []byte(`"NODE_`)) {
		return m, false, nil
	}
	var outer struct {
		Cmd json.RawMessage `json:"cmd"`
	}
	if json.Unmarshal(line, &outer) != nil || json.Unmarshal(outer.Cmd, &m.Cmd) != nil || !internal(m.Cmd) {
		return m, false, nil
	}
	if m.Cmd == cmdCluster || m.Cmd == cmdRelevo {
		err = json.Unmarshal(line, &m)
	}
	return m, true, err
}

// IsInternal says whether a worker's message is the protocol's.
func IsInternal(line []byte) bool {
	_, ours, _ := parse(line)
	return ours
}

// internal says whether Node keeps messages of a command from the program.
func internal(cmd string) bool { return len(cmd) > len("NODE_") && cmd[:len("NODE_")] == "NODE_" }

// answer is the reply to a query. Where a socket goes with it, it is in a handle's
// envelope.
type answer struct {
	Cmd   string          `json:"cmd"`
	Errno int             `json:"errno"` // negative; 0: none
	Key   string          `json:"key"`
	Ack   integer         `json:"ack"`
	Data  json.RawMessage `json:"data"`
	Seq   int64           `json:"seq"`
}

// handle is the envelope of a message that a descriptor goes with.
type handle struct {
	Cmd  string `json:"cmd"`
	Type string `json:"type"`
	Msg  any    `json:"msg"`
}

// Types of handles.
const (
	streamHandle   = "net.Native"
	datagramHandle = "dgram.Native"
)

// order is a message of the primary that no descriptor goes with.
type order struct {
	Cmd string   `json:"cmd"`
	Act string   `json:"act,omitempty"`
	Ack *integer `json:"ack,omitempty"`
	Key string   `json:"key,omitempty"`
	Seq int64    `json:"seq"`
}
