package ipc

import (
	"maps"
	"testing"
)

func TestParseNotification(t *testing.T) {
	for text, want := range map[string]Notification{
		"":                                     {},
		"READY=1":                              {"READY": "1"},
		"READY=1\n":                            {"READY": "1"},
		"READY=1\nSTATUS=all well\nMAINPID=12": {"READY": "1", "STATUS": "all well", "MAINPID": "12"},
		"STATUS=a=b":                           {"STATUS": "a=b"},
		"STATUS=":                              {"STATUS": ""},
		"READY=0\nREADY=1":                     {"READY": "1"},
		"\n\nREADY=1\n\n":                      {"READY": "1"},
		"nonsense\n=1\nREADY":                  {},
		"\x00\xff=\x01":                        {"\x00\xff": "\x01"},
	} {
		if got := ParseNotification([]byte(text)); !maps.Equal(got, want) {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}
