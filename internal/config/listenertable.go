package config

import (
	"errors"
	"fmt"
	"strings"
)

// listenerKey is the other way to write listeners: a table for each.
const listenerKey = "listener"

// listenerTable is one [[listener]].
type listenerTable struct {
	at      Position
	members []entry
}

type placedListener struct {
	Listen
	at Position
}

func listenerKeys() []string {
	return []string{"name", "address", "mode", "backlog", "balance", "blocking"}
}

// inlineListeners reads listener = [{…}, {…}].
func (r *reading) inlineListeners(e entry) {
	if e.value.form != formArray {
		r.report(listenerKey, e.value.at, fmt.Errorf("cannot use %s for listener: write [[listener]], once for each",
			e.value.form))
		return
	}
	for _, item := range e.value.items {
		if item.form != formTable {
			r.report(listenerKey, item.at, fmt.Errorf("cannot use %s for listener: write [[listener]], once for each",
				item.form))
			continue
		}
		r.listener = &listenerTable{at: item.at}
		for _, member := range item.table {
			member.path = append([]string{listenerKey}, member.path...)
			r.listener.members = append(r.listener.members, member)
		}
		r.endListener()
	}
}

// endListener adds the listener of the table whose keys have all been read.
func (r *reading) endListener() {
	t := r.listener
	if t == nil {
		return
	}
	r.listener = nil
	texts := map[string]string{}
	at := map[string]Position{}
	before := len(r.errs)
	for _, e := range t.members {
		name := strings.Join(e.path[1:], ".")
		at[name] = e.value.at
		text, err := listenerText(name, e.value)
		if errors.Is(err, errUnknown) {
			r.report("listen", e.at, fmt.Errorf("cannot find the setting listener.%s%s", name, suggestListenerKey(name)))
		} else if err != nil {
			r.report("listen", e.value.at, err)
		}
		texts[name] = text
	}
	if _, ok := at["address"]; !ok {
		r.report("listen", t.at, errors.New(`cannot use a [[listener]] without an address: write address = ":8080"`))
	}
	if len(r.errs) > before {
		return
	}
	l, key, err := buildListener(texts)
	if err != nil {
		r.report("listen", at[key], err)
		return
	}
	r.listeners = append(r.listeners, placedListener{l, at["address"]})
}

var errUnknown = errors.New("unknown")

func suggestListenerKey(name string) string {
	if near := Nearest(name, listenerKeys()); near != "" {
		return "; did you mean listener." + near + "?"
	}
	return "; " + strings.Join(listenerKeys(), ", ") + " exist"
}

func listenerText(name string, v value) (string, error) {
	key := listenerKey + "." + name
	switch name {
	case "name":
		return plain("", "web").read(key, v)
	case "address":
		return plain("", ":8080").read(key, v)
	case "mode":
		return plain("", "0660").read(key, v)
	case "backlog":
		if v.form != formInteger {
			return "", number(512, 1, 0).wrongForm(key, v.form)
		}
		return v.text, nil
	case "balance":
		return plain("", "even").read(key, v)
	case "blocking":
		if v.form != formBool {
			return "", boolean().wrongForm(key, v.form)
		}
		return v.text, nil
	}
	return "", errUnknown
}

// buildListener says at which key it failed.
func buildListener(texts map[string]string) (l Listen, key string, err error) {
	address := texts["address"]
	if l, err = parseUnanchored(address); err != nil {
		return l, "address", err
	}
	if l.Name != "" || strings.Contains(address, ",") {
		return l, "address", fmt.Errorf("cannot use %q as an address: name, mode, backlog, balance and blocking have keys "+
			"of their own in [[listener]]", address)
	}
	if name, ok := texts["name"]; ok {
		if err := CheckName(name); err != nil {
			return l, "name", err
		}
		l.Name = name
	}
	for _, key := range []string{"mode", "backlog", "balance", "blocking"} {
		if text, ok := texts[key]; ok {
			if err := l.setOption(key, text); err != nil {
				return l, key, fmt.Errorf("cannot listen on %q: %w", address, err)
			}
		}
	}
	return l, "", nil
}
