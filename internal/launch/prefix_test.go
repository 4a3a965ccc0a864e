package launch

import (
	"bytes"
	"testing"
	"testing/synctest"
	"time"
)

// TestBegunLineIsShown: a prompt is shown although its line has no end.
func TestBegunLineIsShown(t *testing.T) {
	for name, c := range map[string]struct {
		does func(*prefixer)
		want string
	}{
		"whole lines do not wait": {func(p *prefixer) { p.Write([]byte("a\nb\n")) }, "> a\n> b\n"},
		"a line in pieces is whole": {func(p *prefixer) {
			p.Write([]byte("a"))
			time.Sleep(quietFor - 1)
			p.Write([]byte("b\n"))
		}, "> ab\n"},
		"a prompt": {func(p *prefixer) {
			p.Write([]byte("x\npassword: "))
			time.Sleep(quietFor + 1)
		}, "> x\n> password: \n"},
		"the rest of a prompt's line": {func(p *prefixer) {
			p.Write([]byte("a ... "))
			time.Sleep(quietFor + 1)
			p.Write([]byte("done\nb\n"))
		}, "> a ... \n> done\n> b\n"},
		"only the end of a prompt's line": {func(p *prefixer) {
			p.Write([]byte("a"))
			time.Sleep(quietFor + 1)
			p.Write([]byte("\n\nb\n"))
		}, "> a\n> \n> b\n"},
		"dots without a pause": {func(p *prefixer) {
			for range 20 {
				p.Write([]byte("."))
				time.Sleep(4 * quietFor / 20)
			}
		}, "> ....................\n"},
		"a begun line of another master": {func(p *prefixer) { p.Write([]byte("a")); p.Take(); time.Sleep(time.Hour) }, ""},
		"the end of the output": {func(p *prefixer) {
			p.Write([]byte("a"))
			p.Flush()
			time.Sleep(time.Hour)
		}, "> a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				out := &bytes.Buffer{}
				p := (&Streams{Out: out, PrefixOut: true}).prefixer(0, "", 0, nil)
				p.prefix = "> "
				c.does(p)
				synctest.Wait()
				if got := out.String(); got != c.want {
					t.Errorf("got %q, want %q", got, c.want)
				}
				p.Take()
			})
		})
	}
}

// TestBegunLineOfAnotherMaster: the line is continued, and shown if nothing follows.
func TestBegunLineOfAnotherMaster(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		out := &bytes.Buffer{}
		p := (&Streams{Err: out, PrefixErr: true}).prefixer(1, "shop", 3, []byte("half "))
		if other := (&Streams{Err: out, PrefixErr: true}).prefixer(0, "shop", 3, nil); other != nil {
			t.Error("a stream without a prefix is prefixed")
		}
		time.Sleep(quietFor + 1)
		synctest.Wait()
		p.Write([]byte("a line\n"))
		if got := out.String(); got != "shop/3 │ half \nshop/3 │ a line\n" {
			t.Errorf("got %q", got)
		}
	})
}

// TestPrefixedTerminal: a terminal gets the program's colors, and no other control sequences; a file
// gets everything.
func TestPrefixedTerminal(t *testing.T) {
	const line = "\x1b[2J\x1b[32mok\x1b]0;title\a\x1b[0m\n"
	for terminal, want := range map[bool]string{true: "> \x1b[32mok\x1b[0m\n", false: "> " + line} {
		out := &bytes.Buffer{}
		p := (&Streams{Out: out, PrefixOut: true, TerminalOut: terminal}).prefixer(0, "", 0, nil)
		p.prefix = "> "
		p.Write([]byte(line))
		if got := out.String(); got != want {
			t.Errorf("terminal %v: got %q, want %q", terminal, got, want)
		}
	}
}
