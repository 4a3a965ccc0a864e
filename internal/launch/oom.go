package launch

import (
	"sync"
	"syscall"
	"time"

	"relevo/pool"
)

// oomCount is a counter of the kernel: how many processes the out-of-memory killer has
// killed.
type oomCount struct {
	place string // which cgroup or machine is counted; only counts of one place compare
	kills uint64
}

// oomMemory is how long a counted kill waits for the death that belongs to it.
const oomMemory = 10 * time.Second

// oomWatch tells which deaths by SIGKILL are the out-of-memory killer's. The kernel
// counts its kills and does not report which process it killed, so each kill explains one
// death. Its zero value works.
type oomWatch struct {
	mu      sync.Mutex
	read    func() oomCount // default: this process's cgroup
	counted oomCount
	pending []time.Time // when those kills were counted that explain no death yet
}

// look counts the kills up to now, so that earlier kills do not explain a later death.
func (o *oomWatch) look() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lookLocked()
}

func (o *oomWatch) lookLocked() {
	read := o.read
	if read == nil {
		read = ownOOMKills
	}
	now, count := time.Now(), read()
	if count.place == o.counted.place {
		for range min(count.kills-min(count.kills, o.counted.kills), 1024) {
			o.pending = append(o.pending, now)
		}
	}
	o.counted = count
	for len(o.pending) > 0 && now.Sub(o.pending[0]) > oomMemory {
		o.pending = o.pending[1:]
	}
}

// killed says whether a counted kill explains a death that was just seen.
func (o *oomWatch) killed() (place string, found bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.lookLocked()
	if len(o.pending) == 0 {
		return "", false
	}
	o.pending = o.pending[1:]
	return o.counted.place, true
}

// judge adds to a worker's exit status whether the out-of-memory killer ended it. asked says
// that this master sent SIGKILL. If the memory of the worker's own cgroup is counted, that
// count decides.
func (o *oomWatch) judge(status pool.ExitStatus, own *cgroup, asked bool) (judged pool.ExitStatus, hint string) {
	const shellKilled = 128 + int(syscall.SIGKILL) // a shell's exit status if its child was killed
	if asked || status.Error != "" || status.Signal != syscall.SIGKILL && (status.Signal != 0 ||
		status.Code != shellKilled) {
		return status, ""
	}
	if kills, ok := own.oomKills(); ok {
		if kills == 0 {
			return status, ""
		}
		o.killed() // it was counted above, too
		status.OutOfMemory = true
		return status, oomHint("its cgroup")
	}
	place, found := o.killed()
	if !found {
		return status, ""
	}
	status.OutOfMemory = true
	return status, oomHint(place)
}

func oomHint(place string) string {
	where := place + " has come to its limit of memory: give it more"
	if place == machineWide {
		where = "so says the count of the whole machine (" + place + "): give it more memory"
	}
	return where + ", run fewer workers, or have workers replaced in time by limits.max_memory"
}

// machineWide is the counter that is used if no cgroup has one.
const machineWide = "/proc/vmstat"
