package serve

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// tooLong is longer than anything here takes.
const tooLong = 30 * time.Second

// envRun makes the test binary a worker that runs Run with that Dir; "live" is
// the page.
const envRun = "SERVE_TEST_RUN"

// envCover is where a program that counts its coverage writes it; without it, it complains.
const envCover = "GOCOVERDIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(envRun); dir != "" {
		if dir == "live" {
			dir = ""
		}
		if err := Run(context.Background(), Options{Dir: dir}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if testing.CoverMode() == "" {
		goleak.VerifyTestMain(m)
		return
	}
	place, err := os.MkdirTemp("", "serve")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv(envCover, place)
	goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
		os.RemoveAll(place)
		os.Exit(code)
	}))
}
