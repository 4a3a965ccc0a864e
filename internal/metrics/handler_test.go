package metrics

import (
	"errors"
	"net/http/httptest"
	"testing"

	"relevo/internal/control"
	"relevo/pool"
)

// TestProbes: a master that ends is alive and not ready; one that is stuck is neither.
func TestProbes(t *testing.T) {
	for want, failure := range map[[2]int]error{{200, 503}: pool.ErrNotRunning, {503, 503}: errors.New("stuck")} {
		routes := Routes(func() (control.Status, error) { return control.Status{}, failure })
		for i, path := range []string{"/livez", "/readyz"} {
			answer := httptest.NewRecorder()
			routes.ServeHTTP(answer, httptest.NewRequest("GET", path, nil))
			if answer.Code != want[i] {
				t.Errorf("%s is %d with %q", path, answer.Code, failure)
			}
		}
	}
}
