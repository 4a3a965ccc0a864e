package machine

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzMachine reads three bytes as one event of a pool, and checks the promises of promises_test.go
// and rolls_test.go after each.
func FuzzMachine(f *testing.F) {
	for seed := range uint64(32) {
		f.Add(randomBytes(seed, 3*40))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if w := run(opsOf(data)); w.err != nil {
			t.Fatalf("broken promise:\n%s", w.story())
		}
	})
}

// stories is how many stories TestRandomOrders plays; CI plays more.
var stories = flag.Uint64("stories", 100, "how many random stories are played")

// TestRandomOrders plays random stories, the same ones in every run. If one breaks a promise, the
// test shows the shortest part of it that does.
func TestRandomOrders(t *testing.T) {
	for seed := range *stories {
		ops := opsOf(randomBytes(seed, 3*(10+int(37*seed)%300)))
		if run(ops).err != nil {
			t.Fatalf("seed %d breaks a promise:\n%s", seed, run(shrink(ops)).story())
		}
	}
}

func randomBytes(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 0))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	return data
}

// shrink leaves out ops, in ever smaller pieces, as long as a promise is still broken.
func shrink(ops []op) []op {
	for size := len(ops) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(ops); {
			if less := slices.Delete(slices.Clone(ops), i, i+size); run(less).err != nil {
				ops = less
			} else {
				i += size
			}
		}
	}
	return ops
}
