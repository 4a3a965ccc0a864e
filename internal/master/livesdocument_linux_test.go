package master

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"testing"

	"relevo/internal/announce"
	"relevo/internal/config"
	"relevo/internal/succession"
	"relevo/internal/testport"
)

// TestDocumentComesBack: a master leaves to the next one all that it has inherited. The test finds
// new fields: each is either set here, or named with the reason why it is not.
func TestDocumentComesBack(t *testing.T) {
	t.Parallel()
	not := map[string]string{
		"Pool": "tests of the pool", "Stored": "systemd has it", "Then": "the next master does it at once",
		"Stopped": "no master goes on", "Generations": "part of Pool", "Successions": "counts",
		"Refused": "set when the next master has begun", "Warnings": "looked at below",
		"Terminal": "that of this process",
	}
	l := newLives(t, config.UpgradeTableflip)
	l.o.App.MostWorkers, l.o.App.Health.Command, l.o.App.Metrics = 3, "exit 0", "127.0.0.1:0"
	check, err := json.Marshal(map[string]any{"check": l.o.App.Health.What(), "proven": true})
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]json.RawMessage{
		"health": check, "fell_back": json.RawMessage("true"),
		"scale":    json.RawMessage(`{"range":{"Least":1,"Most":3},"fixed":true,"reason":"a user"}`),
		"warnings": json.RawMessage(`{"release":"an old one serves"}`), "last_sum": json.RawMessage(`"looked"`),
		"failed_upgrades": json.RawMessage("2"),
		"metrics":         json.RawMessage(`{"wanted":"127.0.0.1:0","served":"` + testport.Address(t) + `"}`),
	}
	l.o.Version, l.o.Dir, l.o.ConfigFile = "v1", "/somewhere", "relevo.toml"
	open := l.starts() // some fields are left only until something serves
	var left []succession.Document
	l.rewrite = func(document []byte) []byte {
		if len(left) == 0 {
			document = with(t, document, given)
		}
		read, err := succession.Read(document)
		if err != nil {
			t.Error(err)
			return document
		}
		left = append(left, *read)
		return document
	}
	l.succeed(2)
	first, second := reflect.ValueOf(left[0]), reflect.ValueOf(left[1])
	for i := range first.NumField() {
		name := first.Type().Field(i).Name
		if _, known := not[name]; known {
			continue
		}
		if first.Field(i).IsZero() {
			t.Errorf("%s is not set", name)
		}
		if !reflect.DeepEqual(first.Field(i).Interface(), second.Field(i).Interface()) {
			t.Errorf("%s: %v is left first, and then %v", name, first.Field(i), second.Field(i))
		}
	}
	if left[1].Successions != left[0].Successions+1 || left[1].Warnings[announce.ReleaseWarning] == "" {
		t.Errorf("%+v", left[1])
	}
	l.rewrite = nil
	open()
	l.serves(2)
	l.end()
}

// with replaces fields of a document.
func with(t *testing.T, document []byte, fields map[string]json.RawMessage) []byte {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(document, &all); err != nil {
		t.Error(err)
	}
	maps.Copy(all, fields)
	text, err := json.Marshal(all)
	if err != nil {
		t.Error(err)
	}
	return text
}

// TestRetryContinues: what was refused to one master is tried again by the next one.
func TestRetryContinues(t *testing.T) {
	t.Parallel()
	l := newLives(t, config.UpgradeTableflip)
	l.works(t, "first")
	l.first()
	l.serves(0)
	l.now.Load().box.post(refused{errors.New("no room")})
	l.works(t, "second")
	before := l.now.Load().serving().Sum()
	l.succeed(1)
	until(t, "the warning is lost", func() bool { return len(l.serves(1).Warnings) == 1 })
	until(t, "it is not tried again", func() bool { return l.now.Load().serving().Sum() != before })
	until(t, "the warning stays", func() bool { return len(l.serves(1).Warnings) == 0 })
	l.end()
}
