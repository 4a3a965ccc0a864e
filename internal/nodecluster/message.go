package nodecluster

import (
	"bytes"
	"encoding/json"
	"strconv"
)

// The commands of the outer envelope.
const (
	cmdCluster = "NODE_CLUSTER"
	cmdHandle  = "NODE_HANDLE"
	cmdAck     = "NODE_HANDLE_ACK"
	cmdNack    = "NODE_HANDLE_NACK"
)

// The acts of workers and primary.
const (
	actOnline     = "online"
	actQuery      = "queryServer"
	actListening  = "listening"
	actClose      = "close"
	actVoluntary  = "exitedAfterDisconnect"
	actDisconnect = "disconnect" // sent by the primary
	actConnection = "newconn"    // sent by the primary
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

// Datagram says whether the socket is a UDP socket.
func (t AddressType) Datagram() bool { return t == UDP4 || t == UDP6 }

// UnmarshalJSON takes a number or a name.
func (t *AddressType) UnmarshalJSON(data []byte) error {
	*t = AddressType(bytes.Trim(data, `"`))
	return nil
}

// integer is a number in whose place Node may write another value: a backlog that was not
// given is false, null or 0.
type integer int

// UnmarshalJSON reads any value that is no number as 0.
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
	Address *string     `json:"address"` // nil: any; a path if the socket is a Unix socket
	Port    integer     `json:"port"`    // 0: any; -1 if it is a Unix socket
	Type    AddressType `json:"addressType"`
	FD      *integer    `json:"fd"`      // a descriptor of the primary; nil or negative: none
	Flags   integer     `json:"flags"`   // UV_TCP_IPV6ONLY, UV_UDP_*
	Backlog integer     `json:"backlog"` // 0: Node's own, 511
	Index   integer     `json:"index"`   // counts the servers of one worker with the same address
}

// V6Only says whether the socket accepts only IPv6 (UV_TCP_IPV6ONLY, UV_UDP_IPV6ONLY).
func (q Query) V6Only() bool { return q.Flags&1 != 0 && (q.Type == IPv6 || q.Type == UDP6) }

// received is a message of a worker that belongs to the protocol, of any kind.
type received struct {
	Cmd  string          `json:"cmd"`
	Act  string          `json:"act"`
	Seq  integer         `json:"seq"`
	Data json.RawMessage `json:"data"`
	Key  string          `json:"key"`
	Ack  *integer        `json:"ack"` // number of the message that passed a connection
	Query

	Accepted bool     `json:"accepted"` // the server has taken that connection
	Node     string   `json:"node"`     // sent by the preload: Node's version
	Again    bool     `json:"again"`    // sent by the preload: a killed master has not answered this request
	Keys     []string `json:"keys"`     // sent by the preload: the open servers
}

// parse reads a message. ours says whether it belongs to the protocol. err says that it does,
// but is broken: then it cannot be answered.
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

// IsInternal says whether a worker's message belongs to the protocol.
func IsInternal(line []byte) bool {
	_, ours, _ := parse(line)
	return ours
}

// internal says whether Node hides messages with this command from the program.
func internal(cmd string) bool { return len(cmd) > len("NODE_") && cmd[:len("NODE_")] == "NODE_" }

// answer is the reply to a query. With a socket, it is sent inside a handle.
type answer struct {
	Cmd   string          `json:"cmd"`
	Errno int             `json:"errno"` // negative; 0: none
	Key   string          `json:"key"`
	Ack   integer         `json:"ack"`
	Data  json.RawMessage `json:"data"`
	Seq   int64           `json:"seq"`
}

// handle is the envelope of a message that is sent together with a descriptor.
type handle struct {
	Cmd  string `json:"cmd"`
	Type string `json:"type"`
	Msg  any    `json:"msg"`
}

// The types of handles.
const (
	streamHandle   = "net.Native"
	datagramHandle = "dgram.Native"
)

// order is a message of the primary that is sent without a descriptor.
type order struct {
	Cmd string   `json:"cmd"`
	Act string   `json:"act,omitempty"`
	Ack *integer `json:"ack,omitempty"`
	Key string   `json:"key,omitempty"`
	Seq int64    `json:"seq"`
}
