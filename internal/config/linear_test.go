package config

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestCostIsLinear: a file that is four times as long costs about four times as much,
// whatever it is made of. What would cost the square of it costs sixteen times as much.
func TestCostIsLinear(t *testing.T) {
	repeat := func(format string, between string) func(int) string {
		return func(n int) string {
			all := make([]string, n)
			for i := range all {
				all[i] = fmt.Sprintf(strings.ReplaceAll(format, "#", "%[1]d"), i)
			}
			return strings.Join(all, between)
		}
	}
	within := func(before string, middle func(int) string, after string) func(int) string {
		return func(n int) string { return before + middle(n) + after }
	}
	for name, text := range map[string]func(int) string{
		"parts of a key":    within("a.", repeat("a", "."), " = 1"),
		"parts of a header": within("[", repeat("a", "."), "]\nb = 1\n"),
		"keys of a long header": func(n int) string {
			return "[" + strings.Repeat("a.", n) + "a]\n" + repeat("b# = 1", "\n")(n)
		},
		"keys of a header of 1 kB":   within("["+strings.Repeat("a", 1000)+"]\n", repeat("b# = 1", "\n"), ""),
		"one long key":               within(`"`, repeat("a", ""), `" = 1`),
		"unknown keys":               repeat("a# = 1", "\n"),
		"unknown tables":             repeat("[a#]", "\n"),
		"unknown arrays of tables":   repeat("[[a]]", "\n"),
		"tables in arrays of tables": repeat("[[a]]\n[a.b]\nc = 1", "\n"),
		"the same key again":         repeat(`name = "a"`, "\n"),
		"variables":                  within("[env]\n", repeat(`A# = "1"`, "\n"), ""),
		"dotted variables":           repeat(`env.A# = "1"`, "\n"),
		"variables in one line":      within("env = {", repeat(`A# = "1"`, ", "), "}"),
		"wrong limits":               within("[limits.rlimits]\n", repeat(`a# = "1"`, "\n"), ""),
		"arguments in one line":      within("command = [", repeat(`"é#"`, ", "), "]"),
		"one long argument":          within(`command = ["`, repeat("é", ""), `"]`),
		"listeners":                  within("listen = [", repeat(`":#"`, ", "), "]"),
		"tables of listeners":        repeat("[[listener]]\naddress = \":#\"", "\n"),
		"listeners with wrong keys":  repeat("[[listener]]\nadress = \":#\"", "\n"),
		"environment files":          within("env_files = [", repeat(`"a#"`, ", "), "]"),
		"rules":                      repeat("[[dev.rules]]\ninputs = [\"#\"]\ncommand = \"a\"", "\n"),
		"arrays beside each other":   within("a = [", repeat("[]", ", "), "]"),
		"arrays in each other": func(n int) string {
			return "a = " + strings.Repeat("[", n/2) + strings.Repeat("]", n/2)
		},
		"inline tables in each other": func(n int) string {
			return "a = " + strings.Repeat("{a = ", n/2) + "1" + strings.Repeat("}", n/2)
		},
		"comments": repeat("# é", "\n"),
	} {
		t.Run(name, func(t *testing.T) {
			const n, most = 4000, 9
			stack := 0
			if strings.HasSuffix(name, "in each other") {
				stack = 20 << 20
			}
			once, fourTimes := costOf(text(n), stack), costOf(text(4*n), stack)
			for range 20 { // the machine does other things, too, which only adds to a cost
				if fourTimes < most*once {
					return
				}
				once, fourTimes = min(once, costOf(text(n), stack)), min(fourTimes, costOf(text(4*n), stack))
			}
			t.Errorf("four times as much of it costs %s, once %s", fourTimes, once)
		})
	}
}

// costOf is the time of all processors that it takes to read a text and to tell what is
// wrong with it. How often memory is collected meanwhile depends on the machine, and so does what it
// costs to move a stack that grows: stack is how many bytes it has before.
func costOf(text string, stack int) time.Duration {
	runtime.GC()
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	growStack(stack)
	before := processorTime()
	file := parse("relevo.toml", "/srv/shop", []byte(text))
	_, err := Sources{Defaults: Default(), File: file, Dir: "/home", NoCommand: true}.Resolve()
	for _, e := range SortedErrors(err) {
		_ = e.Error()
	}
	return max(processorTime()-before, 2*time.Millisecond)
}

// growStack grows the stack to so many bytes.
func growStack(bytes int) byte {
	var frame [1 << 10]byte
	frame[bytes%len(frame)] = 1
	if bytes < len(frame) {
		return frame[0]
	}
	return growStack(bytes-len(frame)) + frame[7]
}

func processorTime() time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		panic(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// TestManyErrorsAreTold: the first of them, and that there are more.
func TestManyErrorsAreTold(t *testing.T) {
	for _, line := range []string{"name = \"a\"\n", "a = 1\n[a]\n", "[limits]\nx = 1\n[a]\n"} {
		_, err := resolveText(strings.Repeat(line, 1000))
		all := SortedErrors(err)
		if len(all) < maxErrors || len(all) > 2*maxErrors+2 {
			t.Errorf("1000 times %q: %d errors are told", line, len(all))
		}
		if !strings.Contains(err.Error(), errMore.Error()) {
			t.Errorf("1000 times %q: nothing says that there are more errors", line)
		}
	}
}

// TestPositionsCountCharacters: on a long line of characters of several bytes.
func TestPositionsCountCharacters(t *testing.T) {
	for _, before := range []int{0, 1, 100, blockBytes - 1, blockBytes, 3 * blockBytes} {
		text := "# é\nname = '" + strings.Repeat("é", before) + "' x"
		file := parse("relevo.toml", "/", []byte(text))
		want := fmt.Sprintf("relevo.toml:2:%d:", len("name = '' ")+before+1)
		if err := file.Err(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%d characters: %v, want %s", before, err, want)
		}
	}
}

// TestLongKeys: a key that is too long is refused once, with all that belongs to it.
func TestLongKeys(t *testing.T) {
	long := strings.Repeat("a.", maxKeyParts) + "a"
	for text, want := range map[string]string{
		long + " = 1\nname = \"x\"":                              "1:1: cannot use this key",
		"[" + long + "]\nb = 1\n[limits]\nnice = 1":              "1:2: cannot use this key",
		"env = {A = \"1\", " + long + " = 1}":                    "1:17: cannot use this key",
		"'" + strings.Repeat("a", maxKeyBytes+1) + "' = 1\n":     "1:1: cannot use this key",
		"[env]\n" + strings.Repeat("A", maxKeyBytes+1) + " = ''": "2:1: cannot use this key",
	} {
		_, err := resolveText(text)
		all := SortedErrors(err)
		if len(all) != 1 || !strings.Contains(all[0].Error(), want) {
			t.Errorf("%.40q…: %.300q, want %s alone", text, all, want)
		}
	}
	if _, err := resolveText("[env]\n" + strings.Repeat("A", maxKeyBytes) + " = ''"); err != nil {
		t.Errorf("a long name: %v", err)
	}
}
