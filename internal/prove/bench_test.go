package prove

import (
	"context"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// BenchmarkRun loads one net/http worker. "cpu/op" is the prover's own time for one request; the
// other figures include the app.
func BenchmarkRun(b *testing.B) {
	for _, network := range []string{"tcp", "unix"} {
		for _, mode := range []Connections{Fresh, KeepAlive} {
			b.Run(network+"/"+string(mode), func(b *testing.B) {
				p := newPool(b, twoPhase, network, 1)
				before, memory := cpu(b), allocated()
				b.ResetTimer()
				r, err := Run(context.Background(), Options{URL: p.url(), Connections: mode, Duration: 1, MinRequests: b.N})
				b.StopTimer()
				if err != nil || r.Lost() > 0 {
					b.Fatal(err, r.Samples)
				}
				sent := float64(r.Total.Sent)
				b.ReportMetric(float64(cpu(b)-before)/sent, "cpu-ns/request")
				b.ReportMetric(float64(allocated()-memory)/sent, "B/request")
				b.ReportMetric(sent/time.Duration(r.Duration).Seconds(), "requests/s")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// cpu is the CPU time of this process, without its children.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func allocated() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.TotalAlloc
}
