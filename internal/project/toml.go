package project

import (
	"encoding/json"
	"strings"
)

// TOML is a commented relevo.toml for the project.
func (p Project) TOML(name string) []byte {
	var b strings.Builder
	line := func(text string) { b.WriteString(text + "\n") }
	line("# relevo.toml, written by relevo init for " + p.Kind + ".")
	line(fileHead)
	line("name = " + quote(name))
	line("")
	p.writeCommand(line)
	line("")
	line("# One for each processor; or a number.")
	line(`workers = "auto"`)
	line("")
	if p.Listen != "" {
		line("# Where clients come in.")
		line("listen = [" + quote(p.Listen) + "]")
	} else {
		line(noListen)
	}
	line("")
	line(atDefaults)
	if p.Package != "" {
		line("")
		line("# relevo dev builds this package, and rolls at each change.")
		line("[dev]")
		line("package = " + quote(p.Package))
	}
	return []byte(b.String())
}

const fileHead = `# Lines that begin with # and no blank are settings at their defaults. relevo check says what is
# wrong; docs/relevo.reference.toml has every setting.
`

const noListen = "" +
	`# A program that binds its own port needs no listen: relevo holds that port. listen is for programs that
# take their socket from relevo, and for ports below 1024.
#listen = [":8080"]`

const atDefaults = `# How long a new worker may take until it serves, an old one to finish what it has accepted.
#ready_timeout = "30s"
#drain_timeout = "30s"

# Variables of the workers. env_files keeps secrets out of this file.
#env_files = [".env"]
#[env]
#GREETING = "hello"

# A worker that answers this request badly is replaced.
#[health]
#http = "/healthz"`

// writeCommand writes what each worker runs and where, below the notes that explain it.
func (p Project) writeCommand(line func(string)) {
	line("# What each worker runs.")
	for _, note := range p.Notes {
		line("# " + note + ".")
	}
	quoted := make([]string, len(p.Command))
	for i, word := range p.Command {
		quoted[i] = quote(word)
	}
	line("command = [" + strings.Join(quoted, ", ") + "]")
	if p.Dir != "" {
		line("directory = " + quote(p.Dir))
	}
}

// quote writes a string of JSON, which is one of TOML, too.
func quote(text string) string {
	var b strings.Builder
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(text); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}
