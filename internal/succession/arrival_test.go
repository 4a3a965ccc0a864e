package succession

import (
	"errors"
	"slices"
	"strings"
	"syscall"
	"testing"

	"relevo/internal/config"
	"relevo/upgrader"
	"relevo/upgrader/listeners"
)

// TestLegacyFormats: documents of other versions of relevo are read as far as they
// say that they can be, and refused by name otherwise.
func TestLegacyFormats(t *testing.T) {
	const pool = `"pool":{"releases":{"3":{"key":7,"app":{"Name":"web"},"release":{}}}}`
	for document, want := range map[string]string{
		`{"format":1,"reads":1,"version":"v1","name":"web","serving":7,` + pool + `}`:                      "",
		`{"format":1,"reads":1,"version":"v1","name":"web","serving":7,"of a later one":[1],` + pool + `}`: "",
		`{"format":5,"reads":1,"version":"v5","name":"web","serving":7,` + pool + `}`:                      "",
		`{"format":5,"reads":2,"version":"v5","name":"web","serving":7,` + pool +
			`}`: "relevo v5 wrote it in format 5, and this one reads up to 1",
		`{"name":"web",` + pool + `}`:     "format 0",
		`{"format":1,"reads":1,"pool":7}`: "cannot be read",
		`{"format":1,`:                    "cannot be read",
		``:                                "cannot be read",
	} {
		l, err := Read([]byte(document))
		if want != "" {
			if !errors.Is(err, ErrLegacy) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", document, err, want)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", document, err)
			continue
		}
		a := &Arrival{Left: l}
		if app, ok := a.App(); !ok || app.Name != "web" || !a.Succeeds() {
			t.Errorf("%s: the app is %q, %t", document, app.Name, ok)
		}
	}
	if l, err := Read([]byte(`{"format":1,"reads":1,"stopped":true}`)); err != nil ||
		(&Arrival{Left: l}).Succeeds() {
		t.Errorf("an app that has come to its end: %v, %v", l, err)
	}
}

// TestFirst: who begins an app, and where its clients look for it.
func TestFirst(t *testing.T) {
	now := config.Places{Runtime: "/run/now", State: "/state/now"}
	running := &Document{Name: "web", Origin: Origin{Dir: "/srv", Runtime: "/run/then", State: "/state/then"}}
	ended := &Document{Stopped: true}
	in := upgrader.NewReceived(nil)
	for _, test := range []struct {
		name            string
		a               *Arrival
		first, succeeds bool
		runtime         string
	}{
		{"nothing", nil, true, false, now.Runtime},
		{"the first one", &Arrival{}, true, false, now.Runtime},
		{"beside the previous one", &Arrival{In: in, Left: running, Way: Tableflip}, false, true, "/run/then"},
		{"after a crash", &Arrival{In: in, Left: running, Way: Store}, false, true, now.Runtime},
		{"after a stop", &Arrival{In: in, Left: ended, Way: Store}, true, false, now.Runtime},
		{"after what cannot be read", &Arrival{In: in, Way: Store, Lost: ErrLegacy}, false, false, now.Runtime},
	} {
		if test.a.First() != test.first || test.a.Succeeds() != test.succeeds {
			t.Errorf("%s: first %t, succeeds %t", test.name, test.a.First(), test.a.Succeeds())
		}
		if got := test.a.Places(now); got.Runtime != test.runtime {
			t.Errorf("%s: %+v", test.name, got)
		}
		if _, known := test.a.App(); known {
			t.Errorf("%s: the app is known", test.name)
		}
	}
	if !Tableflip.Reversible() || !Asked.Reversible() || Exec.Reversible() || Store.Reversible() {
		t.Error("the previous master goes on where there is none")
	}
}

// TestSpareListeners: of a legacy that cannot be gone on with the sockets stay, under the names
// by which they are found again.
func TestSpareListeners(t *testing.T) {
	file := func() int {
		fd, err := syscall.Open("/dev/null", syscall.O_RDONLY|syscall.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		return fd
	}
	one, two := listeners.FileName(1), listeners.FileName(2)
	web := config.Listen{Name: "web", Network: config.TCP, Address: "127.0.0.1:0"}
	known := listeners.Legacy{ID: 1, Listen: listeners.ListenLegacy(web)}
	a := &Arrival{In: upgrader.NewReceived(map[string]int{one: file(), two: file(), "worker.1.pidfd": file()}),
		Left: &Document{Listeners: []listeners.Legacy{known}, Wanted: []ListenLegacy{listeners.ListenLegacy(web)}}}
	defer a.In.Close()
	names := func(sockets []listeners.Socket) string {
		var all []string
		for _, s := range sockets {
			if !s.Own {
				t.Errorf("%s is not this app's", s.Name)
			}
			all = append(all, s.Name)
		}
		slices.Sort(all)
		return strings.Join(all, " ")
	}
	a.Sockets = a.SpareListeners()
	if got := names(a.Activated()); got != two+" web" {
		t.Errorf("spare: %s", got)
	}
	left := a.CopyWorkers()
	if len(left.pidfds) != 1 {
		t.Errorf("%d workers are left", len(left.pidfds))
	}
	left.Forget()
	a.CloseSockets()
	a.keepListeners()
	if got := names(a.Activated()); got != one+" "+two {
		t.Errorf("kept: %s", got)
	}
	a.CloseSockets()
	if a.Activated() != nil {
		t.Error("sockets that were closed are still there")
	}
}

// TestPatience: a wrong patience is told by the name of its variable.
func TestPatience(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "3s": "", "0s": "longer than 0", "soon": "RELEVO_UPGRADE_TIMEOUT",
	} {
		t.Setenv("RELEVO_UPGRADE_TIMEOUT", text)
		d, err := patienceWithSuccessor()
		if (err == nil) != (want == "") || err != nil && (!strings.Contains(err.Error(), want) || d != upgradePatience) {
			t.Errorf("%q: %v, %v", text, d, err)
		}
	}
}

// TestStored: what systemd has kept is a legacy, or, where it cannot be read, sockets for a
// first master.
func TestStored(t *testing.T) {
	document, err := upgrader.NewDocument()
	if err != nil {
		t.Fatal(err)
	}
	const stopped = `{"format":1,"reads":1,"name":"web","stopped":true}`
	for text, lost := range map[string]bool{stopped: false, `{"format":9,"reads":9}`: true} {
		if err := document.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
		fd, err := syscall.Dup(int(document.File().Fd()))
		if err != nil {
			t.Fatal(err)
		}
		in := upgrader.NewReceived(map[string]int{"document": fd})
		a := &Arrival{Way: Store, In: in}
		a.readStored()
		if (a.Lost != nil) != lost || a.Succeeds() || !a.Restarted() {
			t.Errorf("%s: %v", text, a.Lost)
		}
		in.Close()
	}
}
