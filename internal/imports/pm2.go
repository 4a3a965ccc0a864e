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
	"unicode"

	"relevo/internal/config"
)

// readPM2 makes a document of an ecosystem file's value.
func readPM2(form Form, tree any, s Source) (*Document, error) {
	if form == Package {
		of, _ := tree.(map[string]any)
		if tree = of["pm2"]; tree == nil {
			return nil, errors.New(`it has no "pm2"; relevo start ` + filepath.Dir(s.Path) + " runs its start script")
		}
	}
	d := &Document{From: s.Path}
	all := []any{tree}
	switch of := tree.(type) {
	case []any:
		all = of
	case map[string]any:
		apps, has := of["apps"]
		if !has {
			break
		}
		if list, isList := apps.([]any); isList {
			all = list
		} else {
			all = []any{apps}
		}
		for _, key := range slices.Sorted(maps.Keys(of)) {
			if key != "apps" {
				d.Remarks = append(d.Remarks, key+": left out: "+or(leftOut[key], "relevo knows nothing like it"))
			}
		}
	default:
		return nil, errors.New(`it exports no apps; an ecosystem file has module.exports = { apps: [ … ] }`)
	}
	for i, one := range all {
		keys, ok := one.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("app %d is no object", i+1)
		}
		app, err := pm2App(keys, s)
		if err != nil {
			return nil, fmt.Errorf("app %d: %w", i+1, err)
		}
		d.add(app)
	}
	return d, nil
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

// pm2Reader turns the keys of one app, in PM2's main spelling, into settings.
type pm2Reader struct {
	App
	Source
	keys map[string]any
	err  error
}

func pm2App(keys map[string]any, s Source) (App, error) {
	r := &pm2Reader{Source: s}
	r.spell(keys)
	r.keys = r.fitting("", r.keys, pm2Shapes(), nil)
	r.command()
	r.App.Name = config.NameOf(r.text("name_prefix") + or(r.text("name"), or(scriptName(r.text("script")), s.Name)))
	if r.App.Name == "" {
		r.fail("name", "a name with letters or digits")
	}
	r.directory(s, r.text("cwd"))
	r.workers()
	for _, key := range slices.Sorted(maps.Keys(r.keys)) {
		switch carry, reason := carried[key], leftOut[key]; {
		case carry != nil:
			carry(r, r.keys[key])
		case strings.HasPrefix(key, "env_"):
			r.variables("profile."+config.NameOf(strings.TrimPrefix(key, "env_"))+".env", key)
		case slices.Contains(together, key):
		case reason != "":
			r.App.remark("%s (%s): left out: %s", key, brief(r.keys[key]), reason)
		default:
			r.App.remark("%s: left out: relevo knows nothing like it", key)
		}
	}
	r.environment()
	r.never()
	return r.App, r.err
}

// spell takes the keys in PM2's main spelling. If a key stands there in several, the main one counts.
func (r *pm2Reader) spell(keys map[string]any) {
	r.keys = map[string]any{}
	spelling := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		main := mainSpelling(key)
		counts, twice := spelling[main]
		switch {
		case keys[key] == nil:
			r.App.remark("%s (null): left out: it has no value", key)
			continue
		case twice && key != main:
			r.App.remark("%s (%s): left out: %s is the same key", key, brief(keys[key]), counts)
			continue
		case twice:
			r.App.remark("%s (%s): left out: %s is the same key", counts, brief(keys[counts]), key)
		}
		r.keys[main], spelling[main] = keys[key], key
	}
}

// scriptName is PM2's name for an app without one.
func scriptName(script string) string {
	base := filepath.Base(strings.TrimSpace(script))
	if script == "" || base == "." || base == "/" {
		return ""
	}
	return strings.TrimSuffix(base, filepath.Ext(base))
}

// mainSpelling returns the main name of a key that has several in PM2.
func mainSpelling(key string) string {
	if strings.HasPrefix(key, "env_") {
		return key
	}
	var b strings.Builder
	for i, r := range key {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	if main := aliases[b.String()]; main != "" {
		return main
	}
	return b.String()
}

// never says why relevo cannot run an app: relevo restarts whatever ends.
func (r *pm2Reader) never() {
	if r.keys["autorestart"] != false {
		return
	}
	r.LeftOut = "autorestart is false, and relevo starts again what ends. A job that ends is one for cron or a " +
		"systemd timer; a server that should not come back does not need relevo"
	if when := r.text("cron_restart"); when != "" {
		r.LeftOut += "; its cron_restart is " + brief(when)
	}
}

// text is a key's value as text; empty: none.
func (r *pm2Reader) text(key string) string {
	text, _ := scalar(r.keys[key])
	return text
}

// scalar returns the text of a simple value.
func scalar(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	}
	return "", false
}

// list is a key's value as words: PM2 takes a list or a line.
func list(v any) (all []string) {
	if line, isLine := v.(string); isLine {
		return words(line)
	}
	items, _ := v.([]any)
	for _, item := range items {
		if text, ok := scalar(item); ok {
			all = append(all, text)
		}
	}
	return all
}

// brief is a value in a comment.
func brief(v any) string {
	text, err := json.Marshal(v)
	if err != nil || len(text) > 60 {
		return "…"
	}
	return string(text)
}

func (r *pm2Reader) fail(key, wanted string) {
	if r.err == nil {
		r.err = fmt.Errorf("%s is %s, and should be %s", key, brief(r.keys[key]), wanted)
	}
}
