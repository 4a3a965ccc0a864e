package ipc

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// onTheWire holds every message and its exact text.
var onTheWire = []struct {
	message Message
	text    string
}{
	{Hello{Protocol: 1}, `{"relevo":"hello","protocol":1}`},
	{Ready{}, `{"relevo":"ready"}`},
	{Draining{Open: 12}, `{"relevo":"draining","open":12}`},
	{Drained{}, `{"relevo":"drained"}`},
	{Status{Text: "é \"quoted\"\nline"}, `{"relevo":"status","text":"é \"quoted\"\nline"}`},
	{Load{Value: 0.7}, `{"relevo":"load","value":0.7}`},
	{Load{Value: 0.7, Measured: true}, `{"relevo":"load","value":0.7,"measured":true}`},
	{Drain{DeadlineMS: 30000}, `{"relevo":"drain","deadline_ms":30000}`},
	{
		State{Slot: 0, Generation: 3, Workers: []Peer{
			{Slot: 0, ID: "7", PID: 812, Generation: 3, State: "serving"},
			{Slot: 1, ID: "8", PID: 813, Generation: 2, State: "draining"},
		}},
		`{"relevo":"state","slot":0,"generation":3,"workers":[` +
			`{"slot":0,"id":"7","pid":812,"generation":3,"state":"serving"},` +
			`{"slot":1,"id":"8","pid":813,"generation":2,"state":"draining"}]}`,
	},
	{App{Data: json.RawMessage(`"ready"`)}, `"ready"`}, // Node: process.send('ready')
	{App{Data: json.RawMessage(`42`)}, `42`},
	{App{Data: json.RawMessage(`-1.5e3`)}, `-1.5e3`},
	{App{Data: json.RawMessage(`true`)}, `true`},
	{App{Data: json.RawMessage(`null`)}, `null`},
	{App{Data: json.RawMessage(`[1,{"relevo":"ready"}]`)}, `[1,{"relevo":"ready"}]`},
	{App{Data: json.RawMessage(`{}`)}, `{}`},
	{App{Data: json.RawMessage(`{"hello":"from go","n":1.0}`)}, `{"hello":"from go","n":1.0}`},
	{App{Data: json.RawMessage(`{"Relevo":"ready"}`)}, `{"Relevo":"ready"}`},
	{App{Data: json.RawMessage(`{"a":{"relevo":"ready"}}`)}, `{"a":{"relevo":"ready"}}`},
	{App{Data: json.RawMessage(`"<script> \u003c & \u2028` + "\u2028" + `"`)}, `"<script> \u003c & \u2028` + "\u2028" +
		`"`},
	{App{Data: json.RawMessage(`{"cmd":"NODE_HANDLE","type":"net.Native"}`)}, `{"cmd":"NODE_HANDLE","type":"net.Native"}`},
}

func TestWire(t *testing.T) {
	for _, c := range onTheWire {
		line, err := Encode(c.message)
		if err != nil || string(line) != c.text+"\n" {
			t.Errorf("Encode(%#v) = %q, %v\nwant %q", c.message, line, err, c.text+"\n")
		}
		m, err := Decode([]byte(c.text))
		if err != nil || !reflect.DeepEqual(m, c.message) {
			t.Errorf("Decode(%q) = %#v, %v\nwant %#v", c.text, m, err, c.message)
		}
	}
}

func TestDecode(t *testing.T) {
	for text, want := range map[string]Message{
		`{"relevo":"ready","since":"later versions"}`:         Ready{},
		` { "protocol" : 2 , "relevo" : "hello" } `:           Hello{Protocol: 2},
		`{"relevo":"hello"}`:                                  Hello{},
		`{"relevo":"restart","why":"newer"}`:                  Unknown{Kind: "restart"},
		`{"relevo":""}`:                                       Unknown{Kind: ""},
		`{"relevo":null}`:                                     Unknown{Kind: ""},
		`{"relevo":1}`:                                        Unknown{Kind: "?"},
		`{"relevo":{"relevo":"ready"}}`:                       Unknown{Kind: "?"},
		`{"relevo":"READY"}`:                                  Unknown{Kind: "READY"},
		`{"\u0072elevo":"ready"}`:                             Ready{},
		" [ 1 ] \t":                                           App{Data: json.RawMessage(`[ 1 ]`)},
		`{"relevo":"drain","deadline_ms":9007199254740993}`:   Drain{DeadlineMS: 9007199254740993},
		`{"relevo":"state","workers":null}`:                   State{},
		`{"relevo":"draining","open":3,"open_websockets":[]}`: Draining{Open: 3},
		`{"relevo":"load","value":"abc"}`:                     Load{Wrong: `"abc"`},
		`{"relevo":"load","value":1,"measured":"yes"}`:        Load{Value: 1},
		`{"relevo":"load","value":null}`:                      Load{Wrong: "null"},
		`{"relevo":"load","value":1e999}`:                     Load{Wrong: "1e999"},
		`{"relevo":"load"}`:                                   Load{Wrong: "nothing"},
	} {
		if m, err := Decode([]byte(text)); err != nil || !reflect.DeepEqual(m, want) {
			t.Errorf("Decode(%q) = %#v, %v, want %#v", text, m, err, want)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, text := range []string{
		``, ` `, `ready`, `{`, `{"relevo":"ready"`, `{"relevo":"ready"}}`, `1 2`, `{"a":1} {"a":2}`, `'a'`, "\x00",
		"\"a\nb\"",
		"GET / HTTP/1.1", `NaN`, `{relevo:"ready"}`,
		`{"relevo":"hello","protocol":"1"}`, `{"relevo":"draining","open":1.5}`, `{"relevo":"status","text":1}`,
		`{"relevo":"state","workers":{}}`, `{"relevo":"drain","deadline_ms":99999999999999999999}`,
	} {
		m, err := Decode([]byte(text))
		if err == nil || m != nil || !strings.HasPrefix(err.Error(), "cannot read ") {
			t.Errorf("Decode(%q) = %#v, %v, want an error", text, m, err)
		}
	}
	_, err := Decode(bytes.Repeat([]byte("x"), MaxLine))
	if err == nil || len(err.Error()) > 200 {
		t.Errorf("the error about a long line is %d bytes long", len(err.Error()))
	}
}

func TestDecodeCopies(t *testing.T) {
	line := []byte(`{"a":1}`)
	m, err := Decode(line)
	if err != nil {
		t.Fatal(err)
	}
	copy(line, `XXXXXXX`)
	if got := string(m.(App).Data); got != `{"a":1}` {
		t.Errorf("the message changed with the reader's buffer: %s", got)
	}
}

func TestEncodeApp(t *testing.T) {
	spaced := App{Data: json.RawMessage(" {\"a\" :\n[ 1,\t2 ] }\r\n")}
	if line, err := Encode(spaced); err != nil || string(line) != "{\"a\":[1,2]}\n" {
		t.Errorf("got %q, %v: a line must hold no line end", line, err)
	}
	for _, data := range []string{`{"relevo":"ready"}`, ` { "a":1, "relevo" : null }`, `{"relevo":1}`,
		`{"\u0072elevo":"x"}`} {
		if _, err := Encode(App{Data: json.RawMessage(data)}); !errors.Is(err, ErrReserved) {
			t.Errorf("%s: got %v, want ErrReserved", data, err)
		}
	}
	for _, data := range []string{``, ` `, `nonsense`, `1 2`, `{"a":1`, "\"a\nb\"", "1\n2"} {
		_, err := Encode(App{Data: json.RawMessage(data)})
		if err == nil || !strings.HasPrefix(err.Error(), "cannot send ") ||
			!strings.Contains(err.Error(), "not one JSON value") {
			t.Errorf("%q: got %v, want an error", data, err)
		}
	}
}

func TestEncodeLimits(t *testing.T) {
	text := func(n int) App { return App{Data: json.RawMessage(`"` + strings.Repeat("x", n-2) + `"`)} }
	if line, err := Encode(text(MaxLine)); err != nil || len(line) != MaxLine+1 {
		t.Errorf("a line of MaxLine bytes: %d bytes, %v", len(line), err)
	}
	if _, err := Encode(text(MaxLine + 1)); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("one byte more: %v, want ErrLineTooLong", err)
	}
	if _, err := Encode(Status{Text: strings.Repeat("x", MaxLine)}); !errors.Is(err, ErrLineTooLong) {
		t.Errorf("a long status: %v, want ErrLineTooLong", err)
	}
}

func TestEncodeUnknown(t *testing.T) {
	for _, m := range []Message{Unknown{Kind: "x"}, nil} {
		if _, err := Encode(m); err == nil || !strings.HasPrefix(err.Error(), "internal error: ") {
			t.Errorf("Encode(%#v): %v, want an internal error", m, err)
		}
	}
}

// FuzzDecode: no line makes Decode panic, and what it understands survives the
// way back and forth, an application's data byte by byte.
func FuzzDecode(f *testing.F) {
	for _, c := range onTheWire {
		f.Add([]byte(c.text))
	}
	for _, text := range []string{
		`{"relevo":"state","workers":[null,{}]}`, `{"relevo":["ready"]}`, ` [ 1 , 2 ] `,
		`{"relevo":"status","text":"\ud800<"}`,
		"\"\xff\"", `{"relevo":"ready","relevo":"x"}`, "{\"a\"\u00a0:1}", strings.Repeat("[", 20000),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := Decode(line)
		if err != nil {
			if m != nil || !strings.HasPrefix(err.Error(), "cannot read ") {
				t.Fatalf("%#v beside the error %v", m, err)
			}
			return
		}
		if _, unknown := m.(Unknown); unknown {
			return // has no way back
		}
		want := m
		if app, isApp := m.(App); isApp {
			var compact bytes.Buffer
			if err := json.Compact(&compact, line); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(app.Data, bytes.Trim(line, " \t\r\n")) {
				t.Fatalf("the data %q is not what stood on the line %q", app.Data, line)
			}
			want = App{Data: compact.Bytes()}
		}
		text, err := Encode(m)
		if errors.Is(err, ErrLineTooLong) && len(line) > MaxLine/6 {
			return // a byte may take six, escaped
		}
		if err != nil || bytes.Count(text, []byte("\n")) != 1 || text[len(text)-1] != '\n' {
			t.Fatalf("Encode(%#v) = %q, %v", m, text, err)
		}
		again, err := Decode(text[:len(text)-1])
		if err != nil || !reflect.DeepEqual(again, want) {
			t.Fatalf("%q came back as %#v, %v, want %#v", text, again, err, want)
		}
	})
}

// A State that was rendered for many is, on the wire, like any other.
func TestStateForAll(t *testing.T) {
	for _, peers := range [][]Peer{{}, {{Slot: 1, ID: "7", PID: 12, Generation: 3, State: "serving"},
		{Slot: 2, ID: "<8>", Generation: 4, State: "starting"}}} {
		state, err := ForAll(peers)
		if err != nil {
			t.Fatal(err)
		}
		state.Slot, state.Generation = 1, 3
		got, err := Encode(state)
		want, wantErr := Encode(State{Slot: 1, Generation: 3, Workers: peers})
		if err != nil || wantErr != nil || string(got) != string(want) {
			t.Errorf("%s, %v\nwant %s, %v", got, err, want, wantErr)
		}
	}
}

// TestAppForAll: a message for many workers is in the memory once.
func TestAppForAll(t *testing.T) {
	m, err := AppForAll([]byte(` {"a": 1}`))
	if err != nil {
		t.Fatal(err)
	}
	first, errFirst := Encode(m)
	second, errSecond := Encode(m)
	if string(first) != "{\"a\":1}\n" || &first[0] != &second[0] || errFirst != nil || errSecond != nil {
		t.Errorf("it is rendered as %q (%v) and %q (%v)", first, errFirst, second, errSecond)
	}
	if _, err := AppForAll([]byte(`{"relevo":1}`)); err != ErrReserved {
		t.Errorf("a reserved one: %v", err)
	}
}
