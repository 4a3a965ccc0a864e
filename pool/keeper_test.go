package pool_test

import (
	"os"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"relevo/internal/ipc"
	"relevo/pool"
	"relevo/pool/pooltest"
)

// shelf is a keeper that checks that the documents and files it gets fit together.
type shelf struct {
	mu    sync.Mutex
	files map[string]bool
	saved pool.Legacy
	saves int
	takes time.Duration // how long a save takes
}

func (s *shelf) Keep(name string, _ *os.File) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = true
}

func (s *shelf) Drop(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.files, name)
}

func (s *shelf) Save(l pool.Legacy) {
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.saved = l
	s.saves++
}

// TestKeeper: whenever no change is under way, the saved state is the present one, so that a master
// that is killed then leaves a complete legacy.
func TestKeeper(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keeper := &shelf{files: map[string]bool{}}
		v1 := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 2, v1, func(o *pool.Options) { o.Keeper = keeper })
		r.keeper = keeper
		r.mustRoll(r.release("v2", pooltest.Polite))
		r.releases[1].Process(3).Say(ipc.Status{Text: "busy"})
		r.releases[1].Process(3).Exit(1)
		synctest.Wait()
		saves := keeper.saves
		r.releases[1].Process(4).Alive()
		synctest.Wait()
		if keeper.saves != saves {
			t.Error("the state was saved for a sign of life")
		}
		states := r.states()
		l := keeper.saved
		r.mustFreeze() // stands for SIGKILL: its result is not used
		r.HandOver()
		<-r.ran
		r = r.takeOver(l)
		wantEqual(t, "workers", r.states(), states)
	})
}

// TestKeeperPersists: a process that waits until its legacy is saved continues exactly then; without a
// keeper, at once.
func TestKeeperPersists(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keeper := &shelf{files: map[string]bool{}}
		v1 := pooltest.NewRelease("v1", pooltest.Polite)
		start(t, 1, v1, func(o *pool.Options) { o.Keeper = keeper })
		saves, atSave := keeper.saves, 0
		v1.Process(1).Persist(func() { atSave = keeper.saves })
		synctest.Wait()
		if atSave != saves+1 {
			t.Errorf("told at save %d, want %d", atSave, saves+1)
		}
	})
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Polite)
		start(t, 1, v1)
		told := false
		v1.Process(1).Persist(func() { told = true })
		synctest.Wait()
		if !told {
			t.Error("it waits although there is no keeper")
		}
	})
}

// TestKeeperBeforeAnswer: a request for a change is answered only when the change is saved, so that
// it is not lost if the master is killed right after the answer.
func TestKeeperBeforeAnswer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keeper := &shelf{files: map[string]bool{}}
		v1 := pooltest.NewRelease("v1", pooltest.Polite)
		r := start(t, 1, v1, func(o *pool.Options) { o.Keeper = keeper })
		synctest.Wait()
		keeper.takes = time.Second
		if _, _, err := r.Resize(to(2)); err != nil {
			t.Fatal(err)
		}
		keeper.mu.Lock()
		defer keeper.mu.Unlock()
		if n := len(keeper.saved.Members); n != 2 {
			t.Errorf("%d workers are saved, want 2", n)
		}
	})
}

// TestKeeperOfLateFiles: files that a process gets only some time after its start are kept, too.
func TestKeeperOfLateFiles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		keeper := &shelf{files: map[string]bool{}}
		v1 := pooltest.NewRelease("v1", pooltest.Polite)
		start(t, 1, v1, func(o *pool.Options) { o.Keeper = keeper })
		name := pool.WorkerFile(1, "binds")
		v1.Process(1).AddFile("binds", os.Stdin)
		synctest.Wait()
		if !keeper.files[name] {
			t.Errorf("%s is not kept", name)
		}
		v1.Process(1).Exit(0)
		synctest.Wait()
		if keeper.files[name] {
			t.Errorf("%s is kept after the worker's end", name)
		}
	})
}

// unwritten is a release whose legacy must not be written.
type unwritten struct {
	*pooltest.Release
	t *testing.T
}

func (u unwritten) Legacy() pool.ReleaseLegacy {
	u.t.Error("the legacy was written although nothing keeps it")
	return u.Release.Legacy()
}

// TestNoKeeper: without a keeper no legacy is written at a start, because that costs memory.
func TestNoKeeper(t *testing.T) {
	bubble(t, func(t *testing.T) {
		v1 := pooltest.NewRelease("v1", pooltest.Obedient)
		start(t, 1, v1, func(o *pool.Options) { o.Release = unwritten{v1, t} })
	})
}
