// Package unit makes the unit files with which systemd runs an app: a .service, and a .socket for
// each listener if systemd holds the sockets.
package unit

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"relevo/internal/config"
)

// Options describe the units. All fields but Name, User, Sockets and Systemd are required.
type Options struct {
	App     config.App
	Name    string   // of the units and of the app; default: App.Name
	Program string   // the relevo binary, absolute
	Config  string   // the configuration file, absolute
	User    bool     // for a user's manager, systemctl --user
	Sockets bool     // systemd opens the listening sockets
	Flags   []string // of relevo run, beside those for the file and the name
	Systemd int      // its version, such as 252; 0: use nothing that is newer than 252
}

// File is a unit file.
type File struct{ Name, Text string }

// Mark is the beginning of every unit that this package makes. A file that begins with it may be
// replaced.
const Mark = "# Made by relevo"

// Files returns the units of an app, the service first.
func Files(o Options) ([]File, error) {
	if o.Name == "" {
		o.Name = o.App.Name
	}
	if err := errors.Join(config.CheckName(o.Name), checkName(o.Name)); err != nil {
		return nil, err
	}
	var sockets []File
	if o.Sockets {
		var err error
		if sockets, err = o.sockets(); err != nil {
			return nil, err
		}
	}
	var names []string
	for _, s := range sockets {
		names = append(names, s.Name)
	}
	return append([]File{{o.Name + ".service", o.service(names)}}, sockets...), nil
}

// text collects lines.
type text struct{ strings.Builder }

func (t *text) comment(lines ...string) {
	for _, line := range lines {
		t.WriteString("# " + line + "\n")
	}
}

func (t *text) section(name string) {
	t.WriteString("\n[" + name + "]\n")
}

func (t *text) set(key string, value any) { fmt.Fprintf(t, "%s=%v\n", key, value) }

// yes sets boolean keys.
func (t *text) yes(keys ...string) {
	for _, key := range keys {
		t.set(key, "yes")
	}
}

// quote writes a word for command lines and lists of units: % introduces specifiers and $ variables
// (systemd.syntax(7), systemd.service(5)).
func quote(word string) string {
	word = strings.NewReplacer("%", "%%", "$", "$$").Replace(word)
	if word != "" && !strings.ContainsAny(word, " \t\n\"'\\;") {
		return word
	}
	return strconv.Quote(word)
}

// path writes a path for a key that takes one: $ is not expanded there.
func path(p string) string {
	p = strings.ReplaceAll(p, "%", "%%")
	if strings.ContainsAny(p, " \t\"'\\") {
		return strconv.Quote(p)
	}
	return p
}

// seconds rounds up, because the times of a unit are limits.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}

func (o Options) header(t *text) {
	made := "relevo unit"
	if o.User {
		made += " --user"
	}
	if o.Sockets {
		made += " --socket"
	}
	t.comment(Mark[2:]+" ("+made+" "+o.Name+" -c "+strconv.Quote(o.Config)+"): relevo install overwrites it.",
		"To change something use systemctl edit, which puts a file beside this one.")
}
