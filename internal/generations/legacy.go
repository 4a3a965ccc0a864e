package generations

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"

	"relevo/internal/config"
	"relevo/internal/decide"
	"relevo/pool"
	"relevo/upgrader/listeners"
)

// Legacy is a generation in the document of a succession.
type Legacy struct {
	Key         int               `json:"key"`
	App         config.App        `json:"app"`
	Listeners   []int             `json:"listeners"` // their IDs, in the order of App, then captured ones
	Sockets     []inheritedSocket `json:"sockets"`   // as its workers find them
	Fingerprint string            `json:"fingerprint"`
	BackFrom    judgedLegacy      `json:"back_from,omitzero"`
	Trial       Trial             `json:"trial,omitzero"`
	Release     json.RawMessage   `json:"release"`
}

type inheritedSocket struct {
	Name    string `json:"name"`
	Address string `json:"address"`
}

type judgedLegacy struct {
	Sum         string `json:"sum"`
	Fingerprint string `json:"fingerprint"`
}

// ErrLegacy is returned for a document that cannot be taken over.
var ErrLegacy = errors.New("master: the state of the previous master cannot be read")

// Legacy is the legacy of the release, with what this package knows about the generation:
// pool.Release.
func (g *Generation) Legacy() pool.ReleaseLegacy {
	release := g.Release.Legacy()
	l := Legacy{
		Key: g.key, App: g.App(), Fingerprint: g.fingerprint,
		BackFrom: judgedLegacy(g.backFrom),
		Trial:    g.trial,
		Release:  release.State,
	}
	l.Listeners, l.Sockets = g.sockets.legacy()
	state, err := json.Marshal(l)
	if err != nil {
		panic(fmt.Sprintf("internal error: generations: %v", err)) // it holds nothing that cannot be marshalled
	}
	return pool.ReleaseLegacy{State: state, Files: release.Files}
}

func (h *Hold) legacy() (ids []int, sockets []inheritedSocket) {
	h.all.mu.Lock()
	defer h.all.mu.Unlock()
	for i, held := range h.held {
		ids = append(ids, held.ID())
		sockets = append(sockets, inheritedSocket{h.sockets[i].Name, h.sockets[i].Address})
	}
	return ids, sockets
}

// Keys returns the keys of the serving and the wanted generation; 0: there is none yet.
func (gs *Generations) Keys() (serving, wanted int) {
	if gs == nil {
		return 0, 0
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.now.current == nil {
		return 0, 0
	}
	return gs.now.current.key, gs.now.wanted.key
}

// Left describes the generations that another master has left.
type Left struct {
	All             map[int]Legacy // by the pool's numbers
	Files           func(number int) map[string]*os.File
	Serving, Wanted int // keys
	LastLook        string
}

// numberServing returns -1 if the generation that serves is missing.
func (l Left) numberServing() int {
	for number, known := range l.All {
		if known.Key == l.Serving {
			return number
		}
	}
	return -1
}

// TakeOver restores the generations of another master.
func (gs *Generations) TakeOver(left Left) (map[int]pool.Release, error) {
	serving := left.numberServing()
	if serving < 0 {
		return nil, fmt.Errorf("%w: the generation that serves is missing", ErrLegacy)
	}
	releases := map[int]pool.Release{}
	for _, number := range servingFirst(left.All, serving) {
		known := left.All[number]
		g, err := gs.takeOver(known, left.Files(number))
		if err != nil {
			return nil, err
		}
		releases[number] = g
		gs.tookOver(g, number == serving, known.Key == left.Wanted)
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.now.lastSum = left.LastLook
	return releases, nil
}

// servingFirst returns the numbers, the serving one first: the others depend on it.
func servingFirst(all map[int]Legacy, serving int) []int {
	numbers := slices.Sorted(maps.Keys(all))
	at := slices.Index(numbers, serving)
	return append([]int{serving}, slices.Delete(numbers, at, at+1)...)
}

// tookOver records a generation. The serving one is also the wanted one, unless a roll was under way.
func (gs *Generations) tookOver(g *Generation, serves, wanted bool) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	gs.now.keys = max(gs.now.keys, g.key)
	if serves {
		gs.now.current, gs.now.wanted = g, g
	}
	if wanted {
		gs.now.wanted = g
	}
}

// takeOver rebuilds a generation, with the files of the pool's legacy.
func (gs *Generations) takeOver(l Legacy, files map[string]*os.File) (*Generation, error) {
	sockets, err := gs.o.Sockets.TakeOver(l)
	if err != nil {
		return nil, err
	}
	command := gs.command(l.App, sockets)
	release, err := gs.o.Launcher.TakeOver(command, pool.ReleaseLegacy{State: l.Release, Files: files})
	if err != nil {
		return nil, err
	}
	g := &Generation{
		Release: release, of: gs, key: l.Key, app: l.App, sockets: sockets, fingerprint: l.Fingerprint,
		backFrom: decide.Release(l.BackFrom),
	}
	g.capturing, _ = command.Sockets.(*capturing)
	g.Try(l.Trial)
	return g, nil
}

// TakeOver is Acquire for the sockets of a generation that are open, by their IDs.
func (l *Sockets) TakeOver(left Legacy) (*Hold, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h := &Hold{all: l}
	for i, id := range left.Listeners {
		listener := l.Set.Find(id)
		if listener == nil || i >= len(left.Sockets) {
			return nil, fmt.Errorf("%w: listener %d is missing", ErrLegacy, id)
		}
		h.held = append(h.held, listener)
		h.sockets = append(h.sockets, listeners.Inheritable{Name: left.Sockets[i].Name, Address: left.Sockets[i].Address,
			File: listener.File()})
	}
	for _, listener := range h.held {
		l.holders[listener]++
	}
	h.configured = min(len(left.App.Listen), len(h.held))
	return h, nil
}
