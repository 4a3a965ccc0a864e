package logfile

import (
	"bytes"
	"strconv"
	"strings"
	"time"
)

// Record is one line of output.
type Record struct {
	Time       time.Time // zero: no Writer wrote the line, and all of it is Text
	Slot       int       // -1: the master itself
	Generation int
	PID        int
	Stream     string // Out, Err or Log
	Text       string
	More       bool // the next record of this pid and stream continues the text
	Torn       bool // the beginning of the text may be missing
}

// The streams.
const (
	Out = "out"
	Err = "err"
	Log = "log" // the master's own log
)

// Source is the origin of a stream of output.
type Source struct {
	Slot, Generation, PID int
	Stream                string
}

// maxPiece bounds the text of one line of a file; longer ones are split.
const maxPiece = 16 << 10

// maxPrefix is longer than any prefix: 27 bytes of time, four numbers, a stream, and spaces.
const maxPrefix = 120

const timeLayout = "2006-01-02T15:04:05.000000Z"

// words are the constant words between time and text, with a space before them.
func (s Source) words() string {
	slot := "-"
	if s.Slot >= 0 {
		slot = strconv.Itoa(s.Slot)
	}
	return " " + slot + " g" + strconv.Itoa(s.Generation) + " " + strconv.Itoa(s.PID) + " " + s.Stream
}

// parse parses one line without its end. A line of another form becomes Text.
func parse(line []byte) Record {
	foreign := Record{Slot: -1, Text: string(line)}
	var words [5][]byte
	rest := line
	for i := range words {
		word, after, found := bytes.Cut(rest, []byte(" "))
		if !found {
			return foreign
		}
		words[i], rest = word, after
	}
	at, err := time.Parse(timeLayout, string(words[0]))
	if err != nil {
		return foreign
	}
	r := Record{Time: at, Slot: -1, Text: string(rest)}
	numbers := []*int{&r.Slot, &r.Generation, &r.PID}
	for i, word := range []string{string(words[1]), strings.TrimPrefix(string(words[2]), "g"), string(words[3])} {
		if i == 0 && word == "-" {
			continue
		}
		if *numbers[i], err = strconv.Atoi(word); err != nil {
			return foreign
		}
	}
	r.Stream, r.More = strings.CutSuffix(string(words[4]), "+")
	r.Stream, r.Torn = strings.CutSuffix(r.Stream, "-")
	return r
}

// timeOf parses only the time of a line.
func timeOf(line []byte) (time.Time, bool) {
	if len(line) <= len(timeLayout) {
		return time.Time{}, false
	}
	at, err := time.Parse(timeLayout, string(line[:len(timeLayout)]))
	return at, err == nil
}
