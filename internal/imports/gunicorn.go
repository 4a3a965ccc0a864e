package imports

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"relevo/internal/config"
	"relevo/internal/lazyregexp"
)

const (
	gunicorn        = "gunicorn"
	gunicornDefault = "gunicorn.conf.py" // read by gunicorn if no other file is named
)

// gunicornReader turns gunicorn's settings, by their names in its files, into an app that runs one
// gunicorn for each worker. gunicorn still reads its own file.
type gunicornReader struct {
	App
	Source
	program string
	file    string         // the file that gunicorn reads; empty: none
	inFile  map[string]any // values of its names
	flags   []option       // of the command line
	serves  string         // the application, MODULE:NAME
	inline  bool           // the file's settings are in the command, because gunicorn must not read the file
}

// readGunicorn makes a document of a configuration file's names.
func readGunicorn(value []byte, s Source) (*Document, error) {
	r := &gunicornReader{Source: s, program: gunicorn, file: absoluteBelow(s.Base, filepath.Base(s.Path))}
	return r.document(value)
}

// GunicornFile is the configuration file that a command line of gunicorn reads; empty: none.
func GunicornFile(args []string, exists func(string) bool) string {
	if len(args) == 0 || filepath.Base(args[0]) != gunicorn {
		return ""
	}
	options, _, _ := gunicornOptions().read(args[1:], true)
	for _, o := range options {
		if o.key == "config" && !strings.HasPrefix(o.value, "python:") {
			return strings.TrimPrefix(o.value, "file:")
		}
	}
	if exists(gunicornDefault) {
		return gunicornDefault
	}
	return ""
}

func readGunicornLine(args []string, conf []byte, s Source) (*Document, error) {
	options, rest, err := gunicornOptions().read(args[1:], true)
	if err != nil {
		return nil, err
	}
	r := &gunicornReader{Source: s, program: args[0], flags: options}
	if conf != nil {
		exists := func(string) bool { return true }
		r.file = GunicornFile(args, exists)
	}
	if len(rest) > 0 {
		r.serves = rest[0]
	}
	return r.document(conf)
}

func (r *gunicornReader) document(value []byte) (*Document, error) {
	if value != nil {
		if err := json.Unmarshal(value, &r.inFile); err != nil {
			return nil, err
		}
	}
	if err := r.read(); err != nil {
		return nil, err
	}
	d := &Document{From: r.Source.Path}
	d.add(r.App)
	return d, nil
}

func (r *gunicornReader) read() error {
	r.App.Name = config.NameOf(or(r.text("proc_name"), or(r.Source.Name, gunicorn)))
	r.inline = r.inFile["daemon"] == true || truthy(r.inFile["pidfile"])
	if err := r.application(); err != nil {
		return err
	}
	r.App.set("", "command", r.command(), "each worker is a gunicorn with one process. relevo holds the port that it "+
		"binds")
	r.App.directory(r.Source, "")
	workers, err := config.ParseWorkers(or(r.text("workers"), "1"))
	if err != nil || r.text("workers") == "0" {
		return fmt.Errorf("workers is %s, and should be a number from 1 on", brief(r.text("workers")))
	}
	r.App.set("", "workers", workers, "a formula is computed on the machine of the import; \"auto\" is one for each "+
		"processor")
	if err := r.account(); err != nil {
		return err
	}
	for _, key := range slices.Sorted(maps.Keys(r.inFile)) {
		r.explain(key, r.inFile[key])
	}
	for _, o := range r.flags {
		if reason := gunicornLeftOut[o.key]; reason != "" {
			r.App.remark("%s: left out: %s", gunicornFlags[o.key], reason)
		}
	}
	return nil
}

func truthy(v any) bool { return v != nil && v != false && v != "" }

// text is a setting's value: the command line wins over the file.
func (r *gunicornReader) text(key string) string {
	for _, o := range slices.Backward(r.flags) {
		if o.key == key {
			return o.value
		}
	}
	text, _ := scalar(r.inFile[key])
	return text
}

// application finds the application.
func (r *gunicornReader) application() error {
	guessed := ""
	if r.serves == "" {
		r.serves = r.text("wsgi_app")
	}
	if r.serves == "" && r.Application != nil {
		r.serves = r.Application(strings.Contains(r.text("worker_class"), "uvicorn"))
		guessed = r.serves
	}
	if r.serves == "" && r.text("paste") == "" {
		return errors.New("it does not say what is served: it has no wsgi_app, and no app.py, wsgi.py or manage.py lies " +
			"there; relevo import -- gunicorn --config FILE MODULE:NAME does")
	}
	if guessed != "" {
		r.App.remark("wsgi_app is not there: %s was found in the directory", guessed)
	}
	return nil
}

// command is the command line of one worker.
func (r *gunicornReader) command() []string {
	program := r.program
	for _, place := range []string{".venv/bin/", "venv/bin/"} {
		if r.Exists != nil && program == gunicorn && r.Exists(place+program) {
			program = "./" + place + program
			program = absoluteBelow(r.Base, program)
		}
	}
	all := []string{program}
	if r.inline {
		all = append(append(all, "--config", "python:__future__"), r.asFlags()...)
		r.App.remark("daemon or pidfile is in %s: gunicorn must not read it, and the command has its settings. Without "+
			"the "+
			"two, relevo import keeps --config %s", r.file, r.file)
	} else if r.file != "" {
		all = append(all, "--config", r.file)
	}
	for _, o := range r.flags {
		if flag := gunicornFlags[o.key]; !slices.Contains(gunicornOwn, o.key) && gunicornLeftOut[o.key] == "" {
			all = append(all, asFlag(flag, o.value)...)
		}
	}
	all = append(all, "--workers", "1")
	for _, address := range r.binds() {
		all = append(all, "--bind", address)
	}
	if r.serves != "" {
		all = append(all, r.serves)
	}
	for i := range all {
		all[i] = literal(all[i])
	}
	return all
}

func asFlag(flag, value string) []string {
	if value == "" {
		return []string{flag}
	}
	return []string{flag, value}
}

// asFlags turns the settings of the file into options of gunicorn.
func (r *gunicornReader) asFlags() (all []string) {
	for _, key := range slices.Sorted(maps.Keys(r.inFile)) {
		flag, v := gunicornFlags[key], r.inFile[key]
		if flag == "" || slices.Contains(gunicornOwn, key) || gunicornLeftOut[key] != "" {
			continue
		}
		text, isText := scalar(v)
		switch {
		case key == "sendfile" && v == false, v == true && key != "sendfile":
			all = append(all, flag)
		case v == nil, v == true, v == false:
		case isText:
			all = append(all, flag, text)
		default:
			for _, item := range list(v) {
				all = append(all, flag, item)
			}
		}
	}
	return all
}

// binds are the addresses; empty: gunicorn's default.
func (r *gunicornReader) binds() (all []string) {
	for _, o := range r.flags {
		if o.key == "bind" {
			all = append(all, o.value)
		}
	}
	if all != nil {
		return all
	}
	if text, isText := scalar(r.inFile["bind"]); isText {
		return strings.Split(text, ",")
	}
	return list(r.inFile["bind"])
}

var lowPort = lazyregexp.New(`:([0-9]+)$`)

// account sets the user of the workers. A port that only root may bind is opened by relevo then.
func (r *gunicornReader) account() error {
	for _, key := range []string{"user", "group"} {
		if name := r.text(key); name != "" && !(key == "user" && name == "0") {
			r.App.set("limits", key, name, "")
		}
	}
	if user := r.text("user"); user == "" || user == "0" || user == "root" {
		return nil
	}
	var opened []string
	for _, address := range r.binds() {
		if strings.HasPrefix(address, "fd://") {
			return fmt.Errorf("bind is %q: relevo opens sockets by their addresses; write the address", address)
		}
		port := lowPort.FindStringSubmatch(address)
		if port == nil {
			continue
		}
		if n, _ := strconv.Atoi(port[1]); n < 1024 {
			opened = append(opened, address)
		}
	}
	if opened != nil {
		r.App.set("", "listen", r.binds(), "relevo opens the port, which "+r.text("user")+" may not bind; gunicorn takes "+
			"it "+
			"over, and clients that keep idle connections may be cut when a worker is replaced")
	}
	return nil
}
