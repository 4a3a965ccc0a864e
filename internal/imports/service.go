package imports

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

// serviceReader turns the lines of a .service into settings.
type serviceReader struct {
	App
	Source
	specifiers
	lines []unitLine
}

// readService makes a document of a unit file.
func readService(data []byte, s Source) (*Document, error) {
	lines, err := parseUnit(data)
	if err != nil {
		return nil, err
	}
	user := strings.Contains(filepath.ToSlash(s.Path), "systemd/user/") ||
		slices.Contains(lines, unitLine{"Install", "WantedBy", "default.target"})
	r := &serviceReader{Source: s, lines: lines, specifiers: specifiersOf(s.Path, user, s.Host)}
	name := strings.TrimSuffix(r.specifiers['N'], "@")
	r.App.Name = config.NameOf(strings.ReplaceAll(name, "@", "-"))
	if r.App.Name == "" {
		return nil, errors.New("its name has no letters or digits; the app is named after it")
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	d := &Document{From: s.Path}
	if s.Exists != nil && s.Exists(filepath.Base(s.Path)+".d") {
		d.Remarks = append(d.Remarks, filepath.Base(s.Path)+".d: not read: systemctl cat "+filepath.Base(s.Path)+
			" prints the unit with what is in there; write that to a file and import it")
	}
	d.add(r.App)
	return d, nil
}

// last is the value of a key of [Service] that counts.
func (r *serviceReader) last(key string) string {
	for _, l := range slices.Backward(r.lines) {
		if l.section == "Service" && l.key == key {
			return l.value
		}
	}
	return ""
}

// all are the values of a key that may be given several times; an empty one takes back those
// before it.
func (r *serviceReader) all(key string) (values []string) {
	for _, l := range r.lines {
		switch {
		case l.section != "Service" || l.key != key:
		case l.value == "":
			values = nil
		default:
			values = append(values, l.value)
		}
	}
	return values
}

func (r *serviceReader) read() error {
	commands := r.all("ExecStart")
	kind := r.last("Type")
	switch {
	case len(commands) == 0:
		return errors.New("it has no command: [Service] has no ExecStart=")
	case kind == "oneshot":
		r.LeftOut = "Type=oneshot ends, and relevo starts again what ends; a job is one for a systemd timer"
	case kind == "forking":
		r.LeftOut = "Type=forking goes to the background, and relevo needs a program that stays in the foreground; take " +
			"the " +
			"line out, and the option for it out of ExecStart"
	case len(commands) > 1:
		return fmt.Errorf("it has %d ExecStart= lines, which Type=%s does not allow", len(commands), or(kind, "simple"))
	}
	if err := r.command(commands[len(commands)-1]); err != nil {
		return fmt.Errorf("ExecStart: %w", err)
	}
	if err := r.workingDirectory(); err != nil {
		return err
	}
	r.set("", "workers", 1, "as systemd has it; more workers share the port")
	if kind == "notify" || kind == "notify-reload" {
		r.set("", "ready", "notify", "Type="+kind)
	}
	if err := r.sockets(); err != nil {
		return err
	}
	return r.keys()
}

// prefixes of commands (systemd.service(5)), and what becomes of them.
var execPrefixes = map[byte]string{
	'-': "left out: a program that ends is started again, whatever it ends with",
	'+': "left out: the program has the user of limits.user", '!': "left out: the program has the user of limits.user",
}

// command sets what is run.
func (r *serviceReader) command(line string) error {
	named, expands := false, true
	for line != "" && strings.ContainsRune("-+!@:|", rune(line[0])) {
		switch text := execPrefixes[line[0]]; {
		case line[0] == '@':
			named = true
		case line[0] == ':':
			expands = false
		case line[0] == '|':
			return errors.New("the prefix | is not known; write sh -c")
		default:
			r.App.remark("ExecStart=%c…: %s", line[0], text)
		}
		line = line[1:]
	}
	all, err := unitWords(line)
	if err != nil {
		return err
	}
	for i := range all {
		if all[i], err = r.fill(all[i]); err != nil {
			return err
		}
	}
	if named && len(all) > 1 {
		r.App.remark("ExecStart=@…: left out: the program is called by its own name, not %s", brief(all[1]))
		all = slices.Delete(all, 1, 2)
	}
	if len(all) == 0 || all[0] == "" {
		return errors.New("it names no program")
	}
	if launches := filepath.Base(all[0]); lineReaders[launches] != nil || launches == gunicorn {
		r.App.remark("ExecStart runs %s, which starts processes itself: relevo import -- %[1]s … makes them workers of "+
			"relevo",
			launches)
	}
	r.set("", "command", r.expanded(all, expands), "")
	return nil
}

var (
	variableOf = lazyregexp.New(`\$(\$|\{[A-Za-z_][A-Za-z0-9_]*\})`)
	onlyOne    = lazyregexp.New(`^\$[A-Za-z_][A-Za-z0-9_]*$`)
	noQuotes   = lazyregexp.New(`^[A-Za-z0-9_@%+=:,./-]+$`)
)

// expanded has a shell fill in variables, as systemd does: ${NAME}, and $NAME as a word of its own,
// which may become several words.
func (r *serviceReader) expanded(all []string, expands bool) []string {
	if !expands || !slices.ContainsFunc(all, func(word string) bool { return hasVariable(word) }) {
		for i := range all {
			if expands {
				all[i] = strings.ReplaceAll(all[i], "$$", "$")
			}
			all[i] = literal(all[i])
		}
		return all
	}
	for i, word := range all {
		if !onlyOne.MatchString(word) && !noQuotes.MatchString(word) {
			all[i] = shellQuoted(word)
		}
	}
	r.App.remark("the shell fills in the variables of ExecStart, and becomes the program")
	return []string{"sh", "-c", literal("exec " + strings.Join(all, " "))}
}

func hasVariable(word string) bool {
	return onlyOne.MatchString(word) || slices.ContainsFunc(variableOf.FindAllString(word, -1), func(found string) bool {
		return found != "$$"
	})
}

var shellEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", `$`, `\$`)

// shellQuoted quotes a word for a shell that fills in its variables.
func shellQuoted(word string) string {
	var b strings.Builder
	b.WriteByte('"')
	rest := word
	for at := variableOf.FindStringIndex(rest); at != nil; at = variableOf.FindStringIndex(rest) {
		b.WriteString(shellEscapes.Replace(rest[:at[0]]))
		if found := rest[at[0]:at[1]]; found == "$$" {
			b.WriteString(`\$`)
		} else {
			b.WriteString(found)
		}
		rest = rest[at[1]:]
	}
	b.WriteString(shellEscapes.Replace(rest))
	b.WriteByte('"')
	return b.String()
}

func (r *serviceReader) workingDirectory() error {
	dir, optional := strings.CutPrefix(r.last("WorkingDirectory"), "-")
	dir, err := r.fill(dir)
	if err != nil {
		return fmt.Errorf("WorkingDirectory: %w", err)
	}
	if root := r.last("RootDirectory"); root != "" {
		return fmt.Errorf("RootDirectory is %q: relevo changes no root directory; start relevo in it, by chroot or a "+
			"container",
			root)
	}
	switch {
	case dir == "~" && r.Host.HomeOf != nil && r.last("User") != "":
		dir = r.Host.HomeOf(r.last("User"))
	case dir == "~":
		dir = r.specifiers['h']
	case dir == "":
		r.set("", "directory", "/", "WorkingDirectory is not there: systemd starts programs in /")
		return nil
	}
	if dir == "" {
		r.App.remark("WorkingDirectory (~): left out: %s has no home here", r.last("User"))
		return nil
	}
	if optional && r.Exists != nil && !r.Exists(dir) {
		r.App.remark("WorkingDirectory (-%s): left out: it is not there, and is optional", dir)
		return nil
	}
	r.directory(r.Source, dir)
	return nil
}
