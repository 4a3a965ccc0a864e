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
	line("# Lines that begin with # and no blank are settings at their defaults. relevo check says what is")
	line("# wrong; docs/relevo.reference.toml has every setting.")
	line("")
	line("name = " + quote(name))
	line("")
	for i, note := range p.Notes {
		if i == 0 {
			line("# What each worker runs.")
		}
		line("# " + note + ".")
	}
	if len(p.Notes) == 0 {
		line("# What each worker runs.")
	}
	quoted := make([]string, len(p.Command))
	for i, word := range p.Command {
		quoted[i] = quote(word)
	}
	line("command = [" + strings.Join(quoted, ", ") + "]")
	if p.Dir != "" {
		line("directory = " + quote(p.Dir))
	}
	line("")
	line("# One for each processor; or a number.")
	line(`workers = "auto"`)
	line("")
	if p.Listen != "" {
		line("# Where clients come in.")
		line("listen = [" + quote(p.Listen) + "]")
	} else {
		line("# A program that binds its own port needs no listen: relevo holds that port. listen is for programs that")
		line("# take their socket from relevo, and for ports below 1024.")
		line(`#listen = [":8080"]`)
	}
	line("")
	line("# How long a new worker may take until it serves, an old one to finish what it has accepted.")
	line(`#ready_timeout = "30s"`)
	line(`#drain_timeout = "30s"`)
	line("")
	line("# Variables of the workers. env_files keeps secrets out of this file.")
	line(`#env_files = [".env"]`)
	line("#[env]")
	line(`#GREETING = "hello"`)
	line("")
	line("# A worker that answers this request badly is replaced.")
	line("#[health]")
	line(`#http = "/healthz"`)
	if p.Package != "" {
		line("")
		line("# relevo dev builds this package, and rolls at each change.")
		line("[dev]")
		line("package = " + quote(p.Package))
	}
	return []byte(b.String())
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
