// Package lines is a program that prints lines, and says how long it took. A benchmark is that
// program itself when it is started with Args.
package lines

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"
)

// Bytes is the length of a line, its end counted.
const Bytes = 100

// verb makes a program this one.
const verb = "lines"

// How a program writes its lines.
const (
	InBlocks = "blocks" // as many as fit into 64 KiB at once
	Singly   = "lines"  // a write(2) each
)

// Printed is what the program says of itself once it has written all lines.
type Printed struct {
	Began time.Time
	Took  time.Duration
}

// Args are the arguments with which a program prints count lines, and then writes its Printed to
// the file result.
func Args(count int, how, result string) []string {
	return []string{verb, strconv.Itoa(count), how, result}
}

// Main runs the program if args ask for it.
func Main(args []string) (code int, is bool) {
	if len(args) != 5 || args[1] != verb {
		return 0, false
	}
	count, err := strconv.Atoi(args[2])
	if err == nil {
		err = run(count, args[3], args[4])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lines:", err)
		return 1, true
	}
	time.Sleep(time.Hour) // as a program that keeps running; it is stopped
	return 0, true
}

func run(count int, how, result string) error {
	p := Printed{Began: time.Now()}
	if err := write(os.Stdout, count, how); err != nil {
		return err
	}
	p.Took = time.Since(p.Began)
	text, err := json.Marshal(p)
	if err == nil {
		err = os.WriteFile(result+".new", text, 0o600)
	}
	if err != nil {
		return err
	}
	return os.Rename(result+".new", result)
}

func write(out io.Writer, count int, how string) error {
	buffered := bufio.NewWriterSize(out, 64<<10)
	if how == InBlocks {
		out = buffered
	}
	line := append(bytes.Repeat([]byte("x"), Bytes-1), '\n')
	for i := range count {
		copy(line, fmt.Appendf(nil, "%09d", i))
		if _, err := out.Write(line); err != nil {
			return err
		}
	}
	return buffered.Flush()
}

// Read reads what the program has said of itself. The error is fs.ErrNotExist before it has
// written all lines.
func Read(result string) (p Printed, err error) {
	text, err := os.ReadFile(result)
	if err == nil {
		err = json.Unmarshal(text, &p)
	}
	return p, err
}

// filling is what a line has behind its number.
var filling = bytes.Repeat([]byte("x"), 20)

// Number returns the number of a line, counted from 0; -1: it is no line of the program. What
// keeps the lines may have put something before it.
func Number(line []byte) int {
	i := bytes.Index(line, filling)
	if i < 9 {
		return -1
	}
	n, err := strconv.Atoi(string(line[i-9 : i]))
	if err != nil {
		return -1
	}
	return n
}
