package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Form is the kind of a foreign file.
type Form int

// The forms.
const (
	Unknown   Form = iota
	Program        // an ecosystem file that Node evaluates
	Ecosystem      // the same as JSON or YAML
	Package        // package.json
	Procfile       // NAME: COMMAND lines
	Gunicorn       // a configuration file of gunicorn, which Python evaluates
	Service        // a unit of systemd's
	Air            // .air.toml
)

// Evaluated says whether files of a form are programs: Evaluate has their value.
func (f Form) Evaluated() bool { return f == Program || f == Gunicorn }

// FormOf tells by its name what a file is.
func FormOf(path string) Form {
	base := filepath.Base(path)
	extension := filepath.Ext(base)
	known := strings.HasSuffix(strings.TrimSuffix(base, extension), ".config") || strings.HasPrefix(base, "ecosystem.") ||
		strings.HasPrefix(base, "pm2.") || strings.HasPrefix(base, "process.")
	if base == "Procfile" || strings.HasPrefix(base, "Procfile.") {
		return Procfile
	}
	switch extension {
	case ".service":
		return Service
	case ".toml":
		if base == ".air.toml" || base == "air.toml" {
			return Air
		}
	case ".py":
		if strings.HasSuffix(base, ".conf.py") || strings.HasPrefix(base, gunicorn) {
			return Gunicorn
		}
	case ".js", ".cjs", ".mjs":
		if known {
			return Program
		}
	case ".json", ".yml", ".yaml":
		if base == "package.json" {
			return Package
		}
		if known {
			return Ecosystem
		}
	}
	return Unknown
}

// ErrUnknown is a file whose form is not known.
var ErrUnknown = errors.New("its name tells no form; known are ecosystem.config.js (.cjs, .mjs, .json, .yml), " +
	"package.json, Procfile, gunicorn.conf.py, NAME.service, .air.toml")

// Read makes a document of a file's bytes; of a program's, of its value as JSON.
func Read(form Form, data []byte, s Source) (*Document, error) {
	var d *Document
	var err error
	switch form {
	case Unknown:
		return nil, fmt.Errorf("cannot import %s: %w", s.Path, ErrUnknown)
	case Procfile:
		d, err = readProcfile(data, s)
	case Gunicorn:
		d, err = readGunicorn(data, s)
	case Service:
		d, err = readService(data, s)
	case Air:
		d, err = readAir(data, s)
	default:
		var tree any
		if tree, err = decode(form, data, s.Path); err == nil {
			d, err = readPM2(form, tree, s)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("cannot import %s: %w", s.Path, err)
	}
	if len(d.Names()) == 0 {
		reason := "it has no app"
		if len(d.Apps) > 0 {
			reason = d.Apps[0].Name + " is left out: " + d.Apps[0].LeftOut
		}
		return nil, fmt.Errorf("cannot import %s: %s", s.Path, reason)
	}
	return d, nil
}

// decode reads JSON or YAML into what encoding/json makes of it.
func decode(form Form, data []byte, path string) (tree any, err error) {
	if form == Ecosystem && filepath.Ext(path) != ".json" {
		if err := yaml.Unmarshal(data, &tree); err != nil {
			return nil, err
		}
		if data, err = json.Marshal(tree); err != nil {
			return nil, err
		}
		tree = nil
	}
	err = json.Unmarshal(data, &tree)
	var syntax *json.SyntaxError
	if errors.As(err, &syntax) {
		line := 1 + strings.Count(string(data[:syntax.Offset]), "\n")
		err = fmt.Errorf("line %d: %w; a file with comments can be named .js, and begin with module.exports =", line, err)
	}
	return tree, err
}
